//! What can go wrong with an environment, as sentences that name the input at fault.

mod origin;
mod refusal;
mod requirements;
mod store;

use std::fmt;
use std::io;
use std::path::PathBuf;

pub(crate) use origin::Origin;
pub use refusal::Refusal;
pub(crate) use refusal::{WriteError, display_name};
pub use requirements::{RequirementsError, Unsatisfied, UnsatisfiedReason};
pub use store::StoreError;
use store::advice;

/// What a shipped file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// An entry of `python.files`.
    PythonFile,
    /// An entry of `python.archives`.
    Archive,
    /// The file of `python.requirements`.
    Requirements,
    /// The directory of packages given with `python.requirements`.
    RequirementsCache,
    /// A wheel that satisfies a requirement.
    Wheel,
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::PythonFile => "python file",
            Self::Archive => "archive",
            Self::Requirements => "requirements file",
            Self::RequirementsCache => "requirements cache directory",
            Self::Wheel => "wheel",
        })
    }
}

/// Why an environment could not be made.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's message documents it and its fields")]
#[non_exhaustive]
pub enum EnvironmentError {
    /// Flink's message, word for word.
    #[error(
        "Could not find a unique directory name in '[{directories}]' for storing the generated files of python dependency."
    )]
    NoUniqueDirectory { directories: String, source: Option<io::Error> },
    #[error("option '{key}' has the value '{value}': {reason}")]
    Option { key: String, value: String, reason: &'static str },
    #[error("{role} '{}' does not exist", path.display())]
    MissingInput { role: Role, path: PathBuf },
    #[error("{role} '{}' cannot be read", path.display())]
    ReadInput { role: Role, path: PathBuf, source: io::Error },
    #[error("{role} '{}' is not a regular file", path.display())]
    InputKind { role: Role, path: PathBuf },
    #[error("{role} '{}' is bigger than {limit} bytes", path.display())]
    InputTooBig { role: Role, path: PathBuf, limit: u64 },
    #[error("{role} '{}' changed while it was read; ship it again when it is complete", path.display())]
    InputChanged { role: Role, path: PathBuf },
    #[error("{role} '{}' cannot be placed as '{name}': {refusal}", path.display())]
    InputName { role: Role, path: PathBuf, name: String, refusal: Refusal },
    #[error("python files '{}' and '{}' would both be placed in python-files/{name}; rename one", first.display(), second.display())]
    SamePlace { name: String, first: PathBuf, second: PathBuf },
    #[error("the target '{target}' of archive '{}' is refused: {refusal}", archive.display())]
    Target { archive: PathBuf, target: String, refusal: Refusal },
    /// Flink's message, with the archive's name behind it.
    #[error("Expand {entry} would create a file outside of {target} (in {role} '{}')", archive.display())]
    OutsideTarget { role: Role, archive: PathBuf, entry: String, target: String },
    /// Flink's message, word for word.
    #[error("Error reading Zip content from {}", path.display())]
    NotZip { path: PathBuf, source: io::Error },
    #[error("{role} '{}' is damaged{}", archive.display(), in_entry(entry))]
    Damaged { role: Role, archive: PathBuf, entry: Option<String>, source: io::Error },
    #[error("entry '{entry}' of {role} '{}' is refused: {refusal}", archive.display())]
    Entry { role: Role, archive: PathBuf, entry: String, refusal: Refusal },
    #[error("cannot write {what}{}", advice(source))]
    Write { what: String, source: io::Error },
    /// Flink's message, word for word.
    #[error(
        "Python executable '{executable}' is from archives but does not contain a '/bin/' path component. Expected a path like 'venv/bin/python'."
    )]
    ExecutableWithoutBin { executable: String },
    #[error("Python executable '{executable}' is from archives but its path is refused: {refusal}")]
    ExecutablePath { executable: String, refusal: Refusal },
    #[error("the environment directory '{}' cannot be opened", path.display())]
    OpenTree { path: PathBuf, source: io::Error },
    #[error("job {job} is open in this process with other Python dependencies; close it first")]
    OtherDependencies { job: String },
    #[error("opening the environment was cancelled")]
    Cancelled,
    #[error("the environment of job {job} is not open")]
    NotOpen { job: String },
    #[error(transparent)]
    Requirements(#[from] RequirementsError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn in_entry(entry: &Option<String>) -> String {
    entry.as_ref().map(|entry| format!(" in its entry '{entry}'")).unwrap_or_default()
}
