//! `wasm-run`: Python functions over tables, and Python scripts, inside WebAssembly.
//!
//! Commands are in `commands/`, one file each; the files' tables are read and written by `files/`; `failure` decides how a
//! command ends. `sql`, `flink` and `bench` are cargo features, since each brings many crates; `left_out` stands in for them. Everything about Python is in the crates below: this program only connects them to files and a terminal.
// What serves only a command that is left out is dead code.
#![cfg_attr(not(all(feature = "sql", feature = "flink", feature = "bench")), allow(dead_code))]

/// Writes a line to standard error. `eprintln!` would panic when nobody reads it any more.
macro_rules! note {
    ($($part:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($part)*);
    }};
}

mod argv;
mod cli;
mod commands;
mod env_command;
mod environment;
mod failure;
mod files;
#[cfg(feature = "flink")]
mod flink;
#[cfg(not(feature = "flink"))]
#[path = "left_out/flink.rs"]
mod flink;
mod guest;
mod guest_test;
#[cfg(not(all(feature = "sql", feature = "flink", feature = "bench")))]
mod left_out;
mod log;
mod options;
mod progress;
#[cfg(feature = "sql")]
mod sql;
#[cfg(not(feature = "sql"))]
#[path = "left_out/sql.rs"]
mod sql;
mod table;
mod wall;

use std::io;
use std::process::ExitCode;

use clap::Parser;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::Cli;
use crate::failure::Failure;

/// 128 + SIGINT, as a shell reports it.
const INTERRUPTED: u8 = 130;
/// 128 + SIGTERM.
const TERMINATED: u8 = 143;

fn main() -> ExitCode {
    let cli = Cli::parse_from(argv::normalised(std::env::args_os()));
    let messages = commands::messages(&cli.command);
    let interruptible = !commands::handles_interrupts(&cli.command);
    // A worker's log goes to Flink.
    if !matches!(&cli.command, cli::Command::Flink(flink) if flink.is_worker()) {
        log::start(&messages);
    }
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            let failure = Failure::internal(format!("threads cannot be started: {error}"));
            failure.report(messages.json);
            return failure.exit_code();
        }
    };
    let ended = runtime.block_on(until_signalled(commands::execute(cli.command), interruptible));
    // A thread that waits for standard input would keep the process alive.
    runtime.shutdown_background();
    ended.unwrap_or_else(|failure| {
        failure.report(messages.json);
        failure.exit_code()
    })
}

/// Runs a command until it ends or the user stops it; an interrupt stops it when it is `interruptible`. A command that is stopped
/// is dropped: its sandboxes end, and so do its temporary files.
async fn until_signalled(
    command: impl Future<Output = Result<ExitCode, Failure>>,
    interruptible: bool,
) -> Result<ExitCode, Failure> {
    let unavailable = |error: io::Error| Failure::internal(format!("signals cannot be received: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(unavailable)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(unavailable)?;
    tokio::select! {
        ended = command => ended,
        _ = interrupt.recv(), if interruptible => Ok(ExitCode::from(INTERRUPTED)),
        _ = terminate.recv() => Ok(ExitCode::from(TERMINATED)),
    }
}
