//! What `series` measures with. (Everything else is measured by `wasm-run bench`.)

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::json;

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
