//! An environment that is ready to be preopened.

use std::io;
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;

use crate::error::EnvironmentError;
use crate::guest::GuestPython;
use crate::interpreter::PythonInterpreterConfig;
use crate::open_job::OpenJob;
use crate::report::{Distribution, TreeReport};
use crate::requirements::RequirementsLock;
use crate::store::DERIVED;
use crate::view::{EnvironmentView, ViewSource};

/// A job's Python environment: a tree of files, and what an interpreter is started with to use it.
///
/// Valid while a [`PythonEnvironmentManager`](crate::PythonEnvironmentManager) of the job is open.
#[derive(Debug)]
pub struct PythonEnvironment {
    tree: Dir,
    path: PathBuf,
    host: EnvironmentView,
    guest: EnvironmentView,
    config: PythonInterpreterConfig,
    report: TreeReport,
    lock: RequirementsLock,
    key: Option<String>,
    bundled: Vec<Distribution>,
}

impl PythonEnvironment {
    pub(crate) fn new(open: &OpenJob, source: ViewSource<'_>, guest: &GuestPython) -> Result<Self, EnvironmentError> {
        let tree = open.directory().try_clone();
        let base = open.path().display().to_string();
        Ok(Self {
            tree: tree.map_err(|source| EnvironmentError::OpenTree { path: open.path().to_owned(), source })?,
            path: open.path().to_owned(),
            host: source.host(&base),
            guest: source.guest(),
            config: source.interpreter_config(&base),
            report: open.report.clone(),
            lock: open.lock.clone(),
            key: open.key.clone(),
            bundled: guest
                .bundled
                .iter()
                .map(|package| Distribution {
                    name: package.name.clone(),
                    version: package.version.clone(),
                    source: "guest".to_owned(),
                })
                .collect(),
        })
    }

    /// The tree, to be preopened read-only at [`GuestPython::ENVIRONMENT`].
    pub fn tree(&self) -> io::Result<Dir> {
        self.tree.try_clone()
    }

    /// Where the tree lies on the host, for messages and for preopening by path.
    pub fn host_path(&self) -> &Path {
        &self.path
    }

    /// The environment as Flink would show it, on the host.
    pub fn host(&self) -> &EnvironmentView {
        &self.host
    }

    /// The environment as the guest sees it: what its interpreter is started with.
    pub fn guest(&self) -> &EnvironmentView {
        &self.guest
    }

    /// The configuration of Flink's embedded interpreter.
    pub fn interpreter_config(&self) -> &PythonInterpreterConfig {
        &self.config
    }

    /// What was found in the tree.
    pub fn report(&self) -> &TreeReport {
        &self.report
    }

    /// The packages that requirements were resolved to; empty without requirements.
    pub fn requirements_lock(&self) -> &RequirementsLock {
        &self.lock
    }

    /// The hash of everything the tree is made of; `None` without a store.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Where what is computed from a stored environment can be kept, in its tenant's part of the store; it goes when the
    /// environment is collected. It may not exist yet. `None` without a store.
    pub fn derived_directory(&self) -> Option<PathBuf> {
        self.key.as_ref().and_then(|_| self.path.parent()).map(|entry| entry.join(DERIVED))
    }

    /// Distributions that the guest brings, in the form of those in the tree.
    pub(crate) fn bundled(&self) -> &[Distribution] {
        &self.bundled
    }
}
