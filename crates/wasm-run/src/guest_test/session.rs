//! Runs a test module in sandboxes: one, and a new one each time a test ends the interpreter.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use serde_json::json;
use vivarium_sandbox::{
    Capture, Error as SandboxError, Image, LimitError, LimitKind, Limits, OutputTarget, Sandbox, SandboxConfig,
};

use super::events::{EventLog, ModuleOutcome, Outcome, TestRecord};
use super::suite::Suite;
use crate::failure::Failure;

/// The tests as the guest sees them.
const ROOT: &str = "/env";
/// Bytes kept of what a module prints and reports.
const OUTPUT_BYTES: usize = 256 << 20;
/// How often one module may take the interpreter with it before the rest of it is given up.
const MAX_SANDBOXES: usize = 40;

/// What all modules of a suite share.
pub struct Session {
    image: Image,
    suite: Suite,
    config: SandboxConfig,
}

/// What became of one module.
#[derive(Debug)]
pub struct ModuleRun {
    /// Its name.
    pub module: String,
    /// Its tests, in the order in which they ended.
    pub tests: Vec<TestRecord>,
    /// How long it took.
    pub time: Duration,
}

/// How one sandbox ended.
enum Ending {
    /// The runner returned.
    Done,
    /// The sandbox is gone, or the time is over.
    Died(Outcome, String),
}

impl Session {
    /// Prepares to run the suite whose tests lie in `tree`.
    ///
    /// # Errors
    /// When the folder cannot be opened.
    pub fn new(image: &Image, suite: Suite, tree: &Path, timeout: Duration) -> Result<Self, Failure> {
        let environment = Dir::open_ambient_dir(tree, ambient_authority())
            .map_err(|error| Failure::internal(format!("cannot open the tests in {}: {error}", tree.display())))?;
        // The tests are the pinned ones and test the interpreter, not the limits: those are generous here.
        let limits = Limits::default()
            .with_memory(2 << 30)
            .with_batch_time(timeout)
            .with_log_bytes_per_second(None)
            .with_scratch_bytes(512 << 20);
        let config = SandboxConfig::default()
            .with_limits(limits)
            .with_environment(Some(Arc::new(environment)))
            .with_path(vec![ROOT.to_owned()])
            .with_stderr(OutputTarget::Discard)
            // Failures must come again: the same seed for every sandbox.
            .with_seed(Some([7; 32]));
        Ok(Self { image: image.clone(), suite, config })
    }

    /// Runs a module.
    ///
    /// # Errors
    /// When no sandbox can be started. Whatever happens in the sandbox is part of the result.
    pub async fn run(&self, module: &str) -> Result<ModuleRun, Failure> {
        let start = Instant::now();
        let mut tests = Vec::new();
        let mut skip: Vec<String> = self.omitted().map(str::to_owned).collect();
        for sandbox in 1.. {
            let (log, ending) = self.run_once(module, &skip).await?;
            let record = |test: &str, outcome, reason: String, traceback: String| TestRecord {
                test: test.to_owned(),
                outcome,
                reason,
                traceback,
            };
            skip.extend(log.tests.iter().map(|test| test.test.clone()));
            tests.extend(log.tests);
            let problem = log.problem.map(|problem| Ending::Died(Outcome::Crash, problem));
            match (problem.unwrap_or(ending), log.module, log.running) {
                (Ending::Done, Some((ModuleOutcome::Done, ..)), _) => {}
                (Ending::Done, Some((ModuleOutcome::Skip, reason, _)), _) => {
                    tests.push(record(module, Outcome::Skip, reason, String::new()));
                }
                (Ending::Done, Some((ModuleOutcome::Error, reason, traceback)), _) => {
                    tests.push(record(module, Outcome::Error, reason, traceback));
                }
                (Ending::Done, None, _) => {
                    let reason = "the runner ended without a word".to_owned();
                    tests.push(record(module, Outcome::Crash, reason, String::new()));
                }
                (Ending::Died(outcome, reason), _, Some(test)) => {
                    tests.push(record(&test, outcome, reason, String::new()));
                    skip.push(test);
                    if sandbox < MAX_SANDBOXES {
                        continue;
                    }
                    let reason = format!("given up after {MAX_SANDBOXES} sandboxes");
                    tests.push(record(module, Outcome::Crash, reason, String::new()));
                }
                (Ending::Died(outcome, reason), _, None) => tests.push(record(module, outcome, reason, String::new())),
            }
            break;
        }
        Ok(ModuleRun { module: module.to_owned(), tests, time: start.elapsed() })
    }

    /// Runs what is left of a module in a new sandbox.
    async fn run_once(&self, module: &str, skip: &[String]) -> Result<(EventLog, Ending), Failure> {
        let capture = Capture::new(OUTPUT_BYTES);
        let config = self.config.clone().with_stdout(OutputTarget::Capture(capture.clone()));
        let mut sandbox = Sandbox::start(&self.image, &config).await.map_err(vivarium::Error::from)?;
        let request = json!({"suite": self.suite.name(), "module": module, "root": ROOT, "skip": skip});
        let exec = json!({
            "op": "exec", "mode": "file", "source": vivarium_guest::conformance_file("runner.py"), "filename": "runner.py",
            "arguments": [request.to_string()], "interactive": false,
        });
        let ending = match sandbox.control(&exec).await {
            Ok(_) | Err(SandboxError::Guest(_)) => Ending::Done,
            Err(SandboxError::Limit(LimitError { limit: LimitKind::BatchTime, .. })) => {
                Ending::Died(Outcome::Timeout, "it was running when the time of its module was over".to_owned())
            }
            Err(error) => {
                Ending::Died(Outcome::Crash, error.to_string().split_whitespace().collect::<Vec<_>>().join(" "))
            }
        };
        Ok((EventLog::read(&capture.take()), ending))
    }

    /// Tests that are not run at all.
    fn omitted(&self) -> impl Iterator<Item = &'static str> {
        let omitted = self.suite.expected().iter().filter(|entry| entry.omit);
        omitted.flat_map(|entry| entry.tests.iter().map(String::as_str))
    }
}
