//! Time taken from others: calls that were given up, exhausted tasks, and many busy sandboxes of one tenant.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::datatypes::DataType;
use vivarium::{Image, Limits, Runtime, RuntimeConfig, SandboxConfig};
use vivarium_sandbox::{Error, JobId, LimitKind, Pool, Sandbox, TaskAccount, TaskId, Tenant, TenantLimits};

use crate::case::{Case, ensure, host};
use crate::guests::{Guest, LOOP, SLEEP, column};
use crate::world::{rows, tenant};

/// The processor time for which busy tenants compete, and how much each has had when it begins. Not wall-clock time: the
/// machine has other things to do.
const CONTEST: Duration = Duration::from_secs(3);
const WARM_UP: Duration = Duration::from_millis(20);
/// Between two looks at the clocks.
const GLANCE: Duration = Duration::from_millis(2);

/// A runtime and a guest of its own for a contest: a loop without end, in a small memory.
fn arena(sandboxes: u32) -> Result<Image, String> {
    let config = RuntimeConfig::default().with_sandboxes(sandboxes).with_wasm_stack(64 << 10);
    let runtime = Runtime::new(config).map_err(|error| error.to_string())?;
    let guest = Guest { invoke: LOOP.into(), memory: 3, ..Guest::default() };
    Image::from_wasm_bytes(&runtime, &guest.wasm()).map_err(|error| error.to_string())
}

fn task(tenant: &Arc<Tenant>) -> Arc<TaskAccount> {
    let valid = "an identifier of this suite";
    tenant.task(JobId::new("job").expect(valid), TaskId::new("0").expect(valid))
}

/// Lets so many sandboxes of each task loop at the same time; returns the processor time of each task.
async fn contest(image: &Image, tasks: &[(&Arc<TaskAccount>, usize)]) -> Result<Vec<Duration>, String> {
    let mut ready = Vec::new();
    for (task, count) in tasks {
        let limits =
            Limits::default().with_memory(1 << 20).with_batch_bytes(1 << 20).with_batch_time(Duration::from_secs(600));
        let config = SandboxConfig::default().with_task(Arc::clone(task)).with_limits(limits);
        for _ in 0..*count {
            ready.push(Sandbox::start(image, &config).await.map_err(|error| error.to_string())?);
        }
    }
    // Threads of their own: other attacks keep those of the common runtime for as long as a program of the host's runs.
    let threads =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| error.to_string())?;
    for mut sandbox in ready {
        threads.spawn(async move { sandbox.invoke(1, 0, 3, &[column()], &DataType::Int64).await.map(drop) });
    }
    let times = || tasks.iter().map(|(task, _)| task.cpu_time()).collect::<Vec<_>>();
    // Until all of them are in the middle of their loops: starting takes turns too.
    let mut before = times();
    while let since = elapsed(&before, &times())
        && since.iter().any(|time| *time < WARM_UP)
    {
        tokio::time::sleep(GLANCE).await;
    }
    before = times();
    while elapsed(&before, &times()).iter().sum::<Duration>() < CONTEST {
        tokio::time::sleep(GLANCE).await;
    }
    let after = times();
    threads.shutdown_background();
    Ok(elapsed(&before, &after))
}

fn elapsed(before: &[Duration], after: &[Duration]) -> Vec<Duration> {
    before.iter().zip(after).map(|(before, after)| *after - *before).collect()
}

pub const CASES: &[Case] = &[
    host("a thousand busy tasks of one tenant against one of another", |attempt| {
        Box::pin(async move {
            let image = arena(1100)?;
            let many = tenant("many", &TenantLimits::default().with_instances(1000));
            let (many, one) = (task(&many), task(&tenant("one", &TenantLimits::default())));
            let times = contest(&image, &[(&many, 1000), (&one, 1)]).await?;
            let share = times[1].as_secs_f64() / (times[0] + times[1]).as_secs_f64();
            println!("1000 tasks against one: {times:?}; the one has {:.1} % of the time", 100.0 * share);
            drop(attempt);
            // Half of the time, or one core of more than two. A thousandth would be what the numbers alone give.
            let fair = 1.0 / std::thread::available_parallelism().map_or(1, usize::from).max(2) as f64;
            ensure(share > 0.4 * fair, || format!("the one task has {:.1} % of the time", 100.0 * share))
        })
    })
    .so("the one task gets its half (on two cores), or a whole core where there are more")
    .by("turns in proportion to `TenantLimits::cpu_weight`"),
    host("more busy sandboxes than a tenant of three times the weight", |attempt| {
        Box::pin(async move {
            let image = arena(32)?;
            let weighted = |name, cpu_weight| task(&tenant(name, &TenantLimits::default().with_cpu_weight(cpu_weight)));
            let (light, heavy) = (weighted("light", 100), weighted("heavy", 300));
            let times = contest(&image, &[(&light, 20), (&heavy, 8)]).await?;
            let ratio = times[1].as_secs_f64() / times[0].as_secs_f64();
            println!("weights 1:3, 20 sandboxes against 8: {times:?}, which is 1:{ratio:.2}");
            drop(attempt);
            ensure((2.0..4.5).contains(&ratio), || format!("weights are 1:3, times 1:{ratio:.2}"))
        })
    })
    .so("the times are as the weights, 1:3")
    .by("turns in proportion to `TenantLimits::cpu_weight`"),
    host("processor time in many short calls", |attempt| {
        Box::pin(async move {
            let mut attempt = attempt;
            attempt.limits.cpu_time = Some(Duration::from_millis(200));
            let task = attempt.task("def f(x: int) -> int:\n    return sum(range(10_000))\n").await.map_err(|error| error.to_string())?;
            for call in 0..100_000 {
                match task.invoke(&rows(&[1; 10]), call).await {
                    Ok(_) => {}
                    Err(vivarium::Error::Limit { error, .. }) if error.limit == LimitKind::CpuTime => return Ok(()),
                    Err(error) => return Err(error.to_string()),
                }
            }
            Err("the task has called for ever".to_owned())
        })
    })
    .so("the call in which the total is used up fails: limit `cpu_time`")
    .by("`Limits::cpu_time`"),
    host("calls that were given up but go on", |attempt| {
        Box::pin(async move {
            let mut slowest = Duration::ZERO;
            for body in [LOOP, SLEEP, "(loop $again (memory.fill (i32.const 4096) (i32.const 1) (i32.const 500000)) (br $again)) (unreachable)"] {
                let guest = Guest { invoke: body.into(), ..Guest::default() };
                let image = Image::from_wasm_bytes(attempt.world.image.runtime(), &guest.wasm()).map_err(|error| error.to_string())?;
                let config = attempt.config().with_limits(attempt.limits.clone().with_memory(4 << 20).with_batch_bytes(1 << 20));
                let mut sandbox = Sandbox::start(&image, &config).await.map_err(|error| error.to_string())?;
                let call = tokio::spawn(async move { sandbox.invoke(1, 0, 3, &[column()], &DataType::Int64).await.map(drop) });
                while config.task.metrics().snapshot().calls == 0 {
                    tokio::task::yield_now().await;
                }
                let started = Instant::now();
                call.abort();
                let _ = call.await;
                slowest = slowest.max(started.elapsed());
                ensure(attempt.tenant.usage().instances == 0, || "the guest is still there".to_owned())?;
            }
            println!("given up calls ended within {:.2} ms", 1e3 * slowest.as_secs_f64());
            ensure(slowest < Duration::from_secs(1), || format!("the slowest took {slowest:?}"))
        })
    })
    .so("the guest is stopped at its next tick, and its memory is given back")
    .by("a call is a future: dropping it unwinds the guest"),
    host("instances that are broken again and again", |attempt| {
        Box::pin(async move {
            let image = attempt.world.image.clone();
            let pool: Pool<()> = Pool::new(&image, attempt.config(), 1, |_| Box::pin(async { Ok(()) }));
            let mut times = Vec::new();
            for _ in 0..10 {
                let mut lease = pool.checkout().await.map_err(|error| error.to_string())?;
                let died = lease.control(&serde_json::json!({"op": "eval", "source": "import os; os.abort()"})).await;
                ensure(matches!(died, Err(Error::Trap { .. })), || format!("{died:?}"))?;
                let started = Instant::now();
                drop(lease);
                let lease = pool.checkout().await.map_err(|error| error.to_string())?;
                times.push(started.elapsed());
                ensure(lease.is_alive(), || "the pool lent a dead sandbox".to_owned())?;
            }
            times.sort();
            println!("a broken instance was replaced in {:.2} ms (median; fastest {:.2} ms)", 1e3 * times[5].as_secs_f64(), 1e3 * times[0].as_secs_f64());
            ensure(pool.metrics().instances_replaced == 10, || format!("{:?}", pool.metrics()))
        })
    })
    .so("each is replaced; the next call waits only for that")
    .by("instances start from a snapshot that is mapped, not loaded"),
];
