//! `wasm-run bench`: what the sandbox costs.
//!
//! There is no process sandbox around this command: it starts native programs, and users run it for themselves, not for a tenant.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::compute::concat_batches;
use arrow_schema::{DataType, Field, Schema};
use futures::TryStreamExt;
use vivarium::{ArgumentValue, Arguments, Error, FunctionSource, GroupBy, Kind, Module, TaskOptions};
use vivarium_bench::{standard, user};
use vivarium_guest::{ImageName, ImageStore, Manifest};

use crate::cli::{Bench, FunctionName};
use crate::commands::sandbox_config;
use crate::environment::{OpenEnvironment, sandbox_in};
use crate::failure::Failure;
use crate::files::{self, Format, Location, Opening, Spool};
use crate::options::TimeLimit;

/// Instances that the report's measures have at the same time.
const REPORT_INSTANCES: usize = 160;

pub async fn execute(command: Bench) -> Result<ExitCode, Failure> {
    match (&command.function, &command.input, &command.report) {
        (Some(function), Some(input), _) => of_function(&command, function, input).await,
        (None, _, Some(_)) => report(&command).await,
        _ => Err(Failure::usage(
            "name a function and its data (FILE.py --input FILE), or a directory for the whole benchmark (--report DIRECTORY)",
        )),
    }
}

async fn report(command: &Bench) -> Result<ExitCode, Failure> {
    let name = command.environment.image_for(None)?;
    let image = crate::guest::open(&command.messages, &name, REPORT_INSTANCES).await?;
    let (store, manifest) = store(name.name)?;
    let default = Duration::from_secs(if command.quick { 90 } else { 600 });
    let options = standard::Options {
        time: command.time.unwrap_or(default),
        quick: command.quick,
        work: command.work.clone(),
        contenders: command.contenders.clone(),
        resume: command.resume,
        output: command.report.clone().unwrap_or_default(),
        wasm_run: std::env::current_exe().map_err(Failure::internal)?,
    };
    let quiet = command.messages.quiet;
    let mut tell = |what: &str| {
        if !quiet {
            note!("{what}");
        }
    };
    let path = standard::run(&image, &store, &manifest, &options, &mut tell).await.map_err(failed)?;
    println!("{}", path.display());
    Ok(ExitCode::SUCCESS)
}

async fn of_function(command: &Bench, name: &FunctionName, input: &Location) -> Result<ExitCode, Failure> {
    let format = Format::of_input(input, command.input_format, "--input-format").map_err(Failure::usage)?;
    let source = FunctionSource::file(&name.file).map_err(Error::from)?;
    let image_name = command.environment.image_for(source.text())?;
    let image = crate::guest::open(&command.messages, &image_name, 2).await?;
    let (store, manifest) = store(image_name.name)?;
    let environment = OpenEnvironment::open(&command.environment, source.text(), &command.messages).await?;
    let config = sandbox_in(environment.as_ref(), sandbox_config(&command.sandbox, TimeLimit::BATCH))?;
    let module = Module::load(&image, config.clone(), source).await?;
    let function = match &name.function {
        Some(name) => module.function(name)?,
        None => module.only_function()?,
    };
    let opening = Opening { location: input.clone(), format, text: command.text.format_for(format)? };
    let rows = read(opening, command.limit).await?;
    let arguments = command.args.as_ref().map(|given| given.over(&rows.schema()));
    let arguments = function.arguments(&rows, &arguments.unwrap_or_default())?;
    let signature = function.signature();
    let arguments = match signature.kind {
        Kind::Aggregate => with_key(&rows, arguments, command.group_by.as_deref())?,
        _ if command.group_by.is_some() => {
            return Err(Failure::usage(format!("--group-by is for aggregate functions; {} is none", signature.name)));
        }
        _ => arguments,
    };
    let result = result_type(&module, &arguments, &signature.name, signature.kind).await?;
    let options = user::Options {
        time: command.time.unwrap_or(Duration::from_secs(10)),
        rounds: command.rounds.into(),
        rows: command.rows as usize,
        python: command.python.clone(),
        columns: command.columns.mode()?,
    };
    let (function, kind) = (signature.name.clone(), signature.kind);
    let count = arguments.num_rows();
    let subject = user::Subject { module, source: &name.file, function: &function, kind, arguments, result, config };
    let found = user::run(subject, &image, &store, &manifest, &options).await.map_err(failed)?;
    if command.messages.json {
        println!("{}", serde_json::to_string_pretty(&found).map_err(Failure::internal)?);
    } else {
        println!("{function}: {count} rows of {input}, batches of {}", found.rows);
        print!("{}", found.to_text());
    }
    Ok(ExitCode::SUCCESS)
}

/// The type of a value of the function's result, as an instance tells it.
async fn result_type(module: &Module, arguments: &RecordBatch, name: &str, kind: Kind) -> Result<DataType, Failure> {
    let schema = arguments.schema();
    let columns = schema.fields().iter().map(|field| ArgumentValue::Column(field.name().clone()));
    let options = |arguments| {
        TaskOptions::default()
            .with_arguments(Arguments::Values(arguments))
            .with_instances(Some(1))
            .with_result_names(vec!["result".to_owned()])
    };
    let function = module.function(name)?;
    let field = match kind {
        Kind::Aggregate => {
            let aggregation =
                function.bind_aggregate(&schema, &GroupBy::default(), options(columns.skip(1).collect())).await?;
            aggregation.output_schema().fields().last().cloned()
        }
        _ => function.bind(&schema, options(columns.collect())).await?.result_fields().first().cloned(),
    };
    field.map(|field| field.data_type().clone()).ok_or_else(|| Failure::internal("the function has no result"))
}

/// The first rows of a table, in one piece.
async fn read(opening: Opening, limit: u64) -> Result<RecordBatch, Failure> {
    let spool = Spool::of(&opening.location, opening.format)?;
    let input = files::open(opening, spool).await?.limit(limit);
    let schema = Arc::clone(&input.schema);
    let batches: Vec<_> = input.batches.try_collect().await.map_err(|error| Failure::data("the input", error))?;
    let rows = concat_batches(&schema, &batches).map_err(|error| Failure::data("the input", error))?;
    match rows.num_rows() {
        0 => Err(Failure::data("the input", "it has no rows to measure with")),
        _ => Ok(rows),
    }
}

/// The arguments behind the key of their groups; without one, all rows are one group.
fn with_key(rows: &RecordBatch, arguments: RecordBatch, group_by: Option<&str>) -> Result<RecordBatch, Failure> {
    let key: ArrayRef = match group_by {
        Some(name) => {
            let column = rows.column_by_name(name);
            Arc::clone(column.ok_or_else(|| Failure::usage(format!("the input has no column {name:?} to group by")))?)
        }
        None => Arc::new(Int64Array::from(vec![0; rows.num_rows()])),
    };
    let mut fields = vec![Arc::new(Field::new("group", key.data_type().clone(), true))];
    fields.extend(arguments.schema().fields().iter().cloned());
    let columns = std::iter::once(key).chain(arguments.columns().iter().cloned()).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(Failure::internal)
}

fn store(image: ImageName) -> Result<(ImageStore, Manifest), Failure> {
    let store = ImageStore::open()?.of(image);
    let manifest = store.locate()?.manifest()?;
    Ok((store, manifest))
}

/// What the library said, with its causes; an error of a function ends with the status that it has in `run`.
fn failed(error: anyhow::Error) -> Failure {
    match error.downcast::<Error>() {
        Ok(error) => error.into(),
        Err(error) => Failure::internal(format!("{error:#}")),
    }
}
