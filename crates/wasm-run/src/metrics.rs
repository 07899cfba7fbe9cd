//! Metrics for operators: a file that is replaced every few seconds, and an address that serves them.
//!
//! Both are opened before the process sandbox is in force. The file is written by a thread that was there before, which is the only one that can
//! reach its folder; connections are taken by a socket that listens already.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use vivarium_sandbox::{Exposition, Metric, MetricKind, Runtime};

use crate::failure::Failure;
use crate::options::MetricsOptions;

/// Time between two writings of the file. Whoever scrapes it does so every quarter of a minute, usually.
const INTERVAL: Duration = Duration::from_secs(10);

/// How long an answer may take: one who asks and does not read keeps the next one waiting for so long.
const ANSWER_TIME: Duration = Duration::from_secs(2);

/// Bytes of a question.
const QUESTION: usize = 8 << 10;

/// How environments were made, which the sandbox's crate does not know.
#[cfg(test)]
const METRICS: &[Metric] = &[PIP_RUNS, PIP_SECONDS, PIP_RUNNING, PIP_WAITING];

const PIP_RUNS: Metric = Metric {
    name: "vivarium_pip_runs_total",
    kind: MetricKind::Counter,
    labels: &["result"],
    help: "Runs of pip that ended: `done`, or `failed`.",
};
const PIP_SECONDS: Metric = Metric {
    name: "vivarium_pip_seconds_total",
    kind: MetricKind::Counter,
    labels: &[],
    help: "Time that these runs took.",
};
const PIP_RUNNING: Metric = Metric {
    name: "vivarium_pip_running",
    kind: MetricKind::Gauge,
    labels: &[],
    help: "Runs of pip that have not ended.",
};
const PIP_WAITING: Metric = Metric {
    name: "vivarium_pip_waiting",
    kind: MetricKind::Gauge,
    labels: &[],
    help: "Runs of pip that wait for another one to end.",
};

/// What is asked for metrics.
type Text = dyn Fn() -> String + Send + Sync;

/// Tells metrics until it is dropped, and the file's last ones then.
#[must_use = "dropped, it tells no more"]
pub struct Publisher {
    _file: Option<Writer>,
    server: Option<tokio::task::JoinHandle<()>>,
}

impl Publisher {
    /// Begins to tell the metrics of a runtime. Call it before the process sandbox is in force.
    ///
    /// # Errors
    /// When the file cannot be written or the address not be listened at.
    pub async fn new(options: &MetricsOptions, runtime: &Runtime) -> Result<Self, Failure> {
        let text = of(runtime, &[]);
        let file = options.file.clone().map(|path| Writer::new(path, Arc::clone(&text))).transpose()?;
        let server = match options.listen {
            Some(address) => Some(tokio::spawn(serve(listen(address).await?, text))),
            None => None,
        };
        Ok(Self { _file: file, server })
    }

    /// The same for a file alone. `labels` stand at every sample.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn to_file(path: PathBuf, runtime: &Runtime, labels: &[(&'static str, &str)]) -> Result<Self, Failure> {
        Ok(Self { _file: Some(Writer::new(path, of(runtime, labels))?), server: None })
    }

    /// Whether connections are taken.
    pub fn serves(&self) -> bool {
        self.server.is_some()
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        if let Some(server) = &self.server {
            server.abort();
        }
    }
}

/// The metrics of a runtime and of this process.
fn of(runtime: &Runtime, labels: &[(&'static str, &str)]) -> Arc<Text> {
    let runtime = runtime.clone();
    let labels: Vec<_> = labels.iter().map(|&(name, value)| (name, value.to_owned())).collect();
    Arc::new(move || {
        let labels: Vec<_> = labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut exposition = runtime.exposition(&labels);
        of_environments(&mut exposition);
        exposition.to_string()
    })
}

fn of_environments(exposition: &mut Exposition) {
    let pip = vivarium_env::pip_usage();
    exposition.metric(&PIP_RUNS).sample(&["done"], pip.done as f64).sample(&["failed"], pip.failed as f64);
    exposition.metric(&PIP_SECONDS).sample(&[], pip.time.as_secs_f64());
    exposition.metric(&PIP_RUNNING).sample(&[], pip.running as f64);
    exposition.metric(&PIP_WAITING).sample(&[], pip.waiting as f64);
}

// ---- The file ----

/// A thread that writes a file now and then. Dropped, it writes it once more.
struct Writer {
    end: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    fn new(path: PathBuf, text: Arc<Text>) -> Result<Self, Failure> {
        // A mistake is told now.
        replace(&path, &text())
            .map_err(|error| Failure::usage(format!("metrics cannot be written to {}: {error}", path.display())))?;
        let (end, ended) = mpsc::channel::<()>();
        let thread = std::thread::Builder::new().name("metrics".to_owned()).spawn(move || {
            loop {
                let last = ended.recv_timeout(INTERVAL) != Err(mpsc::RecvTimeoutError::Timeout);
                if let Err(error) = replace(&path, &text()) {
                    tracing::warn!(%error, "metrics cannot be written");
                }
                if last {
                    return;
                }
            }
        });
        Ok(Self { end: Some(end), thread: Some(thread.map_err(Failure::internal)?) })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // a thread that has panicked wrote what it could
        }
    }
}

/// Replaces a file in one step: who reads it has all of one moment.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut partial = std::ffi::OsString::from(".");
    partial.push(name);
    partial.push(format!(".partial-{}", std::process::id()));
    let partial = path.with_file_name(partial);
    // One that a process of the same number left. What is made is new: no link of somebody else's is followed.
    let _ = std::fs::remove_file(&partial);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&partial)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| std::fs::rename(&partial, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&partial); // the error to tell is the first
    }
    written
}

// ---- The address ----

async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|error| Failure::usage(format!("metrics cannot be served at {address}: {error}")))
}

async fn serve(listener: TcpListener, text: Arc<Text>) {
    loop {
        match listener.accept().await {
            // What goes wrong with an answer is its reader's.
            Ok((stream, _)) => drop(tokio::time::timeout(ANSWER_TIME, answer(stream, &text)).await),
            // No descriptor is left, for instance.
            Err(_) => tokio::time::sleep(ANSWER_TIME).await,
        }
    }
}

/// Answers one question, and ends the connection.
async fn answer(mut stream: TcpStream, text: &Arc<Text>) -> io::Result<()> {
    let mut question = Vec::new();
    while !question.windows(4).any(|end| end == b"\r\n\r\n") {
        if question.len() >= QUESTION || stream.read_buf(&mut question).await? == 0 {
            return Ok(());
        }
    }
    let mut words = question.split(|byte| byte.is_ascii_whitespace());
    let (status, body) = match (words.next(), words.next()) {
        (Some(b"GET"), Some(b"/metrics")) => {
            let text = Arc::clone(text);
            ("200 OK", tokio::task::spawn_blocking(move || text()).await.map_err(io::Error::other)?)
        }
        (Some(b"GET"), _) => ("404 Not Found", "metrics are at /metrics\n".to_owned()),
        _ => ("405 Method Not Allowed", "GET is all there is\n".to_owned()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn asked(address: SocketAddr, question: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(question.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn a_question_is_answered_and_others_are_refused() {
        let listener = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(serve(listener, Arc::new(|| "vivarium_slots 2\n".to_owned())));
        // One that asks nothing does not end it.
        drop(TcpStream::connect(address).await.unwrap());
        let answer = asked(address, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nvivarium_slots 2\n"),
            "{answer}"
        );
        assert!(answer.contains("Content-Length: 17\r\n"), "{answer}");
        assert!(asked(address, "GET / HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 404 "));
        assert!(asked(address, "POST /metrics HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 405 "));
        assert_eq!(asked(address, &"x".repeat(QUESTION)).await, "");
        server.abort();
    }

    fn document(name: &str) -> String {
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)).unwrap()
    }

    fn all() -> impl Iterator<Item = &'static Metric> {
        vivarium_sandbox::METRICS.iter().chain(METRICS)
    }

    #[test]
    fn operators_are_told_of_every_metric() {
        let row = |metric: &Metric| {
            let kind = match metric.kind {
                MetricKind::Counter => "counter",
                MetricKind::Gauge => "gauge",
                _ => "histogram",
            };
            let (labels, help) = (metric.labels.join(", "), metric.help.trim_end_matches('.'));
            format!("| `{}` | {kind} | {labels} | {help} |", metric.name)
        };
        let page = document("for-operators.md");
        let told: Vec<_> = page.lines().filter(|line| line.starts_with("| `vivarium_")).collect();
        assert_eq!(told, all().map(row).collect::<Vec<_>>());
    }

    #[test]
    fn the_dashboard_shows_every_metric_and_no_other() {
        let dashboard = document("grafana.json");
        serde_json::from_str::<serde_json::Value>(&dashboard).unwrap();
        let is_of_name = |character: char| character.is_ascii_lowercase() || character == '_';
        let words = dashboard.split(|character| !is_of_name(character)).filter(|word| word.starts_with("vivarium_"));
        let shown: std::collections::BTreeSet<_> = words.map(|word| word.trim_end_matches("_bucket")).collect();
        assert_eq!(shown, all().map(|metric| metric.name).collect());
    }

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vivarium.prom");
        for text in ["first\n", "second\n"] {
            replace(&path, text).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        assert!(replace(&folder.path().join("missing/file"), "").is_err());
        assert!(replace(Path::new("/"), "").is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
