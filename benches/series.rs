//! What pandas costs in the image `data`, against the same pandas on native CPython.
//!
//! ```text
//! cargo bench --bench series [-- --rounds 15]
//! ```
//!
//! The operations are those of `wasm-python/benches/series.py`, timed by the same code on both sides, which take turns; the sandbox's
//! deadlines are on. The last figures are of the instance itself.

#[path = "common/mod.rs"]
mod common;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use arrow::array::{ArrayRef, Int64Array};
use arrow::datatypes::DataType;
use common::{Samples, rounds, row};
use serde_json::json;
use vivarium_guest::{ImageName, ImageStore};
use vivarium_sandbox::{Image, Pool, Runtime, RuntimeConfig, Sandbox, SandboxConfig};

/// Rows of a batch.
const ROWS: usize = 8192;
/// Batches of one round.
const BATCHES: usize = 50;

const SOURCE: &str = include_str!("../wasm-python/benches/series.py");
const ADD_ONE: &str = "from vivarium import udf\n@udf\ndef add_one(x: int) -> int:\n    return x + 1\n";

const OPERATIONS: [(&str, &str, &str); 5] = [
    ("add", "int64 add, 8,192 rows", "at most 2.3x"),
    ("arithmetic", "float64 `x * 2 - x / 3`, 8,192 rows", "at most 2.3x"),
    ("upper", "`str.upper`, 8,192 rows", "at most 2.5x"),
    ("groupby", "groupby-sum, 100,000 rows", "at most 1.8x"),
    ("to_datetime", "`to_datetime`, 10,000 strings", "at most 2.8x"),
];

fn main() -> Result<()> {
    let rounds = rounds()?;
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(measure(rounds))
}

async fn measure(rounds: usize) -> Result<()> {
    let runtime = Runtime::new(RuntimeConfig::default())?;
    let mut images = Vec::new();
    let mut native = None;
    for name in ["data", ImageName::DEFAULT] {
        let store = ImageStore::open()?.of(name.parse()?);
        let location = store.ensure(&mut |event| eprintln!("{event:?}")).await?;
        images.push(Image::open(&runtime, &location.directory)?);
        native = Some(location.manifest()?.native_python);
    }
    let mut native = Native::start(&native.context("an image")?)?;
    let [data, base] = &images[..] else { anyhow::bail!("two images") };

    println!("| figure | measured | asked |\n|---|---|---|");
    let mut sandbox = Sandbox::start(data, &SandboxConfig::default()).await?;
    sandbox.control(&json!({"op": "load", "source": SOURCE, "filename": "series.py"})).await?;
    for (operation, figure, asked) in OPERATIONS {
        let (mut ours, mut theirs, mut ratio) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            let theirs_now = native.seconds(operation)?;
            let source = format!("import series\nresult = series.measure({operation:?})");
            let reply = sandbox.control(&json!({"op": "eval", "source": source})).await?;
            let ours_now: f64 = reply["value"].as_str().context("a value")?.parse()?;
            ours.push(ours_now);
            theirs.push(theirs_now);
            ratio.push(ours_now / theirs_now);
        }
        let [ours, theirs] = [ours, theirs].map(|seconds| Samples::new(seconds).quantile(0.5) * 1e6);
        let ratio = Samples::new(ratio).show(1.0);
        row(figure, &format!("{ratio}x: {ours:.0} µs, native {theirs:.0} µs"), asked);
    }
    row("checkout of a warm instance", &format!("{} µs", checkout(data).await?.show(1e6)), "under 50 µs");
    memory(data).await?;
    same_as_base(data, base, rounds).await
}

async fn bound(
    sandbox: &mut Sandbox,
    source: &str,
    function: &str,
    arguments: usize,
) -> Result<u32, vivarium_sandbox::Error> {
    sandbox.control(&json!({"op": "load", "source": source, "filename": "udf.py"})).await?;
    let arguments = vec![json!({"type": "int64", "nullable": true}); arguments];
    let bind = json!({"op": "bind", "function": function, "arguments": arguments, "on_error": "fail"});
    Ok(sandbox.control(&bind).await?["handle"].as_u64().unwrap_or_default() as u32)
}

async fn checkout(image: &Image) -> Result<Samples> {
    let pool = Pool::new(image, SandboxConfig::default(), 2, |sandbox| {
        Box::pin(async move { bound(sandbox, ADD_ONE, "add_one", 1).await })
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

/// Private memory of an instance that has added two Series.
async fn memory(image: &Image) -> Result<()> {
    const COUNT: usize = 16;
    const SERIES: &str =
        "from vivarium import udf\n@udf(vectorized='pandas')\ndef add(a: int, b: int) -> int:\n    return a + b\n";
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..ROWS as i64));
    let before = anonymous_memory()?;
    let mut sandboxes = Vec::new();
    for _ in 0..COUNT {
        let mut sandbox = Sandbox::start(image, &SandboxConfig::default()).await?;
        let handle = bound(&mut sandbox, SERIES, "add", 2).await?;
        sandbox.invoke(handle, 0, ROWS, &[column.clone(), column.clone()], &DataType::Int64).await?;
        sandboxes.push(sandbox);
    }
    let kilobytes = anonymous_memory()?.saturating_sub(before) / COUNT as u64;
    row("private memory after a Series function", &format!("{:.1} MB", kilobytes as f64 / 1000.0), "under 8 MB");
    Ok(())
}

/// The row loop in both images, which take turns.
async fn same_as_base(data: &Image, base: &Image, rounds: usize) -> Result<()> {
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..ROWS as i64));
    let mut sides = Vec::new();
    for image in [data, base] {
        let mut sandbox = Sandbox::start(image, &SandboxConfig::default()).await?;
        let handle = bound(&mut sandbox, ADD_ONE, "add_one", 1).await?;
        sides.push((sandbox, handle));
    }
    let mut ratios = Vec::new();
    for _ in 0..=rounds {
        let mut seconds = Vec::new();
        for (sandbox, handle) in &mut sides {
            let mut times = Vec::new();
            for _ in 0..BATCHES {
                let start = Instant::now();
                sandbox.invoke(*handle, 0, ROWS, std::slice::from_ref(&column), &DataType::Int64).await?;
                times.push(start.elapsed().as_secs_f64());
            }
            seconds.push(Samples::new(times).quantile(0.5));
        }
        ratios.push(seconds[0] / seconds[1]);
    }
    row("row loop `x + 1` against the image `base`", &format!("{}x", Samples::new(ratios).show(1.0)), "1x");
    Ok(())
}

/// The operations on native CPython, in a process of its own.
struct Native {
    child: Child,
    requests: ChildStdin,
    replies: BufReader<ChildStdout>,
}

impl Native {
    fn start(python: &Path) -> Result<Self> {
        let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wasm-python");
        let mut child = Command::new(environment(&guest.join("tests/environment.py"), python)?)
            .arg(guest.join("benches/series.py"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let requests = child.stdin.take().context("stdin of the native side")?;
        let replies = BufReader::new(child.stdout.take().context("stdout of the native side")?);
        Ok(Self { child, requests, replies })
    }

    fn seconds(&mut self, operation: &str) -> Result<f64> {
        writeln!(self.requests, "{operation}")?;
        let mut line = String::new();
        self.replies.read_line(&mut line)?;
        line.trim().parse().context("the native side did not answer; its message is above")
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The interpreter of the native side's virtual environment, which `script` makes for this native CPython.
fn environment(script: &Path, python: &Path) -> Result<PathBuf> {
    let mut child = Command::new("python3").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut info = child.stdin.take().context("stdin of the script")?;
    write!(info, "{}", json!({ "native_python": python }))?;
    drop(info);
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "{} ended with {}", script.display(), output.status);
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim_end()))
}

/// Anonymous resident memory of this process in kB: what copy-on-write pages become once they are written.
fn anonymous_memory() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).context("RssAnon in /proc/self/status")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}
