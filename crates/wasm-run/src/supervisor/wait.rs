//! Waiting for the child.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, waitpid};
use vivarium::ErrorClass;

use super::fork::{Arrived, Signals};
use super::record::Record;
use super::{HUNG_UP, INTERRUPTED, Kind, TERMINATED, lost, memory};
use crate::failure::Failure;

/// How long a child that was told to end may take for it. Together with everything else it is less than a second.
const PATIENCE: Duration = Duration::from_millis(600);
/// As good as for ever.
const LONG: Duration = Duration::from_secs(24 * 60 * 60);

/// How the child ended.
pub enum Ended {
    /// By itself, or because it was told to.
    Exit(u8),
    /// Otherwise.
    Failed(Failure),
}

/// A signal that the child has to act on soon.
struct Told {
    status: u8,
    deadline: Instant,
    /// How many interrupts it had acted on before.
    handled: u64,
}

/// Waits for the end of the child.
pub fn wait(child: Pid, kind: Kind, record: &Record, signals: &Signals) -> Ended {
    let mut told: Option<Told> = None;
    loop {
        if let Ok(Some((_, status))) = waitpid(Some(child), WaitOptions::NOHANG)
            && !status.stopped()
        {
            let ended = ended(status, told.as_ref(), kind, record);
            return cleared(
                child,
                ended,
                status.terminating_signal().is_some() || status.exit_status() == Some(memory::EXCEEDED),
            );
        }
        if told.as_ref().is_some_and(|told| record.interrupts_handled() > told.handled) {
            told = None;
        }
        let patience = told.as_ref().map_or(LONG, |told| told.deadline.saturating_duration_since(Instant::now()));
        if patience.is_zero() {
            // It does not listen: it plans a query for hours, or waits for a file.
            let _ = kill_process(child, Signal::KILL); // it may have ended by now
            let _ = waitpid(Some(child), WaitOptions::empty());
            return cleared(child, stopped(told.map_or(TERMINATED, |told| told.status), kind, record), true);
        }
        let Some(Arrived { signal, from_terminal }) = signals.next(patience) else { continue };
        let (status, passed) = match signal {
            libc::SIGINT => (INTERRUPTED, Signal::INT),
            libc::SIGTERM => (TERMINATED, Signal::TERM),
            libc::SIGHUP => (HUNG_UP, Signal::HUP),
            _ => continue,
        };
        if !from_terminal {
            let _ = kill_process(child, passed); // it may have ended by now
        }
        // The prompt reads Ctrl-C as a key while somebody types; a signal is for a query.
        let first = Told { status, deadline: Instant::now() + PATIENCE, handled: record.interrupts_handled() };
        told.get_or_insert(first).status = status;
    }
}

/// Clears away what a child that was `lost` could not.
fn cleared(child: Pid, ended: Ended, lost: bool) -> Ended {
    if lost {
        crate::sql::remove_temporary_of(child.as_raw_nonzero().get().unsigned_abs());
    }
    ended
}

fn ended(status: WaitStatus, told: Option<&Told>, kind: Kind, record: &Record) -> Ended {
    let limit = record.memory_limit();
    if status.exit_status() == Some(memory::EXCEEDED) && limit > 0 {
        let (_, name) = record.doing();
        let about = if name.is_empty() { String::new() } else { format!("{name}: ") };
        let message = format!(
            "{about}more than {} MiB of memory are needed besides the sandboxes'; allow more with --host-memory",
            limit >> 20
        );
        return Ended::Failed(Failure::Other { class: ErrorClass::Limit, message });
    }
    if let Some(status) = status.exit_status() {
        return Ended::Exit(u8::try_from(status).unwrap_or(u8::MAX));
    }
    if let Some(told) = told {
        return stopped(told.status, kind, record);
    }
    let signal = status.terminating_signal().unwrap_or_default();
    let (doing, name) = record.doing();
    if signal == libc::SIGKILL {
        let message = "the command was killed, most often because the machine had no memory left; give it less to do at a time \
                       (--instances, --memory, --host-memory)";
        return Ended::Failed(Failure::Other { class: ErrorClass::Limit, message: message.to_owned() });
    }
    let how = match signal {
        libc::SIGSEGV | libc::SIGBUS | libc::SIGABRT | libc::SIGILL => "crashed".to_owned(),
        other => format!("was ended by signal {other}"),
    };
    Ended::Failed(lost(doing, &name, &how))
}

/// A child that was told to end, or did not listen.
fn stopped(status: u8, kind: Kind, record: &Record) -> Ended {
    if kind == Kind::Session && status == INTERRUPTED {
        let (doing, name) = record.doing();
        return Ended::Failed(lost(doing, &name, "did not stop when it was told to"));
    }
    Ended::Exit(status)
}
