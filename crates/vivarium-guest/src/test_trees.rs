//! The tests that CPython and NumPy ship, as folders to mount in a sandbox.

use std::path::{Path, PathBuf};

/// Two folders; each is meant to be a sandbox's `/env`. `build.py` puts them in place whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestTrees {
    /// Holds the package `test`.
    pub cpython: PathBuf,
    /// Holds the `tests` folders of NumPy's packages, pytest and what it needs.
    pub numpy: PathBuf,
}

impl TestTrees {
    pub(crate) fn below(folder: &Path) -> Self {
        Self { cpython: folder.join("cpython"), numpy: folder.join("numpy") }
    }

    pub(crate) fn exist(&self) -> bool {
        self.cpython.is_dir() && self.numpy.is_dir()
    }
}
