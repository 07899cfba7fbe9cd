//! What happens when a function does not end, or ends its instance.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use vivarium::{FunctionSource, Image, Limits, Module, SandboxConfig, TaskOptions};

use super::measure;
use crate::results::Measure;

const SOURCE: &str = "import os\n\n\
    def forever(x: int) -> int:\n    while x:\n        pass\n    return x\n\n\
    def leaves(x: int) -> int:\n    if x:\n        os._exit(3)\n    return x\n";
const DEADLINE: Duration = Duration::from_millis(50);

/// From the deadline of an endless loop to control, and from a killed instance to the next result.
///
/// # Errors
/// When the sandbox fails in another way than it should.
pub async fn of_calls(image: &Image, rounds: usize) -> Result<Vec<Measure>> {
    let limits = Limits::default().with_batch_time(DEADLINE);
    let config = SandboxConfig::default().with_limits(limits);
    let module = Module::load(image, config, FunctionSource::inline("limits.py", SOURCE)).await?;
    let rows = |value: i64| RecordBatch::try_from_iter([("x", Arc::new(Int64Array::from(vec![value])) as ArrayRef)]);
    let (harmful, harmless) = (rows(1)?, rows(0)?);
    let (mut late, mut replaced) = (Vec::new(), Vec::new());
    for function in ["forever", "leaves"] {
        let options = TaskOptions::default().with_instances(Some(1));
        let task = module.function(function)?.bind(&harmful.schema(), options).await?;
        for _ in 0..rounds {
            task.invoke(&harmless, 0).await?;
            let start = Instant::now();
            let ended = task.invoke(&harmful, 0).await;
            let time = start.elapsed();
            ensure!(ended.is_err(), "{function} came back");
            if function == "forever" {
                late.push(time.saturating_sub(DEADLINE).as_secs_f64());
                continue;
            }
            let start = Instant::now();
            task.invoke(&harmless, 0).await?;
            replaced.push(start.elapsed().as_secs_f64());
        }
    }
    Ok(vec![
        measure("limits/deadline", "from the deadline of an endless loop to control", "s", late),
        measure(
            "limits/replaced",
            "from the end of a killed instance to the next row, function loaded again",
            "s",
            replaced,
        ),
    ])
}
