//! The build recipe, embedded in this crate so that an installed program can build its guest anywhere.

use std::hash::{BuildHasher, Hasher};
use std::path::Path;

use include_dir::{Dir, DirEntry, File, include_dir};
use sha2::{Digest, Sha256};

use crate::description::ImageDescription;
use crate::error::Error;

static FOLDER: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/wasm-python");

/// What of the folder the build reads. Documents and tests do not make another image.
const PARTS: [&str; 10] =
    ["build.py", "builder", "images", "linked", "patches", "python", "pythons", "shim", "sources", "support"];

/// Every file of the recipe, in path order.
fn files() -> Vec<&'static File<'static>> {
    files_in(&PARTS)
}

/// Every file of these parts of the folder, in path order.
fn files_in(wanted: &[&str]) -> Vec<&'static File<'static>> {
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
        let mut parts = parts(file);
        parts.next().is_some_and(|first| wanted.contains(&first)) && parts.all(|part| part != "__pycache__")
    });
    files.sort_by_key(|file| file.path());
    files
}

fn parts(file: &File<'static>) -> impl Iterator<Item = &'static str> {
    file.path().to_str().unwrap_or_default().split('/')
}

/// The files that an image is made of: not the other images, nor the Pythons and packages that only they have.
fn files_of(image: &ImageDescription) -> Vec<&'static File<'static>> {
    let mut files = files();
    files.retain(|file| match parts(file).collect::<Vec<_>>()[..] {
        ["images", name, ..] => name == image.name.as_str(),
        ["linked", package, _, ..] => image.linked.iter().any(|linked| linked == package),
        ["pythons", series, ..] => series == image.series,
        _ => true,
    });
    files
}

/// The folders of `images`.
pub(crate) fn image_names() -> Vec<String> {
    let described = |file: &File<'static>| match parts(file).collect::<Vec<_>>()[..] {
        ["images", name, "image.toml"] => Some(name.to_owned()),
        _ => None,
    };
    files().into_iter().filter_map(described).collect()
}

/// The text of a file of the recipe.
pub(crate) fn text(path: &str) -> Option<&'static str> {
    FOLDER.get_file(path)?.contents_utf8()
}

/// A file of `wasm-python/tests/conformance`: which tests of CPython, NumPy and pandas run in a guest, and the script that runs them.
pub fn conformance_file(name: &str) -> Option<&'static str> {
    text(&format!("tests/conformance/{name}"))
}

/// Hash of an image's recipe: 16 hex digits over every path and content.
pub(crate) fn key(image: &ImageDescription) -> String {
    let mut hash = Sha256::new();
    for file in files_of(image) {
        let path = file.path().to_string_lossy();
        for part in [path.as_bytes(), file.contents()] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    hex(&hash.finalize())[..16].to_owned()
}

/// Writes an image's recipe below `directory`.
pub(crate) fn write(image: &ImageDescription, directory: &Path) -> Result<(), Error> {
    for file in files_of(image) {
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
    for file in files_in(parts) {
        let path = directory.join(file.path());
        if std::fs::read(&path).is_ok_and(|found| found == file.contents()) {
            continue;
        }
        let parent = path.parent().unwrap_or(directory);
        std::fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
        // Renamed into place: another process may be reading the old one.
        let partial = path.with_extension(format!("partial-{:016x}", random()));
        std::fs::write(&partial, file.contents()).map_err(Error::io("write", &partial))?;
        std::fs::rename(&partial, &path).map_err(Error::io("write", &path))?;
    }
    Ok(())
}

/// A number that no other process chooses: in containers, process ids do not tell them apart.
fn random() -> u64 {
    std::hash::RandomState::new().build_hasher().finish()
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
        for image in crate::images() {
            let folder = tempfile::tempdir().unwrap();
            write(image, folder.path()).unwrap();
            for file in files_of(image) {
                assert_eq!(std::fs::read(folder.path().join(file.path())).unwrap(), file.contents());
            }
        }
    }

    #[test]
    fn what_only_other_images_have_is_not_in_a_recipe() {
        let image = &crate::images()[0];
        let names: Vec<_> = files_of(image).iter().map(|file| file.path().to_string_lossy().into_owned()).collect();
        let folders = |top: &str| {
            let below = names.iter().filter_map(|name| name.strip_prefix(top)?.split_once('/'));
            below.map(|(folder, _)| folder.to_owned()).collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(folders("images/"), [image.name.as_str().to_owned()].into());
        assert_eq!(folders("linked/"), image.linked.iter().cloned().collect());
        assert_eq!(folders("pythons/"), [image.series.clone()].into());
    }
}
