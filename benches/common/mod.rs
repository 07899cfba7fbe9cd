//! What the benchmarks share: samples, rows of the report, and the native side.

// Each benchmark uses its part of this.
#![allow(dead_code)]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use serde_json::{Value, json};
use vivarium_sandbox::Sandbox;

/// Rows of a batch.
pub const ROWS: usize = 8192;
/// Batches of one round.
pub const BATCHES: usize = 50;

/// `--rounds N`; what cargo itself passes is ignored.
pub fn rounds() -> Result<usize> {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().position(|argument| argument == "--rounds") {
        None => Ok(11),
        Some(position) => {
            let value = arguments.get(position + 1).context("--rounds takes a number")?;
            value.parse().with_context(|| format!("--rounds takes a number, not {value:?}"))
        }
    }
}

/// Prints a row of the report.
pub fn row(figure: &str, measured: &str, asked: &str) {
    println!("| {figure} | {measured} | {asked} |");
}

/// Samples in seconds, or ratios.
pub struct Samples(Vec<f64>);

impl Samples {
    pub fn new(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    pub fn quantile(&self, part: f64) -> f64 {
        self.0[((self.0.len() - 1) as f64 * part).round() as usize]
    }

    /// The median and the quartiles, multiplied by `unit`.
    pub fn show(&self, unit: f64) -> String {
        let [low, median, high] = [0.25, 0.5, 0.75].map(|part| self.quantile(part) * unit);
        format!("{median:.2} ({low:.2}–{high:.2})")
    }
}

/// One function on both sides.
pub struct Case {
    pub figure: &'static str,
    /// Its name on the native side.
    pub native: &'static str,
    pub handle: u32,
    pub columns: Vec<ArrayRef>,
    pub result: DataType,
    pub asked: &'static str,
}

/// Prints what a row takes on both sides, which take turns.
pub async fn compare(sandbox: &mut Sandbox, native: &mut Native, case: Case, rounds: usize) -> Result<()> {
    let (mut ours, mut theirs, mut ratio) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=rounds {
        let native_seconds = native.seconds_per_row(case.native)?;
        let mut times = Vec::new();
        for _ in 0..BATCHES {
            let start = Instant::now();
            sandbox.invoke(case.handle, 0, ROWS, &case.columns, &case.result).await?;
            times.push(start.elapsed().as_secs_f64() / ROWS as f64);
        }
        if round > 0 {
            let seconds = Samples::new(times).quantile(0.5);
            ours.push(seconds);
            theirs.push(native_seconds);
            ratio.push(seconds / native_seconds);
        }
    }
    let [ours, theirs] = [ours, theirs].map(|seconds| Samples::new(seconds).quantile(0.5) * 1e9);
    let measured = format!("{}x: {ours:.2} ns a row, native {theirs:.2} ns", Samples::new(ratio).show(1.0));
    row(case.figure, &measured, case.asked);
    Ok(())
}

/// The same shim on native CPython, in a process of its own that measures when it is asked to.
pub struct Native {
    child: Child,
    requests: ChildStdin,
    replies: BufReader<ChildStdout>,
}

impl Native {
    pub fn start(python: &Path) -> Result<Self> {
        let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wasm-python");
        let python = environment(&guest.join("tests/environment.py"), python)?;
        let mut child = Command::new(&python)
            .arg(guest.join("benches/native.py"))
            .args(["--serve", "--rows", &ROWS.to_string(), "--batches", &BATCHES.to_string()])
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", python.display()))?;
        let requests = child.stdin.take().context("stdin of the native side")?;
        let replies = BufReader::new(child.stdout.take().context("stdout of the native side")?);
        Ok(Self { child, requests, replies })
    }

    /// Median seconds per row of one function over a batch.
    pub fn seconds_per_row(&mut self, function: &str) -> Result<f64> {
        writeln!(self.requests, "{function}")?;
        let mut line = String::new();
        self.replies.read_line(&mut line)?;
        let reply: Value =
            serde_json::from_str(&line).context("the native side did not answer; its message is above")?;
        Ok(reply["median"].as_f64().context("a median")? * 1e-9)
    }
}

/// The interpreter of the native side's virtual environment, which `script` makes for this native CPython.
pub fn environment(script: &Path, python: &Path) -> Result<PathBuf> {
    let mut child = Command::new("python3").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut info = child.stdin.take().context("stdin of the script")?;
    write!(info, "{}", json!({ "native_python": python }))?;
    drop(info);
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "{} ended with {}", script.display(), output.status);
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim_end()))
}

/// Anonymous resident memory of this process in kB: what copy-on-write pages become once they are written.
pub fn anonymous_memory() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).context("RssAnon in /proc/self/status")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}

impl Drop for Native {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
