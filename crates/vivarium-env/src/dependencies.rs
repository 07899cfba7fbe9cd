//! What a job's Python code depends on.

use std::path::{Path, PathBuf};

use crate::distributed::{DistributedDependencies, DistributedFile};
use crate::error::EnvironmentError;
use crate::execution_mode::ExecutionMode;
use crate::options::{PythonOptions, keys, split_parameter};

/// Flink's default for `python.executable`.
pub const DEFAULT_EXECUTABLE: &str = "python";

/// A file or directory to be importable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonFile {
    /// Where it lies on this machine.
    pub path: PathBuf,
    /// The directory below `python-files` that it gets to itself.
    pub cache_name: String,
    /// Its name where the user had it, which says what it is.
    pub original_name: String,
}

/// An archive to be extracted below the working directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonArchive {
    /// Where it lies on this machine.
    pub path: PathBuf,
    /// Its name where the user had it, which says its format.
    pub original_name: String,
    /// The directory below `python-archives` it is extracted to.
    pub target: String,
}

/// Everything a job's Python code depends on: Flink's class of the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PythonDependencyInfo {
    /// `python.files`, in the order they are to have on the Python path.
    pub python_files: Vec<PythonFile>,
    /// The requirements file.
    pub requirements_file: Option<PathBuf>,
    /// The directory of packages to install the requirements from; without one they come from the package index.
    pub requirements_cache_directory: Option<PathBuf>,
    /// `python.archives`.
    pub archives: Vec<PythonArchive>,
    /// `python.executable`, verbatim.
    pub python_executable: String,
    /// `python.execution-mode`.
    pub execution_mode: ExecutionMode,
    /// `python.pythonpath`, verbatim.
    pub python_path: Option<String>,
    /// `python.systemenv.enabled`.
    pub system_environment: bool,
    /// Requirements given one by one, as in a script's header ([`crate::ScriptMetadata`]).
    pub requirements: Vec<String>,
}

impl Default for PythonDependencyInfo {
    fn default() -> Self {
        Self {
            python_files: Vec::new(),
            requirements_file: None,
            requirements_cache_directory: None,
            archives: Vec::new(),
            python_executable: DEFAULT_EXECUTABLE.to_owned(),
            execution_mode: ExecutionMode::Process,
            python_path: None,
            system_environment: false,
            requirements: Vec::new(),
        }
    }
}

vivarium_tenancy::__setters!(PythonDependencyInfo {
    with_python_files: python_files: Vec<PythonFile>,
    with_requirements_file: requirements_file: Option<PathBuf>,
    with_requirements_cache_directory: requirements_cache_directory: Option<PathBuf>,
    with_archives: archives: Vec<PythonArchive>,
    with_python_executable: python_executable: String,
    with_execution_mode: execution_mode: ExecutionMode,
    with_python_path: python_path: Option<String>,
    with_system_environment: system_environment: bool,
    with_requirements: requirements: Vec<String>,
});

impl PythonFile {
    /// A file as Flink's map of local paths to original names describes it: the local name is the directory's.
    pub fn new(path: impl Into<PathBuf>, original_name: impl Into<String>) -> Self {
        let path = path.into();
        let cache_name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Self { path, cache_name, original_name: original_name.into() }
    }
}

impl PythonArchive {
    /// An archive as Flink's map of local paths to `name` or `name#target` describes it.
    pub fn new(path: impl Into<PathBuf>, value: &str) -> Self {
        let (name, target) = split_parameter(value);
        Self { path: path.into(), original_name: name.to_owned(), target: target.unwrap_or(name).to_owned() }
    }
}

impl PythonDependencyInfo {
    /// Dependencies that lie on this machine where the options say.
    pub fn from_options(options: &PythonOptions) -> Result<Self, EnvironmentError> {
        Self::from_distributed(options, |file| local_path(&file.path))
    }

    /// Dependencies that were distributed, as on a worker: `find` tells where a distributed file lies on this machine.
    pub fn from_distributed(
        options: &PythonOptions,
        mut find: impl FnMut(&DistributedFile) -> PathBuf,
    ) -> Result<Self, EnvironmentError> {
        let distributed = DistributedDependencies::from_options(options);
        let execution_mode = match options.execution_mode.as_deref() {
            None => ExecutionMode::Process,
            Some(value) => ExecutionMode::parse(value).ok_or_else(|| EnvironmentError::Option {
                key: keys::EXECUTION_MODE.to_owned(),
                value: value.to_owned(),
                reason: "it must be 'process' or 'thread'",
            })?,
        };
        let mut python_files = Vec::new();
        for file in &distributed.files {
            python_files.push(PythonFile {
                path: find(file),
                cache_name: file.key.clone(),
                original_name: file.value.clone(),
            });
        }
        let mut archives = Vec::new();
        for archive in &distributed.archives {
            archives.push(PythonArchive::new(find(archive), &archive.value));
        }
        Ok(Self {
            python_files,
            requirements_file: distributed.requirements_file.as_ref().map(&mut find),
            requirements_cache_directory: distributed.requirements_cache.as_ref().map(&mut find),
            archives,
            python_executable: options.executable.clone().unwrap_or_else(|| DEFAULT_EXECUTABLE.to_owned()),
            execution_mode,
            python_path: options.python_path.clone().filter(|path| !path.is_empty()),
            system_environment: options.system_environment.unwrap_or(false),
            requirements: Vec::new(),
        })
    }

    /// Whether packages have to be installed.
    pub fn has_requirements(&self) -> bool {
        self.requirements_file.is_some() || !self.requirements.is_empty()
    }
}

fn local_path(path: &str) -> PathBuf {
    Path::new(path.strip_prefix("file://").unwrap_or(path)).to_owned()
}
