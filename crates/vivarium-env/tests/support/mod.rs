//! What the tests of this crate share: archives made byte by byte (so that they can be wrong), and an environment in a
//! directory of its own.
#![allow(dead_code, reason = "each test program uses its part")]

pub mod archives;
pub mod wheels;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use vivarium_env::{
    EnvironmentError, EnvironmentSettings, JobId, PythonArchive, PythonDependencyInfo, PythonEnvironmentManager,
};

/// Fixtures, a place for base directories, and nothing else.
pub struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    /// Where fixtures go.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Where base directories are made.
    pub fn temporary(&self) -> PathBuf {
        self.path("tmp")
    }

    pub fn settings(&self) -> EnvironmentSettings {
        EnvironmentSettings::default().with_temporary_directories(vec![self.temporary()])
    }

    pub fn manager(&self, info: PythonDependencyInfo) -> PythonEnvironmentManager {
        PythonEnvironmentManager::new(info, Arc::new(self.settings()), self.job())
    }

    /// The job of this place alone: tests run in one process.
    pub fn job(&self) -> JobId {
        self.job_named("")
    }

    /// Another one of this place's.
    pub fn job_named(&self, name: &str) -> JobId {
        let place = self.directory.path().file_name().unwrap().to_str().unwrap();
        JobId::new(format!("{place}-{name}")).unwrap()
    }

    /// Everything that is left where base directories are made.
    pub fn leftovers(&self) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.temporary()) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    /// Opens an environment with one archive `x`, checks that a failure leaves nothing behind, and returns its message.
    pub fn refusal(&self, file_name: &str, archive: &[u8]) -> String {
        self.refusal_with(self.settings(), file_name, archive)
    }

    pub fn refusal_with(&self, settings: EnvironmentSettings, file_name: &str, archive: &[u8]) -> String {
        let path = self.write(file_name, archive);
        let info =
            PythonDependencyInfo::default().with_archives(vec![PythonArchive::new(path, &format!("{file_name}#x"))]);
        let mut manager = PythonEnvironmentManager::new(info, Arc::new(settings), self.job());
        let error = manager.open().expect_err("the archive was accepted");
        assert_eq!(self.leftovers(), Vec::<PathBuf>::new(), "something was left behind after: {error}");
        with_causes(&error)
    }
}

/// An error's message and those of its causes.
pub fn with_causes(error: &EnvironmentError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// Paths below a directory with kind, mode and content, links not followed.
pub fn listing(root: &Path) -> Vec<String> {
    use std::os::unix::fs::PermissionsExt;
    let mut lines = Vec::new();
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            let mode = metadata.permissions().mode() & 0o777;
            lines.push(if metadata.is_dir() {
                pending.push(path);
                format!("{name}/ {mode:o}")
            } else if metadata.is_symlink() {
                format!("{name} -> {}", std::fs::read_link(&path).unwrap().display())
            } else {
                format!("{name} {mode:o} {:?}", String::from_utf8_lossy(&std::fs::read(&path).unwrap()))
            });
        }
    }
    lines.sort();
    lines
}
