//! The operator's file: what no job exceeds.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use vivarium_sandbox::{Limits, LimitsError};

/// What the operator of a cluster allows. Written as TOML; `install` leaves one that says how.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Settings {
    /// What each sandbox may use.
    pub limits: Limits,
}

/// Why the operator's file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// It cannot be read.
    #[error("the limits in {} cannot be read: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It says something that is not understood.
    #[error("the limits in {} are not understood: {source}", .path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: toml::de::Error,
    },
    /// Its limits contradict themselves.
    #[error("the limits in {}: {source}", .path.display())]
    Limits {
        /// The file.
        path: PathBuf,
        /// Which.
        source: LimitsError,
    },
}

impl Settings {
    /// Reads the file.
    ///
    /// # Errors
    /// [`SettingsError`]: a worker without its operator's limits does not start.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let owned = || path.to_owned();
        let text = std::fs::read_to_string(path).map_err(|source| SettingsError::Read { path: owned(), source })?;
        let settings: Self = toml::from_str(&text).map_err(|source| SettingsError::Parse { path: owned(), source })?;
        settings.limits.validate().map_err(|source| SettingsError::Limits { path: owned(), source })?;
        Ok(settings)
    }
}
