//! A snapshot is the guest after `vv_init`, and the same bytes whenever it is made.

mod common;

use std::fs;

use arrow::datatypes::DataType;
use common::{Guest, column, config, runtime};
use vivarium_sandbox::{Error, Image, Sandbox, SnapshotError, snapshot};

/// A guest whose initialisation takes the time and a random number, which it writes over its reply.
fn uninitialised() -> Guest {
    Guest {
        declarations: r#"
            (global $ready (mut i32) (i32.const 0))
            (func (export "_initialize") (i32.store8 (i32.const 4000) (i32.const 42)))
            (func (export "vv_init")
              (drop (call $clock (i32.const 0) (i64.const 0) (i32.const 4008)))
              (drop (call $random (i32.const 4016) (i32.const 32)))
              (drop (memory.grow (i32.const 3)))
              (global.set $ready (i32.const 1)))"#
            .into(),
        // Answers only when both initialisers ran.
        start: "(if (i32.eqz (i32.and (global.get $ready) (i32.eq (i32.load8_u (i32.const 4000)) (i32.const 42)))) (then unreachable))"
            .into(),
        ..Guest::default()
    }
}

#[tokio::test]
async fn a_snapshot_starts_where_its_initialisation_ended() {
    let home = tempfile::tempdir().unwrap();
    let wasm = snapshot(&uninitialised().wasm(), home.path()).await.unwrap();
    let image = Image::from_wasm_bytes(&runtime(), &wasm).unwrap();
    let mut sandbox = Sandbox::start(&image, &config()).await.unwrap();
    assert_eq!(sandbox.memory_size(), (8 + 3) << 16);
    sandbox.invoke(1, 0, 3, &[column()], &DataType::Int64).await.unwrap();
}

#[tokio::test]
async fn a_snapshot_is_reproducible() {
    let home = tempfile::tempdir().unwrap();
    let wasm = uninitialised().wasm();
    let first = snapshot(&wasm, home.path()).await.unwrap();
    let second = snapshot(&wasm, home.path()).await.unwrap();
    assert!(first == second);
    assert!(first != wasm);
}

#[tokio::test]
async fn what_cannot_be_snapshotted_says_why() {
    let home = tempfile::tempdir().unwrap();
    let module = |declarations: &str| Guest { declarations: declarations.into(), ..Guest::default() }.wasm();
    let fail = async |wasm: Vec<u8>| match snapshot(&wasm, home.path()).await {
        Err(Error::Snapshot(error)) => error,
        other => panic!("{other:?}"),
    };
    assert!(matches!(fail(b"junk".to_vec()).await, SnapshotError::Module(_)));
    assert!(matches!(fail(module("")).await, SnapshotError::Module(_)), "no vv_init");
    let says = r#"
        (data (i32.const 2000) "\d8\07\00\00\0b\00\00\00No module x")
        (func (export "vv_init") (drop (call $write (i32.const 2) (i32.const 2000) (i32.const 1) (i32.const 3000))) (unreachable))"#;
    let error = fail(module(says)).await;
    assert!(matches!(&error, SnapshotError::Init { .. }) && error.to_string().contains("No module x"), "{error}");

    let missing = home.path().join("missing");
    fs::remove_dir_all(&missing).ok();
    assert!(matches!(snapshot(&module(""), &missing).await, Err(Error::Snapshot(SnapshotError::Home { .. }))));
}
