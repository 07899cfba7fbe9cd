//! A guest cannot crash, hang or fill the host: each attack ends in its typed error, in time.

mod common;

use std::time::Duration;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use common::{ARENA, ECHO, Guest, LOOP, RESULT, SLEEP, column, config, config_with, limits};
use serde_json::json;
use vivarium_sandbox::{
    Error, ExchangeError, GuestErrorKind, Image, ImageError, LimitKind, ProtocolError, Sandbox, SandboxConfig,
};

/// Starts a sandbox of this guest and calls its function once.
async fn call(guest: Guest, config: SandboxConfig) -> (Result<ArrayRef, Error>, Sandbox) {
    let mut sandbox = Sandbox::start(&guest.image(), &config).await.unwrap();
    let result = sandbox.invoke(1, 0, 3, &[column()], &DataType::Int64).await;
    (result.map(|invocation| invocation.array), sandbox)
}

fn invoke(body: &str) -> Guest {
    Guest { invoke: body.into(), ..Guest::default() }
}

fn limit(error: &Error) -> Option<LimitKind> {
    match error {
        Error::Limit(limit) => Some(limit.limit),
        _ => None,
    }
}

/// The sandbox is dead for good and says why.
async fn assert_dead(mut sandbox: Sandbox, reason: &str) {
    assert!(!sandbox.is_alive());
    assert_eq!(sandbox.memory_size(), 0);
    assert_eq!(sandbox.task().tenant().usage().memory, 0, "a dead sandbox keeps its memory");
    for _ in 0..2 {
        match sandbox.control(&json!({"op": "eval"})).await {
            Err(Error::Dead { reason: said }) => assert!(said.contains(reason), "{said}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_guest_that_behaves_is_answered() {
    let (result, mut sandbox) = call(Guest::default(), config()).await;
    assert_eq!(&result.unwrap(), &column());
    assert!(sandbox.is_alive());
    assert_eq!(sandbox.control(&json!({"op": "eval"})).await.unwrap(), json!({}));
    let metrics = sandbox.task().metrics().snapshot();
    assert_eq!((metrics.calls, metrics.rows, metrics.instances_started), (1, 3, 1));
    assert_eq!(metrics.peak_memory, 8 << 16);
}

#[tokio::test]
async fn more_of_a_result_that_has_no_more_is_refused() {
    let reply = r#"{"more": true}"#;
    let body = format!("(i32.store (i32.const {}) (i32.const {}))", RESULT + 8, reply.len());
    let guest = Guest { reply: reply.into(), ..invoke(&format!("{body}{ECHO}")) };
    let (result, sandbox) = call(guest, config()).await;
    assert!(matches!(result, Err(Error::Protocol(ProtocolError::Continuation))), "{result:?}");
    assert_dead(sandbox, "more of a result").await;
}

#[tokio::test]
async fn an_endless_loop_ends_at_the_deadline() {
    let (result, sandbox) = call(invoke(LOOP), config()).await;
    assert_eq!(limit(&result.unwrap_err()), Some(LimitKind::BatchTime));
    assert_dead(sandbox, "batch_time").await;
}

#[tokio::test]
async fn a_sleep_in_the_host_ends_at_the_deadline() {
    let (result, sandbox) = call(invoke(SLEEP), config()).await;
    assert_eq!(limit(&result.unwrap_err()), Some(LimitKind::BatchTime));
    assert_dead(sandbox, "batch_time").await;
}

#[tokio::test]
async fn an_endless_start_ends_at_its_deadline() {
    let start = Guest { start: "(loop $again (br $again))".into(), ..Guest::default() };
    // A module's own start function runs before any export is called.
    let module =
        Guest { declarations: "(func $forever (loop $again (br $again))) (start $forever)".into(), ..Guest::default() };
    for guest in [start, module] {
        let config = config_with(limits().with_startup_time(Duration::from_millis(50)));
        let error = Sandbox::start(&guest.image(), &config).await.unwrap_err();
        assert_eq!(limit(&error), Some(LimitKind::StartupTime), "{error}");
        let usage = config.task.tenant().usage();
        assert_eq!((usage.memory, usage.instances), (0, 0));
    }
}

#[tokio::test]
async fn processor_time_is_summed_over_calls() {
    let spin = format!(
        "(local $i i32)
         (loop $again
           (local.set $i (i32.add (local.get $i) (i32.const 1)))
           (br_if $again (i32.lt_u (local.get $i) (i32.const 3000000))))
         {ECHO}"
    );
    let limits = limits().with_cpu_time(Some(Duration::from_millis(20))).with_batch_time(Duration::from_secs(60));
    let mut sandbox = Sandbox::start(&invoke(&spin).image(), &config_with(limits)).await.unwrap();
    let error = loop {
        match sandbox.invoke(1, 0, 3, &[column()], &DataType::Int64).await {
            Ok(_) => assert!(sandbox.task().cpu_time() <= Duration::from_millis(20)),
            Err(error) => break error,
        }
    };
    assert_eq!(limit(&error), Some(LimitKind::CpuTime), "{error}");
}

#[tokio::test]
async fn memory_ends_at_its_limit() {
    let bomb = "(loop $again (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) (unreachable)";
    let (result, sandbox) = call(invoke(bomb), config()).await;
    let error = result.unwrap_err();
    assert_eq!(limit(&error), Some(LimitKind::Memory));
    assert!(error.to_string().contains("`memory` of 4 MiB was reached"), "{error}");
    assert_eq!(sandbox.task().metrics().snapshot().peak_memory, 4 << 20);
    assert_dead(sandbox, "memory").await;
}

#[tokio::test]
async fn a_memory_error_that_the_limit_caused_is_the_limits() {
    let reply = json!({"error": {"kind": "memory", "type": "MemoryError", "message": ""}}).to_string();
    let fail = "(i32.store (i32.const 64) (i32.const 1)) (i32.const 64)";
    let grow = format!("(drop (memory.grow (i32.const 1000))) {fail}");
    let (result, sandbox) = call(Guest { invoke: grow, reply: reply.clone(), ..Guest::default() }, config()).await;
    match result.unwrap_err() {
        Error::Limit(limit) => {
            assert_eq!(limit.limit, LimitKind::Memory);
            assert_eq!(limit.guest.unwrap().exception.as_deref(), Some("MemoryError"));
        }
        other => panic!("{other:?}"),
    }
    assert!(sandbox.is_alive(), "Python survives a MemoryError");

    // Without a refusal it is the code's own.
    let (result, _) = call(Guest { invoke: fail.into(), reply, ..Guest::default() }, config()).await;
    assert!(matches!(result.unwrap_err(), Error::Guest(error) if error.kind == GuestErrorKind::Memory));
}

#[tokio::test]
async fn endless_recursion_is_a_limit() {
    let guest = Guest {
        declarations: "(func $deep (param i64) (result i64) (i64.add (call $deep (local.get 0)) (i64.const 1)))".into(),
        invoke: "(drop (call $deep (i64.const 0))) (i32.const 64)".into(),
        ..Guest::default()
    };
    let config = config_with(limits().with_batch_time(Duration::from_secs(20)));
    let (result, sandbox) = call(guest, config).await;
    assert_eq!(limit(&result.unwrap_err()), Some(LimitKind::Stack));
    assert_dead(sandbox, "wasm_stack").await;
}

#[tokio::test]
async fn traps_and_exits_destroy_the_sandbox() {
    let (result, sandbox) = call(invoke("(unreachable)"), config()).await;
    assert!(matches!(result.unwrap_err(), Error::Trap { reason, .. } if reason.contains("unreachable")));
    assert_dead(sandbox, "unreachable").await;

    let (result, sandbox) = call(invoke("(i32.load (i32.const -4))"), config()).await;
    assert!(matches!(result.unwrap_err(), Error::Trap { reason, .. } if reason.contains("out of bounds")));
    assert_dead(sandbox, "out of bounds").await;

    let (result, sandbox) = call(invoke("(call $exit (i32.const 3)) (unreachable)"), config()).await;
    assert!(matches!(result.unwrap_err(), Error::Exit(3)));
    assert_dead(sandbox, "exit status 3").await;
}

/// Whether the error is the one that a forged result must lead to.
type Expected = fn(&Error) -> bool;

#[tokio::test]
async fn forged_results_are_refused() {
    let store = |offset: u32, value: i64| format!("(i32.store (i32.const {}) (i32.const {value}))", RESULT + offset);
    let out_of_bounds = |error: &Error| matches!(error, Error::Protocol(ProtocolError::OutOfBounds { .. }));
    let refused: [(&str, String, Expected); 13] = [
        ("a null result", "(i32.const 0)".into(), out_of_bounds),
        ("a result past the end", "(i32.const 524280)".into(), out_of_bounds),
        ("a result at the last address", "(i32.const -1)".into(), out_of_bounds),
        ("an unknown status", format!("{} {ECHO}", store(0, 7)), |error| {
            matches!(error, Error::Protocol(ProtocolError::Status(7)))
        }),
        ("a reply past the end", format!("{} {ECHO}", store(4, -10)), out_of_bounds),
        ("a failure without an error", format!("{} {ECHO}", store(0, 1)), |error| {
            matches!(error, Error::Protocol(ProtocolError::Reply { .. }))
        }),
        ("a reply that is no JSON", format!("{} {} {ECHO}", store(4, i64::from(RESULT)), store(8, 24)), |error| {
            matches!(error, Error::Protocol(ProtocolError::Reply { .. }))
        }),
        ("an arena past the end", format!("{} {} {ECHO}", store(16, 524224), store(20, 65)), out_of_bounds),
        ("an arena of 4 GiB", format!("{} {} {ECHO}", store(16, 64), store(20, -1)), out_of_bounds),
        ("an arena that is not aligned", format!("{} {} {ECHO}", store(16, 65), store(20, 64)), |error| {
            matches!(error, Error::Protocol(ProtocolError::Misaligned { .. }))
        }),
        ("no array", "(i32.const 64)".into(), |error| {
            matches!(error, Error::Exchange(ExchangeError::OutOfBounds { .. }))
        }),
        ("an array past the end", format!("{} (i32.const 64)", store(12, -8)), |error| {
            matches!(error, Error::Exchange(ExchangeError::OutOfBounds { .. }))
        }),
        (
            "the batch as its own result",
            format!("{ECHO} (drop) (i32.store (i32.const 76) (local.get $arena)) (i32.const 64)"),
            |error| matches!(error, Error::Exchange(_)),
        ),
    ];
    for (name, body, expected) in refused {
        let (result, sandbox) = call(invoke(&body), config()).await;
        let error = result.expect_err(name);
        assert!(expected(&error), "{name}: {error:?}");
        assert!(!sandbox.is_alive(), "{name}: {error}");
    }
}

#[tokio::test]
async fn too_large_answers_fail_the_call_and_not_the_sandbox() {
    let long_reply = "(i32.store (i32.const 72) (i32.const 65537))".to_owned() + ECHO;
    let (result, sandbox) = call(invoke(&long_reply), config()).await;
    assert_eq!(limit(&result.unwrap_err()), Some(LimitKind::ReplyBytes));
    assert!(sandbox.is_alive());

    let (result, sandbox) = call(Guest::default(), config_with(limits().with_output_bytes(23))).await;
    assert_eq!(limit(&result.unwrap_err()), Some(LimitKind::OutputBytes));
    assert!(sandbox.is_alive());

    let (result, sandbox) = call(Guest::default(), config_with(limits().with_output_rows(2))).await;
    assert_eq!(limit(&result.unwrap_err()), Some(LimitKind::OutputRows));
    assert!(sandbox.is_alive());

    let (result, mut sandbox) =
        call(Guest::default(), config_with(limits().with_batch_bytes(64).with_request_bytes(500))).await;
    assert_eq!(limit(&result.unwrap_err()), Some(LimitKind::BatchBytes));
    let error = sandbox.control(&json!({"op": "load", "source": "x".repeat(500)})).await.unwrap_err();
    assert_eq!(limit(&error), Some(LimitKind::RequestBytes));
    assert!(sandbox.is_alive());
}

#[tokio::test]
async fn forged_buffers_are_refused() {
    let cases: [(&str, &str, bool); 4] = [
        ("no arena", "(i32.const 0)", true),
        ("an arena past the end", "(i32.const 524224)", false),
        ("an arena that is not aligned", "(i32.const 131073)", false),
        ("an arena at the end of the address space", "(i32.const -64)", false),
    ];
    for (name, batch, survives) in cases {
        let (result, sandbox) = call(Guest { batch: batch.into(), ..Guest::default() }, config()).await;
        assert!(result.is_err(), "{name}");
        assert_eq!(sandbox.is_alive(), survives, "{name}");
    }
    for (name, alloc) in [("past the end", "(i32.const 524287)"), ("at the end of the address space", "(i32.const -1)")]
    {
        let guest = Guest { alloc: alloc.into(), ..Guest::default() };
        let error = Sandbox::start(&guest.image(), &config()).await.unwrap_err();
        assert!(matches!(error, Error::Protocol(ProtocolError::OutOfBounds { .. })), "{name}: {error}");
    }
    let guest = Guest { alloc: "(i32.const 0)".into(), ..Guest::default() };
    assert_eq!(limit(&Sandbox::start(&guest.image(), &config()).await.unwrap_err()), Some(LimitKind::Memory));
}

#[tokio::test]
async fn an_arena_is_used_again_only_when_it_is_large_enough() {
    // Counts the calls of vv_batch, and answers with the count's parity through the arena's address.
    let guest = Guest {
        declarations: "(global $batches (mut i32) (i32.const 0))".into(),
        batch: format!(
            "(global.set $batches (i32.add (global.get $batches) (i32.const 1)))
             (if (i32.gt_u (global.get $batches) (i32.const 1)) (then unreachable))
             (i32.const {ARENA})"
        ),
        invoke: format!(
            "(i32.store (i32.const 80) (local.get $arena)) (i32.store (i32.const 84) (i32.const 1024)) {ECHO}"
        ),
        ..Guest::default()
    };
    let mut sandbox = Sandbox::start(&guest.image(), &config()).await.unwrap();
    for _ in 0..3 {
        sandbox.invoke(1, 0, 3, &[column()], &DataType::Int64).await.unwrap();
    }
    let large: ArrayRef = std::sync::Arc::new(arrow::array::Int64Array::from_iter_values(0..1000));
    let error = sandbox.invoke(1, 0, 1000, &[large], &DataType::Int64).await.unwrap_err();
    assert!(matches!(error, Error::Trap { .. }), "the guest was asked for a larger arena: {error}");
}

#[tokio::test]
async fn another_version_of_the_contract_is_refused() {
    let guest = Guest { abi_version: 1, ..Guest::default() };
    let error = Sandbox::start(&guest.image(), &config()).await.unwrap_err();
    assert!(matches!(error, Error::Protocol(ProtocolError::Version { found: 1, expected: 2 })), "{error}");
}

#[tokio::test]
async fn modules_that_are_no_guests_are_refused() {
    let runtime = common::runtime();
    let open = |wat: String| match Image::from_wasm_bytes(&runtime, &wat::parse_str(wat).unwrap()) {
        Err(Error::Image(error)) => error,
        other => panic!("{other:?}"),
    };
    let import = |import: &str| open(Guest { imports: import.into(), ..Guest::default() }.wat());
    assert!(matches!(import(r#"(import "env" "system" (func))"#), ImageError::Import { .. }));
    assert!(matches!(import(r#"(import "wasi_snapshot_preview1" "g" (global i32))"#), ImageError::Import { .. }));
    assert!(matches!(import(r#"(import "wasi_snapshot_preview1" "no_such_call" (func))"#), ImageError::Compile(_)));
    let wat = Guest::default().wat();
    for export in ["memory", "vv_abi_version", "vv_alloc", "vv_free", "vv_control", "vv_batch", "vv_invoke"] {
        let error = open(wat.replace(&format!("(export \"{export}\")"), ""));
        assert!(matches!(error, ImageError::Export(missing) if missing == export), "{export}: {error}");
    }
    let wrong_type = wat.replace(
        "(param $size i32) (result i32) (i32.const 131072)",
        "(param $size i64) (result i32) (i32.const 131072)",
    );
    assert!(matches!(open(wrong_type), ImageError::Export("vv_batch")));
    let unstarted = Guest { declarations: r#"(func (export "vv_init"))"#.into(), ..Guest::default() };
    assert!(matches!(open(unstarted.wat()), ImageError::NotInitialised));
    assert!(matches!(Image::from_wasm_bytes(&runtime, b"\0asm junk"), Err(Error::Image(ImageError::Compile(_)))));
}

#[tokio::test]
async fn dropping_a_call_stops_the_guest() {
    for body in [LOOP, SLEEP] {
        let config = config_with(limits().with_batch_time(Duration::from_secs(3600)));
        let mut sandbox = Sandbox::start(&invoke(body).image(), &config).await.unwrap();
        let columns = [column()];
        let call = sandbox.invoke(1, 0, 3, &columns, &DataType::Int64);
        assert!(tokio::time::timeout(Duration::from_millis(20), call).await.is_err());
        assert!(!sandbox.is_alive());
        assert_eq!(config.task.tenant().usage().memory, 0, "the guest is gone, not only forgotten");
        let error = sandbox.control(&json!({"op": "eval"})).await.unwrap_err();
        assert!(matches!(error, Error::Cancelled), "{error}");
    }
}

/// On one thread: whoever loops must give it up, or the sibling would never be polled.
#[tokio::test(flavor = "current_thread")]
async fn a_loop_does_not_keep_siblings_from_working() {
    let config = config_with(limits().with_batch_time(Duration::from_secs(3600)));
    let mut looping = Sandbox::start(&invoke(LOOP).image(), &config).await.unwrap();
    let mut working = Sandbox::start(&Guest::default().image(), &config).await.unwrap();
    let columns = [column()];
    let endless = looping.invoke(1, 0, 3, &columns, &DataType::Int64);
    let work = async {
        for _ in 0..50 {
            working.invoke(1, 0, 3, &columns, &DataType::Int64).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        _ = endless => panic!("an endless loop ended"),
        () = work => {}
    }
}
