//! Removing a tree, whatever modes its directories have.

use std::io;
use std::path::Path;

use cap_std::fs::{Dir, Permissions, PermissionsExt};

use crate::tree::open_directory;

/// Removes `name` in `parent` with everything below it. Links are removed, not followed. Nothing there is no error.
pub(crate) fn remove_tree(parent: &Dir, name: &str) -> io::Result<()> {
    match parent.remove_dir_all(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // A shipped directory may be unwritable (mode 0355, 0555): give the owner everything and try again.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            make_writable(parent, name)?;
            parent.remove_dir_all(name)
        }
        result => result,
    }
}

fn make_writable(parent: &Dir, name: &str) -> io::Result<()> {
    parent.set_permissions(name, Permissions::from_mode(0o700))?;
    let directory = open_directory(parent, name)?;
    for entry in directory.entries()? {
        let entry = entry?;
        if entry.file_type()?.is_dir()
            && let Some(name) = Path::new(&entry.file_name()).to_str()
        {
            make_writable(&directory, name)?;
        }
    }
    Ok(())
}
