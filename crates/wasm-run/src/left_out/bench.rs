//! `wasm-run bench` in a build without the feature `bench`.

use std::process::ExitCode;

use crate::cli::Bench;
use crate::failure::Failure;
use crate::left_out;

pub async fn execute(_: Bench) -> Result<ExitCode, Failure> {
    Err(left_out::failure("bench"))
}
