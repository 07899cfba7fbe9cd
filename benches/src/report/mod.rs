//! The report: Markdown with tables, plots beside it. It is written from the results alone.

mod aims;
mod plots;
mod tables;
mod tenants;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::results::Results;
use crate::rounds::Side;
use crate::statistics::NOISY;

/// Writes `benchmarks.md` and its plots below `directory`; the report's path.
///
/// # Errors
/// When files cannot be written.
pub fn write(results: &Results, directory: &Path) -> Result<PathBuf> {
    let plots = plots::draw(results, &directory.join("benchmarks"))?;
    let path = directory.join("benchmarks.md");
    std::fs::write(&path, markdown(results, &plots)).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

fn markdown(results: &Results, plots: &[plots::Plot]) -> String {
    let mut text = String::new();
    let plot = |name: &str| {
        let plot = plots.iter().find(|plot| plot.file == name);
        plot.map(|plot| format!("![{}](benchmarks/{})\n\n", plot.title, plot.file)).unwrap_or_default()
    };
    text += "# What the sandbox costs\n\nWritten by `wasm-run bench`; do not edit. ";
    text += &introduction(results);
    section(&mut text, "Aims", aims::table(results));
    section(&mut text, "A row", tables::rows(results) + &plot("rows.svg"));
    section(&mut text, "As columns", tables::columns(results) + &plot("columns.svg"));
    section(&mut text, "Batches", tables::batches(results) + &plot("batches.svg"));
    section(&mut text, "Threads", tables::threads(results) + &plot("threads.svg"));
    section(&mut text, "Stock PyFlink", tables::jobs(results));
    section(&mut text, "Starting, limits and memory", tables::quantities(results));
    section(&mut text, "Tenants beside each other", tenants::tables(results) + &plot("tenants.svg"));
    section(&mut text, "Copying, and growth", tables::growth(results));
    section(&mut text, "Not run", absent(results));
    text
}

fn section(text: &mut String, title: &str, content: String) {
    if !content.trim().is_empty() {
        let _ = write!(text, "## {title}\n\n{}\n\n", content.trim_end());
    }
}

fn introduction(results: &Results) -> String {
    let machine = &results.machine;
    format!(
        "Sandbox and contenders take turns, round by round, so that whatever else the machine does hits all of them. Figures are medians over the \
         rounds; ranges of times are quartiles. A ratio is the median of the rounds' own ratios, with a 95 % confidence interval from 2,000 resamples of the \
         rounds; one of fewer than three rounds, or whose interval is wider than {noisy:.0} % of it, is marked *noisy* and is to be measured again on a quieter machine. The numbers \
         behind the tables are in [results.json](benchmarks/results.json).\n\n\
         The sandbox side is the library as an engine uses it: both copies, all checks, limits and epochs are in its time. What the contenders are and how they are \
         installed: [benches/contenders](../benches/contenders/README.md).\n\n\
         | | |\n|---|---|\n| machine | {processor}, {cores} cores, {memory:.1} GiB |\n| system | {system} |\n| guest | CPython {python}, {packages}, module {guest} |\n\
         | day, time it took, effort | {day}, {minutes:.0} min, {effort} |\n| build | {build}; dependencies and the sandbox are optimised in both |\n\n",
        noisy = NOISY * 100.0,
        processor = machine.processor,
        cores = machine.cores,
        memory = machine.memory as f64 / (1u64 << 30) as f64,
        system = machine.system,
        python = machine.python,
        packages = machine.packages.join(", "),
        guest = machine.guest,
        day = machine.day,
        minutes = results.seconds / 60.0,
        effort = results.effort,
        build = machine.build,
    )
}

/// What has no figure, and why, each reason once.
fn absent(results: &Results) -> String {
    let mut lines: Vec<(String, String, Vec<String>)> = Vec::new();
    for (contender, reason) in &results.absent {
        lines.push((contender.clone(), reason.clone(), vec!["everything".to_owned()]));
    }
    let sides = results
        .comparisons
        .iter()
        .map(|one| (&one.work, &one.sides))
        .chain(results.jobs.iter().map(|job| (&job.work, &job.sides)));
    for (work, sides) in sides {
        for (contender, side) in sides {
            let Side::NotRun { reason } = side else { continue };
            match lines.iter_mut().find(|(name, why, _)| name == contender && why == reason) {
                Some((_, _, of)) if of.contains(work) => {}
                Some((_, _, of)) => of.push(work.clone()),
                None => lines.push((contender.clone(), reason.clone(), vec![work.clone()])),
            }
        }
    }
    if lines.is_empty() {
        return String::new();
    }
    let mut text = "| contender | work | why |\n|---|---|---|\n".to_owned();
    for (contender, reason, of) in lines {
        let _ = writeln!(text, "| {contender} | {} | {} |", of.join(", "), reason.replace('|', "\\|"));
    }
    text
}
