//! What the launcher answers in place of a Python interpreter.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use vivarium_flink::{Question, site_packages};

use super::print;
use crate::failure::{Failure, written};

/// Answer what Flink asks of a Python interpreter. The launcher calls this.
#[derive(Debug, Args)]
pub struct Python {
    /// The Python version that the launcher stands for.
    #[arg(long, value_name = "VERSION")]
    python_version: String,

    /// The folder of the script that starts the worker.
    #[arg(long, value_name = "DIR")]
    runner: PathBuf,

    /// What the interpreter was started with.
    #[arg(last = true)]
    arguments: Vec<String>,
}

pub fn execute(command: &Python) -> Result<ExitCode, Failure> {
    let question = Question::parse(&command.arguments).map_err(|error| Failure::usage(error.to_string()))?;
    match question {
        Question::Runner => written(print(&command.runner.display().to_string()))?,
        Question::Version => written(print(&format!("Python {}", command.python_version)))?,
        Question::SitePackages(prefix) => {
            let folder = site_packages(&prefix, &command.python_version);
            written(print(&format!("{0}\n{0}", folder.display())))?;
        }
        // The worker resolves them, for the guest, and runs no code of a package.
        Question::Install { .. } => {}
    }
    Ok(ExitCode::SUCCESS)
}
