//! What can go wrong while the process sandbox is put in force.

use std::path::PathBuf;

/// Why the process is not restricted. What the kernel merely lacks is no error, unless it is
/// [required](crate::ProcessSandbox::require): see [`ProcessSandboxStatus`](crate::ProcessSandboxStatus).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessSandboxError {
    /// A file or folder that should stay reachable is not there.
    #[error("{} cannot be kept reachable in the process sandbox: {reason}", path.display())]
    Path {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The kernel has the means but refused them.
    #[error("the process sandbox cannot be enforced: {0}")]
    Refused(String),
    /// All of it was required, and the kernel lacks a part.
    #[error("the process sandbox is required, and this kernel has no {0}; no Python runs without it")]
    Missing(&'static str),
    /// There is one already.
    #[error("the process is in a process sandbox already")]
    AlreadyEnforced,
}
