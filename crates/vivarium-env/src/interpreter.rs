//! The interpreter's configuration, as Flink's embedded interpreter takes it.

use crate::dependencies::{PythonArchive, PythonDependencyInfo};
use crate::error::{EnvironmentError, Refusal};
use crate::limits::MaterializeLimits;
use crate::tree::EntryPath;

/// How several users of one interpreter are kept apart. Ours has one user, so the value is always Flink's default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ExecutionType {
    /// One interpreter, several threads.
    MultiThread,
    /// An interpreter of its own for each user.
    SubInterpreter,
}

/// Flink's class of the same name: what an embedded interpreter is started with.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct PythonInterpreterConfig {
    /// `PYTHONPATH`, split.
    pub python_paths: Vec<String>,
    /// The executable; one from an archive as an absolute path.
    pub python_executable: String,
    /// How users are kept apart.
    pub execution_type: ExecutionType,
    /// The working directory, when there are archives.
    pub working_directory: Option<String>,
    /// The home of an executable from an archive.
    pub python_home: Option<String>,
}

/// Whether an executable lies in one of the archives: its first path segment is the target of one.
pub fn is_python_exec_from_archives(executable: &str, archives: &[PythonArchive]) -> bool {
    let first = executable.split('/').next().unwrap_or(executable);
    archives.iter().any(|archive| archive.target == first)
}

/// An executable from an archive: its home and itself, below the working directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ArchivedPython {
    pub home: EntryPath,
    pub executable: EntryPath,
}

impl ArchivedPython {
    /// `None` when the executable is not from an archive.
    pub(crate) fn find(
        info: &PythonDependencyInfo,
        limits: &MaterializeLimits,
    ) -> Result<Option<Self>, EnvironmentError> {
        let executable = &info.python_executable;
        if !is_python_exec_from_archives(executable, &info.archives) {
            return Ok(None);
        }
        let (home, _) = executable
            .rsplit_once("/bin/")
            .ok_or_else(|| EnvironmentError::ExecutableWithoutBin { executable: executable.clone() })?;
        let checked = |path: &str| {
            EntryPath::parse(path.as_bytes(), limits)
                .and_then(|path| path.ok_or(Refusal::EmptyName))
                .map_err(|refusal| EnvironmentError::ExecutablePath { executable: executable.clone(), refusal })
        };
        Ok(Some(Self { home: checked(home)?, executable: checked(executable)? }))
    }
}
