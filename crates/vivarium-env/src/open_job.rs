//! The environment of a job while it is open.

use std::path::Path;
use std::sync::Arc;

use cap_std::fs::Dir;

use crate::base_directory::BaseDirectory;
use crate::dependencies::PythonDependencyInfo;
use crate::interpreter::ArchivedPython;
use crate::report::TreeReport;
use crate::requirements::RequirementsLock;
use crate::store::StoreLease;

/// What the managers of one job share.
#[derive(Debug)]
pub(crate) struct OpenJob {
    pub info: Arc<PythonDependencyInfo>,
    pub python: Option<ArchivedPython>,
    pub report: TreeReport,
    pub lock: RequirementsLock,
    pub key: Option<String>,
    pub place: JobDirectory,
}

/// Where it lies.
#[derive(Debug)]
pub(crate) enum JobDirectory {
    Temporary(BaseDirectory),
    Stored(StoreLease),
}

impl OpenJob {
    pub(crate) fn directory(&self) -> &Dir {
        match &self.place {
            JobDirectory::Temporary(base) => base.directory(),
            JobDirectory::Stored(lease) => &lease.tree,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        match &self.place {
            JobDirectory::Temporary(base) => base.path(),
            JobDirectory::Stored(lease) => lease.path(),
        }
    }
}
