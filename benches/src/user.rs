//! A user's own function and data: in the sandbox and on native CPython, in turns.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};
use arrow::array::RecordBatch;
use arrow_schema::DataType;
use serde::Serialize;
use vivarium::{ColumnMode, Image, Module, SandboxConfig};
use vivarium_guest::{ImageStore, Manifest};

use crate::child::ChildContender;
use crate::contender::{Contender, NotRun};
use crate::contenders::{SANDBOX, Sandboxed};
use crate::material::{Case, Material};
use crate::rounds::{Comparison, Effort, Side, compare};
use crate::statistics::{Ratio, Samples, significant};
use crate::work::Kind;
use crate::workshop::Workshop;

/// The other side's name.
const NATIVE: &str = "native";

/// A function to be measured.
pub struct Subject<'a> {
    /// Its file, loaded.
    pub module: Module,
    /// The file.
    pub source: &'a Path,
    /// The function's name.
    pub function: &'a str,
    /// How it is called.
    pub kind: vivarium::Kind,
    /// Its arguments; of an aggregate, the key of the groups in front.
    pub arguments: RecordBatch,
    /// The type of its result.
    pub result: DataType,
    /// What its sandboxes are started with.
    pub config: SandboxConfig,
}

/// How to measure it.
#[derive(Debug, Clone)]
pub struct Options {
    /// About how long.
    pub time: Duration,
    /// Rounds, in which both sides take their turns.
    pub rounds: usize,
    /// Rows of a batch.
    pub rows: usize,
    /// The user's own interpreter, in place of the native CPython that the guest's build leaves.
    pub python: Option<PathBuf>,
    /// Whether rows may run as columns, in the sandbox and in the same code natively.
    pub columns: ColumnMode,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Found {
    /// Rows of a batch.
    pub rows: usize,
    /// What the native side is.
    pub native: String,
    /// Nanoseconds per row in the sandbox, a sample a round.
    pub sandbox_nanoseconds: Samples,
    /// The same natively; none when that side does not run.
    pub native_nanoseconds: Option<Samples>,
    /// Why it does not.
    pub native_not_run: Option<String>,
    /// What the sandbox takes of what the native side takes.
    pub ratio: Option<Ratio>,
    /// The rounds disagree so much that the ratio says little.
    pub noisy: bool,
}

/// Measures it.
///
/// # Errors
/// When the function fails in the sandbox, or files cannot be written. A native side that does not run is in the result.
pub async fn run(
    subject: Subject<'_>,
    image: &Image,
    store: &ImageStore,
    manifest: &Manifest,
    options: &Options,
) -> Result<Found> {
    let kind = match subject.kind {
        vivarium::Kind::Scalar | vivarium::Kind::Async => Kind::Scalar,
        vivarium::Kind::Vectorized => Kind::Vectorized,
        vivarium::Kind::Table => Kind::Table,
        vivarium::Kind::Aggregate => Kind::Aggregate,
        other => bail!("{} is a {other} function, which cannot be measured", subject.function),
    };
    let files = tempfile::tempdir()?;
    let source = std::path::absolute(subject.source)?;
    let rows = options.rows.clamp(1, subject.arguments.num_rows().max(1));
    let material = Material::new(
        subject.function,
        source,
        subject.function,
        kind,
        subject.arguments,
        &subject.result,
        files.path(),
    )?;
    let workshop = Workshop::open(store, manifest, options.python.clone())?;
    let mut sandboxed = Sandboxed::new(image, subject.config)
        .with_columns(options.columns)
        .with_module(&material.source, subject.module);
    // A function that fails has no figures, and is told as everywhere.
    sandboxed.check(Case { material: &material, rows, threads: 1 }).await?;
    let mut contenders: Vec<Box<dyn Contender>> = vec![Box::new(sandboxed)];
    let native = match &options.python {
        Some(python) => format!("a loop in {}", python.display()),
        None => format!("the same shim on native CPython {}", manifest.python),
    };
    let mut reason = None;
    match workshop.python().await {
        Ok(python) if options.python.is_some() => {
            let command = workshop.with_stand_in(workshop.script(&python, "plain_loop.py"));
            contenders.push(Box::new(ChildContender::new(NATIVE, command)));
        }
        Ok(python) => {
            let mut command = workshop.script(&python, "same_shim.py");
            command.arg(workshop.sources()).env("VIVARIUM_COLUMNS", options.columns.to_string());
            contenders.push(Box::new(ChildContender::new(NATIVE, command)));
        }
        Err(NotRun(why)) => reason = Some(why),
    }
    let turns = (contenders.len() * (options.rounds + 3)) as u32;
    let effort = Effort { rounds: options.rounds, turn: (options.time / turns.max(1)).max(Duration::from_millis(2)) };
    let comparison = compare(&mut contenders, Case { material: &material, rows, threads: 1 }, effort).await;
    found(comparison, native, reason)
}

fn found(comparison: Comparison, native: String, reason: Option<String>) -> Result<Found> {
    let ratio = comparison.ratio(NATIVE);
    let nanoseconds = |samples: &Samples| samples.map(|seconds| seconds * 1e9);
    let sandbox = match comparison.sides.get(SANDBOX) {
        Some(Side::Run { seconds_per_row }) => nanoseconds(seconds_per_row),
        Some(Side::NotRun { reason }) => bail!("{reason}"),
        None => bail!("the sandbox was not measured"),
    };
    let reason = match comparison.sides.get(NATIVE) {
        Some(Side::NotRun { reason }) => Some(reason.clone()),
        _ => reason,
    };
    Ok(Found {
        rows: comparison.rows,
        native,
        sandbox_nanoseconds: sandbox,
        native_nanoseconds: comparison.samples(NATIVE).map(nanoseconds),
        native_not_run: reason,
        ratio,
        noisy: ratio.is_some_and(|ratio| ratio.is_noisy()),
    })
}

impl Found {
    /// The figures for a person.
    pub fn to_text(&self) -> String {
        let side = |samples: &Samples| {
            let (low, high) = samples.quartiles();
            let [median, low, high] = [samples.median(), low, high].map(significant);
            format!("{median} ns a row ({low}–{high}), {} M rows/s", significant(1e3 / samples.median()))
        };
        let mut text = format!("sandbox: {}\n", side(&self.sandbox_nanoseconds));
        match (&self.native_nanoseconds, &self.native_not_run) {
            (Some(samples), _) => text += &format!("native:  {}; {}\n", side(samples), self.native),
            (None, reason) => {
                text += &format!("native:  not run: {}\n", reason.as_deref().unwrap_or("there is no reason given"));
            }
        }
        match &self.ratio {
            Some(ratio) if self.noisy => {
                text += &format!(
                    "The run is noisy: the sandbox takes between {} and {} times the native time. Close other programs, or give it more --time.\n",
                    significant(ratio.low),
                    significant(ratio.high)
                );
            }
            Some(ratio) => {
                text +=
                    &format!("The sandbox takes {} of the native time (95 % interval in parentheses).\n", ratio.show());
            }
            None => {}
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ours: &[f64], theirs: &[f64]) -> Found {
        let side = |samples: &[f64]| Side::Run { seconds_per_row: Samples(samples.to_vec()) };
        let sides = [(SANDBOX.to_owned(), side(ours)), (NATIVE.to_owned(), side(theirs))];
        let comparison = Comparison { work: "f".to_owned(), rows: 8, threads: 1, sides: sides.into() };
        found(comparison, "a native side".to_owned(), None).unwrap()
    }

    #[test]
    fn a_noisy_run_has_no_single_ratio() {
        let steady = of(&[2e-9, 2.01e-9, 2e-9, 2.02e-9, 2e-9], &[1e-9; 5]).to_text();
        assert!(steady.contains("takes 2.00x (2.00–"), "{steady}");
        let noisy = of(&[2e-9, 4e-9, 2e-9, 5e-9, 3e-9], &[1e-9; 5]).to_text();
        assert!(noisy.contains("The run is noisy") && !noisy.contains("x ("), "{noisy}");
    }

    #[test]
    fn a_native_side_that_does_not_run_is_told() {
        let side = Side::Run { seconds_per_row: Samples(vec![1e-9]) };
        let other = Side::NotRun { reason: "it needs pyarrow".to_owned() };
        let sides = [(SANDBOX.to_owned(), side), (NATIVE.to_owned(), other)].into();
        let comparison = Comparison { work: "f".to_owned(), rows: 8, threads: 1, sides };
        let text = found(comparison, String::new(), None).unwrap().to_text();
        assert!(text.contains("not run: it needs pyarrow") && !text.contains("takes"), "{text}");
    }
}
