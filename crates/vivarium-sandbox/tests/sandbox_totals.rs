//! What a tenant and a process may have in total holds over all their sandboxes, and is given back.

mod common;

use arrow::datatypes::DataType;
use common::{Guest, column, config, config_with, limits};
use vivarium_sandbox::{
    CallLimits, Error, Image, JobId, LimitKind, Runtime, RuntimeConfig, Sandbox, SandboxConfig, TaskId, Tenant,
    TenantId, TenantLimits,
};

fn tenant_config(limits: &TenantLimits) -> SandboxConfig {
    let task =
        Tenant::new(TenantId::new("acme").unwrap(), limits).task(JobId::new("job").unwrap(), TaskId::new("0").unwrap());
    config().with_task(task)
}

fn limit(result: Result<Sandbox, Error>) -> LimitKind {
    match result {
        Err(Error::Limit(limit)) => limit.limit,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn instances_of_a_tenant() {
    let image = Guest::default().image();
    let config = tenant_config(&TenantLimits::default().with_instances(2));
    let one = Sandbox::start(&image, &config).await.unwrap();
    let _two = Sandbox::start(&image, &config).await.unwrap();
    assert_eq!(limit(Sandbox::start(&image, &config).await), LimitKind::TenantInstances);
    drop(one);
    Sandbox::start(&image, &config).await.unwrap();
    // Another tenant is not concerned.
    Sandbox::start(&image, &tenant_config(&TenantLimits::default())).await.unwrap();
}

#[tokio::test]
async fn memory_of_a_tenant() {
    let image = Guest { memory: 16, ..Guest::default() }.image();
    let config = tenant_config(&TenantLimits::default().with_memory(2 << 20));
    let sandboxes = [Sandbox::start(&image, &config).await.unwrap(), Sandbox::start(&image, &config).await.unwrap()];
    assert_eq!(config.task.tenant().usage().memory, 2 << 20);
    assert_eq!(limit(Sandbox::start(&image, &config).await), LimitKind::TenantMemory);
    drop(sandboxes);
    let usage = config.task.tenant().usage();
    assert_eq!((usage.memory, usage.peak_memory, usage.instances), (0, 2 << 20, 0));
}

#[tokio::test]
async fn sandboxes_of_the_process() {
    let runtime = Runtime::new(RuntimeConfig::default().with_sandboxes(1)).unwrap();
    let image = Image::from_wasm_bytes(&runtime, &Guest::default().wasm()).unwrap();
    let first = Sandbox::start(&image, &config()).await.unwrap();
    assert_eq!(limit(Sandbox::start(&image, &config()).await), LimitKind::Sandboxes);
    drop(first);
    Sandbox::start(&image, &config()).await.unwrap();
}

#[tokio::test]
async fn more_than_a_sandbox_can_have() {
    let image = Guest { memory: 32, ..Guest::default() }.image();
    let small = limits().with_memory(1 << 20).with_batch_bytes(1 << 20);
    assert_eq!(limit(Sandbox::start(&image, &config_with(small)).await), LimitKind::Memory);
    let impossible = config_with(limits().with_memory(8 << 30));
    assert!(matches!(Sandbox::start(&image, &impossible).await, Err(Error::Limits(error)) if error.field == "memory"));
    let table = Guest { declarations: "(table 100 funcref)".into(), ..Guest::default() }.image();
    let small = config_with(limits().with_table_elements(99));
    assert_eq!(limit(Sandbox::start(&table, &small).await), LimitKind::TableElements);
}

#[tokio::test]
async fn a_ceiling_that_no_task_of_the_tenant_can_raise() {
    let image = Guest { memory: 16, ..Guest::default() }.image();
    let ceiling = limits().with_memory(2 << 20).with_batch_bytes(1 << 20).with_open_files(9);
    let config = tenant_config(&TenantLimits::default().with_sandbox(Some(ceiling)));
    let asked = config.clone().with_limits(limits().with_memory(1 << 30).with_open_files(200));
    let sandbox = Sandbox::start(&image, &asked).await.unwrap();
    assert_eq!((sandbox.limits().memory, sandbox.limits().open_files), (2 << 20, 9));
    let larger = Guest { memory: 33, ..Guest::default() }.image();
    assert_eq!(limit(Sandbox::start(&larger, &asked).await), LimitKind::Memory);
}

#[tokio::test]
async fn a_call_can_be_held_to_less_than_its_sandbox() {
    let mut sandbox = Sandbox::start(&Guest::default().image(), &config()).await.unwrap();
    let columns = [column()];
    for (output_bytes, allowed) in [(Some(10), false), (None, true), (Some(1 << 40), true)] {
        sandbox.limit_calls(&CallLimits::default().with_output_bytes(output_bytes));
        assert!(sandbox.limits().output_bytes <= limits().output_bytes);
        match sandbox.invoke(1, 0, 3, &columns, &DataType::Int64).await {
            Ok(_) => assert!(allowed),
            Err(Error::Limit(limit)) => assert!(!allowed && limit.limit == LimitKind::OutputBytes, "{limit}"),
            Err(error) => panic!("{error}"),
        }
    }
    let mut looping =
        Sandbox::start(&Guest { invoke: common::LOOP.into(), ..Guest::default() }.image(), &config()).await.unwrap();
    let time = std::time::Duration::from_millis(5);
    looping.limit_calls(&CallLimits::default().with_time(Some(time)));
    let error = looping.invoke(1, 0, 3, &columns, &DataType::Int64).await.unwrap_err();
    assert!(
        matches!(&error, Error::Limit(limit) if limit.limit == LimitKind::BatchTime && limit.configured == 5_000_000),
        "{error}"
    );
}
