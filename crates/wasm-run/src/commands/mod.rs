//! What each command does.

mod arguments;
#[cfg(feature = "bench")]
mod bench;
#[cfg(not(feature = "bench"))]
#[path = "../left_out/bench.rs"]
mod bench;
mod check;
mod exec;
mod guest;
mod run;
mod schema;

use std::process::ExitCode;

use vivarium_sandbox::SandboxConfig;

pub use self::arguments::GivenArguments;

use crate::cli::Command;
use crate::failure::Failure;
use crate::options::{OutputOptions, SandboxOptions, TimeLimit};
use crate::supervisor;

/// Runs a command to its end.
///
/// # Errors
/// Whatever ends it early; [`Failure::report`] tells the user.
pub async fn execute(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Run(run) => run::execute(run).await,
        Command::Sql(sql) => crate::sql::execute(sql).await,
        Command::Exec(exec) => exec::execute(exec).await,
        Command::Check(check) => check::execute(check).await,
        Command::Schema(schema) => schema::execute(schema).await,
        Command::Bench(bench) => bench::execute(bench).await,
        Command::Env(env) => crate::env_command::execute(env).await,
        Command::Guest(guest) => guest::execute(guest).await,
        Command::Flink(flink) => crate::flink::execute(flink).await,
    }
}

/// The message options of a command.
pub fn messages(command: &Command) -> OutputOptions {
    use crate::cli::Guest;
    match command {
        Command::Run(run) => run.messages,
        Command::Sql(sql) => sql.messages,
        Command::Exec(exec) => exec.messages,
        Command::Check(check) => check.messages,
        Command::Schema(schema) => schema.messages,
        Command::Bench(bench) => bench.messages,
        Command::Env(env) => env.messages(),
        Command::Guest(Guest::Build(wanted) | Guest::Path(wanted)) => wanted.messages,
        Command::Guest(Guest::Info(info)) => info.wanted.messages,
        Command::Guest(Guest::Export(export)) => export.wanted.messages,
        Command::Guest(Guest::Import(import)) => import.messages,
        Command::Guest(Guest::List(messages)) => *messages,
        Command::Guest(Guest::Test(test)) => test.messages,
        Command::Flink(flink) => flink.messages(),
    }
}

/// Whether a command runs in a child process: those that read untrusted input do.
pub fn supervision(command: &Command) -> supervisor::Kind {
    match command {
        Command::Sql(sql) if sql.is_interactive() => supervisor::Kind::Session,
        Command::Run(_) | Command::Sql(_) | Command::Exec(_) | Command::Check(_) | Command::Schema(_) => {
            supervisor::Kind::Command
        }
        Command::Bench(bench) if bench.function.is_some() => supervisor::Kind::Command,
        Command::Bench(_) | Command::Env(_) | Command::Guest(_) | Command::Flink(_) => supervisor::Kind::None,
    }
}

/// Whether the command itself decides what an interrupt ends.
pub fn handles_interrupts(command: &Command) -> bool {
    matches!(command, Command::Sql(sql) if sql.is_interactive())
}

/// The sandbox that the options describe.
pub fn sandbox_config(options: &SandboxOptions, default_timeout: TimeLimit) -> SandboxConfig {
    SandboxConfig::default()
        .with_limits(options.limits(default_timeout))
        .with_variables(options.variables.iter().cloned().collect())
}
