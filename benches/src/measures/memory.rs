//! Private memory of instances.

use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::array::{ArrayRef, Int64Array};
use arrow_schema::DataType;
use vivarium_sandbox::{Image, Sandbox, SandboxConfig};

use super::measure;
use super::start::with_add_one;
use crate::results::Measure;

/// Idle instances, and those that have loaded a function and run a batch: how much of this process's memory is theirs alone.
///
/// # Errors
/// When the sandbox fails.
pub async fn of_instances(image: &Image) -> Result<Vec<Measure>> {
    let (mut idle, mut loaded) = (Vec::new(), Vec::new());
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..1000));
    for count in [8, 32, 128] {
        let before = anonymous_memory()?;
        let mut sandboxes = Vec::with_capacity(count);
        for _ in 0..count {
            sandboxes.push(Sandbox::start(image, &SandboxConfig::default()).await?);
        }
        idle.push((count, per_instance(before, count)?));
        drop(sandboxes);
    }
    for count in [8, 32, 128] {
        let before = anonymous_memory()?;
        let mut sandboxes = Vec::with_capacity(count);
        for _ in 0..count {
            let (mut sandbox, handle) = with_add_one(image).await?;
            sandbox.invoke(handle, 0, 1000, std::slice::from_ref(&column), &DataType::Int64).await?;
            sandboxes.push(sandbox);
        }
        loaded.push((count, per_instance(before, count)?));
    }
    let mut measures = Vec::new();
    for (key, what, found) in
        [("idle", "an idle instance", idle), ("loaded", "an instance after a load and one batch", loaded)]
    {
        for (count, bytes) in found {
            measures.push(measure(
                &format!("memory/{key}/{count}"),
                &format!("{what}, one of {count}"),
                "B",
                vec![bytes],
            ));
        }
    }
    Ok(measures)
}

fn per_instance(before: u64, count: usize) -> Result<f64> {
    Ok(anonymous_memory()?.saturating_sub(before) as f64 / count as f64)
}

/// Anonymous resident memory of this process: what copy-on-write pages become once they are written.
pub(super) fn anonymous_memory() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).context("RssAnon in /proc/self/status")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse::<u64>()? << 10)
}
