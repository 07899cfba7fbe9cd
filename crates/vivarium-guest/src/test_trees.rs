//! The tests that CPython and the linked packages ship, as folders to mount in a sandbox.

use std::path::{Path, PathBuf};

/// A folder for each suite; each is meant to be a sandbox's `/env`. `build.py` puts them in place whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestTrees {
    folder: PathBuf,
}

impl TestTrees {
    /// Those below a folder.
    pub fn below(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The tree of a suite: `cpython` holds the package `test`; others, such as `numpy`, the `tests` folders of a package,
    /// pytest and what it needs. `None` when the image has no such suite.
    pub fn suite(&self, name: &str) -> Option<PathBuf> {
        Some(self.folder.join(name)).filter(|tree| tree.is_dir())
    }

    pub(crate) fn exist(&self) -> bool {
        self.folder.is_dir()
    }
}
