//! What pandas costs in the image `data`, against the same pandas on native CPython.
//!
//! ```text
//! cargo bench --profile dev --bench series [-- --rounds 15]
//! ```
//!
//! The operations are those of `wasm-python/benches/series.py`, timed by the same code on both sides, which take turns; the sandbox's
//! deadlines are on. Then come figures of the instance itself, and what functions without pandas cost here against the image `base`.
//! Each row says what is asked for, and whether it was reached. Anything else that runs meanwhile shows in the figures.

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
use common::{Samples, rounds};
use serde_json::json;
use vivarium_guest::{ImageName, ImageStore};
use vivarium_sandbox::{Image, Pool, Runtime, RuntimeConfig, Sandbox, SandboxConfig};

const SOURCE: &str = include_str!("../wasm-python/benches/series.py");
const ADD_ONE: &str = "from vivarium import udf\n@udf\ndef add_one(x: int) -> int:\n    return x + 1\n";
const TWICE: &str = "from vivarium import udf\n@udf(vectorized=True)\ndef twice(x: int) -> int:\n    return x * 2\n";
const SERIES: &str =
    "from vivarium import udf\n@udf(vectorized='pandas')\ndef add(a: int, b: int) -> int:\n    return a + b\n";

const OPERATIONS: [(&str, &str, (&str, f64)); 5] = [
    ("add", "int64 add, 8,192 rows", ("at most 2.3x", 2.3)),
    ("arithmetic", "float64 `x * 2 - x / 3`, 8,192 rows", ("at most 2.3x", 2.3)),
    ("upper", "`str.upper`, 8,192 rows", ("at most 2.5x", 2.5)),
    ("groupby", "groupby-sum, 100,000 rows", ("at most 1.8x", 1.8)),
    ("to_datetime", "`to_datetime`, 10,000 strings", ("at most 2.8x", 2.8)),
];

/// Rows of a batch.
const ROWS: usize = 8192;

/// Batches of one round.
const BATCHES: usize = 50;

/// What counts as the same in two images: that far apart are two rounds of one.
const SAME: (&str, f64) = ("1x, within 5%", 1.05);

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

    println!("| figure | asked | reached | |\n|---|---|---|---|");
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
        let ratio = Samples::new(ratio);
        let shown = format!("{}x: {ours:.0} µs, native {theirs:.0} µs", ratio.show(1.0));
        row(figure, asked, ratio.quantile(0.5), &shown);
    }
    let checkouts = [checkout(data).await?, checkout(base).await?];
    let [in_data, in_base] = checkouts.each_ref().map(|samples| samples.show(1e6));
    let shown = format!("{in_data} µs; `base` {in_base} µs");
    row("checkout of a warm instance", ("under 50 µs", 50.0), checkouts[0].quantile(0.5) * 1e6, &shown);
    let used = memory(data, SERIES, "add", 2).await?;
    row("private memory after a Series function", ("under 8 MB", 8.0), used, &format!("{used:.1} MB"));
    same_as_base(data, base, rounds).await?;
    let [in_data, in_base] = [memory(data, ADD_ONE, "add_one", 1).await?, memory(base, ADD_ONE, "add_one", 1).await?];
    let shown = format!("{in_data:.2} MB; `base` {in_base:.2} MB");
    row("private memory after `x + 1`", ("that of `base`, within 0.2 MB", in_base + 0.2), in_data, &shown);
    Ok(())
}

/// Prints a row of the report. `reached` is what is compared with the most that was asked for; `shown` is how it is told.
fn row(figure: &str, (asked, most): (&str, f64), reached: f64, shown: &str) {
    let verdict = if reached <= most { "met" } else { "missed" };
    println!("| {figure} | {asked} | {shown} | {verdict} |");
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

/// Private memory in MB of an instance that has run a function on a batch.
async fn memory(image: &Image, source: &str, function: &str, arguments: usize) -> Result<f64> {
    const COUNT: usize = 16;
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..ROWS as i64));
    let before = anonymous_memory()?;
    let mut sandboxes = Vec::new();
    for _ in 0..COUNT {
        let mut sandbox = Sandbox::start(image, &SandboxConfig::default()).await?;
        let handle = bound(&mut sandbox, source, function, arguments).await?;
        sandbox.invoke(handle, 0, ROWS, &vec![column.clone(); arguments], &DataType::Int64).await?;
        sandboxes.push(sandbox);
    }
    let kilobytes = anonymous_memory()?.saturating_sub(before) / COUNT as u64;
    Ok(kilobytes as f64 / 1000.0)
}

/// Functions without pandas in both images, which take turns.
async fn same_as_base(data: &Image, base: &Image, rounds: usize) -> Result<()> {
    for (figure, source, function) in
        [("row loop `x + 1`", ADD_ONE, "add_one"), ("NumPy `x * 2`, 8,192 rows", TWICE, "twice")]
    {
        let mut sides = Vec::new();
        for image in [data, base] {
            let mut sandbox = Sandbox::start(image, &SandboxConfig::default()).await?;
            let handle = bound(&mut sandbox, source, function, 1).await?;
            sides.push((sandbox, handle));
        }
        let ratios = Samples::new(in_turns(&mut sides, rounds).await?);
        let shown = format!("{}x", ratios.show(1.0));
        row(&format!("{figure} against the image `base`"), SAME, ratios.quantile(0.5), &shown);
    }
    Ok(())
}

/// The first side's time over the second's, in each round.
async fn in_turns(sides: &mut [(Sandbox, u32)], rounds: usize) -> Result<Vec<f64>> {
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..ROWS as i64));
    let mut ratios = Vec::new();
    for _ in 0..=rounds {
        let mut seconds = Vec::new();
        for (sandbox, handle) in &mut *sides {
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
    Ok(ratios)
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
