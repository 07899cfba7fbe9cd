//! What the regression check counts the instructions of: the row loop, functions as columns, calls of one row, the exchange, the checkout. Times
//! are too noisy on shared machines; the instructions of one binary over the same data are not.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field};
use serde_json::json;
use vivarium::{FunctionSource, Module, TaskOptions};
use vivarium_guest::ImageStore;
use vivarium_sandbox::exchange::{DecodeLimits, Plan, RowCount, decode, guest_type};
use vivarium_sandbox::{Image, Pool, Runtime, RuntimeConfig, Sandbox, SandboxConfig};

const ROWS: usize = 8192;
const SOURCE: &str = "from vivarium import udf\n\n\
    @udf(columns=False)\ndef add_one(x: int) -> int:\n    return x + 1\n\n\
    @udf\ndef lifted(x: int) -> int:\n    return x + 1\n\n\
    @udf(vectorized=True)\ndef add(a: float, b: float) -> float:\n    return a + b\n";

/// The image, compiled for any processor of this kind: the code is the same on every machine, and valgrind knows its instructions.
///
/// # Errors
/// When the guest has not been built.
pub fn image() -> Result<Image> {
    let location = ImageStore::open()?.locate()?;
    // No tick: what it interrupts, how often, depends on the machine's speed.
    let config = RuntimeConfig::default().with_sandboxes(4).with_portable(true).with_tick(Duration::from_secs(3600));
    Ok(Image::open(&Runtime::new(config)?, location.directory)?)
}

/// Batches of 8,192 rows through `x + 1` in the interpreter, copies included.
///
/// # Errors
/// When the sandbox fails.
pub async fn row_loop(repetitions: usize) -> Result<()> {
    calls(repetitions, "add_one", &["int64"], &[integers()], &DataType::Int64).await
}

/// The same as columns, once the function has been lifted.
///
/// # Errors
/// When the sandbox fails.
pub async fn columns(repetitions: usize) -> Result<()> {
    calls(repetitions, "lifted", &["int64"], &[integers()], &DataType::Int64).await
}

fn integers() -> ArrayRef {
    Arc::new(Int64Array::from_iter_values((0..ROWS as i64).map(|row| row * 7919)))
}

/// Batches of 8,192 rows through `a + b` on NumPy arrays: little but the call and the copies.
///
/// # Errors
/// When the sandbox fails.
pub async fn vectorized(repetitions: usize) -> Result<()> {
    let column: ArrayRef = Arc::new(Float64Array::from_iter_values((0..ROWS).map(|row| row as f64 / 3.0)));
    calls(repetitions, "add", &["double", "double"], &[column.clone(), column], &DataType::Float64).await
}

/// Batches of one row through `x + 1`, as an engine has them: through a task, with its checkout. The interpreter computes them all.
///
/// # Errors
/// When the sandbox fails.
pub async fn one_row(repetitions: usize) -> Result<()> {
    let config = SandboxConfig::default().with_seed(Some([7; 32]));
    let module = Module::load(&image()?, config, FunctionSource::inline("counted.py", SOURCE)).await?;
    let column: ArrayRef = Arc::new(Int64Array::from(vec![7919]));
    let batch = RecordBatch::try_from_iter([("x", column)])?;
    let options = TaskOptions::default().with_instances(Some(1));
    let task = module.function("add_one")?.bind(&batch.schema(), options).await?;
    for _ in 0..repetitions {
        black_box(task.invoke(black_box(&batch), 0).await?);
    }
    Ok(())
}

async fn calls(
    repetitions: usize,
    function: &str,
    arguments: &[&str],
    columns: &[ArrayRef],
    result: &DataType,
) -> Result<()> {
    let mut sandbox = Sandbox::start(&image()?, &SandboxConfig::default().with_seed(Some([7; 32]))).await?;
    let handle = bind(&mut sandbox, function, arguments).await?;
    for _ in 0..repetitions {
        black_box(sandbox.invoke(handle, 0, ROWS, columns, result).await?);
    }
    Ok(())
}

async fn bind(sandbox: &mut Sandbox, function: &str, arguments: &[&str]) -> Result<u32, vivarium_sandbox::Error> {
    sandbox.control(&json!({"op": "load", "source": SOURCE, "filename": "counted.py"})).await?;
    let arguments: Vec<_> = arguments.iter().map(|name| json!({"type": name, "nullable": true})).collect();
    let request = json!({"op": "bind", "function": function, "arguments": arguments, "on_error": "fail"});
    Ok(sandbox.control(&request).await?["handle"].as_u64().unwrap_or_default() as u32)
}

/// A batch of numbers with NULLs and text, into a piece of memory and out again.
///
/// # Errors
/// When the batch does not cross.
pub fn exchange(repetitions: usize) -> Result<()> {
    const ARENA: u32 = 1 << 16;
    let columns: [ArrayRef; 3] = [
        Arc::new((0..ROWS + 3).map(|row| (row % 7 != 0).then_some(row as i64)).collect::<Int64Array>().slice(3, ROWS)),
        Arc::new((0..ROWS).map(|row| row as f64).collect::<Float64Array>()),
        Arc::new((0..ROWS).map(|row| Some(format!("customer number {row}"))).collect::<StringArray>()),
    ];
    let field = |column: &ArrayRef| Ok(Field::new("column", guest_type(column.data_type())?, true));
    let batch = DataType::Struct(columns.iter().map(field).collect::<Result<_>>()?);
    let mut memory = vec![0; ARENA as usize + Plan::new(&columns, ROWS)?.size()];
    let limits = DecodeLimits { max_bytes: usize::MAX, max_items: usize::MAX };
    for _ in 0..repetitions {
        Plan::new(black_box(&columns), ROWS)?.write(&mut memory, ARENA)?;
        black_box(decode(black_box(&memory), ARENA, &batch, true, RowCount::Exactly(ROWS), &limits)?);
    }
    Ok(())
}

/// A warm instance taken out of its pool and put back.
///
/// # Errors
/// When the sandbox fails.
pub async fn checkout(repetitions: usize) -> Result<()> {
    let pool = Pool::new(&image()?, SandboxConfig::default(), 1, |sandbox| {
        Box::pin(async move { bind(sandbox, "add_one", &["int64"]).await })
    });
    pool.warm_up().await?;
    for _ in 0..repetitions {
        drop(black_box(pool.checkout().await?));
    }
    Ok(())
}
