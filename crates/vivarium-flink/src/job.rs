//! What a job says about its functions: in the worker's environment, which is where Flink puts it.
//!
//! ```text
//!   <tmp>/python-dist-UUID/python-files/NAME/FILE -> ...                                 -pyfs, on PYTHONPATH
//!                                      <tmp>/flink-dist-cache-UUID/JOB/NAME              a folder
//!                                      <tmp>/tm_.../blobStorage/job_JOB/blob_p-HASH-NAME a file
//!   <tmp>/python-dist-UUID/python-archives/...                                           -pyarch, extracted
//!   _PYTHON_REQUIREMENTS_FILE, _PYTHON_REQUIREMENTS_CACHE                                 -pyreq
//!   VIVARIUM_LIMIT_<name>, VIVARIUM_COLUMNS                                               python.job-options
//! ```
//!
//! A job's options can set any of these variables to anything, after Flink did. So a path is taken only if it lies where Flink puts
//! what it distributed, and a link only if it leads there: both places have names that nobody can guess.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use vivarium_env::{PythonDependencyInfo, PythonFile};
use vivarium_sandbox::Limits;

use crate::error::Error;

/// The folder of one job's dependencies.
const BASE: &str = "python-dist-";
/// The folder of folders that Flink distributed.
const DISTRIBUTED: &str = "flink-dist-cache-";
/// The name of a file that Flink distributed, before its hash (40 digits) and its own random name (32).
const BLOB: &str = "blob_p-";
/// What limits that a job asks for are called.
const LIMIT: &str = "VIVARIUM_LIMIT_";
/// What archives were extracted to; the working directory of functions.
const ARCHIVES: &str = "python-archives";
/// Variables that functions see: the second one is the guest's, how scalar functions run (docs/columns.md).
const SEEN: [&str; 2] = ["TABLE_LOCAL_TIME_ZONE", "VIVARIUM_COLUMNS"];

/// The variables of a worker's environment.
#[derive(Debug, Clone, Default)]
pub struct JobVariables(BTreeMap<String, String>);

impl JobVariables {
    /// These variables.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(variables.into_iter().collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The variables that functions see.
    pub fn seen(&self) -> BTreeMap<String, String> {
        SEEN.iter().filter_map(|&name| Some((name.to_owned(), self.get(name)?.to_owned()))).collect()
    }

    /// What the job asks for, within what the operator allows.
    ///
    /// # Errors
    /// [`Error::Settings`] for a limit that there is not, or that makes no sense.
    pub fn limits(&self, allowed: &Limits) -> Result<Limits, Error> {
        let wrong = |problem: String| Error::Settings(format!("python.job-options: {problem}"));
        let mut fields = serde_json::to_value(allowed).map_err(|error| wrong(error.to_string()))?;
        for (name, value) in &self.0 {
            let Some(name) = name.strip_prefix(LIMIT) else { continue };
            fields[name] = value.parse::<u64>().map_or_else(|_| value.as_str().into(), Into::into);
        }
        let asked: Limits = serde_json::from_value(fields).map_err(|error| wrong(error.to_string()))?;
        let limits = asked.within(allowed);
        limits.validate().map_err(|error| wrong(error.to_string()))?;
        Ok(limits)
    }

    /// What the job ships; `None` when it ships nothing.
    ///
    /// # Errors
    /// [`Error::Settings`] for a path that Flink would not have given.
    pub fn dependencies(&self) -> Result<Option<PythonDependencyInfo>, Error> {
        let mut info = PythonDependencyInfo::default();
        for entry in self.get("PYTHONPATH").unwrap_or_default().split(':').map(Path::new) {
            if entry.components().any(|part| part.as_os_str() == "python-files") {
                info.python_files.push(python_file(entry)?);
            }
        }
        if let Some(directory) = self.get("_PYTHON_WORKING_DIR") {
            let directory = below_base(Path::new(directory))?;
            let name = || ARCHIVES.to_owned();
            info.python_files.push(PythonFile { path: directory, cache_name: name(), original_name: name() });
        }
        info.requirements_file =
            self.get("_PYTHON_REQUIREMENTS_FILE").map(|file| distributed(Path::new(file))).transpose()?;
        info.requirements_cache_directory =
            self.get("_PYTHON_REQUIREMENTS_CACHE").map(|folder| distributed(Path::new(folder))).transpose()?;
        Ok((info != PythonDependencyInfo::default()).then_some(info))
    }

    /// The working directory of functions in their sandbox, when it is not the scratch directory.
    pub fn working_directory(&self) -> Option<String> {
        self.get("_PYTHON_WORKING_DIR").map(|_| format!("/env/python-files/{ARCHIVES}/{ARCHIVES}"))
    }
}

/// The file or folder behind an entry of the Python path.
fn python_file(entry: &Path) -> Result<PythonFile, Error> {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let folder = entry.parent().unwrap_or(entry);
    // `python-files/NAME` holds one module; `python-files/NAME/FILE` is the file itself, or what was extracted from it.
    let (place, cache_name) = if name(folder) == "python-files" {
        let mut children = fs::read_dir(entry).map_err(|error| refused(entry, &error.to_string()))?;
        let only = children.next().ok_or_else(|| refused(entry, "it is empty"))?;
        (only.map_err(|error| refused(entry, &error.to_string()))?.path(), name(entry))
    } else {
        (entry.to_owned(), name(folder))
    };
    let is_link = fs::symlink_metadata(&place).is_ok_and(|data| data.is_symlink());
    let path = if is_link {
        below_base(place.parent().unwrap_or(&place))?;
        distributed(&place)?
    } else {
        below_base(&place)?
    };
    Ok(PythonFile { path, cache_name, original_name: name(&place) })
}

/// A path below a job's folder of dependencies, without links.
fn below_base(path: &Path) -> Result<PathBuf, Error> {
    within(path, BASE)
}

/// A path of what Flink distributed, without links.
fn distributed(path: &Path) -> Result<PathBuf, Error> {
    // A TaskManager links some of it into the job's folder.
    within(path, DISTRIBUTED).or_else(|_| within(path, BASE)).or_else(|_| blob(path))
}

fn within(path: &Path, folder: &str) -> Result<PathBuf, Error> {
    let real = fs::canonicalize(path).map_err(|error| refused(path, &error.to_string()))?;
    let ours = real.components().filter(|part| match part {
        Component::Normal(name) => name.to_str().and_then(|name| name.strip_prefix(folder)).is_some_and(is_uuid),
        _ => false,
    });
    if ours.count() == 1 { Ok(real) } else { Err(refused(path, "it is not where Flink keeps what jobs ship")) }
}

/// A file of Flink's blob storage.
fn blob(path: &Path) -> Result<PathBuf, Error> {
    let real = fs::canonicalize(path).map_err(|error| refused(path, &error.to_string()))?;
    let name = real.file_name().and_then(|name| name.to_str()?.strip_prefix(BLOB));
    let parts = name.and_then(|name| name.split_once('-')).filter(|(hash, own)| hash.len() == 40 && own.len() == 32);
    let storage =
        real.parent().and_then(Path::parent).and_then(Path::file_name).is_some_and(|name| name == "blobStorage");
    if parts.is_some_and(|(hash, own)| [hash, own].iter().all(|part| is_hex(part))) && storage {
        Ok(real)
    } else {
        Err(refused(path, "it is not where Flink keeps what jobs ship"))
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36 && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

fn refused(path: &Path, problem: &str) -> Error {
    Error::Settings(format!("the job's dependency {} cannot be used: {problem}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> JobVariables {
        JobVariables::new(pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())))
    }

    #[test]
    fn a_job_asks_for_less_and_never_gets_more() {
        let allowed = Limits::default().with_memory(128 << 20);
        let limits = variables(&[("VIVARIUM_LIMIT_memory", "64MiB"), ("PATH", "x")]).limits(&allowed).unwrap();
        assert_eq!(limits.memory, 64 << 20);
        let limits = variables(&[("VIVARIUM_LIMIT_memory", "4GiB")]).limits(&allowed).unwrap();
        assert_eq!(limits.memory, 128 << 20);
        for wrong in
            [("VIVARIUM_LIMIT_memroy", "1"), ("VIVARIUM_LIMIT_memory", "much"), ("VIVARIUM_LIMIT_batch_time", "0s")]
        {
            assert!(variables(&[wrong]).limits(&allowed).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn paths_of_the_host_are_refused() {
        for name in ["_PYTHON_WORKING_DIR", "_PYTHON_REQUIREMENTS_FILE", "_PYTHON_REQUIREMENTS_CACHE"] {
            assert!(variables(&[(name, "/etc")]).dependencies().is_err(), "{name}");
        }
        assert!(variables(&[("PYTHONPATH", "/etc/python-files/x/y")]).dependencies().is_err());
        assert!(variables(&[("PYTHONPATH", "/usr/lib/python3"), ("HOME", "/root")]).dependencies().unwrap().is_none());
    }

    #[test]
    fn functions_see_only_what_flink_means_them_to() {
        let all = [("TABLE_LOCAL_TIME_ZONE", "UTC"), ("SECRET", "1"), ("VIVARIUM_COLUMNS", "off"), ("HOME", "/root")];
        let seen = variables(&all).seen();
        let names: Vec<_> = seen.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(names, [("TABLE_LOCAL_TIME_ZONE", "UTC"), ("VIVARIUM_COLUMNS", "off")]);
    }
}
