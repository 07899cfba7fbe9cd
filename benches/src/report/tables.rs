//! The tables of figures.

use std::fmt::Write as _;

use crate::contenders::{self, SANDBOX};
use crate::flink::WITHOUT_FUNCTION;
use crate::results::Results;
use crate::rounds::{Comparison, Side};
use crate::standard::{BATCH, BATCHES};
use crate::statistics::{Ratio, Samples, show_time, significant};

/// The contenders that take turns batch by batch, in the order of the columns.
pub const CONTENDERS: [&str; 7] = [
    contenders::ROW_BY_ROW,
    contenders::SAME_SHIM,
    contenders::PYO3,
    contenders::ARROW_UDF,
    contenders::PIPE,
    contenders::NUMPY,
    contenders::DATAFUSION,
];

/// What a row costs, of all work.
pub fn rows(results: &Results) -> String {
    let comparisons: Vec<_> = results.comparisons.iter().filter(|one| one.rows == BATCH && one.threads == 1).collect();
    if comparisons.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "One thread, batches of {BATCH} rows. Nanoseconds a row; beneath, what the sandbox takes of what the contender takes: above 1x the \
         contender is faster.\n\n"
    );
    let present = present(&comparisons);
    text += &header("work", std::iter::once(SANDBOX).chain(present.iter().copied()));
    for one in &comparisons {
        let _ = write!(text, "| {} | {} |", one.work, one.samples(SANDBOX).map_or("–".to_owned(), nanoseconds));
        for name in &present {
            let cell = match (one.samples(name), one.ratio(name)) {
                (Some(samples), Some(ratio)) => format!("{}<br>{}", nanoseconds(samples), ratio.show()),
                _ => "–".to_owned(),
            };
            let _ = write!(text, " {cell} |");
        }
        text.push('\n');
    }
    text + "\n"
}

/// Functions of a row as columns, beside the interpreter in the sandbox and natively.
pub fn columns(results: &Results) -> String {
    let comparisons = results.comparisons.iter().filter(|one| one.rows == BATCH && one.threads == 1);
    let comparisons: Vec<_> = comparisons.filter(|one| one.samples(contenders::ROW_BY_ROW).is_some()).collect();
    if comparisons.is_empty() {
        return String::new();
    }
    let mut text = "Functions of a row run as columns ([columns.md](columns.md)). Nanoseconds a row; the last columns are what columns take of what the \
                    interpreter takes, in the sandbox and on native CPython.\n\n"
        .to_owned();
    let names = [contenders::ROW_BY_ROW, contenders::PYO3];
    text += &header("work", ["as columns", names[0], names[1], "of row by row", "of pyo3"].into_iter());
    for one in comparisons {
        let _ = write!(text, "| {} |", one.work);
        for name in [SANDBOX, names[0], names[1]] {
            let _ = write!(text, " {} |", one.samples(name).map_or("–".to_owned(), nanoseconds));
        }
        for name in names {
            let _ = write!(text, " {} |", one.ratio(name).map_or("–".to_owned(), |ratio| ratio.show()));
        }
        text.push('\n');
    }
    let fallback = (results.measure("fallback/columns"), results.measure("fallback/interpreter"));
    if let (Some(with), Some(without)) = fallback
        && let Some(ratio) = Ratio::of(&with.samples, &without.samples)
    {
        let (with, without) = (nanoseconds(&with.samples), nanoseconds(&without.samples));
        let _ = write!(
            text,
            "\nWhen no row can run as columns, a row costs {with} ns from a task's first row until the program is dropped, lifting included, and \
             {without} ns without columns: {}.\n",
            ratio.show()
        );
    }
    text + "\n"
}

/// How a row gets cheaper with the size of batches, and what a call costs.
pub fn batches(results: &Results) -> String {
    let mut works: Vec<&str> = Vec::new();
    for one in results.comparisons.iter().filter(|one| one.threads == 1 && one.rows != BATCH) {
        if !works.contains(&one.work.as_str()) {
            works.push(&one.work);
        }
    }
    if works.is_empty() {
        return String::new();
    }
    let mut text = "Nanoseconds a row by rows per batch, one thread. The first column is a call with a single row: the cost of a call. In parentheses \
                    what the sandbox takes of what the contender takes.\n\n"
        .to_owned();
    for work in works {
        let found: Vec<_> = BATCHES.iter().filter_map(|rows| results.comparison(work, *rows, 1)).collect();
        let present = present(&found);
        text += &header(work, found.iter().map(|one| one.rows.to_string()));
        for name in std::iter::once(SANDBOX).chain(present) {
            let _ = write!(text, "| {name} |");
            for one in &found {
                let cell = match (one.samples(name), one.ratio(name)) {
                    (Some(samples), Some(ratio)) if name != SANDBOX => {
                        let noisy = if ratio.is_noisy() { " noisy" } else { "" };
                        format!("{} ({}x{noisy})", significant(samples.median() * 1e9), significant(ratio.median))
                    }
                    (Some(samples), _) => significant(samples.median() * 1e9),
                    _ => "–".to_owned(),
                };
                let _ = write!(text, " {cell} |");
            }
            text.push('\n');
        }
        text.push('\n');
    }
    text
}

/// Rows per second by threads.
pub fn threads(results: &Results) -> String {
    let works: Vec<&str> = {
        let mut works: Vec<&str> =
            results.comparisons.iter().filter(|one| one.threads > 1).map(|one| one.work.as_str()).collect();
        works.dedup();
        works
    };
    let mut text = String::new();
    for work in works {
        let mut found: Vec<&Comparison> =
            results.comparisons.iter().filter(|one| one.work == work && one.rows == BATCH).collect();
        found.sort_by_key(|one| one.threads);
        let present = present(&found);
        text += &header(work, found.iter().map(|one| format!("{} at a time", one.threads)));
        for name in std::iter::once(SANDBOX).chain(present) {
            let _ = write!(text, "| {name} |");
            for one in &found {
                let rate = |samples: &Samples| format!("{} M rows/s", significant(1e-6 / samples.median()));
                let _ = write!(text, " {} |", one.samples(name).map_or("–".to_owned(), rate));
            }
            text.push('\n');
        }
        text.push('\n');
    }
    text
}

/// Jobs of Flink.
pub fn jobs(results: &Results) -> String {
    if results.jobs.is_empty() {
        return String::new();
    }
    let mut text = "Jobs of the pip package's own cluster, parallelism 1, defaults; what starting a job takes is taken off. A row of a job also costs \
                    what Flink's generator and operators cost: the last column is the same job without a function. Batches for the sandbox have 8,192 \
                    rows.\n\n"
        .to_owned();
    let names = [contenders::FLINK_PROCESS, contenders::FLINK_THREAD];
    text += &header("work", [SANDBOX, names[0], names[1], WITHOUT_FUNCTION].into_iter());
    for job in &results.jobs {
        let samples = |name: &str| match job.sides.get(name) {
            Some(Side::Run { seconds_per_row }) => Some(seconds_per_row),
            _ => None,
        };
        let ours = samples(SANDBOX);
        let _ = write!(text, "| {} | {} |", job.work, ours.map_or("–".to_owned(), nanoseconds));
        for name in names {
            let cell = match (samples(name), ours) {
                (Some(theirs), Some(ours)) => {
                    let ratio = Ratio::of(theirs, ours)
                        .map_or(String::new(), |ratio| format!("<br>the sandbox is {} as fast", ratio.show()));
                    format!("{}{ratio}", nanoseconds(theirs))
                }
                _ => "–".to_owned(),
            };
            let _ = write!(text, " {cell} |");
        }
        let _ = writeln!(text, " {} |", samples(WITHOUT_FUNCTION).map_or("–".to_owned(), nanoseconds));
    }
    text + "\n"
}

/// Quantities of the sandbox alone.
pub fn quantities(results: &Results) -> String {
    let mut text = "| | median | quartiles |\n|---|---|---|\n".to_owned();
    let empty = text.len();
    for measure in results.measures_of("start/").chain(results.measures_of("limits/")) {
        let (low, high) = measure.samples.quartiles();
        let _ = writeln!(
            text,
            "| {} | {} | {}–{} |",
            measure.what,
            show_time(measure.samples.median()),
            show_time(low),
            show_time(high)
        );
    }
    for measure in results.measures_of("memory/") {
        let bytes = measure.samples.median();
        let fit = (f64::from(1u32 << 30) / bytes).floor();
        let _ =
            writeln!(text, "| private memory of {} | {:.0} kB | {fit:.0} fit a GiB |", measure.what, bytes / 1024.0);
    }
    if text.len() == empty { String::new() } else { text + "\n" }
}

/// Copying's share, and what grows with columns and instances.
pub fn growth(results: &Results) -> String {
    let mut text = String::new();
    let copying: Vec<_> = results.measures_of("copying/").collect();
    if !copying.is_empty() {
        text += "The part of a call's time that the host copies and checks, by the runtime's own clocks, 8,192 rows:\n\n| work | copying |\n|---|---|\n";
        for measure in copying {
            let name = measure.key.trim_start_matches("copying/");
            let _ = writeln!(text, "| {name} | {:.1} % |", measure.samples.median() * 100.0);
        }
        text.push('\n');
    }
    let columns: Vec<_> = results.measures_of("growth/columns/").collect();
    if !columns.is_empty() {
        text += "A function of more and more int64 columns that uses one of them:\n\n| columns | a row | a column of a row |\n|---|---|---|\n";
        for measure in columns {
            let count: f64 = measure.key.trim_start_matches("growth/columns/").parse().unwrap_or(f64::NAN);
            let nanoseconds = measure.samples.median() * 1e9;
            let _ = writeln!(
                text,
                "| {count} | {} ns | {} ns |",
                significant(nanoseconds),
                significant(nanoseconds / count)
            );
        }
        text.push('\n');
    }
    let instances: Vec<_> = results.measures_of("growth/instances/").collect();
    if let Some(first) = instances.first() {
        let one = first.samples.median();
        text += "`add one` on more and more instances of one task, also more than there are cores:\n\n| instances | rows/s | of one instance |\n|---|---|---|\n";
        for measure in &instances {
            let count = measure.key.trim_start_matches("growth/instances/");
            let rate = measure.samples.median();
            let _ = writeln!(text, "| {count} | {} M | {}x |", significant(rate / 1e6), significant(rate / one));
        }
        text.push('\n');
    }
    text
}

fn header(first: &str, columns: impl Iterator<Item = impl AsRef<str>>) -> String {
    let (mut head, mut rule) = (format!("| {first} |"), "|---|".to_owned());
    for column in columns {
        let _ = write!(head, " {} |", column.as_ref());
        rule += "---|";
    }
    format!("{head}\n{rule}\n")
}

/// The contenders that have a figure in any of these.
fn present(comparisons: &[&Comparison]) -> Vec<&'static str> {
    CONTENDERS.into_iter().filter(|name| comparisons.iter().any(|one| one.samples(name).is_some())).collect()
}

/// Nanoseconds with their quartiles.
fn nanoseconds(samples: &Samples) -> String {
    let (low, high) = samples.quartiles();
    format!("{} ({}–{})", significant(samples.median() * 1e9), significant(low * 1e9), significant(high * 1e9))
}
