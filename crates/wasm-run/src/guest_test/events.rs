//! What the runner reports: lines of JSON among whatever the tests print. See `wasm-python/tests/conformance/runner.py`.
//!
//! The lines come from the guest: one that is no event is noticed, and control characters never reach a terminal.

use serde::{Deserialize, Serialize};

/// What a line that is an event starts with.
const RECORD_SEPARATOR: u8 = 0x1e;

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It passed.
    Pass,
    /// It did not want to run here.
    Skip,
    /// It failed, as the test itself expects.
    Xfail,
    /// An assertion failed.
    Fail,
    /// Another exception was raised.
    Error,
    /// It took the interpreter with it.
    Crash,
    /// It was running when the time was over.
    Timeout,
}

impl Outcome {
    /// Whether something is wrong.
    pub fn is_failure(self) -> bool {
        self >= Self::Fail
    }
}

/// One test, or a module as a whole when it was skipped or could not be imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestRecord {
    /// Its id: `test_json.test_dump.TestCDump.test_dump`, `numpy/ma/tests/test_core.py::TestMaskedArray::test_basic1d`.
    pub test: String,
    /// How it ended.
    pub outcome: Outcome,
    /// The exception's last line, or why it was skipped.
    pub reason: String,
    /// The traceback; empty when it did not fail.
    pub traceback: String,
}

#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Event {
    Start { test: String },
    End(TestRecord),
    Module { outcome: ModuleOutcome, reason: String, traceback: String },
}

/// How a module ended, when it ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModuleOutcome {
    /// All its tests ran.
    Done,
    /// It does not want to run here.
    Skip,
    /// It could not be imported.
    Error,
}

/// Everything one sandbox reported.
#[derive(Debug, Default)]
pub struct EventLog {
    /// The tests that ended.
    pub tests: Vec<TestRecord>,
    /// The test that was running at the end.
    pub running: Option<String>,
    /// How the module ended, with the reason and the traceback.
    pub module: Option<(ModuleOutcome, String, String)>,
    /// A line that claims to be an event and is none.
    pub problem: Option<String>,
}

impl EventLog {
    /// Finds the events in the standard output of a sandbox.
    pub fn read(output: &[u8]) -> Self {
        let mut log = Self::default();
        for line in output.split(|byte| *byte == b'\n') {
            let Some((&RECORD_SEPARATOR, text)) = line.split_first() else { continue };
            match serde_json::from_slice(text) {
                Ok(event) => log.take(event),
                Err(error) => {
                    log.problem = Some(format!("it reported something that is no event: {error}"));
                    break;
                }
            }
        }
        log
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Start { test } => self.running = Some(printable(&test)),
            Event::End(record) => {
                let record = TestRecord {
                    test: printable(&record.test),
                    outcome: record.outcome,
                    reason: printable(&record.reason),
                    traceback: record.traceback.split('\n').map(printable).collect::<Vec<_>>().join("\n"),
                };
                if self.running.as_ref() == Some(&record.test) {
                    self.running = None;
                }
                self.tests.push(record);
            }
            Event::Module { outcome, reason, traceback } => {
                self.module = Some((
                    outcome,
                    printable(&reason),
                    traceback.split('\n').map(printable).collect::<Vec<_>>().join("\n"),
                ));
            }
        }
    }
}

/// The text on one line, with its control characters visible.
fn printable(text: &str) -> String {
    vivarium_text::line(text, usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "noise\n\
        \x1e{\"event\": \"start\", \"test\": \"a\"}\n\
        more noise\n\
        \x1e{\"event\": \"end\", \"test\": \"a\", \"outcome\": \"fail\", \"reason\": \"r\\u001b[0m\", \"traceback\": \"t\\nu\"}\n\
        \x1e{\"event\": \"start\", \"test\": \"b\"}\n";

    #[test]
    fn events_are_found_among_what_tests_print() {
        let log = EventLog::read(LINES.as_bytes());
        let expected = TestRecord {
            test: "a".into(),
            outcome: Outcome::Fail,
            reason: "r\\x1b[0m".into(),
            traceback: "t\nu".into(),
        };
        assert_eq!(log.tests, [expected]);
        assert_eq!(log.running.as_deref(), Some("b"));
        assert!(log.module.is_none() && log.problem.is_none());
    }

    #[test]
    fn a_false_event_is_noticed() {
        for line in ["\x1e{\"event\": \"dance\"}", "\x1e", "\x1e\u{0}", "\x1e{\"event\": \"end\", \"test\": \"a\"}"] {
            assert!(EventLog::read(line.as_bytes()).problem.is_some(), "{line:?}");
        }
        assert!(EventLog::read(b"\xff\n\x00\n").problem.is_none());
    }
}
