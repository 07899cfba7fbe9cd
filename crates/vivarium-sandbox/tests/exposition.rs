//! An operator reads from one text what each tenant does and did, and what ended its sandboxes.

mod common;

use arrow::datatypes::DataType;
use common::{ECHO, Guest, LOOP, column, config};
use vivarium_sandbox::{Image, JobId, METRICS, Pool, Sandbox, SandboxConfig, TaskId, Tenant, TenantId, TenantLimits};

/// The value of a sample by its name and labels.
#[track_caller]
fn value(text: &str, sample: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{sample} is not in\n{text}")).parse().unwrap()
}

fn of(tenant: &std::sync::Arc<Tenant>, task: &str) -> SandboxConfig {
    config().with_task(tenant.task(JobId::new("job").unwrap(), TaskId::new(task).unwrap()))
}

fn tenant(name: &str, instances: u32) -> std::sync::Arc<Tenant> {
    Tenant::new(TenantId::new(name).unwrap(), &TenantLimits::default().with_instances(instances))
}

async fn call(image: &Image, config: &SandboxConfig) -> Result<(), vivarium_sandbox::Error> {
    let mut sandbox = Sandbox::start(image, config).await?;
    sandbox.invoke(1, 0, 3, &[column()], &DataType::Int64).await.map(drop)
}

#[tokio::test]
async fn every_metric_is_there_and_tenants_are_told_apart() {
    let runtime = common::runtime();
    let echo = Guest { invoke: ECHO.into(), ..Guest::default() }.image_in(&runtime);
    let endless = Guest { invoke: LOOP.into(), ..Guest::default() }.image_in(&runtime);
    let (good, bad) = (tenant("good", 8), tenant("bad", 1));
    for task in ["1", "2"] {
        // Each task is gone when the next begins.
        call(&echo, &of(&good, task)).await.unwrap();
    }
    let held = Sandbox::start(&echo, &of(&bad, "1")).await.unwrap();
    assert!(call(&echo, &of(&bad, "1")).await.is_err(), "there is room for one");
    drop(held);
    assert!(call(&endless, &of(&bad, "1")).await.is_err());

    let pool = Pool::new(&echo, of(&good, "3"), 1, |_| Box::pin(async { Ok(()) }));
    let lease = pool.checkout().await.unwrap();
    let text = runtime.exposition(&[]).to_string();
    for metric in METRICS {
        assert!(text.contains(&format!("# TYPE {} ", metric.name)), "{}", metric.name);
    }
    for (sample, expected) in [
        ("vivarium_calls_total{tenant=\"good\"}", 2.0),
        ("vivarium_rows_total{tenant=\"good\"}", 6.0),
        ("vivarium_call_seconds_count{tenant=\"good\"}", 2.0),
        ("vivarium_instances_started_total{tenant=\"good\"}", 3.0),
        ("vivarium_checkouts_total{tenant=\"good\"}", 1.0),
        ("vivarium_instances{tenant=\"good\"}", 1.0),
        ("vivarium_instances{tenant=\"bad\"}", 0.0),
        ("vivarium_instances_limit{tenant=\"bad\"}", 1.0),
        ("vivarium_memory_bytes{tenant=\"bad\"}", 0.0),
        ("vivarium_sandboxes_ended_total{tenant=\"bad\",reason=\"limit\",limit=\"batch_time\"}", 1.0),
        ("vivarium_sandboxes_refused_total{tenant=\"bad\",limit=\"instances\"}", 1.0),
        ("vivarium_slots_used", 1.0),
        ("vivarium_slots_reset_total", 4.0),
    ] {
        assert_eq!(value(&text, sample), expected, "{sample}\n{text}");
    }
    assert!(value(&text, "vivarium_cpu_seconds_total{tenant=\"bad\"}") > 0.0);
    assert!(value(&text, "vivarium_memory_peak_bytes{tenant=\"good\"}") > 0.0);

    // What a tenant did is known when it is gone, and all that its sandboxes had is given back.
    drop((lease, pool, bad));
    let text = runtime.exposition(&[("worker", "1-1")]).to_string();
    let ended = "vivarium_sandboxes_ended_total{worker=\"1-1\",tenant=\"bad\",reason=\"limit\",limit=\"batch_time\"}";
    assert_eq!(value(&text, ended), 1.0);
    assert_eq!(value(&text, "vivarium_instances{worker=\"1-1\",tenant=\"bad\"}"), 0.0);
    assert_eq!(value(&text, "vivarium_slots_used{worker=\"1-1\"}"), 0.0);
    assert_eq!(value(&text, "vivarium_memory_bytes{worker=\"1-1\",tenant=\"good\"}"), 0.0);
}
