//! The build script as a child process: its progress as events, its failure as an error.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{ChildStderr, Command};
use vivarium_text::OneLine;

use crate::description::ImageDescription;
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
    done: bool,
}

/// What the script is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goal {
    /// The linked module and what it starts from.
    Image,
    /// The tests of CPython and of linked packages.
    TestTrees,
}

/// Runs `build.py` of the recipe in `recipe`, with its work and its downloads below `root`. Returns the number of its steps.
///
/// One more step is announced than the script has for an image: the snapshot, which is ours.
pub(crate) async fn run(
    image: &'static ImageDescription,
    recipe: &Path,
    root: &Path,
    output: &Path,
    goal: Goal,
    progress: &mut (dyn FnMut(Event) + Send),
) -> Result<u32, Error> {
    let mut child = Command::new("python3")
        .arg(recipe.join("build.py"))
        .arg("--image")
        .arg(image.name.as_str())
        .arg("--cache")
        .arg(root.join("downloads"))
        .arg("--work")
        .arg(root.join("work"))
        .arg("--output")
        .arg(output)
        .arg("--json-progress")
        .args((goal == Goal::TestTrees).then_some("--tests"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| Error::Program { program: "python3", package: "python3", source })?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let stderr = tokio::spawn(last_of(stderr));
    let mut plan = Plan { steps: Vec::new(), following: u32::from(goal == Goal::Image) };
    let mut failure = None;
    if let Some(stdout) = stdout {
        let mut lines = BufReader::new(stdout).lines();
        while let Some(line) = lines.next_line().await.map_err(Error::io("read the progress of", recipe))? {
            match serde_json::from_str(&line) {
                Ok(Line::Plan { steps }) => {
                    let done = steps.iter().filter(|step| step.done).count() as u32;
                    plan.steps = steps;
                    if goal == Goal::Image {
                        progress(Event::Plan { image, folder: root.to_owned(), done, total: plan.total() });
                    }
                }
                Ok(Line::Waiting { lock }) => progress(Event::Waiting { lock }),
                Ok(Line::Failed { step, index, error, log, tail }) => {
                    progress(plan.event(step.clone(), index, StepState::Failed, None, Some(log.clone())));
                    failure = Some(Error::Step { step, reason: error, log, tail: tail.join("\n") });
                }
                Ok(Line::Started { step, index, log }) => {
                    progress(plan.event(step, index, StepState::Started, None, Some(log)));
                }
                Ok(Line::Finished { step, index, seconds, cached }) => {
                    let state = if cached { StepState::Cached } else { StepState::Finished };
                    progress(plan.event(step, index, state, Some(seconds), None));
                }
                Err(error) => {
                    tracing::debug!(line, error = %OneLine(&error), "the guest build wrote a line that is no event")
                }
            }
        }
    }
    let status = child.wait().await.map_err(Error::io("wait for", recipe))?;
    match failure {
        None if status.success() => Ok(plan.steps.len() as u32),
        None => Err(Error::Script { status, stderr: stderr.await.unwrap_or_default() }),
        Some(failure) => Err(failure),
    }
}

/// What the script is going to do.
struct Plan {
    steps: Vec<Planned>,
    /// Steps of ours that come after the script's.
    following: u32,
}

impl Plan {
    fn event(&self, name: String, index: u32, state: StepState, seconds: Option<f64>, log: Option<PathBuf>) -> Event {
        let planned = (index as usize).checked_sub(1).and_then(|position| self.steps.get(position));
        let about = planned.map(|step| step.description.clone()).unwrap_or_default();
        Event::Step { name, about, index, total: self.total(), state, seconds, log }
    }

    fn total(&self) -> u32 {
        self.steps.len() as u32 + self.following
    }
}

/// The end of what the script writes to standard error.
async fn last_of(stderr: Option<ChildStderr>) -> String {
    let mut text = Vec::new();
    if let Some(mut stderr) = stderr {
        let _ = stderr.read_to_end(&mut text).await; // what was read before a failure is still worth showing
    }
    String::from_utf8_lossy(&text[text.len().saturating_sub(STDERR_BYTES)..]).into_owned()
}
