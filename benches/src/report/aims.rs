//! What was aimed at, what was reached, and what stands in the way where it was not.

use std::fmt::Write as _;

use super::tenants;
use crate::contenders::{self, SANDBOX};
use crate::results::Results;
use crate::rounds::Side;
use crate::standard::{BATCH, BATCHES};
use crate::statistics::{Ratio, Samples, show_time, significant};
use crate::work::{self, Kind};

/// Something that was aimed at.
struct Aim {
    what: &'static str,
    aim: &'static str,
    /// What was found and whether that is enough; none when it was not measured.
    found: fn(&Results) -> Option<(String, bool)>,
    /// Why it is missed and what was tried, said only when it is.
    why: &'static str,
}

/// The aims as a table, and what there is to say about those that were missed.
pub fn table(results: &Results) -> String {
    let (mut text, mut missed) = ("| what | aim | reached |\n|---|---|---|\n".to_owned(), String::new());
    let empty = text.len();
    for Aim { what, aim, found, why } in AIMS {
        let Some((found, enough)) = found(results) else { continue };
        let found = if enough { found } else { format!("**missed**: {found}") };
        let _ = writeln!(text, "| {what} | {aim} | {found} |");
        if !enough && !why.is_empty() {
            let _ = writeln!(missed, "* {what}: {why}");
        }
    }
    if text.len() == empty {
        return String::new();
    }
    if !missed.is_empty() {
        let _ = write!(text, "\nWhat stands in the way of the missed ones, and what was tried:\n\n{missed}");
    }
    text + "\n"
}

const AIMS: &[Aim] = &[
    Aim {
        what: "`add one` row by row, against arrow-udf on native CPython, one thread",
        aim: "at most 1.25x",
        found: |results| ratio_at_most(results, "add one", 1, contenders::ARROW_UDF, 1.25),
        why: "",
    },
    Aim {
        what: "the same on two threads",
        aim: "ahead",
        found: |results| ratio_at_most(results, "add one", 2, contenders::ARROW_UDF, 1.0),
        why: "",
    },
    Aim {
        what: "add one; upper; substring, against pyo3",
        aim: "at most 0.12x; 0.2x; 0.2x",
        found: |results| {
            ratios_at_most(results, contenders::PYO3, &[("add one", 0.12), ("upper", 0.2), ("substring", 0.2)])
        },
        why: "",
    },
    Aim {
        what: "business rule; gcd, against pyo3",
        aim: "at most 0.15x; 0.4x",
        found: |results| ratios_at_most(results, contenders::PYO3, &[("business rule", 0.15), ("gcd", 0.4)]),
        why: "",
    },
    Aim {
        what: "decimal, add a day, parse time, struct, against pyo3",
        aim: "at most 0.1x each",
        found: |results| {
            let works = ["decimal", "add a day", "parse time", "struct"].map(|work| (work, 0.1));
            ratios_at_most(results, contenders::PYO3, &works)
        },
        why: "",
    },
    Aim {
        what: "json; regex, against pyo3",
        aim: "at most 0.25x; 0.5x",
        found: |results| ratios_at_most(results, contenders::PYO3, &[("json", 0.25), ("regex", 0.5)]),
        why: "",
    },
    Aim {
        what: "rows that no column can hold, against the same without columns, until the program is dropped",
        aim: "at most 1.1x",
        found: |results| {
            let samples = |key| Some(&results.measure(key)?.samples);
            let ratio = Ratio::of(samples("fallback/columns")?, samples("fallback/interpreter")?)?;
            Some((ratio.show(), ratio.median <= 1.1))
        },
        why: "lifting is in it, which happens once for a task, and so are the rows that are tried before a program rests.",
    },
    Aim {
        what: "a call with one row, of every function of a row",
        aim: "under 3 µs",
        found: one_row,
        why: "of 15,800 instructions of the cheapest one (development profile) 2,900 are the guest's; the host's are a time slice, a deadline, accounts, copies and checks. The dearest functions take longer than \
              that by themselves.",
    },
    Aim {
        what: "every kind of work, against PyFlink's process mode",
        aim: "10x ahead per row",
        found: |results| flink(results, contenders::FLINK_PROCESS, 10.0),
        why: "where the function itself takes microseconds, as parsing does, no way of calling it can be ten times faster than another.",
    },
    Aim {
        what: "every kind of work, against PyFlink's thread mode",
        aim: "2x ahead per row",
        found: |results| flink(results, contenders::FLINK_THREAD, 2.0),
        why: "thread mode calls the function natively in the JVM: what takes microseconds in Python takes 2 to 3 times as long in the sandbox, and the JVM's own share of a row is small beside it.",
    },
    Aim {
        what: "a worker process over a pipe, every work and size of batch",
        aim: "beaten",
        found: pipe,
        why: "with many rows a batch a worker's cost is Python's own, which runs natively there; the sandbox is ahead where rows cross often or conversion dominates.",
    },
    Aim {
        what: "vectorized add, against NumPy in process",
        aim: "at most 1.3x; 4x to begin with",
        found: |results| ratio_at_most(results, "vectorized add", 1, contenders::NUMPY, 1.3),
        why: "NumPy's whole addition of 8,192 rows is 1.6 µs in the processor's cache. Copying 192 KiB in and out takes longer than that alone; then come 24,000 instructions of the call, \
              of ufuncs and of making arrays in the guest, 17,000 on the host, and two system calls for the thread's processor time. No page is faulted in. Work with more arithmetic a byte comes closer.",
    },
    Aim {
        what: "vectorized price, against NumPy in process",
        aim: "at most 1.3x",
        found: |results| ratio_at_most(results, "vectorized price", 1, contenders::NUMPY, 1.3),
        why: "as for the addition, with more of NumPy's own loops, which have 128-bit vectors in WebAssembly and 256-bit ones natively.",
    },
    Aim {
        what: "`add one`, against the same C shim on native CPython",
        aim: "at most 3.2x",
        found: |results| ratio_at_most(results, "add one", 1, contenders::SAME_SHIM, 3.2),
        why: "",
    },
    Aim {
        what: "`upper`, against the same",
        aim: "at most 3.5x",
        found: |results| ratio_at_most(results, "upper", 1, contenders::SAME_SHIM, 3.5),
        why: "",
    },
    Aim {
        what: "decimal, add a day, struct, against the same",
        aim: "at most 5x",
        found: |results| {
            let works = ["decimal", "add a day", "struct"].map(|work| (work, 5.0));
            ratios_at_most(results, contenders::SAME_SHIM, &works)
        },
        why: "",
    },
    Aim {
        what: "99 of 100 short calls beside a hundred hostile tenants, against beside a hundred that compute",
        aim: "at most 2x as long",
        found: |results| tenants::tail_ratio(results).map(|ratio| (format!("{}x", significant(ratio)), ratio <= 2.0)),
        why: "",
    },
    Aim {
        what: "shares of processor time by weights from 1 to 100, in windows of a second",
        aim: "within 5 % of the time",
        found: |results| {
            tenants::largest_error(results).map(|error| (format!("within {:.2} %", error * 100.0), error <= 0.05))
        },
        why: "",
    },
    Aim {
        what: "a process with 2,000 idle tenants",
        aim: "under 2 GiB",
        found: |results| {
            tenants::idle(results)
                .map(|bytes| (format!("{:.0} MiB", bytes / f64::from(1 << 20)), bytes < f64::from(1u32 << 31)))
        },
        why: "",
    },
    Aim {
        what: "two instances, against one",
        aim: "at least 1.8x",
        found: |results| {
            let rate = |threads| Some(1.0 / results.comparison("add one", BATCH, threads)?.samples(SANDBOX)?.median());
            let speed_up = rate(2)? / rate(1)?;
            Some((format!("{}x", significant(speed_up)), speed_up >= 1.8))
        },
        why: "a second core has to be free.",
    },
    Aim {
        what: "grouped sum row by row, 10,000 groups of 1 M rows",
        aim: "at least 1.5 M rows/s",
        found: |results| rate_at_least(results, "grouped sum", 1.5e6),
        why: "",
    },
    Aim {
        what: "the same, vectorized",
        aim: "at least 5 M rows/s",
        found: |results| rate_at_least(results, "grouped sum, vectorized", 5e6),
        why: "",
    },
    Aim {
        what: "checkout of a warm instance",
        aim: "under 20 µs",
        found: |results| under(results, "start/checkout", 20e-6),
        why: "",
    },
    Aim {
        what: "instantiate, load ten lines, first row",
        aim: "under 1 ms",
        found: |results| under(results, "start/cold", 1e-3),
        why: "a third is page faults (150 pages of linear memory; the engine resets at most 32 regions of a used slot in place), 15 % compiling the ten lines.",
    },
    Aim {
        what: "`wasm-run run` on 1,000 rows, whole process",
        aim: "under 150 ms",
        found: |results| under(results, "start/process", 0.15),
        why: "",
    },
    Aim {
        what: "private memory of an idle instance, one of 32",
        aim: "under 64 kB",
        found: |results| bytes_under(results, "memory/idle/32", 64e3),
        why: "an idle instance has started, with seeds, variables and working directory of its own. That writes 55 pages, and tables and stacks add as much again.",
    },
    Aim {
        what: "private memory after a load and one batch, one of 32",
        aim: "under 1 MB",
        found: |results| bytes_under(results, "memory/loaded/32", 1e6),
        why: "",
    },
];

fn ratio_at_most(results: &Results, work: &str, threads: usize, contender: &str, most: f64) -> Option<(String, bool)> {
    let ratio = results.comparison(work, BATCH, threads)?.ratio(contender)?;
    Some((ratio.show(), ratio.median <= most))
}

fn ratios_at_most(results: &Results, contender: &str, works: &[(&str, f64)]) -> Option<(String, bool)> {
    let found = works
        .iter()
        .filter_map(|&(work, most)| Some((work, results.comparison(work, BATCH, 1)?.ratio(contender)?, most)));
    let found: Vec<_> = found.collect();
    let shown: Vec<_> = found.iter().map(|(work, ratio, _)| format!("{work} {}", ratio.show())).collect();
    (!found.is_empty()).then(|| (shown.join("; "), found.iter().all(|(_, ratio, most)| ratio.median <= *most)))
}

/// The cheapest and the dearest function of a row that is called with one.
fn one_row(results: &Results) -> Option<(String, bool)> {
    let scalar: Vec<_> =
        work::all().into_iter().filter(|work| work.kind == Kind::Scalar).map(|work| work.name).collect();
    let calls =
        scalar.into_iter().filter_map(|work| Some((work, results.comparison(work, 1, 1)?.samples(SANDBOX)?.median())));
    let mut calls: Vec<_> = calls.collect();
    calls.sort_by(|(_, left), (_, right)| left.total_cmp(right));
    let ((cheapest, low), (dearest, high)) = (calls.first()?, calls.last()?);
    let text = format!("{} ({cheapest}) to {} ({dearest})", show_time(*low), show_time(*high));
    Some((text, *high < 3e-6))
}

fn rate_at_least(results: &Results, work: &str, least: f64) -> Option<(String, bool)> {
    let rate = 1.0 / results.comparison(work, BATCH, 1)?.samples(SANDBOX)?.median();
    Some((format!("{} M rows/s", significant(rate / 1e6)), rate >= least))
}

fn under(results: &Results, key: &str, most: f64) -> Option<(String, bool)> {
    let median = results.measure(key)?.samples.median();
    Some((show_time(median), median < most))
}

fn bytes_under(results: &Results, key: &str, most: f64) -> Option<(String, bool)> {
    let median = results.measure(key)?.samples.median();
    Some((format!("{:.0} kB", median / 1e3), median < most))
}

/// The worker process on every case, and the case where it is closest.
fn pipe(results: &Results) -> Option<(String, bool)> {
    let ratios = results.comparisons.iter().filter(|one| one.threads == 1);
    let mut ratios: Vec<_> = ratios.filter_map(|one| Some((one, one.ratio(contenders::PIPE)?))).collect();
    ratios.sort_by(|(_, left), (_, right)| left.median.total_cmp(&right.median));
    let (worst, ratio) = ratios.last()?;
    let behind: Vec<_> = ratios.iter().filter(|(_, ratio)| ratio.median >= 1.0).collect();
    let sizes: Vec<_> = BATCHES
        .iter()
        .filter(|rows| behind.iter().any(|(one, _)| one.rows == **rows))
        .map(ToString::to_string)
        .collect();
    let text = format!(
        "ahead in {} of {} cases; the closest: {} with {} rows, {}",
        ratios.len() - behind.len(),
        ratios.len(),
        worst.work,
        worst.rows,
        ratio.show()
    );
    let text =
        if behind.is_empty() { text } else { format!("{text}; behind with batches of {} rows", sizes.join(", ")) };
    Some((text, behind.is_empty()))
}

/// Flink on every job, and the job where it is closest.
fn flink(results: &Results, mode: &str, least: f64) -> Option<(String, bool)> {
    let samples = |side: Option<&Side>| match side {
        Some(Side::Run { seconds_per_row }) => Some(seconds_per_row.clone()),
        _ => None::<Samples>,
    };
    let ahead = |job: &crate::results::Job| {
        Some((job.work.clone(), Ratio::of(&samples(job.sides.get(mode))?, &samples(job.sides.get(SANDBOX))?)?))
    };
    let mut ahead: Vec<_> = results.jobs.iter().filter_map(ahead).collect();
    ahead.sort_by(|(_, left), (_, right)| left.median.total_cmp(&right.median));
    let (closest, ratio) = ahead.first()?;
    let enough = ahead.iter().filter(|(_, ratio)| ratio.median >= least).count();
    let text = format!("in {enough} of {}; the closest: {closest}, {} ahead", ahead.len(), ratio.show());
    Some((text, enough == ahead.len()))
}
