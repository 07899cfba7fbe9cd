//! Ends and refusals that concern security are events with stable names and fields.

mod common;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use arrow::datatypes::DataType;
use common::{Guest, LOOP, column, config};
use tracing::field::{Field, Visit};
use tracing::instrument::WithSubscriber;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use vivarium_sandbox::{AUDIT_TARGET, JobId, Sandbox, TaskId, Tenant, TenantId, TenantLimits};

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
async fn record(guest: Guest) -> Vec<BTreeMap<String, String>> {
    let events = Events::default();
    let limits = TenantLimits::default().with_instances(1);
    let tenant = Tenant::new(TenantId::new("acme").unwrap(), &limits);
    let config = config().with_task(tenant.task(JobId::new("job").unwrap(), TaskId::new("7").unwrap()));
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
    // A result that does not lie in memory, and one whose array does not.
    let protocol = ("(i32.const -4)", "protocol", None);
    let forged = ("(i32.store (i32.const 76) (i32.const -64)) (i32.const 64)", "forged", None);
    for (body, reason, limit) in [endless, full, trap, protocol, forged] {
        let events = record(invoke(body)).await;
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

#[tokio::test]
async fn what_goes_well_is_not() {
    let events = record(Guest::default()).await;
    assert_eq!(events.len(), 1, "only the sandbox for which there is no room: {events:?}");
}
