//! A thousand tenants, hostile ones among them, round after round: every call ends as it should, and nothing is left of any of them.
//!
//! One round runs with the other tests. `VIVARIUM_SOAK=2h cargo test --workspace --test soak -- --nocapture` goes on for that long, and
//! tells after each round what the process has.

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::datatypes::DataType;
use common::{ECHO, Guest, LOOP, column, limits};
use futures::{StreamExt, TryStreamExt};
use vivarium_sandbox::{
    Error, Image, JobId, LimitKind, Limits, Runtime, RuntimeConfig, Sandbox, SandboxConfig, TaskId, Tenant, TenantId,
    TenantLimits, parse_duration,
};

const TENANTS: usize = 1000;
/// Sandboxes at a time. Each tenant has one, so that most wait.
const SANDBOXES: u32 = 32;
/// What the process may grow by from the first round on, in bytes: the allocator's caches, and no more with more rounds.
const GROWTH: u64 = 64 << 20;

/// A body of `vv_invoke` that asks for memory until there is none.
const BOMB: &str = "(loop $again (br_if $again (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) (unreachable)";
/// One whose result is an array outside of memory.
const FORGED: &str = "(i32.store (i32.const 76) (i32.const -64)) (i32.const 64)";
/// One that writes lines for ever.
const FLOOD: &str = "
    (i32.store (i32.const 1024) (i32.const 2048))
    (i32.store (i32.const 1028) (i32.const 4096))
    (memory.fill (i32.const 2048) (i32.const 10) (i32.const 4096))
    (loop $again (drop (call $write (i32.const 1) (i32.const 1024) (i32.const 1) (i32.const 1040))) (br $again))
    (unreachable)";

/// What code of a tenant's does, and whether that is how its call may end.
struct Kind {
    body: &'static str,
    ends: fn(&Result<(), Error>) -> bool,
}

fn ends_by(result: &Result<(), Error>, kind: LimitKind) -> bool {
    matches!(result, Err(Error::Limit(limit)) if limit.limit == kind)
}

const KINDS: [Kind; 6] = [
    Kind { body: ECHO, ends: |result| result.is_ok() },
    Kind { body: LOOP, ends: |result| ends_by(result, LimitKind::BatchTime) },
    Kind { body: BOMB, ends: |result| ends_by(result, LimitKind::Memory) },
    Kind { body: FORGED, ends: |result| matches!(result, Err(Error::Exchange(_))) },
    Kind { body: "(unreachable)", ends: |result| matches!(result, Err(Error::Trap { .. })) },
    Kind { body: FLOOD, ends: |result| ends_by(result, LimitKind::BatchTime) },
];

/// Nine of ten tenants behave.
fn kind_of(tenant: usize) -> usize {
    if tenant.is_multiple_of(10) { 1 + tenant / 10 % (KINDS.len() - 1) } else { 0 }
}

fn runtime(cores: usize) -> Runtime {
    Runtime::new(RuntimeConfig::default().with_sandboxes(SANDBOXES).with_cores(cores)).unwrap()
}

fn config(tenant: &Arc<Tenant>, limits: Limits) -> SandboxConfig {
    let task = tenant.task(JobId::new("job").unwrap(), TaskId::new("0").unwrap());
    SandboxConfig::default().with_task(task).with_limits(limits)
}

async fn call(image: &Image, config: SandboxConfig) -> Result<(), Error> {
    let mut sandbox = Sandbox::start(image, &config).await?;
    sandbox.invoke(1, 0, 3, &[column()], &DataType::Int64).await.map(drop)
}

/// What the process has: bytes that are no file's, and descriptors.
fn resources() -> (u64, usize) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    (kibibytes << 10, std::fs::read_dir("/proc/self/fd").unwrap().count())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_tenants_leave_nothing_behind() {
    let time = std::env::var("VIVARIUM_SOAK").map_or(Duration::ZERO, |time| parse_duration(&time).unwrap());
    let runtime = runtime(2);
    let images: Vec<_> =
        KINDS.iter().map(|kind| Guest { invoke: kind.body.into(), ..Guest::default() }.image_in(&runtime)).collect();
    let tenants: Vec<_> = (0..TENANTS)
        .map(|index| {
            let weight = [100, 200, 300][index % 3];
            Tenant::new(TenantId::new(index.to_string()).unwrap(), &TenantLimits::default().with_cpu_weight(weight))
        })
        .collect();
    let (began, mut first) = (Instant::now(), None);
    for round in 1.. {
        let calls = tenants.iter().enumerate().map(|(index, tenant)| {
            let (image, config) = (images[kind_of(index)].clone(), config(tenant, limits()));
            async move {
                let result = tokio::spawn(async move { call(&image, config).await }).await.unwrap();
                if (KINDS[kind_of(index)].ends)(&result) { Ok(()) } else { Err(format!("{index}: {result:?}")) }
            }
        });
        let calls = futures::stream::iter(calls).buffer_unordered(SANDBOXES as usize);
        calls.try_collect::<Vec<()>>().await.unwrap();
        for tenant in &tenants {
            let usage = tenant.usage();
            let memory = [usage.memory, usage.host_memory, usage.scratch_bytes];
            let things = [usage.instances, usage.scratch_files, usage.host_files];
            assert_eq!([memory, things], [[0; 3]; 2], "tenant {} in round {round}", tenant.id());
        }
        let text = runtime.exposition(&[]).to_string();
        assert!(text.contains("\nvivarium_slots_used 0\n"), "round {round}");
        let calls = format!("\nvivarium_calls_total{{tenant=\"7\"}} {round}\n");
        assert!(text.contains(&calls), "a tenant's calls are counted over its tasks, round {round}");
        let (memory, files) = resources();
        let (memory_first, files_first) = *first.get_or_insert((memory, files));
        println!("round {round}: {} MiB, {files} descriptors, {:.0} s", memory >> 20, began.elapsed().as_secs_f64());
        assert!(memory <= memory_first + GROWTH, "from {memory_first} to {memory} bytes in round {round}");
        assert!(files <= files_first + 8, "from {files_first} to {files} descriptors in round {round}");
        if began.elapsed() >= time {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn processor_time_is_divided_within_five_percent_of_the_weights() {
    const WEIGHTS: [u32; 8] = [100, 200, 300, 400, 100, 200, 300, 400];
    /// How much of it is looked at: the smallest share is a hundred ticks and more.
    const LOOKED_AT: Duration = Duration::from_secs(4);
    let runtime = runtime(2);
    let image = Guest { invoke: LOOP.into(), ..Guest::default() }.image_in(&runtime);
    let limits = limits().with_batch_time(Duration::from_secs(600));
    let tasks: Vec<_> = WEIGHTS
        .iter()
        .enumerate()
        .map(|(index, &cpu_weight)| {
            let limits = TenantLimits::default().with_cpu_weight(cpu_weight);
            Tenant::new(TenantId::new(index.to_string()).unwrap(), &limits)
        })
        .map(|tenant| config(&tenant, limits.clone()))
        .collect();
    // Tenants of the first half have three calls each, the others one. Every core always has one to choose from.
    let mut calls = tokio::task::JoinSet::new();
    for (index, config) in tasks.iter().enumerate() {
        for _ in 0..if index < 4 { 3 } else { 1 } {
            let (image, config) = (image.clone(), config.clone());
            calls.spawn(async move { call(&image, config).await });
        }
    }
    let used = || tasks.iter().map(|config| config.task.cpu_time()).collect::<Vec<_>>();
    let until = async |enough: &dyn Fn(&[Duration]) -> bool| {
        loop {
            let now = used();
            if enough(&now) {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let before = until(&|now| now.iter().all(|time| *time > Duration::from_millis(20))).await;
    let began: Duration = before.iter().sum();
    let after = until(&|now| now.iter().sum::<Duration>() >= began + LOOKED_AT).await;
    calls.shutdown().await;
    let all: Duration = after.iter().sum::<Duration>() - began;
    let weights: u32 = WEIGHTS.iter().sum();
    for (index, weight) in WEIGHTS.into_iter().enumerate() {
        let share = (after[index] - before[index]).as_secs_f64() / all.as_secs_f64();
        let ideal = f64::from(weight) / f64::from(weights);
        let error = share / ideal - 1.0;
        println!("weight {weight}: {:.2} %, {:+.1} % of its share", share * 100.0, error * 100.0);
        assert!(error.abs() <= 0.05, "weight {weight} got {share}, and {ideal} is its share");
    }
}
