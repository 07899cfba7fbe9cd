//! `SET python.*`, by Flink's names.

use std::any::Any;
use std::collections::BTreeMap;

use datafusion::common::config::{ConfigEntry, ConfigExtension, ExtensionOptions};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use vivarium_env::{EnvironmentError, PythonOptions, keys};

use crate::error::Error;

/// The settings there are, and what they are for.
const KEYS: [(&str, &str); 7] = [
    (keys::FILES, "Comma-separated Python files, zip files, wheels and directories"),
    (keys::REQUIREMENTS, "A requirements file, or file#directory with the packages to install from"),
    (keys::ARCHIVES, "Comma-separated archives, each path or path#target"),
    (keys::EXECUTABLE, "The Python home of an archive whose packages are used"),
    (keys::PYTHON_PATH, "Directories of the sandbox for sys.path, separated by colons"),
    (keys::SYSTEM_ENVIRONMENT, "Whether functions see the variables that the operator chose for them"),
    (keys::EXECUTION_MODE, "process or thread: both run in a sandbox"),
];

/// What the functions that a session creates depend on: Flink's `python.files`, `python.requirements`, `python.archives`,
/// `python.executable`, `python.pythonpath`, `python.systemenv.enabled` and `python.execution-mode`. An empty value unsets one.
#[derive(Debug, Clone, Default)]
pub struct DependencySettings {
    set: BTreeMap<&'static str, String>,
}

impl DependencySettings {
    /// Those of a session.
    pub(crate) fn of(config: &ConfigOptions) -> Self {
        config.extensions.get::<Self>().cloned().unwrap_or_default()
    }

    /// As `vivarium-env` takes them.
    ///
    /// # Errors
    /// A value that its option cannot have.
    pub fn options(&self) -> Result<PythonOptions, EnvironmentError> {
        PythonOptions::from_pairs(self.set.iter().map(|(key, value)| (key, value.clone())))
    }
}

impl ConfigExtension for DependencySettings {
    const PREFIX: &'static str = "python";
}

impl ExtensionOptions for DependencySettings {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let whole = format!("{}.{key}", Self::PREFIX);
        let Some((key, _)) = KEYS.iter().find(|(known, _)| *known == whole) else {
            let known: Vec<_> = KEYS.iter().map(|(key, _)| *key).collect();
            return Err(Error::Setting { key: whole, problem: format!("there are {}", known.join(", ")) }.into());
        };
        let mut changed = self.clone();
        match value {
            "" => changed.set.remove(key),
            value => changed.set.insert(key, value.to_owned()),
        };
        changed.options().map_err(Error::from)?;
        *self = changed;
        Ok(())
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        let entry = |(key, description): &(&'static str, &'static str)| ConfigEntry {
            key: (*key).to_owned(),
            value: self.set.get(key).cloned(),
            description,
        };
        KEYS.iter().map(entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flinks_names_and_no_others() {
        let mut settings = DependencySettings::default();
        settings.set("files", "a.py,b.zip").unwrap();
        settings.set("systemenv.enabled", "true").unwrap();
        let options = settings.options().unwrap();
        assert_eq!((options.files.as_deref(), options.system_environment), (Some("a.py,b.zip"), Some(true)));
        settings.set("files", "").unwrap();
        assert_eq!(settings.options().unwrap().files, None);
        for (key, value, said) in [("file", "a", "python.files"), ("systemenv.enabled", "perhaps", "true or false")] {
            let error = settings.set(key, value).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
