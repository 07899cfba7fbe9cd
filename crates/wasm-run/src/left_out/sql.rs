//! `wasm-run sql` in a build without the feature `sql`.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Args;
use vivarium::ErrorClass;

use crate::failure::Failure;
use crate::left_out;
use crate::options::OutputOptions;

/// Run SQL over files (left out of this build).
#[derive(Debug, Args)]
pub struct Sql {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    arguments: Vec<OsString>,

    #[arg(skip)]
    pub messages: OutputOptions,
}

impl Sql {
    pub fn is_interactive(&self) -> bool {
        false
    }
}

/// There is none without SQL.
#[derive(Debug)]
pub enum SqlFailure {}

impl SqlFailure {
    pub fn class(&self) -> ErrorClass {
        match *self {}
    }

    pub fn function_error(&self) -> Option<&vivarium::Error> {
        match *self {}
    }

    pub fn position_as_json(&self) -> serde_json::Value {
        match *self {}
    }

    pub fn message(&self) -> &str {
        match *self {}
    }

    pub fn place(&self) -> String {
        match *self {}
    }
}

pub async fn execute(_: Sql) -> Result<ExitCode, Failure> {
    Err(left_out::failure("sql"))
}

/// There are no folders of queries.
pub fn remove_temporary_of(_: u32) {}
