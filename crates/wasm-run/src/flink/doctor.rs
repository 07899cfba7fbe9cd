//! `wasm-run flink doctor`: whether a cluster runs the functions of jobs in sandboxes.

use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};

use clap::Args;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use super::print;
use crate::failure::{Failure, written};
use crate::options::OutputOptions;

/// The job. It is a file of its own, so that it can be submitted as a tenant's job is.
const PROBE: &str = include_str!("probe.py");

/// Try on a running cluster whether functions of jobs run in sandboxes, whatever interpreter a job chooses.
///
/// Flink takes `python.executable` from the job's configuration, which is the client's: config.yaml of a TaskManager says nothing about it.
/// So the probe submits small jobs: one that chooses no interpreter, some that choose one by name or path, and one that brings a
/// program in an archive. It has to be submitted as tenants' jobs are; where that is not `flink run`, --print gives the job.
///
/// Exit status 0: every job ran in a sandbox or could not start; 4: one left it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wasm-run flink doctor --client venv/bin/python --jobmanager localhost:8081
  wasm-run flink doctor --client venv/bin/python --executable /opt/python/bin/python3
  wasm-run flink doctor --print > probe.py")]
pub struct Doctor {
    /// The client's Python, in which apache-flink is installed.
    #[arg(long, value_name = "PYTHON", required_unless_present = "print")]
    pub client: Option<PathBuf>,

    /// Where the cluster's REST interface is [default: as the client's config.yaml has it]
    #[arg(short = 'm', long, value_name = "HOST:PORT")]
    pub jobmanager: Option<String>,

    /// An interpreter that a job might choose, as TaskManagers see it; may be given several times [default: python3,
    /// python3.11, /usr/bin/python3, /usr/local/bin/python3 and /bin/sh]
    #[arg(long = "executable", value_name = "PATH")]
    pub executables: Vec<String>,

    /// Print the job instead.
    #[arg(long, conflicts_with_all = ["jobmanager", "executables"])]
    pub print: bool,

    #[command(flatten)]
    pub messages: OutputOptions,
}

pub async fn execute(command: &Doctor) -> Result<ExitCode, Failure> {
    let Some(client) = command.client.as_deref().filter(|_| !command.print) else {
        return written(print(PROBE.trim_end())).map(|()| ExitCode::SUCCESS);
    };
    let flink = home(client).await?;
    let folder = tempfile::tempdir().map_err(|error| Failure::environment(format!("no temporary folder: {error}")))?;
    let probe = folder.path().join("probe.py");
    std::fs::write(&probe, PROBE).map_err(|error| Failure::data(probe.display(), error))?;
    let mut submit = Command::new(flink.join("bin/flink"));
    submit.arg("run").args(command.jobmanager.iter().flat_map(|address| ["-m", address]));
    submit.arg("-pyclientexec").arg(client).arg("--python").arg(&probe).args(&command.executables);
    submit.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut running = submit.spawn().map_err(|error| not_started(&flink.join("bin/flink"), &error))?;
    let (out, err) = (running.stdout.take(), running.stderr.take());
    // What Java and Flink's scripts say is shown when the probe does not come to its end.
    let noise = tokio::spawn(async move { lines(err, |_| {}).await });
    let said = lines(out, |line| {
        if !command.messages.quiet && !command.messages.json && is_finding(line) {
            let _ = print(line); // the exit status says it too
        }
    });
    let said = said.await;
    running.wait().await.map_err(|error| not_started(&flink, &error))?;
    let verdict = said.iter().rev().find_map(|line| match line.as_str() {
        "SANDBOXED" => Some(true),
        "OPEN" => Some(false),
        _ => None,
    });
    let Some(sandboxed) = verdict else {
        let noise = noise.await.unwrap_or_default();
        let tail: Vec<_> = said.iter().chain(&noise).rev().take(20).map(String::as_str).collect();
        let tail: Vec<_> = tail.into_iter().rev().collect();
        return Err(Failure::environment(format!("the probe did not run to its end:\n{}", tail.join("\n"))));
    };
    if command.messages.json {
        let jobs: Vec<_> = said.iter().filter(|line| is_finding(line)).collect();
        written(print(&serde_json::json!({ "sandboxed": sandboxed, "jobs": jobs }).to_string()))?;
    }
    match sandboxed {
        true => Ok(ExitCode::SUCCESS),
        false => Err(Failure::environment(
            "functions of some jobs leave the sandbox; docs/flink.md, \"Where the sandbox is put\", says what holds",
        )),
    }
}

/// Whether the probe says something about a job.
fn is_finding(line: &str) -> bool {
    line.starts_with("a job that ") || line.starts_with("Jobs that ")
}

/// The folder of Flink that comes with the client's package.
async fn home(client: &Path) -> Result<PathBuf, Failure> {
    let asked = Command::new(client).args(["-c", "import pyflink; print(pyflink.__path__[0])"]).output().await;
    let answer = asked.map_err(|error| not_started(client, &error))?;
    let path = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
    match answer.status.success() && !path.is_empty() {
        true => Ok(path.into()),
        false => Err(Failure::environment(format!(
            "{} has no PyFlink: install apache-flink==2.3.0 there, or name the Python that has it with --client",
            client.display()
        ))),
    }
}

fn not_started(program: &Path, error: &std::io::Error) -> Failure {
    Failure::environment(format!("{} cannot be started: {error}", program.display()))
}

/// All lines of a stream, each told as it comes.
async fn lines<R: tokio::io::AsyncRead + Unpin>(stream: Option<R>, mut tell: impl FnMut(&str)) -> Vec<String> {
    let Some(stream) = stream else { return Vec::new() };
    let (mut lines, mut all) = (BufReader::new(stream).lines(), Vec::new());
    while let Ok(Some(line)) = lines.next_line().await {
        let line = vivarium_text::line(&line, 400);
        tell(&line);
        all.push(line);
    }
    all
}
