//! A contender in a process of its own, which speaks the protocol of `contenders/README.md`.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::contender::{Contender, NotRun};
use crate::material::Case;

/// How long a contender may take for an answer before it is given up. The slowest answers are jobs on a cluster.
const PATIENCE: Duration = Duration::from_secs(180);

/// What a contender may say on standard error and still be quoted.
const QUOTED: u64 = 64 << 10;

/// A program that measures itself when it is asked to.
pub struct ChildContender {
    name: &'static str,
    command: Command,
    running: Option<Running>,
    /// Programs that died are not started again and again.
    dead: Option<NotRun>,
    /// Where it puts temporary files. It is ended before it could remove them.
    _files: Option<TempDir>,
}

struct Running {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    complaints: tokio::task::JoinHandle<String>,
}

impl ChildContender {
    /// A contender that is started when it is first asked.
    pub fn new(name: &'static str, mut command: Command) -> Self {
        let files = tempfile::tempdir().ok();
        if let Some(files) = &files {
            command.env("TMPDIR", files.path());
        }
        Self { name, command, running: None, dead: None, _files: files }
    }

    /// One request and its answer.
    ///
    /// # Errors
    /// What the contender said against the request, or why there is none to ask.
    pub async fn ask(&mut self, request: &Value) -> Result<Duration, NotRun> {
        if let Some(reason) = &self.dead {
            return Err(reason.clone());
        }
        match timeout(PATIENCE, self.exchange(request)).await {
            Ok(Ok(answer)) => match (answer["nanoseconds"].as_u64(), answer["error"].as_str()) {
                (Some(nanoseconds), _) => Ok(Duration::from_nanos(nanoseconds)),
                (None, error) => Err(NotRun::said(error.unwrap_or("it gave an answer without a time"))),
            },
            Ok(Err(error)) => Err(self.give_up(NotRun::because(error)).await),
            Err(_) => Err(self.give_up(NotRun(format!("no answer within {} s", PATIENCE.as_secs()))).await),
        }
    }

    async fn exchange(&mut self, request: &Value) -> Result<Value> {
        let running = match &mut self.running {
            Some(running) => running,
            None => {
                let started = start(&mut self.command).with_context(|| format!("{} cannot be started", self.name))?;
                self.running.insert(started)
            }
        };
        running.requests.write_all(format!("{request}\n").as_bytes()).await?;
        let mut line = String::new();
        if running.answers.read_line(&mut line).await? == 0 {
            bail!("it ended with {}", running.child.wait().await?);
        }
        serde_json::from_str(&line).context("its answer is not JSON")
    }

    /// Ends the program; the reason gets the last that it said.
    async fn give_up(&mut self, reason: NotRun) -> NotRun {
        let mut reason = reason;
        if let Some(mut running) = self.running.take() {
            let _ = running.child.kill().await;
            if let Ok(Ok(said)) = timeout(Duration::from_secs(1), running.complaints).await
                && let Some(last) = said.lines().rev().find(|line| !line.trim().is_empty())
            {
                reason = NotRun(format!("{reason}: {}", last.trim()));
            }
        }
        self.dead = Some(reason.clone());
        reason
    }
}

fn start(command: &mut Command) -> Result<Running> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let requests = child.stdin.take().context("its standard input")?;
    let answers = BufReader::new(child.stdout.take().context("its standard output")?);
    let mut stderr = child.stderr.take().context("its standard error")?;
    let complaints = tokio::spawn(async move {
        let mut said = Vec::new();
        let _ = (&mut stderr).take(QUOTED).read_to_end(&mut said).await;
        // The rest is read so that the program does not wait for a reader.
        let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
        String::from_utf8_lossy(&said).into_owned()
    });
    Ok(Running { child, requests, answers, complaints })
}

/// The request for a case.
pub fn request(case: Case<'_>, repetitions: usize) -> Value {
    let material = case.material;
    json!({
        "work": material.function, "source": material.source, "function": material.function, "kind": material.kind,
        "data": material.data, "result": material.result,
        "rows": case.rows, "threads": case.threads, "repetitions": repetitions,
    })
}

impl Contender for ChildContender {
    fn name(&self) -> &'static str {
        self.name
    }

    fn run<'a>(&'a mut self, case: Case<'a>, repetitions: usize) -> BoxFuture<'a, Result<Duration, NotRun>> {
        Box::pin(async move { self.ask(&request(case, repetitions)).await })
    }
}
