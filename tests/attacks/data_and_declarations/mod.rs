//! Attacking through what is read before any code runs: archives, wheels, directories, headers and requirements.

mod archives;
mod requirements;
mod store;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use vivarium_env::{
    EnvironmentSettings, JobId, MaterializeLimits, PythonDependencyInfo, PythonEnvironmentManager, RequirementsSettings,
};

use crate::case::{Group, ensure};
use crate::world::Attempt;

pub const GROUP: Group = Group {
    name: "data and declarations",
    wants: "To attack through archives, wheels, headers and declarations",
    cases: &[archives::CASES, requirements::CASES, store::CASES],
};

/// A folder of a case's own, with files that a tenant ships and a place where environments are made.
struct Shipped(tempfile::TempDir);

impl Shipped {
    fn new(attempt: &Attempt) -> Result<Self, String> {
        let folder = tempfile::tempdir_in(attempt.world.root.path()).map_err(|error| error.to_string())?;
        let shipped = Self(folder);
        shipped.write("secret", b"a secret of the host")?;
        Ok(shipped)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: &[u8]) -> Result<PathBuf, String> {
        let path = self.path(name);
        let written =
            path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&path, content));
        written.map(|()| path).map_err(|error| error.to_string())
    }

    /// Settings of an operator who lets nothing come from an index.
    fn settings(&self) -> EnvironmentSettings {
        EnvironmentSettings::default()
            .with_temporary_directories(vec![self.path("made")])
            .with_limits(MaterializeLimits::default().with_entries(200).with_total_bytes(1 << 20))
            .with_requirements(RequirementsSettings::default().with_use_index(false))
    }

    /// A job that no other case has: some run at the same time.
    fn job(&self, name: &str) -> Result<JobId, String> {
        let place = self.0.path().file_name().unwrap_or_default();
        JobId::new(format!("{}-{name}", place.display())).map_err(|error| error.to_string())
    }

    /// An environment of this, which must be refused with a message that has all of these words, and leave nothing behind.
    fn refused(&self, info: PythonDependencyInfo, words: &[&str]) -> Result<(), String> {
        let mut manager = PythonEnvironmentManager::new(info, Arc::new(self.settings()), self.job("refused")?);
        let error = match manager.open() {
            Ok(_) => return Err(format!("an environment was made, where {words:?} was expected")),
            Err(error) => error,
        };
        let mut message = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(error) = source {
            message = format!("{message}: {error}");
            source = error.source();
        }
        for word in words {
            ensure(message.contains(word), || format!("{word:?} is not in: {message}"))?;
        }
        let left = names_in(&self.path("made"));
        ensure(left.is_empty(), || format!("{left:?} was left behind"))?;
        ensure(std::fs::read(self.path("secret")).is_ok_and(|secret| secret == b"a secret of the host"), || {
            "the secret was changed".to_owned()
        })
    }
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
