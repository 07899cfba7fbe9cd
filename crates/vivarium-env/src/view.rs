//! An environment as its two sides see it: the host, where it lies in some base directory, and the guest, where that
//! directory is `/env`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::dependencies::PythonDependencyInfo;
use crate::guest::GuestPython;
use crate::interpreter::{ArchivedPython, ExecutionType, PythonInterpreterConfig};
use crate::report::TreeReport;

/// Below the base directory: each python file has a directory of its own in it.
pub(crate) const PYTHON_FILES: &str = "python-files";
/// Below the base directory: the working directory of the Python code, with the archives.
pub(crate) const PYTHON_ARCHIVES: &str = "python-archives";
/// Below the base directory: the prefix that requirements are installed to.
pub(crate) const PYTHON_REQUIREMENTS: &str = "python-requirements";

const PYTHONPATH: &str = "PYTHONPATH";

/// One side's view of an environment. All paths are absolute on that side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct EnvironmentView {
    /// The environment's base directory.
    pub base: String,
    /// The environment variables of the Python code.
    pub variables: BTreeMap<String, String>,
    /// Where modules are searched, before what the interpreter adds. The guest's list also holds the `site-packages` of
    /// a Python home, which a native interpreter finds by itself.
    pub python_path: Vec<String>,
    /// The working directory; on the host's side only when there are archives, as in Flink.
    pub working_directory: Option<String>,
    /// The home of an interpreter that came in an archive.
    pub python_home: Option<String>,
}

/// What a view is made from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ViewSource<'a> {
    pub info: &'a PythonDependencyInfo,
    pub python: Option<&'a ArchivedPython>,
    pub report: &'a TreeReport,
    /// The variables to start from, already empty when the job may not have them.
    pub system: &'a BTreeMap<String, String>,
}

impl PythonDependencyInfo {
    /// Flink's environment map for a base directory, before anything is materialised in it: the Python path holds only
    /// `python.pythonpath`. `system` are the variables to start from, which the job gets if it asks for them.
    pub fn environment_variables(&self, base: &str, system: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let (nothing, report) = (BTreeMap::new(), TreeReport::default());
        let system = if self.system_environment { system } else { &nothing };
        ViewSource { info: self, python: None, report: &report, system }.variables(base)
    }
}

impl ViewSource<'_> {
    /// The view from the host, as Flink has it.
    pub(crate) fn host(&self, base: &str) -> EnvironmentView {
        let variables = self.variables(base);
        EnvironmentView {
            base: base.to_owned(),
            python_path: split_path(&variables),
            working_directory: self.working_directory(base),
            python_home: self.home(base),
            variables,
        }
    }

    /// The view from within the sandbox: the same with `/env` for the base directory, without paths of the host.
    pub(crate) fn guest(&self) -> EnvironmentView {
        let base = GuestPython::ENVIRONMENT;
        let mut view = self.host(base);
        view.variables.remove("_PYTHON_REQUIREMENTS_FILE");
        view.variables.remove("_PYTHON_REQUIREMENTS_CACHE");
        view.python_path.extend(self.report.home_sites.iter().map(|site| format!("{base}/{site}")));
        view.working_directory.get_or_insert_with(|| GuestPython::SCRATCH.to_owned());
        view
    }

    /// The embedded interpreter's configuration, with paths of the host.
    pub(crate) fn interpreter_config(&self, base: &str) -> PythonInterpreterConfig {
        let view = self.host(base);
        let python_executable = match self.python {
            Some(python) => format!("{base}/{PYTHON_ARCHIVES}/{}", python.executable),
            None => self.info.python_executable.clone(),
        };
        PythonInterpreterConfig {
            python_paths: view.python_path,
            python_executable,
            execution_type: ExecutionType::MultiThread,
            working_directory: view.working_directory,
            python_home: view.python_home,
        }
    }

    /// Flink's environment map: its keys, in the order in which it sets them.
    pub(crate) fn variables(&self, base: &str) -> BTreeMap<String, String> {
        let info = self.info;
        let mut variables = self.system.clone();

        let below = |path: &String| format!("{base}/{path}");
        let mut path: Vec<String> = self.report.requirement_sites.iter().map(below).collect();
        path.extend(info.python_path.clone());
        path.extend(self.report.python_files.iter().map(below));
        path.extend(variables.remove(PYTHONPATH).filter(|inherited| !inherited.is_empty()));
        if !path.is_empty() {
            variables.insert(PYTHONPATH.to_owned(), path.join(":"));
        }

        let mut set = |name: &str, value: String| variables.insert(name.to_owned(), value);
        if let Some(file) = &info.requirements_file {
            set("_PYTHON_REQUIREMENTS_FILE", file.display().to_string());
            if let Some(cache) = &info.requirements_cache_directory {
                set("_PYTHON_REQUIREMENTS_CACHE", cache.display().to_string());
            }
        }
        if info.has_requirements() {
            set("_PYTHON_REQUIREMENTS_INSTALL_DIR", format!("{base}/{PYTHON_REQUIREMENTS}"));
        }
        if let Some(directory) = self.working_directory(base) {
            set("_PYTHON_WORKING_DIR", directory);
        }
        set("BOOT_LOG_DIR", base.to_owned());
        set("PYFLINK_GATEWAY_DISABLED", "true".to_owned());
        set("python", info.python_executable.clone());
        variables
    }

    fn working_directory(&self, base: &str) -> Option<String> {
        (!self.info.archives.is_empty()).then(|| format!("{base}/{PYTHON_ARCHIVES}"))
    }

    fn home(&self, base: &str) -> Option<String> {
        self.python.map(|python| format!("{base}/{PYTHON_ARCHIVES}/{}", python.home))
    }
}

fn split_path(variables: &BTreeMap<String, String>) -> Vec<String> {
    let path = variables.get(PYTHONPATH).map(String::as_str).unwrap_or_default();
    path.split(':').filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
}
