//! A complete description of an environment, for printing.

use std::io;

use cap_std::fs::MetadataExt;
use serde::Serialize;

use crate::environment::PythonEnvironment;
use crate::report::Distribution;
use crate::tree::{Bounds, Kind, Visit, WalkError, walk};
use crate::view::EnvironmentView;

/// Deeper than any tree that the limits allow.
const DEPTH: usize = 256;

/// An environment as both sides see it. Serialised, the host's side comes first, as Flink would show it, and `guest`
/// holds the same fields for the guest's. What its user should know besides is in the [`TreeReport`](crate::TreeReport).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct EnvironmentInspection {
    /// The host's side.
    #[serde(flatten)]
    pub host: SideInspection,
    /// The guest's side.
    pub guest: SideInspection,
}

/// One side of an [`EnvironmentInspection`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SideInspection {
    /// Base directory, variables, Python path, working directory and home.
    #[serde(flatten)]
    pub view: EnvironmentView,
    /// Everything in the tree, by path relative to the base directory.
    pub files: Vec<TreeFile>,
    /// Installed distributions; the guest's side has those bundled with it too.
    pub distributions: Vec<Distribution>,
}

/// One entry of the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TreeFile {
    /// Relative to the base directory.
    pub path: String,
    /// What it is.
    pub kind: TreeFileKind,
    /// Permission bits, octal: `0644`.
    pub mode: String,
    /// Bytes of a file's content or of a link's target; 0 for a directory.
    pub size: u64,
}

/// Kinds of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TreeFileKind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link.
    Symlink,
}

impl PythonEnvironment {
    /// Lists everything. Walks the tree.
    pub fn inspect(&self) -> io::Result<EnvironmentInspection> {
        let files = self.list_files()?;
        let distributions = self.report().distributions.clone();
        let mut guest_distributions = distributions.clone();
        guest_distributions.extend_from_slice(self.bundled());
        guest_distributions.sort();
        Ok(EnvironmentInspection {
            host: SideInspection { view: self.host().clone(), files: files.clone(), distributions },
            guest: SideInspection { view: self.guest().clone(), files, distributions: guest_distributions },
        })
    }

    fn list_files(&self) -> io::Result<Vec<TreeFile>> {
        let mut files = Vec::new();
        let walked = walk(&self.tree()?, Bounds::of_depth(DEPTH), &mut |visit: Visit<'_>| {
            let kind = match visit.kind {
                Kind::Directory => TreeFileKind::Directory,
                Kind::Symlink => TreeFileKind::Symlink,
                Kind::File | Kind::Special(_) => TreeFileKind::File,
            };
            files.push(TreeFile {
                path: visit.path.to_owned(),
                kind,
                mode: format!("{:04o}", visit.metadata.mode() & 0o7777),
                size: if kind == TreeFileKind::Directory { 0 } else { visit.metadata.len() },
            });
            Ok(())
        });
        match walked {
            Ok(()) => Ok(files),
            Err(WalkError::Io { error, .. } | WalkError::Visitor(error)) => Err(error),
            Err(WalkError::Refused { refusal, .. }) => Err(io::Error::other(refusal)),
        }
    }
}
