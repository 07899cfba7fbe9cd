//! Directories that only this user may write.

use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder};

use super::StoreError;
use crate::tree::open_directory;

const GROUP_AND_OTHERS_WRITE: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// Opens `path`, made with mode 0700 when missing, and refuses it when another user could change what is in it.
pub(super) fn open_private(path: &Path) -> Result<(Dir, PathBuf), StoreError> {
    let failed = |source| StoreError::Io { path: path.to_owned(), doing: "opened its directory", source };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
    let path = path.canonicalize().map_err(failed)?;
    let root = Dir::open_ambient_dir(&path, ambient_authority()).map_err(failed)?;
    for (depth, ancestor) in path.ancestors().enumerate() {
        let metadata = std::fs::symlink_metadata(ancestor).map_err(failed)?;
        if !metadata.is_dir() {
            return Err(StoreError::NotDirectory { path: path.clone() });
        }
        if let Some(reason) = refusal(&metadata, depth > 0) {
            let reason = format!("'{}' {reason}", ancestor.display());
            return Err(StoreError::Writable { path: path.clone(), reason });
        }
    }
    Ok((root, path))
}

/// Makes `relative` below `parent`, one component at a time, and opens it without following a link.
pub(super) fn ensure(parent: &Dir, relative: &Path) -> io::Result<Dir> {
    let mut directory = parent.try_clone()?;
    for component in relative {
        let name = component.to_str().ok_or(io::ErrorKind::InvalidFilename)?;
        let mut builder = DirBuilder::new();
        cap_std::fs::DirBuilderExt::mode(&mut builder, 0o700);
        match directory.create_dir_with(name, &builder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => directory = open_directory(&directory, name)?,
        }
    }
    Ok(directory)
}

fn refusal(metadata: &std::fs::Metadata, is_ancestor: bool) -> Option<String> {
    let owner = metadata.uid();
    if owner != rustix::process::geteuid().as_raw() && owner != 0 {
        return Some(format!("belongs to user {owner}"));
    }
    // In a sticky directory (/tmp) others may add entries but not replace ours.
    let is_guarded = is_ancestor && metadata.mode() & STICKY != 0;
    let writable = metadata.mode() & GROUP_AND_OTHERS_WRITE != 0;
    (writable && !is_guarded).then(|| format!("has mode {:04o}", metadata.mode() & 0o7777))
}
