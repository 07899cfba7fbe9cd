//! The process sandbox around this program while Python runs: what it may still open is named here.

use std::path::PathBuf;

use cap_std::fs::Dir;
use vivarium_sandbox::ProcessSandbox;

use crate::failure::Failure;
use crate::files::Location;

/// The variable by which an operator says that Python runs in the whole process sandbox or not at all.
const POLICY: &str = "VIVARIUM_PROCESS_SANDBOX";
/// The name that it had before.
const OLD_POLICY: &str = "VIVARIUM_SECOND_WALL";

/// The files of a command, all of which it may open when Python has run already.
#[derive(Debug, Default)]
pub struct Reach<'a> {
    /// The Python environment.
    pub environment: Option<&'a Dir>,
    /// Where its snapshots are kept.
    pub snapshots: Option<PathBuf>,
    /// Tables that are read.
    pub inputs: &'a [&'a Location],
    /// Folders in which files and folders are read, made and removed.
    pub folders: Vec<PathBuf>,
    /// Whether a socket that listens takes connections.
    pub serves: bool,
}

/// Enforces it, for good. Call it when the guest and the environment are open, and before Python runs.
///
/// # Errors
/// When the system has the means and refuses them. Where it lacks them the log says so, and WebAssembly is the only boundary, unless
/// the operator requires it (`VIVARIUM_PROCESS_SANDBOX=require`).
pub fn enforce(reach: Reach<'_>) -> Result<(), Failure> {
    let mut sandbox = ProcessSandbox::new();
    match std::env::var_os(POLICY).or_else(|| std::env::var_os(OLD_POLICY)) {
        None => {}
        Some(policy) if policy == "require" => sandbox = sandbox.require(),
        Some(policy) => {
            let policy = vivarium_text::line(&policy.to_string_lossy(), 40);
            return Err(Failure::usage(format!("{POLICY} is {policy:?}; it can be `require`, or not set")));
        }
    }
    if let Some(environment) = reach.environment {
        sandbox = sandbox.allow_reading_open(environment).map_err(Failure::internal)?;
    }
    if let Some(snapshots) = reach.snapshots {
        sandbox = sandbox.allow_writing_in(snapshots);
    }
    for input in reach.inputs {
        // What is not there cannot be reached; whoever opens it says so. Standard input and outputs are open already.
        if let Location::File(path) = input
            && path.exists()
        {
            sandbox = sandbox.allow_reading(path);
        }
    }
    if reach.serves {
        sandbox = sandbox.allow_accepting();
    }
    for folder in reach.folders {
        sandbox = sandbox.allow_reading(&folder).allow_writing_under(&folder);
    }
    let status = sandbox.enforce().map_err(Failure::internal)?;
    if !status.files || !status.calls {
        tracing::warn!(?status, "this system lacks Landlock or seccomp: WebAssembly is the only complete boundary");
    }
    Ok(())
}
