//! The command runs in a child process, and this one waits for it.
//!
//! Untrusted files and SQL are read by libraries that were written for honest ones: a declared length can make them ask for more
//! memory than there is, deep nesting can use up a stack, a plan can take hours. None of that can be caught inside of a process, so it
//! happens in one that may crash:
//!
//! ```text
//!   wasm-run ── fork ──┬── waits: passes signals on, ends a child that does not react, says how it ended    wait
//!                      └── works: everything else; writes down what it is doing                               record
//!                                  └── its own memory is counted and bounded                                  memory
//! ```
//!
//! So every command ends with a documented status and a sentence about the file or statement that was at work, and within a second of
//! Ctrl-C. The child is made before any thread, which costs some tenths of a millisecond; it ends when this process does.

mod fork;
pub mod memory;
mod record;
mod wait;

use std::process::ExitCode;

use vivarium::ErrorClass;

use self::fork::{Forked, Signals};
use self::record::Record;
use crate::failure::Failure;

pub use self::record::{Doing, doing, interrupt_handled};

/// 128 + SIGHUP, as a shell reports it.
pub const HUNG_UP: u8 = 129;
/// 128 + SIGINT.
pub const INTERRUPTED: u8 = 130;
/// 128 + SIGTERM.
pub const TERMINATED: u8 = 143;

/// How a command wants to be supervised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// In this process: what it works on is the user's own.
    None,
    /// In a child that an interrupt ends.
    Command,
    /// In a child that an interrupt does not end, as long as it listens; one that was lost is replaced.
    Session,
}

/// Runs a command's work as `kind` says and tells how it ended; what went wrong is reported as `json` or for people.
pub fn run(kind: Kind, json: bool, mut work: impl FnMut() -> ExitCode) -> ExitCode {
    if kind == Kind::None {
        return work();
    }
    // Without the means there is no supervision; the command itself need not suffer from that.
    let Ok(record) = Record::new() else { return work() };
    loop {
        let signals = Signals::block();
        match fork::fork() {
            Err(_) => {
                drop(signals);
                return work();
            }
            Ok(Forked::Child) => {
                drop(signals);
                record.install();
                return work();
            }
            Ok(Forked::Parent(child)) => match wait::wait(child, kind, &record, &signals) {
                wait::Ended::Exit(status) => {
                    signals.keep_blocked();
                    return ExitCode::from(status);
                }
                wait::Ended::Failed(failure) => {
                    failure.report(json);
                    if kind == Kind::Session && failure.class() != ErrorClass::Internal {
                        note!("wasm-run: the session was lost; a new one begins");
                        record.clear();
                        continue;
                    }
                    signals.keep_blocked();
                    return failure.exit_code();
                }
            },
        }
    }
}

/// What a child that was lost is reported as.
fn lost(doing: Doing, name: &str, how: &str) -> Failure {
    let message = match doing {
        Doing::Starting => format!("the command ended by itself: it {how}"),
        Doing::Reading => {
            format!("{name} cannot be read: its reader {how}; the file is damaged or malicious")
        }
        Doing::Querying => format!(
            "the statement cannot be run as it is: the query engine {how}; it is nested too deeply, or asks for too much{}",
            if name.is_empty() { String::new() } else { format!("\n  {name}") }
        ),
    };
    Failure::Other { class: doing.class(), message }
}
