//! Feeds the targets for a time, or runs one over files.

use std::io::{BufRead, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use vivarium::types;
use vivarium_fuzz::driver::{self, Crash, Feeder, Until};
use vivarium_fuzz::{TARGETS, Target};
use vivarium_sandbox::parse_duration;

/// Where inputs are kept.
const KEEP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/fuzz");

/// Feed mutated inputs to the readers of hostile bytes.
///
/// An input over which one fails is kept under target/fuzz; give it as FILE to see the failure again.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  vivarium-fuzz                     # every target, 10 seconds each
  vivarium-fuzz --time 1h zip
  vivarium-fuzz zip target/fuzz/zip/crash-0123456789abcdef")]
struct Arguments {
    /// One target [default: all of them].
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(TARGETS.map(|target| target.name)))]
    target: Option<String>,

    /// Inputs to run, instead of making some.
    files: Vec<PathBuf>,

    /// Reads texts from standard input, a string of JSON in a line, and writes what each is as a type, or null, in the same form: for
    /// guest_types.py.
    #[arg(long, conflicts_with_all = ["target", "time", "seed"])]
    spell: bool,

    /// How long each target is fed.
    #[arg(long, default_value = "10s", value_parser = parse_duration)]
    time: Duration,

    /// Where the inputs begin; the same seed makes the same ones [default: another one each time].
    #[arg(long)]
    seed: Option<u64>,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    if arguments.spell {
        return spell().map(|()| ExitCode::SUCCESS);
    }
    let chosen = TARGETS.iter().filter(|target| arguments.target.as_deref().is_none_or(|name| name == target.name));
    let seed = arguments.seed.map_or_else(getrandom::u64, Ok).context("no random numbers")?;
    for target in chosen {
        if let Err(crash) = work(target, &arguments, seed)? {
            eprintln!("{crash}\nseed {seed}; once more: vivarium-fuzz {} {}", crash.target, crash.path.display());
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Answers texts that may be types.
fn spell() -> Result<()> {
    let mut answers = BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().lines() {
        let text: String = serde_json::from_str(&line?)?;
        let data_type = types::parse(&text).ok();
        let written = data_type.map(|data_type| types::print(&data_type)).transpose()?;
        writeln!(answers, "{}", serde_json::to_string(&written)?)?;
    }
    Ok(answers.flush()?)
}

/// Runs a target over the files, or feeds it.
fn work(target: &Target, arguments: &Arguments, seed: u64) -> Result<Result<(), Crash>> {
    let keep = Path::new(KEEP);
    if arguments.files.is_empty() {
        return Ok(driver::feed(target, seed, Until::Time(arguments.time), keep)
            .map(|inputs| println!("{}: {inputs} inputs, none of which failed", target.name)));
    }
    for file in &arguments.files {
        let input = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        if let Err(crash) = Feeder::new(target, keep).and_then(|mut feeder| feeder.run(&input)) {
            return Ok(Err(crash));
        }
    }
    Ok(Ok(()))
}
