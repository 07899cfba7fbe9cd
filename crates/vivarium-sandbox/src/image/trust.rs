//! Whether anybody else could have written a file.
//!
//! A file is trusted when it and every directory above it belong to this user or to root and nobody else can write them.
//! The check goes from the root downwards: once a directory is known to be ours alone, nothing in it can be exchanged
//! while the next is looked at. The sticky bit of `/tmp` is no help to a process that trusts what it finds by its name,
//! so directories below it are refused.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::ImageError;

/// Write permission of the group and of all others.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Resolves `directory` and checks it and everything above it.
pub(super) fn check_directory(directory: &Path) -> Result<PathBuf, ImageError> {
    let resolved = directory.canonicalize().map_err(ImageError::io("open the image directory", directory))?;
    let above: Vec<&Path> = resolved.ancestors().collect();
    for path in above.into_iter().rev() {
        // Links were resolved. One that appears now was put there by somebody the previous step would have noticed.
        let metadata = path.symlink_metadata().map_err(ImageError::io("inspect", path))?;
        check(path, &metadata)?;
    }
    Ok(resolved)
}

/// Checks an open file, whose directory was checked before.
pub(crate) fn check_file(file: &File, path: &Path) -> Result<(), ImageError> {
    let metadata = file.metadata().map_err(ImageError::io("inspect", path))?;
    check(path, &metadata)
}

fn check(path: &Path, metadata: &Metadata) -> Result<(), ImageError> {
    let user = rustix::process::geteuid().as_raw();
    let untrusted =
        |problem: String, advice: String| Err(ImageError::Untrusted { path: path.to_owned(), problem, advice });
    if metadata.uid() != user && metadata.uid() != 0 {
        let problem = format!("it belongs to user {}, and this process runs as user {user}", metadata.uid());
        return untrusted(problem, "use a directory of your own".into());
    }
    if metadata.mode() & WRITABLE_BY_OTHERS != 0 {
        let problem = format!("others can write it (mode {:o})", metadata.mode() & 0o7777);
        return untrusted(problem, format!("use another directory, or run: chmod go-w '{}'", path.display()));
    }
    Ok(())
}
