//! Flink's dependency options, as they are written on a command line or in a configuration.

use crate::error::EnvironmentError;

/// Flink's option keys (`PythonOptions` in Flink 2.3).
pub mod keys {
    /// Comma-separated python files, zip files, wheels and directories.
    pub const FILES: &str = "python.files";
    /// A requirements file, or `file#directory` with the packages to install from.
    pub const REQUIREMENTS: &str = "python.requirements";
    /// Comma-separated archives, each `path` or `path#target`.
    pub const ARCHIVES: &str = "python.archives";
    /// The Python executable.
    pub const EXECUTABLE: &str = "python.executable";
    /// `:`-separated paths for `PYTHONPATH`, taken verbatim.
    pub const PYTHON_PATH: &str = "python.pythonpath";
    /// Whether the Python code sees the system's environment variables.
    pub const SYSTEM_ENVIRONMENT: &str = "python.systemenv.enabled";
    /// `process` or `thread`.
    pub const EXECUTION_MODE: &str = "python.execution-mode";
}

/// The dependency options of a job, unsplit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PythonOptions {
    /// `python.files`.
    pub files: Option<String>,
    /// `python.requirements`.
    pub requirements: Option<String>,
    /// `python.archives`.
    pub archives: Option<String>,
    /// `python.executable`; Flink's default is `python`.
    pub executable: Option<String>,
    /// `python.pythonpath`.
    pub python_path: Option<String>,
    /// `python.systemenv.enabled`. Flink's default is true; ours is false, because a tenant sees nothing of the host.
    pub system_environment: Option<bool>,
    /// `python.execution-mode`.
    pub execution_mode: Option<String>,
}

vivarium_tenancy::__setters!(PythonOptions {
    with_files: files: Option<String>,
    with_requirements: requirements: Option<String>,
    with_archives: archives: Option<String>,
    with_executable: executable: Option<String>,
    with_python_path: python_path: Option<String>,
    with_system_environment: system_environment: Option<bool>,
    with_execution_mode: execution_mode: Option<String>,
});

impl PythonOptions {
    /// Takes the dependency options out of a configuration; other keys are not ours and are passed over.
    pub fn from_pairs<K: AsRef<str>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, EnvironmentError> {
        let mut options = Self::default();
        for (key, value) in pairs {
            let (key, value) = (key.as_ref(), value.into());
            match key {
                keys::FILES => options.files = Some(value),
                keys::REQUIREMENTS => options.requirements = Some(value),
                keys::ARCHIVES => options.archives = Some(value),
                keys::EXECUTABLE => options.executable = Some(value),
                keys::PYTHON_PATH => options.python_path = Some(value),
                keys::EXECUTION_MODE => options.execution_mode = Some(value),
                keys::SYSTEM_ENVIRONMENT => {
                    options.system_environment = Some(match value.to_ascii_lowercase().as_str() {
                        "true" => true,
                        "false" => false,
                        _ => {
                            let reason = "it must be true or false";
                            return Err(EnvironmentError::Option { key: key.to_owned(), value, reason });
                        }
                    });
                }
                _ => {}
            }
        }
        Ok(options)
    }

    /// Lays command line options over configured ones: files and archives go in front, other options replace.
    pub fn with_command_line(self, command_line: Self) -> Self {
        Self {
            files: in_front(command_line.files, self.files),
            archives: in_front(command_line.archives, self.archives),
            requirements: command_line.requirements.or(self.requirements),
            executable: command_line.executable.or(self.executable),
            python_path: command_line.python_path.or(self.python_path),
            system_environment: command_line.system_environment.or(self.system_environment),
            execution_mode: command_line.execution_mode.or(self.execution_mode),
        }
    }
}

fn in_front(first: Option<String>, second: Option<String>) -> Option<String> {
    match (first, second) {
        (Some(first), Some(second)) => Some(format!("{first},{second}")),
        (first, second) => first.or(second),
    }
}

/// The entries of a comma-separated option.
pub(crate) fn split_list(list: &Option<String>) -> impl Iterator<Item = &str> {
    list.iter().flat_map(|list| list.split(',')).map(str::trim).filter(|entry| !entry.is_empty())
}

/// Splits `path#rest` at the first `#`.
pub(crate) fn split_parameter(entry: &str) -> (&str, Option<&str>) {
    match entry.split_once('#') {
        Some((path, parameter)) => (path, Some(parameter)),
        None => (entry, None),
    }
}
