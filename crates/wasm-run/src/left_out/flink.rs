//! `wasm-run flink` in a build without the feature `flink`.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Subcommand;

use crate::failure::Failure;
use crate::left_out;
use crate::options::OutputOptions;

/// Let Apache Flink run its Python functions in sandboxes (left out of this build).
#[derive(Debug, Subcommand)]
pub enum Flink {
    #[command(external_subcommand)]
    Any(Vec<OsString>),
}

impl Flink {
    pub fn is_worker(&self) -> bool {
        false
    }

    pub fn messages(&self) -> OutputOptions {
        OutputOptions::default()
    }
}

pub async fn execute(_: Flink) -> Result<ExitCode, Failure> {
    Err(left_out::failure("flink"))
}
