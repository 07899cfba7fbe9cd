//! `wasm-run env`: make Python environments ahead of time, show them, and remove them.

mod describe;
mod stored;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use vivarium::{Error, FunctionSource};
use vivarium_sandbox::{parse_duration, parse_size};

use crate::environment::OpenEnvironment;
use crate::failure::Failure;
use crate::options::{EnvironmentOptions, OutputOptions, StoreOptions};

/// Make, show and remove Python environments: what a job's Python code depends on, as a tree of files.
///
/// Commands that run Python make the environment that they need, and reuse it the next time.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  wasm-run env build -pyreq requirements.txt --write-lock requirements.lock
  wasm-run env inspect -pyfs util.py,lib.zip -pyarch data.zip#data --json
  wasm-run env list
  wasm-run env gc --max-age 7d --max-size 5GiB")]
pub enum Env {
    Build(Build),
    Inspect(Inspect),
    List(List),
    Remove(Remove),
    Gc(Gc),
}

/// Make an environment now, so that no job has to wait for it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wasm-run env build -pyreq requirements.txt --write-lock requirements.lock
  wasm-run env build -pyreq requirements.txt#wheels --offline
  wasm-run env build score.py --find-links wheels")]
pub struct Build {
    #[command(flatten)]
    pub described: Described,
}

/// Show an environment as Flink would show it on the host, and as the sandbox sees it. It is made when it is missing.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wasm-run env inspect -pyarch venv.zip#venv -pyexec venv/bin/python
  wasm-run env inspect -pyfs util.py,lib.zip -pyreq requirements.txt --json

With --json: base, variables, python_path, working_directory, python_home, files (path, kind, mode, size) and distributions \
(name, version, source), and the same again as the sandbox sees it under guest.")]
pub struct Inspect {
    #[command(flatten)]
    pub described: Described,
}

/// An environment, by its options.
#[derive(Debug, Args)]
pub struct Described {
    /// A Python file whose `# /// script` header lists packages.
    #[arg(value_name = "FILE.py")]
    pub file: Option<PathBuf>,

    #[command(flatten)]
    pub environment: EnvironmentOptions,

    #[command(flatten)]
    pub messages: OutputOptions,
}

/// List the stored environments, the least recently used first.
#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    pub store: StoreOptions,

    #[command(flatten)]
    pub messages: OutputOptions,
}

/// Remove environments that are not in use.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wasm-run env remove 5f0c1a2b")]
pub struct Remove {
    /// Keys as `env list` shows them; the first eight digits of a key are enough.
    #[arg(value_name = "KEY", required = true)]
    pub keys: Vec<String>,

    #[command(flatten)]
    pub store: StoreOptions,

    #[command(flatten)]
    pub messages: OutputOptions,
}

/// Remove environments that have not been used for a long time, and the least recently used while all together are too large.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wasm-run env gc
  wasm-run env gc --max-age 7d --max-size 5GiB
  wasm-run env gc --max-size 0      # everything that is not in use")]
pub struct Gc {
    /// Environments not used for longer are removed.
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = parse_duration)]
    pub max_age: Duration,

    /// How much all environments together may take.
    #[arg(long, value_name = "SIZE", default_value = "20GiB", value_parser = parse_size)]
    pub max_size: u64,

    #[command(flatten)]
    pub store: StoreOptions,

    #[command(flatten)]
    pub messages: OutputOptions,
}

impl Env {
    /// The message options of the command.
    pub fn messages(&self) -> OutputOptions {
        match self {
            Self::Build(build) => build.described.messages,
            Self::Inspect(inspect) => inspect.described.messages,
            Self::List(list) => list.messages,
            Self::Remove(remove) => remove.messages,
            Self::Gc(gc) => gc.messages,
        }
    }
}

/// Runs a command to its end.
///
/// # Errors
/// When an environment cannot be made, found or removed.
pub async fn execute(command: Env) -> Result<ExitCode, Failure> {
    match command {
        Env::Build(build) => describe::built(&build.described.open().await?, &build.described.messages),
        Env::Inspect(inspect) => describe::inspected(&inspect.described.open().await?, &inspect.described.messages),
        Env::List(list) => stored::list(&list),
        Env::Remove(remove) => stored::remove(&remove),
        Env::Gc(gc) => stored::collect(&gc),
    }?;
    Ok(ExitCode::SUCCESS)
}

impl Described {
    async fn open(&self) -> Result<OpenEnvironment, Failure> {
        let source = self.file.as_ref().map(FunctionSource::file).transpose().map_err(Error::from)?;
        // It says which packages the guest brings.
        let source = source.as_ref().and_then(FunctionSource::text);
        crate::guest::ensure(&self.messages, &self.environment.image_for(source)?).await?;
        let opened = OpenEnvironment::open(&self.environment, source, &self.messages).await?;
        opened.ok_or_else(|| {
            Failure::usage(
                "nothing to make an environment from: give -pyfs, -pyarch, -pyreq, -pyexec or -pypath, or a Python file with a \
                 `# /// script` header",
            )
        })
    }
}
