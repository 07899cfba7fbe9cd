//! Totals of a tenant over all its tasks.

use vivarium::{Limits, SandboxConfig};
use vivarium_sandbox::{Error, JobId, LimitKind, Sandbox, TaskId, Tenant, TenantLimits};

use crate::case::{Case, ensure, host};
use crate::world::{Attempt, rows, tenant};

/// The configuration of a task of its own, of a tenant with these limits.
fn config(attempt: &Attempt, tenant: &std::sync::Arc<Tenant>, task: usize) -> Result<SandboxConfig, String> {
    let job = JobId::new("job").map_err(|error| error.to_string())?;
    let id = TaskId::new(task.to_string()).map_err(|error| error.to_string())?;
    Ok(attempt.config().with_task(tenant.task(job, id)))
}

/// Starts sandboxes, each in a task of its own, until the total refuses one; another tenant gets one all the same.
async fn until_refused(attempt: Attempt, limits: TenantLimits, expected: LimitKind) -> Result<(), String> {
    let greedy = tenant("greedy", &limits);
    let mut sandboxes = Vec::new();
    let refused = loop {
        match Sandbox::start(&attempt.world.image, &config(&attempt, &greedy, sandboxes.len())?).await {
            Ok(sandbox) => sandboxes.push(sandbox),
            Err(Error::Limit(limit)) => break limit.limit,
            Err(error) => return Err(error.to_string()),
        }
        ensure(sandboxes.len() < 10, || "ten sandboxes were given".to_owned())?;
    };
    ensure(refused == expected && sandboxes.len() >= 2, || format!("{refused:?} after {}", sandboxes.len()))?;
    attempt.sandbox().await?;
    drop(sandboxes);
    let usage = greedy.usage();
    ensure([usage.memory, usage.host_memory, usage.instances] == [0; 3], || format!("{usage:?}"))
}

/// Two tasks return what each of them may, and the caller keeps both.
async fn results_that_are_kept(attempt: Attempt) -> Result<(), String> {
    const STACKS: u64 = 2 * (20 << 20);
    let greedy = tenant("returning", &TenantLimits::default().with_host_memory(STACKS + (12 << 20)));
    let source = "def f(x: int) -> bytes:\n    return bytes(8 << 20)\n";
    let (mut tasks, mut outcomes) = (Vec::new(), Vec::new());
    for task in 0..2 {
        let task = attempt.task_in(config(&attempt, &greedy, task)?, source).await;
        let task = task.map_err(|error| error.to_string())?;
        outcomes.push(task.invoke(&rows(&[1]), 0).await);
        tasks.push(task);
    }
    let [Ok(_), Err(vivarium::Error::Limit { error, .. })] = outcomes.as_slice() else {
        return Err(format!("{outcomes:?}"));
    };
    ensure(error.limit == LimitKind::TenantHostMemory, || error.to_string())?;
    let refused = outcomes.pop();
    // What the host remembers of the environment is some kilobytes.
    let held = greedy.usage().host_memory - STACKS;
    ensure((8 << 20..9 << 20).contains(&held), || format!("{:?}", greedy.usage()))?;
    drop(outcomes);
    tasks[1].invoke(&rows(&[1]), 0).await.map_err(|error| format!("after {refused:?}: {error}"))?;
    drop(tasks);
    ensure(greedy.usage().host_memory == 0, || format!("{:?}", greedy.usage()))
}

pub const CASES: &[Case] = &[
    host("sandboxes without end, each in a task of its own", |attempt| {
        let limits = TenantLimits::default().with_instances(3);
        Box::pin(until_refused(attempt, limits, LimitKind::TenantInstances))
    })
    .so("starting the next one fails: limit `instances`; another tenant's start succeeds")
    .by("`TenantLimits::instances`"),
    host("memory of many sandboxes", |attempt| {
        let limits = TenantLimits::default().with_memory(150 << 20);
        Box::pin(until_refused(attempt, limits, LimitKind::TenantMemory))
    })
    .so("starting the next one fails: limit `memory`; another tenant's start succeeds")
    .by("`TenantLimits::memory`"),
    host("stacks of many sandboxes", |attempt| {
        let limits = TenantLimits::default().with_host_memory(50 << 20);
        Box::pin(until_refused(attempt, limits, LimitKind::TenantHostMemory))
    })
    .so("starting the next one fails: limit `host_memory`; another tenant's start succeeds")
    .by("`TenantLimits::host_memory`"),
    host("results of many sandboxes at the same time", |attempt| Box::pin(results_that_are_kept(attempt)))
        .so("the call whose result does not fit fails: limit `host_memory` of the tenant; its sandbox goes on")
        .by("`TenantLimits::host_memory`"),
    host("growing into the memory of the tenant's other tasks", |attempt| {
        Box::pin(async move {
            let greedy = tenant("growing", &TenantLimits::default().with_memory(150 << 20));
            let limits = attempt.limits.clone().with_memory(256 << 20);
            let config =
                |task| Ok::<_, String>(config(&attempt, &greedy, task)?.with_limits(limits.clone()));
            let mut one = Sandbox::start(&attempt.world.image, &config(0)?).await.map_err(|error| error.to_string())?;
            let mut two = Sandbox::start(&attempt.world.image, &config(1)?).await.map_err(|error| error.to_string())?;
            let request = serde_json::json!({"op": "eval", "source": "kept = bytes(100 << 20)"});
            let refused = one.control(&request).await;
            ensure(matches!(&refused, Err(Error::Limit(limit)) if limit.limit == LimitKind::TenantMemory), || {
                format!("{refused:?}")
            })?;
            let request = serde_json::json!({"op": "eval", "source": "result = 1"});
            two.control(&request).await.map(drop).map_err(|error| error.to_string())
        })
    })
    .so("the call fails: limit `memory` of the tenant; its other task goes on")
    .by("`TenantLimits::memory`"),
    host("scratch files of many sandboxes", |attempt| {
        Box::pin(async move {
            let limits = TenantLimits::default().with_scratch_bytes(10 << 20).with_scratch_files(100);
            let greedy = tenant("writing", &limits);
            let write = serde_json::json!({"op": "eval", "source": "
kept = open('/tmp/x', 'wb', buffering=0)
result = 0
try:
    while True: result += kept.write(bytes(4096))
except OSError as error:
    result = result >> 20, error.errno
"});
            let mut written = Vec::new();
            let mut sandboxes = Vec::new();
            for task in 0..2 {
                let config = config(&attempt, &greedy, task)?;
                let mut sandbox =
                    Sandbox::start(&attempt.world.image, &config).await.map_err(|error| error.to_string())?;
                let reply = sandbox.control(&write).await.map_err(|error| error.to_string())?;
                written.push(reply["value"].as_str().unwrap_or_default().to_owned());
                sandboxes.push(sandbox);
            }
            // 51 is ENOSPC. The first one reaches its own limit of 8 MiB, the second one the tenant's.
            ensure(written == ["(7, 51)", "(1, 51)"] || written == ["(7, 51)", "(2, 51)"], || format!("{written:?}"))?;
            drop(sandboxes);
            ensure(greedy.usage().scratch_bytes == 0, || format!("{:?}", greedy.usage()))
        })
    })
    .so("`OSError`: no space left on device; it is free again when the first is gone")
    .by("`TenantLimits::scratch_bytes` and `scratch_files`"),
    host("a job that asks for more than its tenant may have", |attempt| {
        Box::pin(async move {
            let ceiling = attempt.limits.clone().with_memory(64 << 20);
            let limited = tenant("limited", &TenantLimits::default().with_sandbox(Some(ceiling)));
            let asked = config(&attempt, &limited, 0)?.with_limits(Limits::default().with_memory(4 << 30));
            let mut sandbox = Sandbox::start(&attempt.world.image, &asked).await.map_err(|error| error.to_string())?;
            let request = serde_json::json!({"op": "eval", "source": "kept = bytes(64 << 20)"});
            let refused = sandbox.control(&request).await;
            ensure(matches!(&refused, Err(Error::Limit(limit)) if limit.limit == LimitKind::Memory && limit.configured == 64 << 20), || {
                format!("{refused:?}")
            })
        })
    })
    .so("it gets what the tenant's ceiling allows, and then the call fails: limit `memory`")
    .by("`TenantLimits::sandbox`"),
];
