//! `wasm-run`: Python functions over tables, and Python scripts, inside WebAssembly.
//!
//! Commands are in `commands/`, one file each; the files' tables are read and written by `files/`; `failure` decides how a
//! command ends. Everything about Python is in the crates below: this program only connects them to files and a terminal.
//!
//! # Features
//! All are on by default. Each brings many crates; `left_out` stands in for those that are off.
//! * `sql`: `wasm-run sql`, with DataFusion and a prompt.
//! * `flink`: `wasm-run flink`, with gRPC and Beam's protocol.
//! * `bench`: `wasm-run bench`, with DataFusion and plots.

// What serves only a command that is left out is dead code.
#![cfg_attr(not(all(feature = "sql", feature = "flink", feature = "bench")), allow(dead_code))]

/// Writes a line to standard error. `eprintln!` would panic when nobody reads it any more.
macro_rules! note {
    ($($part:tt)*) => {{
        use std::io::Write as _;
        // A message may hold untrusted text.
        let _ = writeln!(std::io::stderr(), "{}", vivarium_text::paragraph(&format!($($part)*), usize::MAX));
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
mod metrics;
mod options;
mod panics;
mod process_sandbox;
mod progress;
mod shown;
#[cfg(feature = "sql")]
mod sql;
#[cfg(not(feature = "sql"))]
#[path = "left_out/sql.rs"]
mod sql;
mod supervisor;
mod table;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use rustix::process::{Resource, getrlimit};
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::Cli;
use crate::failure::Failure;
use crate::options::OutputOptions;
use crate::panics::Panic;
use crate::supervisor::{HUNG_UP, INTERRUPTED, TERMINATED};

/// Every allocation of this program is counted.
#[global_allocator]
static ALLOCATOR: supervisor::memory::Counted = supervisor::memory::Counted;

/// The stack of the thread that commands run on: statements and schemas nest, and the libraries that read them are recursive. Only what is
/// used of it takes memory.
const COMMAND_STACK: usize = 512 << 20;
/// Those of the threads that work on the parts of a query.
const WORKER_STACK: usize = 32 << 20;

/// How long a command that was stopped may take to clear away what it made.
const CLEARING: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    let cli = Cli::parse_from(argv::normalised(std::env::args_os()));
    let messages = commands::messages(&cli.command);
    let kind = commands::supervision(&cli.command);
    // Each child has a copy of its own.
    let mut command = Some(cli.command);
    supervisor::run(kind, messages.json, || match command.take() {
        Some(command) => work(command, messages),
        None => ExitCode::FAILURE,
    })
}

/// Runs a command on a thread with a large stack, and reports how it failed.
fn work(command: cli::Command, messages: OutputOptions) -> ExitCode {
    panics::quiet();
    let failed = |failure: Failure| {
        failure.report(messages.json);
        failure.exit_code()
    };
    let thread = std::thread::Builder::new().name("wasm-run".to_owned()).stack_size(stack(COMMAND_STACK));
    let thread = match thread.spawn(move || work_here(command, messages)) {
        Ok(thread) => thread,
        Err(error) => return failed(Failure::internal(format!("a thread cannot be started: {error}"))),
    };
    match thread.join() {
        Ok(Ok(status)) => status,
        Ok(Err(failure)) => failed(failure),
        Err(payload) => failed(Failure::internal(Panic::of(&*payload))),
    }
}

/// The size of a stack: where the process may have little memory, a small part of that.
fn stack(wanted: usize) -> usize {
    let limits = [Resource::As, Resource::Data].map(|limit| getrlimit(limit).current.unwrap_or(u64::MAX));
    wanted.min(usize::try_from(limits[0].min(limits[1]) / 32).unwrap_or(usize::MAX))
}

fn work_here(command: cli::Command, messages: OutputOptions) -> Result<ExitCode, Failure> {
    let interruptible = !commands::handles_interrupts(&command);
    // A worker's log goes to Flink.
    if !matches!(&command, cli::Command::Flink(flink) if flink.is_worker()) {
        log::start(&messages);
    }
    let runtime = runtime::Builder::new_multi_thread().enable_all().thread_stack_size(stack(WORKER_STACK)).build();
    let runtime = runtime.map_err(|error| Failure::internal(format!("threads cannot be started: {error}")))?;
    match runtime.block_on(until_signalled(commands::execute(command), interruptible)) {
        Ok(ended) => {
            // A thread that waits for standard input would keep the process alive.
            runtime.shutdown_background();
            ended
        }
        Err(Signalled(status)) => {
            // What was dropped may still be removing its files.
            runtime.shutdown_timeout(CLEARING);
            Ok(ExitCode::from(status))
        }
    }
}

/// A signal ended the command; the status says which.
struct Signalled(u8);

/// Runs a command until it ends or the user stops it; an interrupt stops it when it is `interruptible`. A command that is stopped
/// is dropped: its sandboxes end, and so do its temporary files.
async fn until_signalled(
    command: impl Future<Output = Result<ExitCode, Failure>>,
    interruptible: bool,
) -> Result<Result<ExitCode, Failure>, Signalled> {
    let signals = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let [mut interrupt, mut terminate, mut hang_up] = match signals.map(signal) {
        [Ok(interrupt), Ok(terminate), Ok(hang_up)] => [interrupt, terminate, hang_up],
        _ => return Ok(Err(Failure::internal("signals cannot be received"))),
    };
    tokio::select! {
        ended = command => Ok(ended),
        _ = interrupt.recv(), if interruptible => Err(Signalled(INTERRUPTED)),
        _ = terminate.recv() => Err(Signalled(TERMINATED)),
        _ = hang_up.recv() => Err(Signalled(HUNG_UP)),
    }
}
