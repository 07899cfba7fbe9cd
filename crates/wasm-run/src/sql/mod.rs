//! `wasm-run sql`: files queried with SQL that calls Python functions.
//!
//! ```text
//!   options ─ what was asked for          script ── text -> statements with their places
//!   tables ── files -> tables             session ─ DataFusion, and how a statement runs in it
//!   now, not_in ─ where DataFusion differs from SQL
//!   parquet_tables ─ Parquet without conclusions from statistics of floats
//!   text_files ─ CSV and JSON as `run` reads them                      statement_files/ ─ those of CREATE EXTERNAL TABLE, INSERT and COPY
//!   named_files ─ what SQL may reach      results ─ where rows go      progress ─ how far a scan is
//!   failure ─ what went wrong, and where in the text                   prompt/ ── statements typed at a terminal
//! ```
//!
//! The SQL engine and the Python functions in it are DataFusion's and `vivarium-datafusion`'s. What `datafusion-cli` has besides
//! (its crate brings cloud stores and a second set of options with it, so it is no dependency) is small enough to be here: a
//! prompt with `\d`, and printing.

mod arguments;
mod ceilings;
mod failure;
mod memory_pool;
mod named_files;
mod not_in;
mod now;
mod options;
mod parquet_tables;
mod progress;
mod prompt;
mod results;
mod script;
mod session;
mod statement_files;
mod tables;
mod temporary;
mod text_files;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::json;
use vivarium::{EnvironmentSnapshots, OnError};
use vivarium_datafusion::{HostFiles, PythonFunctions};
use vivarium_guest::ImageName;
use vivarium_sandbox::{Image, SandboxConfig};

pub use self::failure::SqlFailure;
pub use self::options::Sql;
pub use self::temporary::remove_left_by as remove_temporary_of;

use self::arguments::{Arguments, Functions};
use self::failure::plain_message;
use self::named_files::Intent;
use self::prompt::{History, Prompt};
use self::results::Results;
use self::script::Statement;
use self::session::{Done, Session};
use self::tables::FoundTable;
use crate::commands::sandbox_config;
use crate::environment::{OpenEnvironment, sandbox_in};
use crate::failure::Failure;
use crate::files::Location;
use crate::metrics::Publisher;
use crate::options::{EnvironmentOptions, TimeLimit, WantedImage};
use crate::process_sandbox::Reach;
use crate::supervisor::{Doing, doing};

impl Sql {
    /// Whether statements are asked for at a prompt, where Ctrl-C ends a query and not the program.
    pub fn is_interactive(&self) -> bool {
        self.statements.is_empty() && self.files.is_empty() && std::io::stdin().is_terminal()
    }

    fn instances(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.sandbox.instances.map_or_else(cores, usize::from)
    }
}

pub async fn execute(command: Sql) -> Result<ExitCode, Failure> {
    command.host.enforce();
    let arguments = Arguments::read(&command).await?;
    let session = Session::new(&command, arguments.names())?;
    let mut statements = arguments.statements(&session.context)?;
    let results = Results::new(&command)?;
    if results.is_one_table() {
        check_one_query(&statements, &arguments)?;
    }
    let mut environment = command.environment.clone();
    let image_set = arguments::take_settings(&mut statements, &mut environment, session.names())?;
    for table in &arguments.tables {
        table.register(&session.context).await?;
    }
    doing(Doing::Starting, "");

    let headers: Vec<_> = arguments.functions.iter().filter_map(|functions| functions.source.text()).collect();
    let wanted = wanted_image(&environment, &headers, image_set)?;
    let image = crate::guest::open(&command.messages, &wanted, command.instances().max(SANDBOXES)).await?;
    environment.image = Some(wanted.name.clone());
    let environment = OpenEnvironment::open(&environment, headers, &command.messages).await?;
    let history = command.is_interactive().then(History::find).flatten();
    let metrics = Publisher::new(&command.metrics, image.runtime()).await?;
    enforce_process_sandbox(&arguments, &session, environment.as_ref(), history.as_ref(), &metrics)?;
    let python = install(&command, &arguments, &session, (wanted.name, image), environment.as_ref()).await?;

    if command.is_interactive() {
        return prompt::run(Prompt { session, python, results, messages: command.messages }, history).await;
    }
    for statement in statements {
        let done = session.run(statement, &results).await?;
        tell(&command, &done);
    }
    Ok(ExitCode::SUCCESS)
}

/// The image that the options, a statement or the files' headers ask for.
fn wanted_image(
    options: &EnvironmentOptions,
    headers: &[&str],
    set: Option<ImageName>,
) -> Result<WantedImage, Failure> {
    let wanted = options.image_for(headers.iter().copied())?;
    match set {
        Some(set) if set == wanted.name => Ok(wanted),
        Some(set) if options.image.is_none() && wanted.name == ImageName::default() => {
            Ok(WantedImage { may_be_built: set == ImageName::default(), name: set })
        }
        Some(set) => Err(Failure::usage(format!(
            "a statement asks for the image `{set}`, and the options or files for `{}`: they run in one image, so change one of them",
            wanted.name
        ))),
        None => Ok(wanted),
    }
}

/// How many sandboxes there is room for at least: several functions of a query run at once, each with its instances.
const SANDBOXES: usize = 64;

/// A file holds the rows of one query.
fn check_one_query(statements: &[Statement], arguments: &Arguments) -> Result<(), Failure> {
    if arguments.is_prompt() {
        return Err(Failure::usage("--output takes the rows of a statement; give one, or use COPY at the prompt"));
    }
    match statements.iter().filter(|statement| statement.is_query()).count() {
        1 => Ok(()),
        0 => Err(Failure::usage("--output takes the rows of a query, and no statement is one")),
        several => Err(Failure::usage(format!(
            "--output takes the rows of one query, and there are {several}; write the others with COPY (...) TO 'FILE' and --allow FOLDER"
        ))),
    }
}

/// Enforces the process sandbox: from here on nothing is reached that was not named.
fn enforce_process_sandbox(
    arguments: &Arguments,
    session: &Session,
    environment: Option<&OpenEnvironment>,
    history: Option<&History>,
    metrics: &Publisher,
) -> Result<(), Failure> {
    // The directory of the environment, by its handle.
    let config = sandbox_in(environment, SandboxConfig::default())?;
    let tables: Vec<_> = arguments.tables.iter().flat_map(FoundTable::paths).map(Location::File).collect();
    let own = std::iter::once(session.temporary_folder()).chain(history.map(|history| history.folder().to_owned()));
    crate::process_sandbox::enforce(Reach {
        serves: metrics.serves(),
        environment: config.environment.as_deref(),
        snapshots: environment.and_then(|open| EnvironmentSnapshots::directory(&open.environment)),
        inputs: &tables.iter().collect::<Vec<_>>(),
        folders: [arguments.allowed.clone(), own.collect()].concat(),
    })
}

/// Makes Python functions known to the session.
async fn install(
    command: &Sql,
    arguments: &Arguments,
    session: &Session,
    (image_name, image): (ImageName, Image),
    environment: Option<&OpenEnvironment>,
) -> Result<PythonFunctions, Failure> {
    let names = arguments.names();
    let files = HostFiles::checked(move |path| {
        let path = std::path::absolute(path).map_err(|error| error.to_string())?;
        names.check(&path, Intent::Read).map_err(|error| error.to_string())?;
        match path.metadata() {
            // Opening a pipe would wait for somebody to write to it.
            Ok(metadata) if !metadata.is_file() && !metadata.is_dir() => Err("it is no regular file".to_owned()),
            _ => Ok(path),
        }
    });
    let mut python = PythonFunctions::builder(image)
        .image_name(image_name.as_str())
        .sandbox(sandbox_config(&command.sandbox, TimeLimit::BATCH))
        .instances(command.instances())
        .columns(command.columns.mode()?)
        .environments_refused(
            "environments are made before statements run; use an option, such as --python-requirements",
        )
        .host_files(files);
    if let Some(open) = environment {
        python = python.environment(Arc::clone(&open.environment));
    }
    let python = python.build();
    python.install(&session.context).map_err(|error| Failure::internal(plain_message(&error)))?;
    if let Some(policy) = command.sandbox.on_error {
        let policy = match OnError::from(policy) {
            OnError::Fail => "fail",
            OnError::Null => "null",
            OnError::Skip => {
                return Err(Failure::usage("--on-error skip leaves rows out, which an expression cannot do; use null"));
            }
        };
        session.set("vivarium.on_error", policy)?;
    }
    for (name, value) in &command.job_parameters {
        session.set(&format!("vivarium.job_parameter.{name}"), value)?;
    }
    let mut refused = Vec::new();
    for Functions { source, only } in &arguments.functions {
        let failed = |error| Failure::sql(SqlFailure::without_place(error));
        match only {
            Some(only) => {
                python.register(&session.context, source.clone(), Some(only)).await.map_err(failed)?;
            }
            None => {
                let (_, others) = python.register_usable(&session.context, source.clone()).await.map_err(failed)?;
                refused.extend(others.into_iter().map(|(name, error)| (name, error.to_string())));
            }
        }
    }
    if !command.messages.quiet {
        for (name, why) in &refused {
            note!("wasm-run: {name} cannot be called: {why}");
        }
    }
    session.refuse(refused);
    Ok(python)
}

/// Tells on standard error what a query came to, unless its rows say it themselves.
fn tell(command: &Sql, done: &Done) {
    let Some(rows) = done.rows.filter(|_| !command.messages.quiet) else { return };
    let seconds = done.time.as_secs_f64();
    let output = command.output.as_ref().map(Location::to_string);
    if command.messages.json {
        note!("{}", json!({"summary": {"rows_out": rows, "seconds": seconds, "output": output}}));
    } else if let Some(output) = output.filter(|output| output != "-") {
        note!("{rows} rows in {seconds:.2} s -> {output}");
    }
}
