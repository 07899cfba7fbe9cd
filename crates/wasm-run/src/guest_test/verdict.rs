//! Results, compared with what was expected.

use serde::Serialize;

use super::events::{Outcome, TestRecord};
use super::expected::Expected;
use super::pattern;
use super::session::ModuleRun;
use super::suite::Suite;

/// The result of a suite.
#[derive(Debug, Serialize)]
pub struct Verdict {
    /// Whose tests.
    pub suite: Suite,
    /// Numbers of tests.
    pub counts: Counts,
    /// Seconds spent in sandboxes, summed over the modules.
    pub seconds: f64,
    /// Tests that failed and are not on the list.
    pub unexpected: Vec<TestRecord>,
    /// Tests that failed and are on the list.
    pub expected: Vec<ExpectedFailure>,
    /// Tests that were skipped, and modules.
    pub skipped: Vec<TestRecord>,
    /// What is wrong with the list.
    pub stale: Vec<Stale>,
}

/// Numbers of tests.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Those that were run; skipped ones are not.
    pub run: usize,
    /// Passed.
    pub passed: usize,
    /// Failed, as the tests themselves expect.
    pub xfailed: usize,
    /// Failed and are on the list.
    pub expected: usize,
    /// Failed and are not on the list.
    pub unexpected: usize,
    /// Did not want to run here.
    pub skipped: usize,
}

/// A failure with the reason it is on the list for.
#[derive(Debug, Serialize)]
pub struct ExpectedFailure {
    /// The test.
    #[serde(flatten)]
    pub record: TestRecord,
    /// Why it is expected.
    pub because: &'static str,
}

/// A pattern of the list that expects failures where there are none.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Stale {
    /// The pattern.
    pub pattern: &'static str,
    /// What became of its tests.
    pub problem: StaleProblem,
}

/// What is wrong with a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StaleProblem {
    /// All its tests pass.
    Passes,
    /// Its module has run and there is no such test.
    NoSuchTest,
}

impl Verdict {
    /// Compares what a suite's modules did with the list.
    pub fn new(suite: Suite, runs: Vec<ModuleRun>) -> Self {
        Self::against(suite.expected(), suite, runs)
    }

    fn against(list: &'static [Expected], suite: Suite, runs: Vec<ModuleRun>) -> Self {
        let stale = stale(list, &runs);
        let seconds = runs.iter().map(|run| run.time.as_secs_f64()).sum();
        let mut verdict = Self {
            suite,
            counts: Counts::default(),
            seconds,
            unexpected: Vec::new(),
            expected: Vec::new(),
            skipped: Vec::new(),
            stale,
        };
        for record in runs.into_iter().flat_map(|run| run.tests) {
            verdict.take(list, record);
        }
        verdict
    }

    fn take(&mut self, list: &'static [Expected], record: TestRecord) {
        let counts = &mut self.counts;
        counts.run += usize::from(record.outcome != Outcome::Skip);
        match record.outcome {
            Outcome::Pass => counts.passed += 1,
            Outcome::Xfail => counts.xfailed += 1,
            Outcome::Skip => {
                counts.skipped += 1;
                self.skipped.push(record);
            }
            _ => match list.iter().find(|entry| entry.matching(&record.test).is_some()) {
                Some(entry) => {
                    counts.expected += 1;
                    self.expected.push(ExpectedFailure { record, because: &entry.reason });
                }
                None => {
                    counts.unexpected += 1;
                    self.unexpected.push(record);
                }
            },
        }
    }

    /// Whether the suite went as it should; `strict` also wants the list to be true.
    pub fn passed(&self, strict: bool) -> bool {
        self.unexpected.is_empty() && (!strict || self.stale.is_empty())
    }
}

/// Patterns of which no test failed although all the modules they speak of have run.
///
/// A test that was skipped says nothing about its pattern: another machine may run it.
fn stale(list: &'static [Expected], runs: &[ModuleRun]) -> Vec<Stale> {
    let patterns = list.iter().filter(|entry| !entry.sometimes && !entry.omit).flat_map(|entry| &entry.tests);
    let mut stale = Vec::new();
    for pattern in patterns {
        let module = |run: &&ModuleRun| pattern::prefix(pattern).starts_with(run.module.as_str());
        let Some(run) = runs.iter().find(module) else { continue };
        let mut matching = run.tests.iter().filter(|test| pattern::matches(pattern, &test.test)).peekable();
        if matching.peek().is_none() {
            stale.push(Stale { pattern, problem: StaleProblem::NoSuchTest });
        } else if matching.all(|test| matches!(test.outcome, Outcome::Pass | Outcome::Xfail)) {
            stale.push(Stale { pattern, problem: StaleProblem::Passes });
        }
    }
    stale
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn run(module: &str, tests: &[(&str, Outcome)]) -> ModuleRun {
        let record = |(test, outcome): &(&str, Outcome)| TestRecord {
            test: (*test).to_owned(),
            outcome: *outcome,
            reason: String::new(),
            traceback: String::new(),
        };
        ModuleRun { module: module.to_owned(), tests: tests.iter().map(record).collect(), time: Duration::ZERO }
    }

    fn verdict(list: serde_json::Value, runs: Vec<ModuleRun>) -> Verdict {
        let list: Vec<Expected> = serde_json::from_value(list).unwrap();
        Verdict::against(list.leak(), Suite::Cpython, runs)
    }

    #[test]
    fn a_failure_is_expected_only_when_the_list_has_it() {
        let list = serde_json::json!([{"reason": "no such thing here", "tests": ["test_os.Fork.*"]}]);
        let tests = [
            ("test_os.Fork.test_a", Outcome::Error),
            ("test_os.Fork.test_b", Outcome::Crash),
            ("test_os.Path.test_c", Outcome::Fail),
            ("test_os.Path.test_d", Outcome::Pass),
            ("test_os.Path.test_e", Outcome::Skip),
            ("test_os.Path.test_f", Outcome::Xfail),
        ];
        let verdict = verdict(list, vec![run("test_os", &tests)]);
        assert_eq!(verdict.counts, Counts { run: 5, passed: 1, xfailed: 1, expected: 2, unexpected: 1, skipped: 1 });
        assert_eq!(verdict.unexpected[0].test, "test_os.Path.test_c");
        assert_eq!(verdict.expected[0].because, "no such thing here");
        assert!(!verdict.passed(false));
    }

    #[test]
    fn an_expected_failure_that_passes_fails_only_when_asked_to() {
        let list = serde_json::json!([
            {"reason": "passes", "tests": ["test_os.A.test_a", "test_os.B.*"]},
            {"reason": "depends on the machine", "tests": ["test_os.A.test_b"], "sometimes": true},
            {"reason": "gone", "tests": ["test_os.Z.*", "test_other.*"]},
        ]);
        let tests = [
            ("test_os.A.test_a", Outcome::Pass),
            ("test_os.A.test_b", Outcome::Pass),
            ("test_os.B.test_a", Outcome::Pass),
            ("test_os.B.test_b", Outcome::Fail),
        ];
        let verdict = verdict(list, vec![run("test_os", &tests)]);
        let stale = [
            Stale { pattern: "test_os.A.test_a", problem: StaleProblem::Passes },
            Stale { pattern: "test_os.Z.*", problem: StaleProblem::NoSuchTest },
        ];
        assert_eq!(verdict.stale, stale);
        assert!(verdict.passed(false) && !verdict.passed(true));
    }
}
