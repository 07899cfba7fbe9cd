//! The sandbox, as an engine uses it: a task of the library, copies, checks, limits and epochs included.

use std::collections::HashMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;
use arrow::array::RecordBatch;
use futures::future::{BoxFuture, try_join_all};
use futures::{StreamExt, stream};
use vivarium::{
    Aggregation, ArgumentValue, Arguments, ColumnMode, Error, Function, FunctionSource, GroupBy, Image, Module,
    SandboxConfig, Task, TaskOptions,
};

use super::{ROW_BY_ROW, SANDBOX};
use crate::contender::{Contender, NotRun};
use crate::material::{Case, Material};
use crate::work::Kind;

/// Functions in sandboxes.
pub struct Sandboxed {
    name: &'static str,
    image: Image,
    config: SandboxConfig,
    columns: ColumnMode,
    modules: HashMap<PathBuf, Module>,
    bound: Option<(String, Bound)>,
}

#[derive(Clone)]
enum Bound {
    Rows(Task),
    Groups(Aggregation),
}

impl Sandboxed {
    /// Sandboxes of this image and configuration.
    pub fn new(image: &Image, config: SandboxConfig) -> Self {
        let (image, columns) = (image.clone(), ColumnMode::Auto);
        Self { name: SANDBOX, image, config, columns, modules: HashMap::new(), bound: None }
    }

    /// Sandboxes whose functions never run as columns, as a contender of its own.
    pub fn row_by_row(image: &Image, config: SandboxConfig) -> Self {
        Self { name: ROW_BY_ROW, ..Self::new(image, config).with_columns(ColumnMode::Off) }
    }

    /// The configuration of its sandboxes; its task has their metrics.
    pub fn config(&self) -> &SandboxConfig {
        &self.config
    }

    /// Whether their rows may run as columns.
    pub fn with_columns(mut self, columns: ColumnMode) -> Self {
        self.columns = columns;
        self
    }

    /// A module that was loaded already, for functions of this file.
    pub fn with_module(mut self, source: &Path, module: Module) -> Self {
        self.modules.insert(source.to_owned(), module);
        self
    }

    /// Runs a case once.
    ///
    /// # Errors
    /// That of the function, as its caller would have it.
    pub async fn check(&mut self, case: Case<'_>) -> Result<(), Error> {
        self.measure(case, 1).await.map(drop)
    }

    async fn function(&mut self, material: &Material) -> Result<Function, Error> {
        let module = match self.modules.get(&material.source) {
            Some(module) => module,
            None => {
                let source = FunctionSource::file(&material.source)?;
                let module = Module::load(&self.image, self.config.clone(), source).await?;
                self.modules.entry(material.source.clone()).or_insert(module)
            }
        };
        module.function(&material.function)
    }

    /// The function with an instance for each thread; only the last one is kept.
    async fn bound(&mut self, case: Case<'_>) -> Result<Bound, Error> {
        let key = format!("{}::{} {}", case.material.source.display(), case.material.function, case.threads);
        if let Some((bound_as, bound)) = &self.bound
            && *bound_as == key
        {
            return Ok(bound.clone());
        }
        let function = self.function(case.material).await?;
        let schema = case.material.batch.schema();
        let mut columns = schema.fields().iter().map(|field| ArgumentValue::Column(field.name().clone()));
        let bound = if case.material.kind == Kind::Aggregate {
            let group_by = GroupBy::default()
                .with_columns(schema.fields().first().map(|field| field.name().clone()).into_iter().collect());
            let options = options(columns.skip(1).collect(), case.threads, self.columns);
            Bound::Groups(function.bind_aggregate(&schema, &group_by, options).await?)
        } else {
            Bound::Rows(function.bind(&schema, options(columns.by_ref().collect(), case.threads, self.columns)).await?)
        };
        self.bound = Some((key, bound.clone()));
        Ok(bound)
    }

    async fn measure(&mut self, case: Case<'_>, repetitions: usize) -> Result<Duration, Error> {
        let bound = self.bound(case).await?;
        match (bound, case.material.kind) {
            (Bound::Groups(aggregation), _) => {
                let batches = case.batches();
                let start = Instant::now();
                for _ in 0..repetitions {
                    let mut output = std::pin::pin!(aggregation.run(stream_of(batches.clone())));
                    while let Some(output) = output.next().await {
                        output?;
                    }
                }
                Ok(start.elapsed())
            }
            (Bound::Rows(task), Kind::Table) => {
                let batches = vec![case.batch(); repetitions * case.threads];
                let start = Instant::now();
                let mut output = std::pin::pin!(task.run(stream_of(batches)));
                while let Some(output) = output.next().await {
                    output?;
                }
                Ok(start.elapsed())
            }
            (Bound::Rows(task), _) => {
                let batch = case.batch();
                let calls = |task: Task| {
                    let batch = batch.clone();
                    tokio::spawn(async move {
                        for _ in 0..repetitions {
                            task.invoke(&batch, 0).await?;
                        }
                        Ok::<_, Error>(())
                    })
                };
                // Every instance has been called before the clock starts.
                let warm_up: Vec<_> = (0..case.threads).map(|_| task.invoke(&batch, 0)).collect();
                try_join_all(warm_up).await?;
                let start = Instant::now();
                let threads: Vec<_> = (0..case.threads).map(|_| calls(task.clone())).collect();
                for thread in threads {
                    // A panic of a thread is a defect of the harness: it goes on as one.
                    thread.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
                }
                Ok(start.elapsed())
            }
        }
    }
}

fn options(arguments: Vec<ArgumentValue>, instances: usize, columns: ColumnMode) -> TaskOptions {
    let arguments = Arguments::Values(arguments);
    TaskOptions::default()
        .with_arguments(arguments)
        .with_instances(Some(instances))
        .with_result_names(vec!["result".to_owned()])
        .with_columns(columns)
}

fn stream_of(
    batches: Vec<RecordBatch>,
) -> impl futures::Stream<Item = Result<RecordBatch, Infallible>> + Send + Unpin + 'static {
    stream::iter(batches.into_iter().map(Ok))
}

impl Contender for Sandboxed {
    fn name(&self) -> &'static str {
        self.name
    }

    fn run<'a>(&'a mut self, case: Case<'a>, repetitions: usize) -> BoxFuture<'a, Result<Duration, NotRun>> {
        Box::pin(async move { self.measure(case, repetitions).await.map_err(NotRun::because) })
    }
}
