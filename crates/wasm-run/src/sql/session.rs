//! A DataFusion session with the command's tables and Python functions, and how one statement runs in it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use arrow_schema::SchemaRef;
use datafusion::common::config::Dialect as DialectName;
use datafusion::common::format::ExplainStatementOptions;
use datafusion::dataframe::DataFrame;
use datafusion::error::DataFusionError;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, MemoryPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::ScalarUDF;
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::{ExplainStatement, Statement as Parsed};
use futures::StreamExt;

use super::ceilings::Ceilings;
use super::failure::{SqlFailure, plain_message};
use super::memory_pool::WithoutSandboxes;
use super::named_files::{Intent, NamedFiles, Names};
use super::not_in::ConstantNotIn;
use super::now::Now;
use super::options::Sql;
use super::progress::ScanProgress;
use super::results::{Results, RowSink};
use super::script::{Statement, dialect};
use super::statement_files::register_formats;
use super::temporary::TemporaryFolder;
use crate::failure::Failure;
use crate::panics;
use crate::progress::ProgressMode;
use crate::supervisor::{Doing, doing};

/// What the names of Flink's settings of a Python environment begin with.
pub const PYTHON_SETTINGS: &str = "python.";

/// How often progress is looked at.
const TICK: Duration = Duration::from_millis(200);

/// A session.
pub struct Session {
    pub context: SessionContext,
    names: Arc<Names>,
    /// How far statements may change options.
    ceilings: Ceilings,
    /// Where sorts and joins put what does not fit into memory.
    temporary: TemporaryFolder,
    explain: Option<Explain>,
    progress: ProgressMode,
    /// Functions of files that cannot be called, and why.
    refused: OnceLock<Vec<(String, String)>>,
}

/// What is asked about queries in place of their rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Explain {
    /// The plan.
    Plan,
    /// The plan, with what its steps came to.
    Analysis,
}

/// What a statement came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Done {
    /// How many rows it gave, if it gives rows.
    pub rows: Option<u64>,
    pub time: Duration,
}

impl Session {
    /// A session that may reach `names`.
    ///
    /// # Errors
    /// When there is no place for temporary files.
    pub fn new(command: &Sql, names: Names) -> Result<Self, Failure> {
        let mut config = SessionConfig::new().with_information_schema(true);
        if let Some(partitions) = command.partitions {
            config = config.with_target_partitions(usize::from(partitions));
        }
        let options = config.options_mut();
        // Where in the text a name stands, for messages.
        options.sql_parser.collect_spans = true;
        // The generic dialect knows PostgreSQL's CREATE FUNCTION with $$ strings.
        options.sql_parser.dialect = DialectName::Generic;
        // A TIMESTAMP WITH TIME ZONE has one, and now() too.
        options.execution.time_zone = Some("UTC".to_owned());
        // What a sort keeps to put its parts together; the default is more than a small limit.
        let bytes = usize::try_from(query_memory(command)).unwrap_or(usize::MAX);
        let reserved = &mut options.execution.sort_spill_reservation_bytes;
        *reserved = (*reserved).min(bytes / 8);
        let ceilings = Ceilings::of(options);

        let temporary = TemporaryFolder::new().map_err(|error| {
            Failure::data(format!("{} cannot hold temporary files", std::env::temp_dir().display()), error)
        })?;
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(memory_pool(command))
            .with_disk_manager_builder(
                DiskManagerBuilder::default()
                    .with_mode(DiskManagerMode::Directories(vec![temporary.path().to_owned()])),
            )
            .build_arc()
            .map_err(Failure::internal)?;
        let names = Arc::new(names);
        let files = url::Url::parse("file://").map_err(Failure::internal)?;
        runtime.register_object_store(&files, Arc::new(NamedFiles::new(Arc::clone(&names))));
        let explain = match (command.analyze, command.explain) {
            (true, _) => Some(Explain::Analysis),
            (false, true) => Some(Explain::Plan),
            (false, false) => None,
        };
        let context = SessionContext::new_with_config_rt(config, runtime);
        context.register_udf(ScalarUDF::new_from_impl(Now::default()));
        context.add_analyzer_rule(Arc::new(ConstantNotIn));
        let text = command.text.format_of("");
        register_formats(&mut context.state_ref().write(), &text, &names).map_err(Failure::internal)?;
        Ok(Self {
            context,
            names,
            ceilings,
            temporary,
            explain,
            progress: ProgressMode::new(&command.messages),
            refused: OnceLock::new(),
        })
    }

    /// Says which functions of files cannot be called, and why: a statement that calls one is told.
    pub fn refuse(&self, functions: Vec<(String, String)>) {
        // There is one list for a session.
        let _ = self.refused.set(functions);
    }

    /// That a statement calls a function that cannot be called: the engine may have one of its name, which would be another.
    fn check_calls(&self, statement: &Statement) -> Result<(), DataFusionError> {
        let dialect = dialect(&self.context);
        for (name, why) in self.refused.get().into_iter().flatten() {
            if statement.calls(name, dialect.as_ref()).is_some() {
                return Err(DataFusionError::Plan(format!("the function {name} of a file cannot be called: {why}")));
            }
        }
        Ok(())
    }

    /// The folder of temporary files.
    pub fn temporary_folder(&self) -> PathBuf {
        self.temporary.path().to_owned()
    }

    /// What statements may reach.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// Sets an option, as SET does.
    ///
    /// # Errors
    /// When there is no such option, or it cannot have the value.
    pub fn set(&self, name: &str, value: &str) -> Result<(), Failure> {
        let state = self.context.state_ref();
        let set = state.write().config_mut().options_mut().set(name, value);
        set.map_err(|error| Failure::usage(plain_message(&error)))
    }

    /// Runs a statement; rows go where `results` says.
    ///
    /// # Errors
    /// Whatever ends it, with its place in the SQL text; or that the rows cannot be written.
    pub async fn run(&self, statement: Statement, results: &Results) -> Result<Done, Failure> {
        doing(Doing::Querying, &statement.shown_place());
        let failed = {
            let (script, place) = (Arc::clone(&statement.script), statement.place);
            let dialect = dialect(&self.context);
            move |error| Failure::sql(SqlFailure::new(error, Arc::clone(&script), place, &dialect))
        };
        match panics::caught(self.run_caught(statement, results, &failed)).await {
            Ok(done) => done,
            Err(panic) => Err(failed(DataFusionError::External(Box::new(panic)))),
        }
    }

    async fn run_caught(
        &self,
        statement: Statement,
        results: &Results,
        failed: &impl Fn(DataFusionError) -> Failure,
    ) -> Result<Done, Failure> {
        let started = Instant::now();
        let explained = statement.can_be_explained().then_some(self.explain).flatten();
        let is_explanation = explained.is_some() || statement.is_explanation();
        let is_query = statement.is_query();
        check_setting(&statement)?;
        self.check_calls(&statement).map_err(failed)?;
        if let Some(name) = statement.created_if_missing()
            && vivarium_datafusion::has_function(&self.context, &name)
        {
            return Ok(Done { rows: None, time: started.elapsed() });
        }
        let Statement { parsed, .. } = statement;
        self.check_files(&parsed).map_err(failed)?;
        let parsed = match explained {
            Some(explain) => Parsed::Explain(ExplainStatement {
                options: ExplainStatementOptions { analyze: explain == Explain::Analysis, ..Default::default() },
                statement: Box::new(parsed),
            }),
            None => parsed,
        };
        let plan = self.context.state().statement_to_plan(parsed).await.map_err(failed)?;
        self.ceilings.check(&plan).map_err(failed)?;
        let frame = self.context.execute_logical_plan(plan).await.map_err(failed)?;
        if frame.schema().fields().is_empty() {
            return Ok(Done { rows: None, time: started.elapsed() });
        }
        let schema: SchemaRef = Arc::clone(frame.schema().inner());
        let wanted = explained.is_some() || is_query;
        let Some(mut rows) = results.begin(schema, is_explanation, wanted)? else {
            self.exhaust(frame).await.map_err(failed)?;
            return Ok(Done { rows: None, time: started.elapsed() });
        };
        self.stream(frame, &mut rows).await.map_err(failed)?;
        let count = rows.finish().await?;
        Ok(Done { rows: Some(count), time: started.elapsed() })
    }

    /// Sends the rows of a frame where they go, and shows how far it is.
    async fn stream(&self, frame: DataFrame, rows: &mut RowSink) -> Result<(), DataFusionError> {
        let tasks = Arc::new(frame.task_ctx());
        let plan = frame.create_physical_plan().await?;
        let mut progress = Some(ScanProgress::start(self.progress, &plan));
        let mut batches = execute_stream(plan, tasks)?;
        let mut tick = tokio::time::interval(TICK);
        loop {
            // A bar would be drawn into the rows on the same terminal.
            if rows.are_shown() {
                progress = None;
            }
            tokio::select! {
                batch = batches.next() => match batch {
                    // When nobody takes more rows, the end of the writing tells why.
                    Some(batch) => if !rows.write(batch?).await { return Ok(()) },
                    None => return Ok(()),
                },
                _ = tick.tick() => if let Some(progress) = &mut progress { progress.look() },
            }
        }
    }

    /// Runs a statement for what it does, not for what it tells.
    async fn exhaust(&self, frame: DataFrame) -> Result<(), DataFusionError> {
        let tasks = Arc::new(frame.task_ctx());
        let plan = frame.create_physical_plan().await?;
        let mut progress = ScanProgress::start(self.progress, &plan);
        let mut batches = execute_stream(plan, tasks)?;
        let mut tick = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                batch = batches.next() => match batch {
                    Some(batch) => drop(batch?),
                    None => return Ok(()),
                },
                _ = tick.tick() => progress.look(),
            }
        }
    }

    /// What a statement names is looked at before the statement does anything: DataFusion takes a file that is not there for a
    /// table without columns.
    fn check_files(&self, parsed: &Parsed) -> Result<(), DataFusionError> {
        match parsed {
            Parsed::CreateExternalTable(table) => {
                if table.unbounded {
                    return Err(DataFusionError::Plan(
                        "an unbounded table is read and written otherwise than files are here; leave out UNBOUNDED"
                            .to_owned(),
                    ));
                }
                for location in &table.locations {
                    let path = before_pattern(local(location)?);
                    self.check_file(&path, Intent::Read)?;
                    if table.columns.is_empty() && !path.exists() {
                        return Err(DataFusionError::Execution(format!(
                            "there is no file or folder {}",
                            path.display()
                        )));
                    }
                }
                Ok(())
            }
            Parsed::CopyTo(copy) => self.check_file(Path::new(local(&copy.target)?), Intent::Write),
            Parsed::Explain(explain) => self.check_files(&explain.statement),
            _ => Ok(()),
        }
    }

    fn check_file(&self, path: &Path, intent: Intent) -> Result<(), DataFusionError> {
        let path = std::path::absolute(path)?;
        self.names.check(&path, intent).map_err(|error| DataFusionError::External(Box::new(error)))
    }
}

/// Environments are made before anything else runs: afterwards the program reaches no package index and no other file.
fn check_setting(statement: &Statement) -> Result<(), Failure> {
    match statement.setting() {
        Some((name, _)) if name.starts_with(PYTHON_SETTINGS) => Err(Failure::usage(format!(
            "{name} can be set only before all other statements of a script, or by an option, such as --python-files: from \
             then on the program reaches nothing that was not named"
        ))),
        _ => Ok(()),
    }
}

/// What the rows of a query may take.
fn query_memory(command: &Sql) -> u64 {
    command.query_memory.unwrap_or(command.host.host_memory / 2)
}

/// The memory of queries. Without `--query-memory` it is for the query engine alone: sandboxes have their own limit.
fn memory_pool(command: &Sql) -> Arc<dyn MemoryPool> {
    let pool = FairSpillPool::new(usize::try_from(query_memory(command)).unwrap_or(usize::MAX));
    match command.query_memory {
        Some(_) => Arc::new(pool),
        None => Arc::new(WithoutSandboxes::new(pool)),
    }
}

/// The path of a file.
fn local(location: &str) -> Result<&str, DataFusionError> {
    match location.split_once("://") {
        None => Ok(location),
        Some(("file", path)) => Ok(path),
        Some((scheme, _)) => Err(DataFusionError::Plan(format!(
            "statements reach files of this machine, and {scheme}://... is none; copy it here first"
        ))),
    }
}

/// The folders of a pattern before its first wildcard, or the whole path.
fn before_pattern(location: &str) -> PathBuf {
    let parts = PathBuf::from(location);
    let fixed: PathBuf =
        parts.components().take_while(|part| !part.as_os_str().to_string_lossy().contains(['*', '?', '['])).collect();
    if fixed.as_os_str().is_empty() { PathBuf::from(".") } else { fixed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_stands_for_its_folder() {
        for (location, path) in [("a/b.csv", "a/b.csv"), ("a/*.csv", "a"), ("*.csv", "."), ("/x/y?/z.csv", "/x")] {
            assert_eq!(before_pattern(location), PathBuf::from(path), "{location}");
        }
    }
}
