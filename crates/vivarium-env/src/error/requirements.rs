//! What can go wrong with requirements.

use std::fmt;
use std::path::PathBuf;

/// Why requirements could not be installed.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's message documents it and its fields")]
#[non_exhaustive]
pub enum RequirementsError {
    #[error("line {line} of the requirements, '{text}', is refused: {reason}")]
    Line { line: usize, text: String, reason: &'static str },
    #[error("the dependency '{text}' is refused: {reason}")]
    Dependency { text: String, reason: &'static str },
    #[error("the requirements file is refused: {reason}")]
    File { reason: &'static str },
    #[error("these requirements cannot be satisfied in the sandbox:{}", list(.0))]
    Unsatisfied(Vec<Unsatisfied>),
    #[error("the requirements contradict each other:\n{output}")]
    Conflict { output: String },
    #[error(
        "'{}', whose pip resolves requirements, was not found; install it (Debian: apt install python3 python3-pip)", python.display()
    )]
    PythonMissing { python: PathBuf },
    #[error("'{}' has no pip; install it (Debian: apt install python3-pip)", python.display())]
    PipMissing { python: PathBuf },
    #[error("the pip of '{}' is not one this program can use ({reason}); versions from 23.0 on are known to work", python.display())]
    PipUnsuitable { python: PathBuf, reason: String },
    #[error("pip could not be run")]
    PipRun { source: std::io::Error },
    #[error("pip did not finish within {seconds} s")]
    PipTimeout { seconds: u64 },
    #[error(
        "pip needed more than {limit} bytes of memory for these requirements: the metadata of a package are too large; name another version of it"
    )]
    PipMemory { limit: u64 },
    #[error("pip failed:\n{output}")]
    PipFailed { output: String },
    #[error(
        "requirements need packages from an index, which is switched off here; give a directory of wheels (requirements.txt#directory)"
    )]
    NoIndex,
    #[error("wheel '{file}' is refused: {reason}")]
    Wheel { file: String, reason: String },
    #[error("the lock has no entry for '{name}', which is required; make the lock again")]
    LockIncomplete { name: String },
    #[error("wheels with the hashes that the lock has for {names} are not all in the cache directory")]
    LockedWheelsMissing { names: String },
    #[error("the script's header, line {line}: {reason}")]
    ScriptHeader { line: usize, reason: String },
    #[error("the script needs Python {required}, and the sandbox has {guest}")]
    ScriptPython { required: String, guest: String },
}

/// A requirement that no wheel satisfies.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unsatisfied {
    /// The requirement, as pip names it.
    pub requirement: String,
    /// Why.
    pub reason: UnsatisfiedReason,
}

/// Why a requirement is not satisfied.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnsatisfiedReason {
    /// Matching versions exist only as wheels with machine code.
    OnlyNativeWheel,
    /// Matching versions exist only as source, whose building would run the package's code.
    OnlySourceDistribution,
    /// There is such a package, but not in such a version.
    NoSuchVersion {
        /// Versions there are, oldest first.
        available: Vec<String>,
    },
    /// There is no such package.
    NoSuchPackage,
    /// The guest bundles the package in another version.
    Bundled {
        /// The bundled version.
        version: String,
    },
}

impl fmt::Display for UnsatisfiedReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OnlyNativeWheel => formatter.write_str("only native wheels exist, and the sandbox runs pure Python"),
            Self::OnlySourceDistribution => {
                formatter.write_str("only a source distribution exists; build a wheel of it and ship that")
            }
            Self::NoSuchVersion { available } => {
                const SHOWN: usize = 8;
                let skipped = available.len().saturating_sub(SHOWN);
                let dots = if skipped > 0 { "..., " } else { "" };
                write!(formatter, "no such version (there are {dots}{})", available[skipped..].join(", "))
            }
            Self::NoSuchPackage => formatter.write_str("no such package"),
            Self::Bundled { version } => write!(formatter, "the sandbox bundles version {version}"),
        }
    }
}

fn list(unsatisfied: &[Unsatisfied]) -> String {
    unsatisfied.iter().map(|one| format!("\n  {}: {}", one.requirement, one.reason)).collect()
}
