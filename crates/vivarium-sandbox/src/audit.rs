//! What an operator wants on record: ends and refusals that concern security, as events with stable names.
//!
//! | `event` | level | when | fields besides |
//! |---|---|---|---|
//! | `sandbox_ended` | WARN | a sandbox was destroyed because of what its code did | `reason`, `limit`, `error` |
//! | `sandbox_refused` | INFO | a sandbox was not started, or waited for in vain: there is no room | `limit`, `error` |
//!
//! All have the target [`AUDIT_TARGET`] and the fields `event`, `tenant`, `job` and `task`. `reason` is one of `limit` (then `limit` is its
//! name), `trap`, `protocol` (the guest broke the contract between host and guest), `forged` (structures that cannot be) and `process_sandbox`
//! (a thread could not be confined, so that no code ran). `error` is the error, on one line. Names and fields are part of the
//! interface: they do not change within a major version. What is on record is counted, too (`vivarium_sandboxes_ended_total`).

use vivarium_tenancy::{LimitKind, TaskAccount};
use vivarium_text::OneLine;

use crate::error::Error;

/// The target of these events.
pub const AUDIT_TARGET: &str = "vivarium::audit";

/// A sandbox of the task was destroyed.
pub(crate) fn ended(task: &TaskAccount, error: &Error) {
    let (reason, limit) = match error {
        Error::Limit(limit) => ("limit", Some(limit.limit)),
        Error::Trap { .. } => ("trap", None),
        Error::Protocol(_) => ("protocol", None),
        Error::Exchange(_) => ("forged", None),
        #[cfg(feature = "process-sandbox")]
        Error::ProcessSandbox(_) => ("process_sandbox", None),
        // It ended itself, or never was.
        _ => return,
    };
    let limit = limit.map(LimitKind::name);
    task.metrics().add_end((reason, limit.unwrap_or_default()));
    let (tenant, job, task) = (task.tenant().id(), task.job(), task.id());
    tracing::warn!(target: AUDIT_TARGET, event = "sandbox_ended", reason, limit, %tenant, %job, %task, error = %OneLine(error));
}

/// There is no room for a sandbox of the task.
pub(crate) fn refused(task: &TaskAccount, error: &Error) {
    let Error::Limit(limit) = error else { return };
    let limit = limit.limit.name();
    task.metrics().add_refusal(limit);
    let (tenant, job, task) = (task.tenant().id(), task.job(), task.id());
    tracing::info!(target: AUDIT_TARGET, event = "sandbox_refused", limit, %tenant, %job, %task, error = %OneLine(error));
}
