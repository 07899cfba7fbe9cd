//! Worker processes behind pipes, with record batches as Arrow streams: what isolation by processes costs.

use std::io;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use arrow::array::RecordBatch;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use futures::future::BoxFuture;

use super::PIPE;
use crate::contender::{Contender, NotRun};
use crate::material::{Case, Material};
use crate::work::Kind;
use crate::workshop::Workshop;

/// Workers in Python, one for each thread.
pub struct Pipe {
    workshop: Workshop,
    python: PathBuf,
    /// Those of the last function.
    workers: Option<(PathBuf, String, Vec<Worker>)>,
}

struct Worker {
    child: Arc<Mutex<Child>>,
    batches: StreamWriter<ChildStdin>,
    results: Results,
}

/// The stream of results. It begins with a schema, which pyarrow writes with the first batch.
enum Results {
    Unopened(Option<ChildStdout>),
    Open(StreamReader<ChildStdout>),
}

/// A worker that does not answer is ended after so long.
const PATIENCE: Duration = Duration::from_secs(120);

impl Pipe {
    /// Workers of this interpreter.
    pub fn new(workshop: &Workshop, python: PathBuf) -> Self {
        Self { workshop: workshop.clone(), python, workers: None }
    }

    fn start(&self, material: &Material) -> Result<Worker> {
        let kind = match material.kind {
            Kind::Scalar => "scalar",
            Kind::Vectorized => "vectorized",
            Kind::Table => "table",
            Kind::Aggregate => bail!("a worker has no groups"),
        };
        let command = self.workshop.with_stand_in(self.workshop.script(&self.python, "pipe_worker.py"));
        let mut command = command.into_std();
        command.arg(&material.source).args([&material.function, kind]).arg(&material.result);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("a worker")?;
        let input = child.stdin.take().context("a worker's standard input")?;
        let output = child.stdout.take().context("a worker's standard output")?;
        let batches = StreamWriter::try_new(input, &material.batch.schema())?;
        Ok(Worker { child: Arc::new(Mutex::new(child)), batches, results: Results::Unopened(Some(output)) })
    }

    fn measure(&mut self, case: Case<'_>, repetitions: usize) -> Result<Duration> {
        let material = case.material;
        let mut workers = match self.workers.take() {
            Some((source, function, workers)) if (&source, &function) == (&material.source, &material.function) => {
                workers
            }
            _ => Vec::new(),
        };
        while workers.len() < case.threads {
            workers.push(self.start(material)?);
        }
        let batch = case.batch();
        let children: Vec<_> = workers.iter().map(|worker| Arc::clone(&worker.child)).collect();
        let watch = tokio::spawn(async move {
            tokio::time::sleep(PATIENCE).await;
            children.iter().for_each(|child| drop(end(child)));
        });
        let _watch = AbortOnDrop(watch);
        for worker in &mut workers[..case.threads] {
            worker.call(&batch)?;
        }
        let start = Instant::now();
        std::thread::scope(|scope| {
            let threads: Vec<_> = workers[..case.threads]
                .iter_mut()
                .map(|worker| {
                    let batch = &batch;
                    scope.spawn(move || (0..repetitions).try_for_each(|_| worker.call(batch)))
                })
                .collect();
            threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a thread panicked"))?)
        })?;
        let time = start.elapsed();
        self.workers = Some((material.source.clone(), material.function.clone(), workers));
        Ok(time)
    }
}

/// Ends a watch when what it watched is over.
struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Worker {
    fn call(&mut self, batch: &RecordBatch) -> Result<()> {
        self.batches.write(batch)?;
        self.batches.flush()?;
        if let Results::Unopened(output) = &mut self.results {
            let output = output.take().context("the worker ended")?;
            let results = StreamReader::try_new(output, None).with_context(|| self.ended())?;
            self.results = Results::Open(results);
        }
        let Results::Open(results) = &mut self.results else { bail!("the worker ended") };
        let result = match results.next() {
            Some(result) => result?,
            None => bail!(self.ended()),
        };
        ensure!(result.num_rows() > 0 || batch.num_rows() == 0, "the worker returned no rows");
        std::hint::black_box(result);
        Ok(())
    }

    /// That the worker has closed its output, and with which status it ended: its own, when it ends within a second.
    fn ended(&self) -> String {
        for _ in 0..100 {
            let ended = self.child.lock().unwrap_or_else(PoisonError::into_inner).try_wait();
            if !matches!(ended, Ok(None)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        match end(&self.child) {
            Ok(status) => format!("the worker ended: {status}"),
            Err(error) => format!("the worker ended: {error}"),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = end(&self.child);
    }
}

/// Ends a child that has not ended yet.
fn end(child: &Mutex<Child>) -> io::Result<ExitStatus> {
    // A child is as good after a panic as before.
    let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
    child.kill()?;
    child.wait()
}

impl Contender for Pipe {
    fn name(&self) -> &'static str {
        PIPE
    }

    fn run<'a>(&'a mut self, case: Case<'a>, repetitions: usize) -> BoxFuture<'a, Result<Duration, NotRun>> {
        Box::pin(
            async move { tokio::task::block_in_place(|| self.measure(case, repetitions)).map_err(NotRun::because) },
        )
    }
}
