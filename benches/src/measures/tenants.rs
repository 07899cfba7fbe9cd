//! What tenants notice of each other: how long calls take beside a hundred others, how processor time is divided, and what idle ones hold.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;
use vivarium::sandbox::{JobId, Sandbox, TaskId, Tenant, TenantId, TenantLimits};
use vivarium::{FunctionSource, Image, Limits, Module, Runtime, RuntimeConfig, SandboxConfig, Task, TaskOptions};

use super::measure;
use super::memory::anonymous_memory;
use crate::results::Measure;

const SOURCE: &str = "
import os

def works(x: int) -> int:
    for i in range(x):
        x ^= i
    return x

def spins(x: int) -> int:
    while True:
        pass

def hoards(x: int) -> int:
    kept = []
    while True:
        kept.append(bytearray(1 << 20))

def leaves(x: int) -> int:
    os._exit(3)

def floods(x: int) -> int:
    while True:
        print('noise')
";
const HOSTILE: [&str; 4] = ["spins", "hoards", "leaves", "floods"];
const NEIGHBOURS: usize = 100;
/// Calls of the tenant whose latency is looked at, and those before them that are not counted.
const CALLS: usize = 500;
const UNCOUNTED: usize = 20;
/// What a call gets before it is ended.
const DEADLINE: Duration = Duration::from_millis(50);
/// Rounds of a loop in a call: some 100 µs of it for the tenant that is looked at, some milliseconds for its neighbours.
const SHORT: i64 = 1_000;
const LONG: i64 = 50_000;

/// Weights of tenants that all have more to do than there is time for.
pub const WEIGHTS: [u32; 7] = [1, 2, 5, 10, 20, 50, 100];
const WINDOW: Duration = Duration::from_secs(1);
const WINDOWS: usize = 10;

/// Tenants with an idle sandbox each.
const IDLE: u32 = 2_000;

/// Latency of a tenant's calls beside a hundred tenants that work, and beside a hundred of which each attacks in one of four ways.
///
/// # Errors
/// When a call of the tenant that does no harm fails.
pub async fn latency(image: &Image) -> Result<Vec<Measure>> {
    let working = beside(image, &["works"]).await?;
    let hostile = beside(image, &HOSTILE).await?;
    let what = |others| format!("a short call beside {NEIGHBOURS} tenants that {others}");
    Ok(vec![
        measure("tenants/beside/working", &what("compute"), "s", working),
        measure("tenants/beside/hostile", &what("spin, use up memory, exit or flood the log"), "s", hostile),
    ])
}

async fn beside(image: &Image, functions: &[&str]) -> Result<Vec<f64>> {
    let (module_of, own) = (tenants(image), rows(SHORT)?);
    let task = bind(&module_of("looked-at").await?, "works", &own).await?;
    task.invoke(&own, 0).await?;
    let mut neighbours = JoinSet::new();
    let long = rows(LONG)?;
    for index in 0..NEIGHBOURS {
        let module = module_of(&format!("neighbour-{index}")).await?;
        let task = bind(&module, functions[index % functions.len()], &long).await?;
        let long = long.clone();
        let calls = async move {
            loop {
                // How a neighbour's call ends is its own affair.
                let _ = task.invoke(&long, 0).await;
            }
        };
        // What they write to the log is counted and limited as ever, and shown to nobody.
        neighbours.spawn(calls.with_subscriber(NoSubscriber::default()));
    }
    let mut samples = Vec::with_capacity(CALLS);
    for call in 0..UNCOUNTED + CALLS {
        let start = Instant::now();
        task.invoke(&own, 0).await?;
        if call >= UNCOUNTED {
            samples.push(start.elapsed().as_secs_f64());
        }
    }
    neighbours.shutdown().await;
    Ok(samples)
}

/// Part of the processor time that tenants of different weights get, in windows of a second; each has a call more than there are cores.
///
/// # Errors
/// When the sandbox fails.
pub async fn shares(image: &Image) -> Result<Vec<Measure>> {
    let (one, cores) = (rows(1)?, image.runtime().config().cores);
    let mut calls = JoinSet::new();
    let mut accounts = Vec::new();
    for weight in WEIGHTS {
        let config = config(&format!("weight-{weight}"), weight)?;
        accounts.push(Arc::clone(&config.task));
        let module = Module::load(image, config, FunctionSource::inline("tenants.py", SOURCE)).await?;
        for _ in 0..=cores {
            let (task, one) = (bind(&module, "spins", &one).await?, one.clone());
            calls.spawn(async move {
                loop {
                    let _ = task.invoke(&one, 0).await;
                }
            });
        }
    }
    let used = || accounts.iter().map(|account| account.cpu_time().as_secs_f64()).collect::<Vec<_>>();
    sleep(WINDOW).await;
    let (mut samples, mut before) = (vec![Vec::new(); WEIGHTS.len()], used());
    for _ in 0..WINDOWS {
        sleep(WINDOW).await;
        let now = used();
        let all: f64 = now.iter().sum::<f64>() - before.iter().sum::<f64>();
        for (index, samples) in samples.iter_mut().enumerate() {
            samples.push((now[index] - before[index]) / all);
        }
        before = now;
    }
    calls.shutdown().await;
    let named = WEIGHTS.iter().zip(samples).map(|(weight, samples)| {
        let what = format!("part of the processor time of a tenant of weight {weight}");
        measure(&format!("tenants/share/{weight}"), &what, "1", samples)
    });
    Ok(named.collect())
}

/// Memory of a process with two thousand tenants, each of which has an idle sandbox; `image` is the folder of the image.
///
/// # Errors
/// When the sandbox fails.
pub async fn idle(image: &Path) -> Result<Vec<Measure>> {
    let runtime = Runtime::new(RuntimeConfig::default().with_sandboxes(IDLE))?;
    let image = Image::open(&runtime, image)?;
    let before = anonymous_memory()?;
    let mut sandboxes = Vec::new();
    for index in 0..IDLE {
        sandboxes.push(Sandbox::start(&image, &config(&format!("idle-{index}"), 100)?).await?);
    }
    let held = anonymous_memory()?.saturating_sub(before);
    ensure!(sandboxes.len() == IDLE as usize, "not all are alive");
    let what = format!("{IDLE} tenants with an idle sandbox each");
    Ok(vec![measure("tenants/idle", &what, "B", vec![held as f64])])
}

/// Makes modules for tenants of equal weights by their names.
fn tenants(image: &Image) -> impl AsyncFn(&str) -> Result<Module> {
    async move |name| {
        let source = FunctionSource::inline("tenants.py", SOURCE);
        Ok(Module::load(image, config(name, 100)?, source).await?)
    }
}

fn config(tenant: &str, weight: u32) -> Result<SandboxConfig> {
    let tenant = Tenant::new(TenantId::new(tenant)?, &TenantLimits::default().with_cpu_weight(weight));
    let limits = Limits::default().with_batch_time(DEADLINE).with_memory(128 << 20);
    let task = tenant.task(JobId::new("measured")?, TaskId::new("0")?);
    Ok(SandboxConfig::default().with_task(task).with_limits(limits))
}

async fn bind(module: &Module, function: &str, rows: &RecordBatch) -> Result<Task> {
    let options = TaskOptions::default().with_instances(Some(1));
    Ok(module.function(function)?.bind(&rows.schema(), options).await?)
}

fn rows(value: i64) -> Result<RecordBatch> {
    Ok(RecordBatch::try_from_iter([("x", Arc::new(Int64Array::from(vec![value])) as ArrayRef)])?)
}
