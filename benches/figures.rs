//! The figures of the README: what the sandbox costs, with the native side measured in the same run.
//!
//! ```text
//! cargo bench --bench figures [-- --rounds 15]
//! ```
//!
//! Sandbox and native CPython take turns, round by round, so that whatever else the machine does hits both. Reported are
//! medians over the rounds; a ratio comes with the spread (quartiles) of the rounds' own ratios. The native side is the same C shim, compiled for the
//! native CPython that the guest's build leaves (`wasm-python/benches/native.py`), with the packages that
//! `wasm-python/tests/environment.py` puts beside it; it is timed without any copy across a boundary, the sandbox side with
//! both copies, the checks, limits and epochs on.

#[path = "common/mod.rs"]
mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use arrow::array::{ArrayRef, Float64Array, Int64Array};
use arrow::datatypes::DataType;
use common::{BATCHES, Case, Native, ROWS, Samples, anonymous_memory, compare, rounds, row};
use serde_json::{Value, json};
use vivarium_guest::ImageStore;
use vivarium_sandbox::{Image, Pool, Runtime, RuntimeConfig, Sandbox, SandboxConfig};

const SOURCE: &str = "from vivarium import udf\n\n\
    @udf\ndef add_one(x: int) -> int:\n    return x + 1\n\n\
    @udf(vectorized=True)\ndef add(a: float, b: float) -> float:\n    return a + b\n";
const TEN_LINES: &str = "from vivarium import udf\n\n\
    RATES = {'a': 0.1, 'b': 0.2}\n\n\
    @udf\ndef price(amount: float, code: str) -> float:\n    rate = RATES.get(code)\n    if rate is None:\n        rate = 0.0\n    return amount * (1 - rate)\n";

fn main() -> Result<()> {
    let rounds = rounds()?;
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(measure(rounds))
}

async fn measure(rounds: usize) -> Result<()> {
    let store = ImageStore::open()?;
    let location = store.ensure(&mut |event| eprintln!("{event:?}")).await?;
    let runtime = Runtime::new(RuntimeConfig::default())?;
    let image = Image::open(&runtime, &location.directory)?;
    let mut native = Native::start(&location.manifest()?.native_python)?;

    println!("| figure | measured | asked |\n|---|---|---|");
    let checkout = checkout(&image).await?;
    row("checkout of a warm instance", &format!("{} µs", checkout.show(1e6)), "under 20 µs");
    let cold = cold(&image, rounds * 4).await?;
    row("cold: instantiate, load ten lines, first row", &format!("{} ms", cold.show(1e3)), "under 1 ms");
    let process = process(rounds)?;
    row("`wasm-run run` on 1,000 rows, whole process", &format!("{} ms", process.show(1e3)), "under 150 ms");
    ratios(&image, &mut native, rounds).await?;
    let speed_up = two_instances(&image, rounds).await?;
    row("two instances against one", &format!("{}x", speed_up.show(1.0)), "at least 1.8x");
    memory(&image).await?;
    Ok(())
}

fn bind(function: &str, arguments: &[&str]) -> Value {
    let arguments: Vec<Value> = arguments.iter().map(|name| json!({"type": name, "nullable": true})).collect();
    json!({"op": "bind", "function": function, "arguments": arguments, "on_error": "fail"})
}

async fn bound(
    sandbox: &mut Sandbox,
    source: &str,
    function: &str,
    arguments: &[&str],
) -> Result<u32, vivarium_sandbox::Error> {
    sandbox.control(&json!({"op": "load", "source": source, "filename": "udf.py"})).await?;
    let reply = sandbox.control(&bind(function, arguments)).await?;
    Ok(reply["handle"].as_u64().unwrap_or_default() as u32)
}

async fn checkout(image: &Image) -> Result<Samples> {
    let pool = Pool::new(image, SandboxConfig::default(), 2, |sandbox| {
        Box::pin(async move { bound(sandbox, SOURCE, "add_one", &["int64"]).await })
    });
    pool.warm_up().await?;
    let mut samples = Vec::new();
    for _ in 0..2000 {
        let start = Instant::now();
        let lease = pool.checkout().await?;
        samples.push(start.elapsed().as_secs_f64());
        drop(lease);
    }
    Ok(Samples::new(samples))
}

async fn cold(image: &Image, rounds: usize) -> Result<Samples> {
    let amount: ArrayRef = Arc::new(Float64Array::from(vec![10.0]));
    let code: ArrayRef = Arc::new(arrow::array::StringArray::from(vec!["a"]));
    let mut samples = Vec::new();
    for _ in 0..rounds {
        let start = Instant::now();
        let mut sandbox = Sandbox::start(image, &SandboxConfig::default()).await?;
        let handle = bound(&mut sandbox, TEN_LINES, "price", &["double", "string"]).await?;
        sandbox.invoke(handle, 0, 1, &[amount.clone(), code.clone()], &DataType::Float64).await?;
        samples.push(start.elapsed().as_secs_f64());
    }
    Ok(Samples::new(samples))
}

/// Times `wasm-run run` on 1,000 rows of CSV, from the start of the process to its end.
fn process(rounds: usize) -> Result<Samples> {
    let folder = tempfile::tempdir()?;
    let (udf, input, output) =
        (folder.path().join("udf.py"), folder.path().join("in.csv"), folder.path().join("out.csv"));
    std::fs::write(&udf, "def add_one(x: int) -> int:\n    return x + 1\n")?;
    let rows: String = (0..1000).map(|row| format!("{row}\n")).collect();
    std::fs::write(&input, format!("x\n{rows}"))?;
    let mut samples = Vec::new();
    for _ in 0..=rounds {
        let start = Instant::now();
        let status = Command::new(env!("CARGO_BIN_EXE_wasm-run"))
            .args(["run".as_ref(), udf_function(&udf).as_os_str(), "--input".as_ref(), input.as_os_str()])
            .args(["--output".as_ref(), output.as_os_str()])
            .stderr(Stdio::null())
            .status()?;
        samples.push(start.elapsed().as_secs_f64());
        ensure!(status.success(), "wasm-run ended with {status}");
    }
    samples.remove(0); // the first one may compile the image
    Ok(Samples::new(samples))
}

fn udf_function(udf: &Path) -> PathBuf {
    let mut name = udf.as_os_str().to_owned();
    name.push("::add_one");
    name.into()
}

/// The row loop and the vectorized add, against the native side.
async fn ratios(image: &Image, native: &mut Native, rounds: usize) -> Result<()> {
    let integers: ArrayRef = Arc::new(Int64Array::from_iter_values((0..ROWS as i64).map(|row| row * 7919)));
    let floats: ArrayRef = Arc::new(Float64Array::from_iter_values((0..ROWS).map(|row| row as f64 / 3.0)));
    let mut sandbox = Sandbox::start(image, &SandboxConfig::default()).await?;
    let add_one = bound(&mut sandbox, SOURCE, "add_one", &["int64"]).await?;
    let reply = sandbox.control(&bind("add", &["double", "double"])).await?;
    let add = reply["handle"].as_u64().context("a handle")? as u32;
    let cases = [
        Case {
            figure: "row loop `x + 1` on int64",
            native: "add_one",
            handle: add_one,
            columns: vec![integers],
            result: DataType::Int64,
            asked: "at most 3.2x",
        },
        Case {
            figure: "vectorized add of float64, 8,192 rows",
            native: "numpy_add",
            handle: add,
            columns: vec![floats.clone(), floats],
            result: DataType::Float64,
            asked: "at most 2x",
        },
    ];
    for case in cases {
        compare(&mut sandbox, native, case, rounds).await?;
    }
    Ok(())
}

/// Rows per second of two instances on two threads, over those of one.
async fn two_instances(image: &Image, rounds: usize) -> Result<Samples> {
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..ROWS as i64));
    let mut members = Vec::new();
    for _ in 0..2 {
        let mut sandbox = Sandbox::start(image, &SandboxConfig::default()).await?;
        let handle = bound(&mut sandbox, SOURCE, "add_one", &["int64"]).await?;
        members.push((sandbox, handle));
    }
    let work = |(mut sandbox, handle): (Sandbox, u32)| {
        let column = column.clone();
        tokio::spawn(async move {
            for _ in 0..BATCHES * 4 {
                sandbox.invoke(handle, 0, ROWS, std::slice::from_ref(&column), &DataType::Int64).await?;
            }
            Ok::<_, vivarium_sandbox::Error>((sandbox, handle))
        })
    };
    let mut ratios = Vec::new();
    for _ in 0..rounds {
        let (Some(second), Some(first)) = (members.pop(), members.pop()) else { bail!("two sandboxes") };
        let start = Instant::now();
        let first = work(first).await??;
        let one = start.elapsed().as_secs_f64();
        let start = Instant::now();
        let (first, second) = tokio::try_join!(work(first), work(second))?;
        let both = start.elapsed().as_secs_f64();
        members = vec![first?, second?];
        ratios.push(2.0 * one / both);
    }
    Ok(Samples::new(ratios))
}

/// Private memory of an idle instance, and of one that has loaded a function and run a batch.
async fn memory(image: &Image) -> Result<()> {
    const COUNT: usize = 32;
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..1000));
    let mut sandboxes = Vec::with_capacity(COUNT);
    let before = anonymous_memory()?;
    for _ in 0..COUNT {
        sandboxes.push(Sandbox::start(image, &SandboxConfig::default()).await?);
    }
    let idle = anonymous_memory()?;
    for sandbox in &mut sandboxes {
        let handle = bound(sandbox, SOURCE, "add_one", &["int64"]).await?;
        sandbox.invoke(handle, 0, 1000, std::slice::from_ref(&column), &DataType::Int64).await?;
    }
    let loaded = anonymous_memory()?;
    let kilobytes = |after: u64| after.saturating_sub(before) / COUNT as u64;
    row("private memory of an idle instance", &format!("{} kB", kilobytes(idle)), "under 64 kB");
    row("… after a load and one batch", &format!("{} kB", kilobytes(loaded)), "under 1 MB");
    Ok(())
}
