//! `wasm-run run`: a function over a table.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant;

use arrow_schema::SchemaRef;
use futures::StreamExt;
use futures::stream::BoxStream;
use serde_json::json;
use vivarium::{
    Aggregation, ColumnCounts, ColumnMode, EnvironmentSnapshots, Error, Failures, Function, FunctionMetric,
    FunctionSource, GroupBy, JobContext, Kind, Module, OnError, Task, TaskOptions,
};
use vivarium_textfiles::Reason;

use crate::cli::Run;
use crate::commands::sandbox_config;
use crate::environment::{OpenEnvironment, sandbox_in};
use crate::failure::Failure;
use crate::files::{self, Destination, Format, Input, Location, Opening, Spool, TableOutput};
use crate::metrics::Publisher;
use crate::options::TimeLimit;
use crate::process_sandbox::Reach;
use crate::progress::{ProgressMode, RowProgress};
use crate::supervisor::{Doing, doing};

pub async fn execute(command: Run) -> Result<ExitCode, Failure> {
    let started = Instant::now();
    let plan = Plan::new(&command)?;
    let source = FunctionSource::file(&command.function.file).map_err(Error::from)?;
    let image = command.environment.image_for(source.text())?;
    let image = crate::guest::open(&command.messages, &image, plan.instances).await?;
    command.host.enforce();
    doing(Doing::Reading, &command.input.to_string());
    let outputs = Outputs::open(&command)?;
    let spool = Spool::of(&command.input, plan.input_format)?;
    // Input is opened meanwhile; a pipe may keep its reader waiting, and a mistake in the file need not wait for that.
    let opening = Opening {
        location: command.input.clone(),
        format: plan.input_format,
        text: command.text.format_for(plan.input_format)?,
    };
    let input = tokio::spawn(files::open(opening, spool));
    let environment = OpenEnvironment::open(&command.environment, source.text(), &command.messages).await?;
    let config = sandbox_in(environment.as_ref(), sandbox_config(&command.sandbox, TimeLimit::BATCH))?;
    let metrics = Publisher::new(&command.metrics, image.runtime()).await?;
    crate::process_sandbox::enforce(Reach {
        serves: metrics.serves(),
        environment: config.environment.as_deref(),
        snapshots: environment.as_ref().and_then(|open| EnvironmentSnapshots::directory(&open.environment)),
        inputs: &[&command.input],
        ..Reach::default()
    })?;
    let config = match &environment {
        Some(open) => EnvironmentSnapshots::default().warm(&image, config, &open.environment, &source).await,
        None => config,
    };
    let module = Module::load(&image, config, source).await?;
    let function = match &command.function.function {
        Some(name) => module.function(name)?,
        None => module.only_function()?,
    };
    let input = input.await.map_err(Failure::internal)??;
    let input = match command.limit {
        Some(rows) => input.limit(rows),
        None => input,
    };
    let bound = Applied::bind(&command, &function, &input.schema, &plan).await;
    let applied = bound.map_err(|error| unbound(error, &input))?;
    let schema = applied.output_schema(&input.schema);
    let results = match (outputs.results, plan.output_format) {
        (Some(destination), Some(format)) => TableOutput::create(destination, format, schema)?,
        _ if command.messages.json => TableOutput::create(Destination::standard(), Format::Json, schema)?,
        _ => TableOutput::table(&schema),
    };
    let errors = match (outputs.errors, plan.errors_format) {
        (Some(destination), Some(format)) => Some(TableOutput::create(destination, format, Failures::schema())?),
        _ => None,
    };
    let done = apply(&applied, input, results, ProgressMode::new(&command.messages)).await?;
    if let Some(errors) = errors {
        let table = done.failures.to_batch().map_err(Error::from)?;
        errors.write(table).await;
        errors.finish().await?;
    }
    if !command.messages.quiet {
        done.tell(&command, &applied, started);
    }
    Ok(ExitCode::SUCCESS)
}

/// Why a function does not go with the columns; of a file of text with what told their types.
fn unbound(error: Error, input: &Input) -> Failure {
    let columns = input.schema.fields().iter().map(|field| field.name().as_str());
    let text = error.to_string();
    let why = input.text.iter().flat_map(|text| &text.reasons).zip(columns).find_map(|(reason, column)| match reason {
        Reason::Mixed(why) if text.starts_with(&format!("column {column:?} ")) => {
            Some(format!("{why}; --types '{column}=TYPE' gives it one"))
        }
        _ => None,
    });
    match why {
        Some(why) => Failure::Other { class: error.class(), message: format!("{text}\n  {why}") },
        None => error.into(),
    }
}

/// What is written, open before the process sandbox is in force.
struct Outputs {
    results: Option<Destination>,
    errors: Option<Destination>,
}

impl Outputs {
    fn open(command: &Run) -> Result<Self, Failure> {
        let open = |location: &Option<Location>| location.as_ref().map(Destination::open).transpose();
        Ok(Self { results: open(&command.output)?, errors: open(&command.errors)? })
    }
}

/// The function, bound to the table's columns.
enum Applied {
    /// To every row.
    Rows(Task),
    /// To groups of rows.
    Groups(Aggregation),
}

impl Applied {
    async fn bind(command: &Run, function: &Function, schema: &SchemaRef, plan: &Plan) -> Result<Self, Error> {
        let arguments = command.args.as_ref().map(|given| given.over(schema));
        let options = TaskOptions::default()
            .with_arguments(arguments.unwrap_or_default())
            .with_result_names(command.result_names.clone())
            .with_on_error(command.sandbox.on_error.map(OnError::from))
            .with_instances(Some(plan.instances))
            .with_context(JobContext::default().with_job_parameters(command.job_parameters.iter().cloned().collect()))
            .with_columns(plan.columns);
        let aggregate = matches!(function.signature().kind, Kind::Aggregate | Kind::TableAggregate);
        if aggregate || !command.group_by.is_empty() {
            let group_by = GroupBy::default().with_columns(command.group_by.clone());
            Ok(Self::Groups(function.bind_aggregate(schema, &group_by, options).await?))
        } else {
            Ok(Self::Rows(function.bind(schema, options).await?))
        }
    }

    fn output_schema(&self, input: &SchemaRef) -> SchemaRef {
        match self {
            Self::Rows(task) => task.output_schema(input),
            Self::Groups(aggregation) => aggregation.output_schema(),
        }
    }

    fn run(&self, input: Input) -> BoxStream<'static, Result<vivarium::Output, Error>> {
        match self {
            Self::Rows(task) => task.run(input.batches).boxed(),
            Self::Groups(aggregation) => aggregation.run(input.batches).boxed(),
        }
    }

    async fn close(&self) -> Result<(), Error> {
        match self {
            Self::Rows(task) => task.close().await,
            Self::Groups(aggregation) => aggregation.close().await,
        }
    }

    fn on_error(&self) -> OnError {
        match self {
            Self::Rows(task) => task.on_error(),
            Self::Groups(aggregation) => aggregation.on_error(),
        }
    }

    fn metrics(&self) -> BTreeMap<String, FunctionMetric> {
        match self {
            Self::Rows(task) => task.metrics(),
            Self::Groups(aggregation) => aggregation.metrics(),
        }
    }

    fn column_counts(&self) -> ColumnCounts {
        match self {
            Self::Rows(task) => task.column_counts(),
            Self::Groups(aggregation) => aggregation.column_counts(),
        }
    }
}

/// What the options come to, known before anything is opened.
struct Plan {
    input_format: Format,
    output_format: Option<Format>,
    errors_format: Option<Format>,
    instances: usize,
    columns: ColumnMode,
}

impl Plan {
    fn new(command: &Run) -> Result<Self, Failure> {
        let output = |location: &Option<Location>, given, option| {
            location.as_ref().map(|location| Format::of(location, given, option)).transpose().map_err(Failure::usage)
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            input_format: Format::of_input(&command.input, command.input_format, "--input-format")
                .map_err(Failure::usage)?,
            output_format: output(&command.output, command.output_format, "--output-format")?,
            errors_format: output(&command.errors, None, "another name")?,
            instances: command.sandbox.instances.map_or(cores, usize::from),
            columns: command.columns.mode()?,
        })
    }
}

/// What a run came to.
struct Done {
    rows_in: u64,
    rows_out: u64,
    failures: Failures,
    /// Failed rows are left out, not NULL.
    skips: bool,
}

async fn apply(applied: &Applied, input: Input, results: TableOutput, mode: ProgressMode) -> Result<Done, Failure> {
    let mut progress = RowProgress::start(mode, input.rows);
    let skips = applied.on_error() == OnError::Skip;
    let mut done = Done { rows_in: 0, rows_out: 0, failures: Failures::default(), skips };
    let mut outputs = applied.run(input);
    while let Some(output) = outputs.next().await {
        let output = output?;
        let rows = output.batch.num_rows() as u64;
        done.rows_out += rows;
        done.rows_in += output.rows_in;
        progress.add(output.rows_in);
        done.failures.extend(output.failures);
        // Aggregation tells of its progress before it has rows.
        if rows > 0 && !results.write(output.batch).await {
            break;
        }
    }
    drop(progress);
    // Instances that a reader who went away did not wait for come back now.
    drop(outputs);
    applied.close().await?;
    results.finish().await?;
    Ok(done)
}

impl Done {
    /// Tells on standard error what was done.
    fn tell(&self, command: &Run, applied: &Applied, started: Instant) {
        let seconds = started.elapsed().as_secs_f64();
        let output = command.output.as_ref().map(Location::to_string);
        let first = self.failures.errors().first();
        if command.messages.json {
            let summary = json!({
                "rows_in": self.rows_in, "rows_out": self.rows_out, "failed_rows": self.failures.rows().len(),
                "first_failure": first, "seconds": seconds, "output": output, "metrics": applied.metrics(),
                "columns": applied.column_counts(),
            });
            note!("{}", json!({ "summary": summary }));
            return;
        }
        if let Some(first) = first {
            let failed = self.failures.rows().len();
            let rows = if failed == 1 { "1 row" } else { &format!("{failed} rows") };
            let became = if self.skips { "left out" } else { "set to NULL" };
            note!(
                "wasm-run: {rows} failed and {} {became}; the first: {first}",
                if failed == 1 { "was" } else { "were" }
            );
        }
        if let Some(output) = output.filter(|output| output != "-") {
            let columns = share_as_columns(applied.column_counts());
            note!("{} rows in {seconds:.2} s{columns} -> {output}", self.rows_out);
        }
    }
}

/// How many of the rows ran as columns, when some did.
fn share_as_columns(counts: ColumnCounts) -> String {
    let ColumnCounts { rows_as_columns, rows_interpreted, .. } = counts;
    match rows_as_columns {
        0 => String::new(),
        // Not 100 % while a row was the interpreter's.
        some => format!(", {} % as columns", u128::from(some) * 100 / u128::from(some + rows_interpreted)),
    }
}
