//! Two contenders that run Python functions on a CPython in this process: `pyo3`, a plain row loop as one writes it with that
//! crate, and `arrow-udf`, the `arrow-udf-runtime` crate. `in-process NAME` measures what standard input asks for
//! (`../README.md`).

mod arrow_udf;
mod row_loop;
mod values;

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, Write};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::FieldRef;
use arrow::ipc::reader::FileReader;
use serde::Deserialize;

/// What one line asks for.
#[derive(Debug, Clone, Deserialize)]
struct Request {
    /// Python file and function.
    source: String,
    function: String,
    kind: Kind,
    /// Arrow files: the arguments' columns, and a column of the result's type without rows.
    data: String,
    result: String,
    /// Rows of a batch, threads, and batches (of an aggregate: passes over all the data) for each of them.
    rows: usize,
    threads: usize,
    repetitions: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Scalar,
    Vectorized,
    Table,
    Aggregate,
}

/// A function that has been made ready, called from several threads at once.
trait Prepared: Send + Sync {
    fn call(&self, batch: &RecordBatch) -> Result<()>;

    /// One aggregation over all batches.
    fn aggregate(&self, _batches: &[RecordBatch]) -> Result<()> {
        bail!("has no functions of groups of rows")
    }
}

fn main() -> Result<()> {
    let name = std::env::args().nth(1).context("in-process pyo3|arrow-udf")?;
    let prepare = match name.as_str() {
        "pyo3" => row_loop::prepare,
        "arrow-udf" => arrow_udf::prepare,
        other => bail!("there is no contender {other:?}"),
    };
    let mut ready: HashMap<String, Arc<dyn Prepared>> = HashMap::new();
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let answer = serde_json::from_str(&line?).map_err(Into::into).and_then(|request: Request| {
            let key = format!("{}::{}", request.source, request.function);
            let function = match ready.get(&key) {
                Some(function) => Arc::clone(function),
                None => Arc::clone(ready.entry(key).or_insert(prepare(&request)?)),
            };
            measure(&request, &function)
        });
        let reply = match answer {
            Ok(time) => serde_json::json!({ "nanoseconds": time.as_nanos() as u64 }),
            Err(error) => serde_json::json!({ "error": format!("{error:#}") }),
        };
        writeln!(output, "{reply}")?;
        output.flush()?;
    }
    Ok(())
}

fn measure(request: &Request, function: &Arc<dyn Prepared>) -> Result<Duration> {
    let batches = batches(request)?;
    let barrier = Barrier::new(request.threads + 1);
    std::thread::scope(|scope| {
        let work = || -> Result<()> {
            barrier.wait();
            for _ in 0..request.repetitions {
                match request.kind {
                    Kind::Aggregate => function.aggregate(&batches)?,
                    _ => function.call(&batches[0])?,
                }
            }
            Ok(())
        };
        let threads: Vec<_> = (0..request.threads).map(|_| scope.spawn(work)).collect();
        barrier.wait();
        let start = Instant::now();
        for thread in threads {
            thread.join().map_err(|_| anyhow::anyhow!("a thread panicked"))??;
        }
        Ok(start.elapsed())
    })
}

/// The data in batches of the size asked for; only the first one, unless all of it is aggregated.
fn batches(request: &Request) -> Result<Vec<RecordBatch>> {
    let reader = FileReader::try_new(File::open(&request.data)?, None)?;
    let schema = reader.schema();
    let all = concat_batches(&schema, &reader.collect::<Result<Vec<_>, _>>()?)?;
    ensure!(all.num_rows() >= request.rows, "the data has {} rows", all.num_rows());
    let starts = (0..all.num_rows()).step_by(request.rows);
    let batches = starts.map(|start| all.slice(start, request.rows.min(all.num_rows() - start)));
    Ok(if request.kind == Kind::Aggregate { batches.collect() } else { batches.take(1).collect() })
}

/// The result column.
fn result_field(request: &Request) -> Result<FieldRef> {
    let reader = FileReader::try_new(File::open(&request.result)?, None)?;
    reader.schema().fields().first().cloned().context("the result's file has no column")
}
