//! Ends and refusals that concern security are events with stable names and fields.

mod common;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::datatypes::DataType;
use common::{Guest, LOOP, column, config_with, limits};
use tracing::field::{Field, Visit};
use tracing::instrument::WithSubscriber;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use vivarium_sandbox::{AUDIT_TARGET, JobId, Limits, Sandbox, TaskId, Tenant, TenantId, TenantLimits};

type Events = Arc<Mutex<Vec<BTreeMap<String, String>>>>;

/// Keeps the fields of the events that are for the record.
struct Record(Events);

#[derive(Default)]
struct Fields(BTreeMap<String, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }
}

impl<S: tracing::Subscriber> Layer<S> for Record {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == AUDIT_TARGET {
            let mut fields = Fields::default();
            event.record(&mut fields);
            self.0.lock().unwrap().push(fields.0);
        }
    }
}

/// What is put on record while a function of this guest is called.
async fn record(guest: Guest, sandbox: Limits) -> Vec<BTreeMap<String, String>> {
    let events = Events::default();
    let limits = TenantLimits::default().with_instances(1);
    let tenant = Tenant::new(TenantId::new("acme").unwrap(), &limits);
    let task = tenant.task(JobId::new("job").unwrap(), TaskId::new("7").unwrap());
    let config = config_with(sandbox).with_task(task);
    let call = async {
        let image = guest.image();
        let mut sandbox = Sandbox::start(&image, &config).await.unwrap();
        assert!(Sandbox::start(&image, &config).await.is_err(), "there is room for one");
        let _ = sandbox.invoke(1, 0, 3, &[column()], &DataType::Int64).await;
    };
    call.with_subscriber(tracing_subscriber::registry().with(Record(Arc::clone(&events)))).await;
    std::mem::take(&mut *events.lock().unwrap())
}

fn invoke(body: &str) -> Guest {
    Guest { invoke: body.into(), ..Guest::default() }
}

#[tokio::test]
async fn what_ends_a_sandbox_is_on_record() {
    let endless = (LOOP, "limit", Some("batch_time"));
    let grow = "(loop $again (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) (unreachable)";
    let full = (grow, "limit", Some("memory"));
    let trap = ("(unreachable)", "trap", None);
    // Each call needs as much stack as the one before.
    let deep = ("(call $deep) (unreachable)", "limit", Some("wasm_stack"));
    // A result that does not lie in memory, and one whose array does not.
    let protocol = ("(i32.const -4)", "protocol", None);
    let forged = ("(i32.store (i32.const 76) (i32.const -64)) (i32.const 64)", "forged", None);
    for (body, reason, limit) in [endless, full, deep, trap, protocol, forged] {
        let declarations = "(func $deep (call $deep))".into();
        let time = if body == LOOP { limits().batch_time } else { Duration::from_secs(20) };
        let events = record(Guest { declarations, ..invoke(body) }, limits().with_batch_time(time)).await;
        let [refused, ended] = &events[..] else { panic!("{reason}: {events:?}") };
        assert_eq!((refused["event"].as_str(), refused["limit"].as_str()), ("sandbox_refused", "instances"));
        assert_eq!((ended["event"].as_str(), ended["reason"].as_str()), ("sandbox_ended", reason), "{ended:?}");
        assert_eq!(ended.get("limit").map(String::as_str), limit, "{ended:?}");
        for event in &events {
            let whose = ["tenant", "job", "task"].map(|field| event[field].as_str());
            assert_eq!(whose, ["acme", "job", "7"]);
            assert!(!event["error"].contains('\n'), "{event:?}");
        }
    }
}

/// What is put on record while a sandbox of this guest is started.
async fn record_start(guest: Guest, limits: Limits) -> Vec<BTreeMap<String, String>> {
    let events = Events::default();
    let start = async {
        let image = guest.image();
        let started = Sandbox::start(&image, &config_with(limits)).await;
        assert!(started.is_err(), "it was started");
    };
    start.with_subscriber(tracing_subscriber::registry().with(Record(Arc::clone(&events)))).await;
    std::mem::take(&mut *events.lock().unwrap())
}

#[tokio::test]
async fn what_ends_a_sandbox_before_it_has_started_is_on_record() {
    let start = |body: &str| Guest { start: body.into(), ..Guest::default() };
    let small = limits().with_memory(256 << 10).with_batch_bytes(64 << 10);
    for (guest, limits, reason, limit) in [
        (start(LOOP), limits(), "limit", Some("startup_time")),
        (start("(unreachable)"), limits(), "trap", None),
        (Guest { abi_version: 1, ..Guest::default() }, limits(), "protocol", None),
        (Guest::default(), small, "limit", Some("memory")),
    ] {
        let events = record_start(guest, limits).await;
        let [ended] = &events[..] else { panic!("{reason} {limit:?}: {events:?}") };
        assert_eq!((ended["event"].as_str(), ended["reason"].as_str()), ("sandbox_ended", reason), "{ended:?}");
        assert_eq!(ended.get("limit").map(String::as_str), limit, "{ended:?}");
    }
}

#[tokio::test]
async fn what_goes_well_is_not() {
    let events = record(Guest::default(), limits()).await;
    assert_eq!(events.len(), 1, "only the sandbox for which there is no room: {events:?}");
}
