//! How cost grows with columns and instances, and how much of it is copying.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use vivarium::{FunctionSource, Image, Module, SandboxConfig, Task, TaskOptions};

use super::measure;
use crate::contender::Contender;
use crate::contenders::Sandboxed;
use crate::material::{Case, Material};
use crate::results::Measure;

const ROWS: usize = 8192;

/// Time per row of functions with more and more columns.
///
/// # Errors
/// When the sandbox fails.
pub async fn with_columns(image: &Image, turn: Duration, rounds: usize) -> Result<Vec<Measure>> {
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..ROWS as i64));
    let mut measures = Vec::new();
    for columns in [1, 2, 4, 8, 16] {
        let names: Vec<_> = (0..columns).map(|index| format!("c{index}")).collect();
        let source = format!("def total({}) -> int:\n    return c0 + 1\n", names.join(": int, ") + ": int");
        let batch = RecordBatch::try_from_iter(names.iter().map(|name| (name, column.clone())))?;
        let module = Module::load(image, SandboxConfig::default(), FunctionSource::inline("c.py", source)).await?;
        let options = TaskOptions::default().with_instances(Some(1));
        let task = module.function("total")?.bind(&batch.schema(), options).await?;
        let samples = per_row(&task, &batch, turn, rounds).await?;
        let what = format!("a row of {columns} int64 columns");
        measures.push(measure(&format!("growth/columns/{columns}"), &what, "s", samples));
    }
    Ok(measures)
}

async fn per_row(task: &Task, batch: &RecordBatch, turn: Duration, rounds: usize) -> Result<Vec<f64>> {
    let mut samples = Vec::new();
    for _ in 0..rounds {
        let (start, mut rows) = (Instant::now(), 0);
        while start.elapsed() < turn {
            task.invoke(batch, 0).await?;
            rows += batch.num_rows();
        }
        samples.push(start.elapsed().as_secs_f64() / rows as f64);
    }
    Ok(samples)
}

/// Rows per second with more and more instances of one task, beyond the machine's cores.
///
/// # Errors
/// When the sandbox fails.
pub async fn with_instances(
    sandbox: &mut Sandboxed,
    material: &Material,
    cores: usize,
    rounds: usize,
) -> Result<Vec<Measure>> {
    let mut counts: Vec<usize> =
        std::iter::successors(Some(1), |count| Some(count * 2)).take_while(|count| *count <= cores * 4).collect();
    if !counts.contains(&cores) {
        counts.push(cores);
        counts.sort_unstable();
    }
    let mut measures = Vec::new();
    for instances in counts {
        let case = Case { material, rows: ROWS, threads: instances };
        let mut samples = Vec::new();
        for _ in 0..rounds {
            let repetitions = 40;
            let time = sandbox.run(case, repetitions).await?;
            samples.push((ROWS * instances * repetitions) as f64 / time.as_secs_f64());
        }
        let what = format!("{} on {instances} instances", material.name);
        measures.push(measure(&format!("growth/instances/{instances}"), &what, "rows/s", samples));
    }
    Ok(measures)
}

/// The part of a call's time that is copying and checking, by the runtime's own clocks.
///
/// # Errors
/// When the sandbox fails.
pub async fn copying(sandbox: &mut Sandboxed, material: &Material) -> Result<Measure> {
    let case = Case { material, rows: ROWS, threads: 1 };
    sandbox.run(case, 1).await?;
    let task = Arc::clone(&sandbox.config().task);
    let before = task.metrics().snapshot();
    sandbox.run(case, 20).await?;
    let after = task.metrics().snapshot();
    let copying = (after.time_copying - before.time_copying).as_secs_f64();
    let guest = (after.time_in_guest - before.time_in_guest).as_secs_f64();
    let what = format!("copying and checking, of a call's time: {}", material.name);
    Ok(measure(&format!("copying/{}", material.name), &what, "1", vec![copying / (copying + guest)]))
}
