//! A guest that calls anything with anything: the host answers each call, and its books stay right.

use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use proptest::prelude::*;
use vivarium_tenancy::Account;
use wasmtime::{Engine, Linker, Module, Store};

use super::functions::FUNCTIONS;
use super::guest::{DATA, Guest, MEMORY, OUT, PATH, VECTORS, text_to_binary};
use crate::scratch::ScratchLimits;
use crate::{Clock, MissingMemory, WasiAccounts, WasiConfig, WasiCtx, add_to_linker};

/// Numbers that mean something somewhere: descriptors, flags, lengths, addresses, limits, and any other.
fn arguments() -> impl Strategy<Value = i64> {
    let interesting = [0, 1, 2, 7, 8, 64, 255, 1024, 1025, 4096, -1, -8, i64::MAX, i64::MIN, 1 << 30, 1 << 31, 1 << 32];
    let addresses = [OUT, PATH, VECTORS, DATA, MEMORY, MEMORY - 1, MEMORY - 8];
    prop_oneof![
        4 => 0i64..10,
        2 => prop::sample::select(addresses.to_vec()).prop_map(i64::from),
        2 => prop::sample::select(interesting.to_vec()),
        1 => any::<i64>(),
        1 => any::<i32>().prop_map(i64::from),
    ]
}

fn calls() -> impl Strategy<Value = (usize, Vec<i64>)> {
    (0..FUNCTIONS.len(), prop::collection::vec(arguments(), 9))
}

/// Text that makes paths of all kinds when any part of it is taken for one.
const TEXT: &[u8] = b"a/b/../c\0/d/././/e..\xff\xfe";

async fn run(calls: Vec<(usize, Vec<i64>)>) {
    let host = tempfile::tempdir().unwrap();
    std::fs::create_dir(host.path().join("a")).unwrap();
    std::fs::write(host.path().join("a/b"), "content").unwrap();
    let before = std::fs::metadata(host.path().join("a/b")).unwrap().modified().unwrap();
    let limits = ScratchLimits { bytes: 1 << 20, files: 10, file_bytes: 1 << 22 };
    let (bytes, files) = (Arc::new(Account::new(1 << 19)), Arc::new(Account::new(8)));
    let accounts =
        WasiAccounts::default().with_scratch_bytes(Some(bytes.clone())).with_scratch_files(Some(files.clone()));
    let config = WasiConfig {
        environment: Some(Arc::new(Dir::open_ambient_dir(host.path(), ambient_authority()).unwrap())),
        scratch: limits,
        accounts,
        // Sleeps take no time.
        clock: Clock::Fixed(1),
        args: vec!["argument".to_owned()],
        variables: vec![("NAME".to_owned(), "value".to_owned())],
        ..WasiConfig::default()
    };
    let mut guest = Guest::new(config).await;
    guest.write(PATH, TEXT);
    guest.write(0, TEXT);
    guest.write_vectors(&[(DATA, 100), (PATH, 8192), (VECTORS, 64)]);
    for (index, arguments) in calls {
        let (name, parameters) = FUNCTIONS[index];
        match guest.try_call(name, &arguments[..parameters.len()]).await {
            Ok(status) => assert!(status <= 76, "{name}: {status}"),
            Err(error) => assert_eq!(name, "proc_exit", "{error:#}"),
        }
        let usage = guest.store.data().scratch_usage();
        assert!(usage.bytes <= limits.bytes && usage.files <= limits.files, "{usage:?}");
        assert_eq!((bytes.used(), files.used()), (usage.bytes, usage.files));
        assert!(bytes.used() <= 1 << 19 && files.used() <= 8);
    }
    drop(guest);
    assert_eq!((bytes.used(), files.used()), (0, 0));
    assert_eq!(std::fs::read_dir(host.path()).unwrap().count(), 1);
    assert_eq!(std::fs::read(host.path().join("a/b")).unwrap(), b"content");
    assert_eq!(std::fs::metadata(host.path().join("a/b")).unwrap().modified().unwrap(), before);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_call_is_answered(calls in prop::collection::vec(calls(), 1..400)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(run(calls));
    }
}

#[tokio::test]
async fn a_guest_without_memory_gets_an_error() {
    for memory in ["", "(memory 1)", "(func (export \"memory\"))"] {
        let text = format!(
            "(module
               (import \"wasi_snapshot_preview1\" \"random_get\" (func $get (param i32 i32) (result i32))) {memory}
               (func (export \"run\") (drop (call $get (i32.const 0) (i32.const 1)))))"
        );
        let engine = Engine::default();
        let module = Module::new(&engine, text_to_binary(&text)).unwrap();
        let mut linker = Linker::new(&engine);
        add_to_linker(&mut linker, |context: &mut WasiCtx| context).unwrap();
        let mut store = Store::new(&engine, WasiCtx::new(WasiConfig::default()).unwrap());
        let instance = linker.instantiate_async(&mut store, &module).await.unwrap();
        let run = instance.get_typed_func::<(), ()>(&mut store, "run").unwrap();
        let error = run.call_async(&mut store, ()).await.unwrap_err();
        assert!(error.downcast_ref::<MissingMemory>().is_some(), "{error:#}");
    }
}
