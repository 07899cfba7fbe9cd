//! The operator's file of limits, which no job exceeds.

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
    /// Whether functions run where the kernel lacks a part of the process sandbox.
    pub process_sandbox: ProcessSandboxPolicy,
    /// Where workers tell what they do.
    pub metrics: MetricsSettings,
}

/// Where workers tell what they do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsSettings {
    /// A folder in which each worker has a file, in the text format of Prometheus. Default: none.
    pub folder: Option<PathBuf>,
}

/// What a worker does on a kernel that lacks Landlock or seccomp ([`ProcessSandbox`](vivarium_sandbox::ProcessSandbox)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProcessSandboxPolicy {
    /// Functions run, and the log says what is missing.
    #[default]
    IfAvailable,
    /// Every bundle fails.
    Require,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Settings, SettingsError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("limits.toml");
        std::fs::write(&file, text).unwrap();
        Settings::read(&file)
    }

    #[test]
    fn what_the_operator_says_counts_and_what_is_misspelt_is_refused() {
        assert_eq!(read("").unwrap(), Settings::default());
        let settings = read("process_sandbox = \"require\"\n[limits]\nmemory = \"64MiB\"\n").unwrap();
        assert_eq!((settings.process_sandbox, settings.limits.memory), (ProcessSandboxPolicy::Require, 64 << 20));
        let settings = read("metrics = { folder = \"/m\" }").unwrap();
        assert_eq!(settings.metrics.folder.as_deref(), Some(Path::new("/m")));
        for wrong in ["process_sandbox = \"required\"", "secondwall = \"require\"", "[limits]\nmemroy = 1"] {
            assert!(matches!(read(wrong), Err(SettingsError::Parse { .. })), "{wrong}");
        }
    }
}
