//! The build recipe, embedded in this crate so that an installed program can build its guest anywhere.

use std::path::Path;

use include_dir::{Dir, DirEntry, File, include_dir};
use sha2::{Digest, Sha256};

use crate::error::Error;

static FOLDER: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../wasm-python");

/// What of the folder the build reads. Documents and tests do not make another image.
const PARTS: [&str; 7] = ["build.py", "builder", "patches", "python", "shim", "sources", "support"];

/// Every file of the recipe, in path order.
fn files() -> Vec<&'static File<'static>> {
    files_of(&PARTS)
}

/// Every file of these parts of the folder, in path order.
fn files_of(wanted: &[&str]) -> Vec<&'static File<'static>> {
    fn collect(directory: &'static Dir<'static>, into: &mut Vec<&'static File<'static>>) {
        for entry in directory.entries() {
            match entry {
                DirEntry::Dir(directory) => collect(directory, into),
                DirEntry::File(file) => into.push(file),
            }
        }
    }
    let mut files = Vec::new();
    collect(&FOLDER, &mut files);
    files.retain(|file| {
        let mut parts = file.path().components().map(|part| part.as_os_str());
        parts.next().is_some_and(|first| wanted.iter().any(|part| first == *part))
            && parts.all(|part| part != "__pycache__")
    });
    files.sort_by_key(|file| file.path());
    files
}

/// Hash of the recipe: 16 hex digits over every path and content.
pub(crate) fn key() -> String {
    let mut hash = Sha256::new();
    for file in files() {
        let path = file.path().to_string_lossy();
        for part in [path.as_bytes(), file.contents()] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    hex(&hash.finalize())[..16].to_owned()
}

/// Writes the recipe below `directory`, which must not exist yet.
pub(crate) fn write(directory: &Path) -> Result<(), Error> {
    for file in files() {
        let path = directory.join(file.path());
        let parent = path.parent().unwrap_or(directory);
        std::fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
        std::fs::write(&path, file.contents()).map_err(Error::io("write", &path))?;
    }
    Ok(())
}

/// Writes parts of the guest's sources (`shim`, `python`, `tests`, ...) below `directory`, for programs that build them natively;
/// files that are as they should be are left alone.
///
/// # Errors
/// When they cannot be written.
pub fn write_sources(directory: &Path, parts: &[&str]) -> Result<(), Error> {
    for file in files_of(parts) {
        let path = directory.join(file.path());
        if std::fs::read(&path).is_ok_and(|found| found == file.contents()) {
            continue;
        }
        let parent = path.parent().unwrap_or(directory);
        std::fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
        // Renamed into place: another process may be reading the old one.
        let partial = path.with_extension(format!("partial-{}", std::process::id()));
        std::fs::write(&partial, file.contents()).map_err(Error::io("write", &partial))?;
        std::fs::rename(&partial, &path).map_err(Error::io("write", &path))?;
    }
    Ok(())
}

/// Lower-case hexadecimal digits of `bytes`.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_and_tests_are_not_part_of_the_recipe() {
        let names: Vec<_> = files().iter().map(|file| file.path().to_string_lossy().into_owned()).collect();
        assert!(names.contains(&"build.py".to_owned()), "{names:?}");
        assert!(!names.iter().any(|name| name.ends_with(".md") && !name.contains('/')), "{names:?}");
    }

    #[test]
    fn the_recipe_is_written_out_as_it_was_embedded() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path()).unwrap();
        for file in files() {
            assert_eq!(std::fs::read(folder.path().join(file.path())).unwrap(), file.contents());
        }
    }
}
