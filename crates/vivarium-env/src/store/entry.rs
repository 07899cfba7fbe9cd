//! A finished tree and its manifest.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use cap_std::fs::{Dir, OpenOptions};
use serde::{Deserialize, Serialize};

use super::TenantStore;
use super::lock::Lock;
use crate::error::EnvironmentError;
use crate::report::TreeReport;
use crate::tree::{Bounds, Kind, Visit, WalkError, open_directory, remove_tree, walk};

const MANIFEST: &str = "manifest.json";
/// Deeper than any tree that the limits allow.
const DEPTH: usize = 256;

/// What is known of a tree without looking at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// Files, directories and links.
    pub entries: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// The boot during which the tree was made or last compared with these counts.
    pub boot: String,
    pub report: TreeReport,
}

/// A tree in use. It is not collected while this value lives, nor when other processes hold one like it.
#[derive(Debug)]
pub struct StoreLease {
    _lock: Lock,
    pub(crate) tree: Dir,
    pub(crate) path: PathBuf,
    pub(crate) report: TreeReport,
}

impl Manifest {
    pub(super) fn describe(tree: &Dir, report: TreeReport) -> io::Result<Self> {
        let (entries, bytes) = count(tree)?;
        Ok(Self { entries, bytes, boot: boot_id(), report })
    }

    pub(super) fn write(&self, directory: &Dir) -> io::Result<()> {
        const NEW: &str = "manifest.json.new";
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        let mut file = directory.open_with(NEW, &options)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        directory.rename(NEW, directory, MANIFEST)
    }

    /// `None` when there is none that can be understood.
    pub(super) fn read(directory: &Dir) -> io::Result<Option<Self>> {
        let mut text = Vec::new();
        match directory.open(MANIFEST) {
            Ok(mut file) => file.read_to_end(&mut text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(serde_json::from_slice(&text).ok())
    }
}

impl TenantStore {
    /// Opens the tree under `key`; `None` when there is none, or when it has to be looked at first.
    pub(super) fn open_entry(&self, key: &str, lock: Lock) -> Result<Option<StoreLease>, EnvironmentError> {
        let failed = self.failed("opened an environment");
        let entry = match open_directory(&self.entries, key) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            entry => entry.map_err(&failed)?,
        };
        let Some(manifest) = Manifest::read(&entry).map_err(&failed)? else { return Ok(None) };
        if manifest.boot != boot_id() {
            return Ok(None);
        }
        let tree = open_directory(&entry, "tree").map_err(&failed)?;
        lock.touch().map_err(&failed)?;
        let path = self.path.join("entries").join(key).join("tree");
        Ok(Some(StoreLease { _lock: lock, tree, path, report: manifest.report }))
    }

    /// Removes the tree under `key` when it is not what its manifest says, as after a power failure. The caller holds
    /// the exclusive lock.
    pub(super) fn discard_damaged(&self, key: &str) -> Result<(), EnvironmentError> {
        let failed = self.failed("looked at an environment");
        let entry = match open_directory(&self.entries, key) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entry => entry.map_err(&failed)?,
        };
        let manifest = Manifest::read(&entry).map_err(&failed)?;
        let counted = open_directory(&entry, "tree").and_then(|tree| count(&tree));
        match (manifest, counted) {
            (Some(mut manifest), Ok(counted)) if counted == (manifest.entries, manifest.bytes) => {
                if manifest.boot != boot_id() {
                    manifest.boot = boot_id();
                    manifest.write(&entry).map_err(&failed)?;
                }
                Ok(())
            }
            _ => {
                tracing::warn!(key, "a stored environment is damaged and is made again");
                remove_tree(&self.entries, key).map_err(&failed)?;
                Ok(())
            }
        }
    }
}

impl StoreLease {
    /// Where the tree lies on this machine.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

pub(super) fn count(tree: &Dir) -> io::Result<(u64, u64)> {
    let (mut entries, mut bytes) = (0, 0);
    let walked = walk(tree, Bounds::of_depth(DEPTH), &mut |visit: Visit<'_>| {
        entries += 1;
        bytes += if visit.kind == Kind::File { visit.metadata.len() } else { 0 };
        Ok(())
    });
    match walked {
        Ok(()) => Ok((entries, bytes)),
        Err(WalkError::Io { error, .. } | WalkError::Visitor(error)) => Err(error),
        Err(WalkError::Refused { refusal, .. }) => Err(io::Error::other(refusal)),
    }
}

/// Names this boot of the machine; empty where the system does not tell, and then no tree is ever looked at again.
fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}
