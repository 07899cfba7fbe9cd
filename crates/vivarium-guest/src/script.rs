//! The build script as a child process: its progress as events, its failure as an error.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{ChildStderr, Command};

use crate::error::Error;
use crate::progress::{Event, StepState};

/// How much of the script's standard error is kept.
const STDERR_BYTES: usize = 16 << 10;

/// A line that `build.py --json-progress` writes.
#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line {
    Plan { steps: Vec<Planned> },
    Waiting { lock: PathBuf },
    Started { step: String, index: u32, log: PathBuf },
    Finished { step: String, index: u32, seconds: f64, cached: bool },
    Failed { step: String, index: u32, error: String, log: PathBuf, tail: Vec<String> },
}

#[derive(Deserialize)]
struct Planned {
    description: String,
}

/// Runs `build.py` of the recipe in `recipe`. Returns the number of its steps.
///
/// One more step is announced than the script has: the snapshot, which is ours.
pub(crate) async fn run(
    recipe: &Path,
    work: &Path,
    output: &Path,
    progress: &mut (dyn FnMut(Event) + Send),
) -> Result<u32, Error> {
    let mut child = Command::new("python3")
        .arg(recipe.join("build.py"))
        .arg("--work")
        .arg(work)
        .arg("--output")
        .arg(output)
        .arg("--json-progress")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| Error::Program { program: "python3", package: "python3", source })?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let stderr = tokio::spawn(last_of(stderr));
    let mut plan = Vec::new();
    let mut failure = None;
    if let Some(stdout) = stdout {
        let mut lines = BufReader::new(stdout).lines();
        while let Some(line) = lines.next_line().await.map_err(Error::io("read the progress of", recipe))? {
            match serde_json::from_str(&line) {
                Ok(Line::Plan { steps }) => plan = steps,
                Ok(Line::Waiting { lock }) => progress(Event::Waiting { lock }),
                Ok(Line::Failed { step, index, error, log, tail }) => {
                    progress(event(&plan, step.clone(), index, StepState::Failed, None, Some(log.clone())));
                    failure = Some(Error::Step { step, reason: error, log, tail: tail.join("\n") });
                }
                Ok(Line::Started { step, index, log }) => {
                    progress(event(&plan, step, index, StepState::Started, None, Some(log)));
                }
                Ok(Line::Finished { step, index, seconds, cached }) => {
                    let state = if cached { StepState::Cached } else { StepState::Finished };
                    progress(event(&plan, step, index, state, Some(seconds), None));
                }
                Err(error) => tracing::debug!(line, %error, "the guest build wrote a line that is no event"),
            }
        }
    }
    let status = child.wait().await.map_err(Error::io("wait for", recipe))?;
    match failure {
        None if status.success() => Ok(plan.len() as u32),
        None => Err(Error::Script { status, stderr: stderr.await.unwrap_or_default() }),
        Some(failure) => Err(failure),
    }
}

fn event(
    plan: &[Planned],
    name: String,
    index: u32,
    state: StepState,
    seconds: Option<f64>,
    log: Option<PathBuf>,
) -> Event {
    let planned = (index as usize).checked_sub(1).and_then(|position| plan.get(position));
    let about = planned.map(|step| step.description.clone()).unwrap_or_default();
    Event::Step { name, about, index, total: plan.len() as u32 + 1, state, seconds, log }
}

/// The end of what the script writes to standard error.
async fn last_of(stderr: Option<ChildStderr>) -> String {
    let mut text = Vec::new();
    if let Some(mut stderr) = stderr {
        let _ = stderr.read_to_end(&mut text).await; // what was read before a failure is still worth showing
    }
    String::from_utf8_lossy(&text[text.len().saturating_sub(STDERR_BYTES)..]).into_owned()
}
