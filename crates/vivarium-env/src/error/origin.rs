//! Where an entry comes from, to name it in errors.

use std::io;
use std::path::{Path, PathBuf};

use super::{EnvironmentError, Refusal, Role, WriteError, display_name};

/// An archive, a wheel or a directory, and what is done with its entries.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    role: Role,
    path: PathBuf,
    /// Where entries go, as messages show it.
    target: String,
}

impl Origin {
    pub(crate) fn new(role: Role, path: &Path, target: &str) -> Self {
        Self { role, path: path.to_owned(), target: target.to_owned() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn refused(&self, entry: &str, refusal: Refusal) -> EnvironmentError {
        self.refused_bytes(entry.as_bytes(), refusal)
    }

    /// Like [`Self::refused`], for a name that may be no text.
    pub(crate) fn refused_bytes(&self, entry: &[u8], refusal: Refusal) -> EnvironmentError {
        let (role, archive, entry) = (self.role, self.path.clone(), display_name(entry));
        match refusal {
            Refusal::Outside => EnvironmentError::OutsideTarget { role, archive, entry, target: self.target.clone() },
            refusal => EnvironmentError::Entry { role, archive, entry, refusal },
        }
    }

    pub(crate) fn failed(&self, entry: &str, error: WriteError) -> EnvironmentError {
        match error {
            WriteError::Refused(refusal) => self.refused(entry, refusal),
            WriteError::Read(source) => self.damaged(Some(entry), source),
            WriteError::Write(source) => EnvironmentError::Write {
                what: format!("'{}' of {} '{}'", display_name(entry.as_bytes()), self.role, self.path.display()),
                source,
            },
        }
    }

    pub(crate) fn damaged(&self, entry: Option<&str>, source: io::Error) -> EnvironmentError {
        EnvironmentError::Damaged {
            role: self.role,
            archive: self.path.clone(),
            entry: entry.map(|entry| display_name(entry.as_bytes())),
            source,
        }
    }
}
