//! The results for people and for machines.

use std::io::{self, Write};

use super::events::{Outcome, TestRecord};
use super::session::ModuleRun;
use super::verdict::{StaleProblem, Verdict};

/// One line for a module that is done.
pub fn module(output: &mut dyn Write, run: &ModuleRun) -> io::Result<()> {
    let count = |wanted: fn(Outcome) -> bool| run.tests.iter().filter(|test| wanted(test.outcome)).count();
    let failed = match count(Outcome::is_failure) {
        0 => String::new(),
        failed => format!(", {failed} failed"),
    };
    let skipped = match count(|outcome| outcome == Outcome::Skip) {
        0 => String::new(),
        skipped => format!(", {skipped} skipped"),
    };
    let passed = count(|outcome| matches!(outcome, Outcome::Pass | Outcome::Xfail));
    writeln!(output, "{}: {passed} passed{failed}{skipped} ({:.1} s)", run.module, run.time.as_secs_f64())
}

/// What is wrong, and the numbers.
pub fn summary(output: &mut dyn Write, verdicts: &[Verdict]) -> io::Result<()> {
    for verdict in verdicts {
        for record in &verdict.unexpected {
            unexpected(output, record)?;
        }
        for stale in &verdict.stale {
            let problem = match stale.problem {
                StaleProblem::Passes => "is on the list of expected failures and passes",
                StaleProblem::NoSuchTest => "is on the list of expected failures and there is no such test",
            };
            writeln!(output, "note: {} {problem}", stale.pattern)?;
        }
    }
    for verdict in verdicts {
        let counts = &verdict.counts;
        writeln!(
            output,
            "{}: {} tests run, {} passed, {} failed as the tests expect, {} failed as the list expects, {} failed \
             unexpectedly, {} skipped ({:.0} s of sandboxes)",
            verdict.suite.name(),
            counts.run,
            counts.passed,
            counts.xfailed,
            counts.expected,
            counts.unexpected,
            counts.skipped,
            verdict.seconds,
        )?;
    }
    Ok(())
}

fn unexpected(output: &mut dyn Write, record: &TestRecord) -> io::Result<()> {
    let how = match record.outcome {
        Outcome::Crash => "CRASHED",
        Outcome::Timeout => "TIMED OUT",
        _ => "FAILED",
    };
    writeln!(output, "{how} {}: {}", record.test, record.reason)?;
    for line in record.traceback.lines() {
        writeln!(output, "    {line}")?;
    }
    Ok(())
}

/// Everything but the tests that passed.
pub fn json(output: &mut dyn Write, verdicts: &[Verdict]) -> io::Result<()> {
    serde_json::to_writer(&mut *output, &serde_json::json!({ "suites": verdicts }))?;
    writeln!(output)
}
