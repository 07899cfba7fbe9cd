//! The prompt: statements as they are typed, until the end of input.
//!
//! ```text
//!   reader ── a thread that edits lines (rustyline)     words ── what can be completed
//!   commands ─ `\d` and the like                        history ─ where lines are kept
//! ```
//!
//! Ctrl-C at the prompt drops what was typed; while a query runs, it stops the query. A query that fails says so, and the prompt
//! comes back: the status at the end is that of the session, not of its queries.

mod commands;
mod history;
mod reader;
mod words;

use std::io::{self, Write};
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use vivarium_datafusion::PythonFunctions;

pub use self::history::History;

use self::commands::{Command, HELP, is_goodbye};
use self::reader::{Line, Reader};
use self::words::Words;
use super::results::Results;
use super::script::Script;
use super::session::Session;
use crate::failure::{Failure, written};
use crate::options::OutputOptions;
use crate::supervisor::interrupt_handled;
use crate::table::TableWriter;

/// Somebody in front of a session.
pub struct Prompt {
    pub session: Session,
    pub python: PythonFunctions,
    pub results: Results,
    pub messages: OutputOptions,
}

/// Asks for statements and runs them, until the user leaves.
///
/// # Errors
/// When there is no terminal to ask at, or nobody takes what is answered.
pub async fn run(prompt: Prompt, history: Option<History>) -> Result<ExitCode, Failure> {
    if !prompt.messages.quiet {
        note!("wasm-run {}: SQL, with `;` at the end; \\? for help, \\q to leave.", env!("CARGO_PKG_VERSION"));
    }
    let mut interrupt = signal(SignalKind::interrupt())
        .map_err(|error: io::Error| Failure::internal(format!("signals cannot be received: {error}")))?;
    let mut reader = Reader::start(history)?;
    loop {
        let typed = match reader.ask(Words::of(&prompt.session).await, &mut interrupt).await? {
            Line::Typed(typed) => typed,
            Line::Dropped => continue,
            Line::End => return Ok(ExitCode::SUCCESS),
        };
        if is_goodbye(&typed) {
            return Ok(ExitCode::SUCCESS);
        }
        let answered = tokio::select! {
            answered = prompt.answer(&typed) => answered,
            // Dropping a query stops its functions.
            _ = interrupt.recv() => {
                interrupt_handled();
                note!("wasm-run: the query was interrupted");
                Ok(())
            }
        };
        match answered {
            Ok(()) => {}
            // Nobody reads the answers.
            Err(Failure::BrokenPipe) => return Err(Failure::BrokenPipe),
            Err(failure) => failure.report(prompt.messages.json),
        }
    }
}

impl Prompt {
    async fn answer(&self, typed: &str) -> Result<(), Failure> {
        let Some(command) = typed.trim().strip_prefix('\\') else {
            return self.run(typed.to_owned(), !self.messages.quiet && !self.messages.json).await;
        };
        match Command::parse(command)? {
            Command::Help => written(io::stdout().write_all(HELP.as_bytes())),
            Command::Query(sql) => self.run(sql, false).await,
            Command::Functions => written(self.write_functions()),
        }
    }

    /// Runs statements, and tells the time that each took.
    async fn run(&self, sql: String, timed: bool) -> Result<(), Failure> {
        for statement in Script::typed(sql).statements(&self.session.context).map_err(Failure::sql)? {
            let done = self.session.run(statement, &self.results).await?;
            if timed {
                note!("{:.3} s", done.time.as_secs_f64());
            }
        }
        Ok(())
    }

    fn write_functions(&self) -> io::Result<()> {
        let functions = self.python.functions(&self.session.context);
        let rows: Vec<_> = functions
            .iter()
            .map(|function| vec![function.name.clone(), function.kind.to_string(), function.place.to_string()])
            .collect();
        let mut table = TableWriter::new(io::stdout().lock(), &["function", "kind", "defined as"]);
        table.rows(&rows)?;
        table.finish_counted()?.flush()
    }
}
