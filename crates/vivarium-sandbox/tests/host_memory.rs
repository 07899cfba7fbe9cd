//! What a tenant's sandboxes take of the host's memory is charged to it, ends with a limit of its own, and is given back.

mod common;

use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray};
use common::{ECHO, Guest, config_with, limits};
use futures::FutureExt;
use vivarium_sandbox::exchange::Plan;
use vivarium_sandbox::{
    Answer, Call, Error, Expected, HostService, Image, JobId, LimitKind, Pool, Sandbox, SandboxConfig, TaskId, Tenant,
    TenantId, TenantLimits,
};

const MIB: u64 = 1 << 20;

/// What each sandbox is charged: 16 MiB of its own stack, 2 MiB for host functions on it, and 2 MiB for what is usual.
const SANDBOX: u64 = 20 * MIB;

/// A task of a tenant that may hold so much.
fn of(host_memory: u64) -> (Arc<Tenant>, SandboxConfig) {
    let tenant = Tenant::new(TenantId::new("acme").unwrap(), &TenantLimits::default().with_host_memory(host_memory));
    let task = tenant.task(JobId::new("job").unwrap(), TaskId::new("0").unwrap());
    let limits = limits().with_memory(64 * MIB).with_batch_bytes(16 * MIB).with_reply_bytes(MIB);
    (Arc::clone(&tenant), config_with(limits).with_task(task))
}

/// A guest whose functions return their first column.
fn echo() -> Image {
    Guest { memory: 200, ..Guest::default() }.image()
}

/// Numbers that take so many bytes.
fn numbers(bytes: u64) -> ArrayRef {
    Arc::new(Int64Array::from(vec![7; bytes as usize / 8]))
}

/// Calls the guest's function.
async fn call(sandbox: &mut Sandbox, column: &ArrayRef) -> Result<Answer, Error> {
    let batch = Plan::new(std::slice::from_ref(column), column.len()).unwrap();
    let expected = Expected::Values { data_type: column.data_type(), nullable: true };
    let batch_rows = column.len();
    sandbox.call(Call { handle: 1, op: 0, batch: Some(&batch), batch_rows, first_row: 0, expected, time: None }).await
}

/// The limit of the host's memory that was reached, and what was needed.
fn refused<T: std::fmt::Debug>(result: Result<T, Error>) -> (u64, Option<u64>) {
    match result {
        Err(Error::Limit(limit)) if limit.limit == LimitKind::TenantHostMemory => (limit.configured, limit.observed),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_sandboxs_stack_is_its_tenants_while_it_lives() {
    let (tenant, config) = of(2 * SANDBOX);
    let image = echo();
    let one = Sandbox::start(&image, &config).await.unwrap();
    let two = Sandbox::start(&image, &config).await.unwrap();
    assert_eq!(tenant.usage().host_memory, 2 * SANDBOX);
    let error = Sandbox::start(&image, &config).await.unwrap_err();
    assert!(
        error.to_string().starts_with("the tenant's limit `host_memory` of 40 MiB was reached (60 MiB needed)"),
        "{error}"
    );
    assert_eq!(refused::<()>(Err(error)), (2 * SANDBOX, Some(3 * SANDBOX)));
    drop(one);
    let three = Sandbox::start(&image, &config).await.unwrap();
    drop((two, three));
    assert_eq!((tenant.usage().host_memory, tenant.usage().peak_host_memory), (0, 2 * SANDBOX));
    // One that does not come to life leaves nothing, either.
    let small = config.with_limits(limits().with_memory(MIB).with_batch_bytes(MIB));
    Sandbox::start(&image, &small).await.unwrap_err();
    assert_eq!(tenant.usage().host_memory, 0);
}

#[tokio::test]
async fn a_pool_waits_for_the_hosts_memory_as_for_any_room() {
    let (tenant, config) = of(SANDBOX);
    let image = echo();
    let pool = |config: &SandboxConfig| Pool::new(&image, config.clone(), 2, |_| async { Ok(()) }.boxed());
    let (first, second) = (pool(&config), pool(&config));
    let lease = first.checkout().await.unwrap();
    let mut waiting = Box::pin(second.checkout());
    assert!(futures::poll!(&mut waiting).is_pending());
    assert_eq!(tenant.usage().waiting, 1);
    // It becomes idle, and ends for the other's sake.
    drop(lease);
    waiting.await.unwrap();
    assert_eq!(tenant.usage().peak_host_memory, SANDBOX);
}

#[tokio::test]
async fn a_usual_result_is_charged_with_its_sandbox_and_a_large_one_as_long_as_it_is_kept() {
    let (tenant, config) = of(SANDBOX + 4 * MIB);
    let mut sandbox = Sandbox::start(&echo(), &config).await.unwrap();
    let held = || tenant.usage().host_memory - SANDBOX;
    let usual = call(&mut sandbox, &numbers(MIB)).await.unwrap();
    assert!(usual.held.is_none() && held() == 0);
    let large = call(&mut sandbox, &numbers(3 * MIB)).await.unwrap();
    assert_eq!((held(), large.held.as_ref().unwrap().bytes()), (3 * MIB, 3 * MIB));
    // Another one does not fit, is not made, and ends no sandbox.
    assert_eq!(refused(call(&mut sandbox, &numbers(2 * MIB)).await), (SANDBOX + 4 * MIB, Some(SANDBOX + 5 * MIB)));
    assert_eq!((held(), tenant.usage().peak_host_memory), (3 * MIB, SANDBOX + 3 * MIB));
    drop(large);
    assert_eq!(held(), 0);
    call(&mut sandbox, &numbers(2 * MIB)).await.unwrap();
    assert_eq!(held(), 0);
}

#[tokio::test]
async fn every_buffer_of_a_result_is_charged_before_it_is_copied() {
    let (tenant, config) = of(SANDBOX + 2 * MIB);
    let mut sandbox = Sandbox::start(&echo(), &config).await.unwrap();
    // Offsets of 512 KiB, which are within the usual, and then 3 MiB of texts, which are not.
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(24); 128 << 10]));
    assert_eq!(refused(call(&mut sandbox, &texts).await), (SANDBOX + 2 * MIB, Some(SANDBOX + 3 * MIB)));
    assert_eq!((tenant.usage().host_memory, tenant.usage().peak_host_memory), (SANDBOX, SANDBOX));
}

/// A guest whose calls and control requests give this reply, with this status.
fn replying(reply: &str, status: u32) -> Image {
    let word = |at: u32, value: usize| format!("(i32.store (i32.const {at}) (i32.const {value}))");
    // The reply that every guest has lies in front of its buffer for requests.
    let said: String = reply.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    let at = 100 * 65536;
    let says = format!("{} {} {}", word(64, status as usize), word(68, at), word(72, reply.len()));
    Guest {
        memory: 200,
        declarations: format!("(data (i32.const {at}) \"{said}\")"),
        control: format!("{says} (i32.const 64)"),
        invoke: format!("{says} {ECHO}"),
        ..Guest::default()
    }
    .image()
}

#[tokio::test]
async fn a_report_of_failed_rows_is_charged_before_it_is_read_and_as_long_as_it_is_kept() {
    const ROWS: u64 = 100_000;
    let rows: Vec<String> = (0..ROWS).map(|row| row.to_string()).collect();
    let report = format!("{{\"rows\": [{}]}}", rows.join(","));
    let column = numbers(8 * ROWS);
    let image = replying(&report, 0);

    let (tenant, config) = of(SANDBOX + 16 * MIB);
    let mut sandbox = Sandbox::start(&image, &config).await.unwrap();
    let answer = call(&mut sandbox, &column).await.unwrap();
    assert_eq!(answer.row_errors.rows.len() as u64, ROWS);
    let (held, peak) = (tenant.usage().host_memory - SANDBOX, tenant.usage().peak_host_memory - SANDBOX);
    assert!((4 * ROWS..8 * ROWS).contains(&held), "{held} of the numbers of {ROWS} rows");
    assert!(peak >= report.len() as u64 * 16, "{peak}");
    drop(answer);
    assert_eq!(tenant.usage().host_memory, SANDBOX);

    let (_, config) = of(SANDBOX + MIB);
    let mut sandbox = Sandbox::start(&image, &config).await.unwrap();
    refused(call(&mut sandbox, &column).await);
    assert!(sandbox.is_alive());
}

#[tokio::test]
async fn replies_to_requests_and_failures_are_charged_while_they_are_read() {
    let values = format!("[{}0]", "0,".repeat(100_000));
    let failure = format!(r#"{{"error": {{"kind": "exception", "message": "{}"}}}}"#, "x".repeat(200_000));
    for (reply, status) in [(values, 0), (failure, 1)] {
        let image = replying(&reply, status);
        let request = serde_json::json!({"op": "eval", "source": ""});
        let (tenant, config) = of(SANDBOX + MIB);
        let mut sandbox = Sandbox::start(&image, &config).await.unwrap();
        refused(sandbox.control(&request).await);
        assert!(sandbox.is_alive());
        tenant.set_limits(&TenantLimits::default());
        match sandbox.control(&request).await {
            Ok(_) => assert_eq!(status, 0),
            Err(error) => assert!(status == 1 && matches!(error, Error::Guest(_)), "{error}"),
        }
        let usage = tenant.usage();
        assert!(usage.peak_host_memory > SANDBOX + MIB && usage.host_memory == SANDBOX, "{usage:?}");
    }
}

/// Answers every request with 4 MiB.
#[derive(Debug)]
struct Large;

impl HostService for Large {
    fn request(&self, _: Vec<u8>) -> Pin<Box<dyn Future<Output = Vec<u8>> + Send + '_>> {
        Box::pin(ready(vec![7; 4 * MIB as usize]))
    }
}

#[tokio::test]
async fn what_a_guest_asks_the_host_for_is_charged_until_it_is_fetched() {
    let imports = r#"
        (import "vivarium" "request" (func $request (param i32 i32) (result i64)))
        (import "vivarium" "reply" (func $reply (param i32 i32) (result i64)))"#;
    let ask = |bytes: u64| format!("(drop (call $request (i32.const 65536) (i32.const {bytes})))");
    // Behind the batch.
    let fetch = format!("(drop (call $reply (i32.const {}) (i32.const {})))", 100 << 16, 4 * MIB);
    let called = async |host_memory, invoke: String| {
        let guest = Guest { memory: 200, imports: imports.into(), invoke, ..Guest::default() };
        let (tenant, config) = of(host_memory);
        let mut sandbox = Sandbox::start(&guest.image(), &config.with_host(Some(Arc::new(Large)))).await.unwrap();
        let result = call(&mut sandbox, &numbers(8)).await;
        (result, sandbox.is_alive(), tenant.usage().host_memory, tenant.usage().peak_host_memory)
    };
    let (kept, alive, held, _) = called(SANDBOX + 8 * MIB, format!("{} {ECHO}", ask(1))).await;
    assert!(kept.is_ok() && alive && held == SANDBOX + 4 * MIB, "{held}");
    let (fetched, alive, held, peak) = called(SANDBOX + 8 * MIB, format!("{} {fetch} {ECHO}", ask(1))).await;
    assert!(fetched.is_ok() && alive && (held, peak) == (SANDBOX, SANDBOX + 4 * MIB), "{held} {peak}");
    // A request, or a reply, that does not fit ends the sandbox: nobody knows what its code would do without.
    for (host_memory, request, needed) in [(3 * MIB, 1, 4 * MIB), (5 * MIB, 6 * MIB, 6 * MIB)] {
        let (result, alive, held, _) = called(SANDBOX + host_memory, format!("{} {ECHO}", ask(request))).await;
        assert_eq!(refused(result), (SANDBOX + host_memory, Some(SANDBOX + needed)));
        assert!(!alive && held == 0);
    }
}
