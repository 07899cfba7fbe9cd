//! `wasm-run flink`: Apache Flink's Python functions in sandboxes.

mod doctor;
mod python;
mod worker;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;
use vivarium_flink::install;
use vivarium_guest::ImageStore;

use crate::failure::{Failure, written};
use crate::options::OutputOptions;

/// Let Apache Flink, unchanged, run its Python functions in sandboxes.
///
/// `install` writes a launcher that takes the place of the Python interpreter in Flink's configuration. Flink 2.3; clients of
/// Python 3.11. docs/flink.md says which of PyFlink's features work.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  wasm-run flink install /opt/vivarium
  flink run -pyexec /opt/vivarium/vvpython3.11 --python job.py
  wasm-run flink doctor --client venv/bin/python --jobmanager localhost:8081")]
pub enum Flink {
    Install(Install),
    Doctor(doctor::Doctor),
    #[command(hide = true)]
    Python(python::Python),
    #[command(hide = true)]
    Worker(worker::Worker),
}

/// Write launchers into a folder, and print the lines for Flink's config.yaml and for `flink run`.
///
/// The folder needs the same path on every TaskManager. In its folder `bin` the launcher has the names of an interpreter, for the PATH of
/// TaskManagers: jobs that name no interpreter find it there. The guest's image is built when it is missing; run this as
/// the user that the TaskManagers run as.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wasm-run flink install /opt/vivarium")]
pub struct Install {
    /// The folder. Launchers in it are replaced; limits.toml stays as it is.
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,

    #[command(flatten)]
    pub messages: OutputOptions,
}

impl Flink {
    /// Whether it works for a TaskManager, which takes its log.
    pub fn is_worker(&self) -> bool {
        matches!(self, Self::Worker(_))
    }

    /// The message options.
    pub fn messages(&self) -> OutputOptions {
        match self {
            Self::Install(install) => install.messages,
            Self::Doctor(doctor) => doctor.messages,
            Self::Python(_) | Self::Worker(_) => OutputOptions { quiet: true, ..OutputOptions::default() },
        }
    }
}

pub async fn execute(command: Flink) -> Result<ExitCode, Failure> {
    match command {
        Flink::Install(install) => install_launchers(&install).await,
        Flink::Doctor(doctor) => doctor::execute(&doctor).await,
        Flink::Python(python) => python::execute(&python),
        Flink::Worker(worker) => worker::execute(worker).await,
    }
}

async fn install_launchers(command: &Install) -> Result<ExitCode, Failure> {
    worker::image(&command.messages).await?;
    let program = std::env::current_exe().map_err(Failure::internal)?;
    let cache = ImageStore::open()?.root().to_owned();
    let cache = std::path::absolute(cache).map_err(Failure::internal)?;
    let installed = install(&command.folder, &program, &cache).map_err(|error| Failure::usage(error.to_string()))?;
    if command.messages.json {
        let launchers: Vec<_> =
            installed.launchers.iter().map(|(version, path)| json!({"python": version, "launcher": path})).collect();
        let text = json!({"launchers": launchers, "names": installed.names, "limits": installed.limits});
        written(print(&text.to_string()))?;
    } else if !command.messages.quiet {
        written(print(installed.instructions().trim_end()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A line on standard output.
fn print(text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    writeln!(std::io::stdout(), "{text}")
}
