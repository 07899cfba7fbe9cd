//! What a tenant and a process may have in total holds over all their sandboxes, and is given back.

mod common;

use common::{Guest, config, config_with, limits};
use vivarium_sandbox::{
    Error, Image, JobId, LimitKind, Limits, Runtime, RuntimeConfig, Sandbox, SandboxConfig, TaskId, Tenant, TenantId, TenantLimits,
};

fn tenant_config(limits: &TenantLimits) -> SandboxConfig {
    let task = Tenant::new(TenantId::new("acme").unwrap(), limits).task(JobId::new("job").unwrap(), TaskId::new("0").unwrap());
    SandboxConfig { task, ..config() }
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
    let config = tenant_config(&TenantLimits { instances: 2, ..TenantLimits::default() });
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
    let config = tenant_config(&TenantLimits { memory: 2 << 20, ..TenantLimits::default() });
    let sandboxes = [Sandbox::start(&image, &config).await.unwrap(), Sandbox::start(&image, &config).await.unwrap()];
    assert_eq!(config.task.tenant().usage().memory, 2 << 20);
    assert_eq!(limit(Sandbox::start(&image, &config).await), LimitKind::TenantMemory);
    drop(sandboxes);
    let usage = config.task.tenant().usage();
    assert_eq!((usage.memory, usage.peak_memory, usage.instances), (0, 2 << 20, 0));
}

#[tokio::test]
async fn sandboxes_of_the_process() {
    let runtime = Runtime::new(RuntimeConfig { sandboxes: 1, ..RuntimeConfig::default() }).unwrap();
    let image = Image::from_wasm_bytes(&runtime, &Guest::default().wasm()).unwrap();
    let first = Sandbox::start(&image, &config()).await.unwrap();
    assert_eq!(limit(Sandbox::start(&image, &config()).await), LimitKind::Sandboxes);
    drop(first);
    Sandbox::start(&image, &config()).await.unwrap();
}

#[tokio::test]
async fn more_than_a_sandbox_can_have() {
    let image = Guest { memory: 32, ..Guest::default() }.image();
    let small = Limits { memory: 1 << 20, batch_bytes: 1 << 20, ..limits() };
    assert_eq!(limit(Sandbox::start(&image, &config_with(small)).await), LimitKind::Memory);
    let impossible = config_with(Limits { memory: 8 << 30, ..limits() });
    assert!(matches!(Sandbox::start(&image, &impossible).await, Err(Error::Limits(error)) if error.field == "memory"));
    let table = Guest { declarations: "(table 100 funcref)".into(), ..Guest::default() }.image();
    let small = config_with(Limits { table_elements: 99, ..limits() });
    assert_eq!(limit(Sandbox::start(&table, &small).await), LimitKind::TableElements);
}
