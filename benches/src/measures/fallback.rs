//! What it costs to run a function as columns when no row can.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use vivarium::{ColumnMode, FunctionSource, Image, Module, SandboxConfig, TaskOptions};

use super::measure;
use crate::results::Measure;

/// Lifted, and beyond 64 bits in every row.
const SOURCE: &str = "def far(x: int) -> str:\n    return str((x + 10**12) * 10**12)\n";
/// From the first row until the program has been dropped, which is decided after some 3,100 rows and 5,600 more.
const ROWS: usize = 12_288;
const BATCH: usize = 1024;

/// Time per row of a new task, lifting included, with columns and without, in turns.
///
/// # Errors
/// When the sandbox fails.
pub async fn of_columns(image: &Image, rounds: usize) -> Result<Vec<Measure>> {
    let module = Module::load(image, SandboxConfig::default(), FunctionSource::inline("far.py", SOURCE)).await?;
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..BATCH as i64));
    let batch = RecordBatch::try_from_iter([("x", column)])?;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        for (columns, samples) in [(ColumnMode::Auto, &mut with), (ColumnMode::Off, &mut without)] {
            let options = TaskOptions::default().with_instances(Some(1)).with_columns(columns);
            let task = module.function("far")?.bind(&batch.schema(), options).await?;
            // An instance is started, and loads the file.
            task.invoke(&batch.slice(0, 1), 0).await?;
            let start = Instant::now();
            for _ in 0..ROWS / BATCH {
                task.invoke(&batch, 0).await?;
            }
            samples.push(start.elapsed().as_secs_f64() / ROWS as f64);
        }
    }
    let what = "a row that no column can hold, from a task's first row until its program is dropped";
    Ok(vec![
        measure("fallback/columns", what, "s", with),
        measure("fallback/interpreter", "the same row without columns", "s", without),
    ])
}
