//! Finding wheels in a directory.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::RequirementsLock;
use super::wheel::{WheelFile, judge_wheel};
use crate::distributed::hex;
use crate::error::{EnvironmentError, RequirementsError, Role};
use crate::limits::MaterializeLimits;
use crate::tree::{Input, InputFile, open_input};

/// Files of a directory that are looked at.
const FILES: usize = 100_000;

/// Names of packages, built or not.
const PACKAGES: [&str; 6] = [".whl", ".tar.gz", ".tgz", ".zip", ".tar.bz2", ".tar.xz"];

fn is_wheel(name: &str) -> bool {
    name.ends_with(".whl")
}

/// Names, sizes and times of the wheels in a directory: what a remembered resolution depends on.
pub(super) fn fingerprint(directory: &Path) -> Result<blake3::Hash, EnvironmentError> {
    use std::os::unix::fs::MetadataExt;
    let mut entries = Vec::new();
    for (name, entry) in list(directory, &is_wheel)? {
        let metadata = entry.metadata().map_err(unreadable(directory))?;
        entries.push((name, metadata.size(), metadata.mtime(), metadata.mtime_nsec(), metadata.ino()));
    }
    entries.sort();
    Ok(blake3::hash(format!("{entries:?}").as_bytes()))
}

/// The wheels of `lock` that lie in `directories`; `None` when one of them does not.
pub(super) fn find_locked<'a>(
    directories: impl Iterator<Item = &'a Path>,
    lock: &RequirementsLock,
) -> Result<Option<Vec<WheelFile>>, EnvironmentError> {
    let mut candidates: HashMap<(String, String), Vec<WheelFile>> = HashMap::new();
    for directory in directories {
        for (name, entry) in list(directory, &is_wheel)? {
            if let Ok(wheel) = WheelFile::parse(entry.path()) {
                candidates.entry((wheel.name.clone(), wheel.version.clone())).or_default().push(wheel);
            } else {
                tracing::debug!(file = name, "not a pure Python wheel");
            }
        }
    }
    let mut found = Vec::new();
    for package in &lock.packages {
        let wheels = candidates.remove(&(package.name.clone(), package.version.clone())).unwrap_or_default();
        let mut matching = None;
        for mut wheel in wheels {
            wheel.sha256 = hash_file(&wheel.path)?;
            if package.hashes.contains(&wheel.sha256) {
                matching = Some(wheel);
                break;
            }
        }
        match matching {
            Some(wheel) => found.push(wheel),
            None => return Ok(None),
        }
    }
    Ok(Some(found))
}

/// Makes a directory `shown` for pip that stands for a directory of packages.
///
/// The directory is untrusted, and pip opens what has a wheel's name, whatever it is. So only wheels that were judged are
/// there, as links to them; of all other packages pip looks at the names alone, to say why they do not fit, and there is an empty
/// file for each.
pub(super) fn show_to_pip(directory: &Path, shown: &Path, limits: &MaterializeLimits) -> Result<(), EnvironmentError> {
    let written = |source| EnvironmentError::Write { what: "the packages that pip may see".to_owned(), source };
    match std::fs::create_dir(shown) {
        // Asked again, about a single requirement.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(()),
        made => made.map_err(written)?,
    }
    let directory = std::path::absolute(directory).map_err(written)?;
    for (name, _) in list(&directory, &|name| PACKAGES.iter().any(|extension| name.ends_with(extension)))? {
        let path = directory.join(&name);
        if WheelFile::parse(path.clone()).is_ok() {
            judge_wheel(&path, limits)?;
            std::os::unix::fs::symlink(&path, shown.join(&name)).map_err(written)?;
        } else {
            std::fs::File::create_new(shown.join(&name)).map_err(written)?;
        }
    }
    Ok(())
}

/// All pure Python wheels of a directory, hashed.
pub(super) fn all_wheels(directory: &Path) -> Result<Vec<WheelFile>, EnvironmentError> {
    let mut wheels = Vec::new();
    for (_, entry) in list(directory, &is_wheel)? {
        let mut wheel = WheelFile::parse(entry.path())?;
        wheel.sha256 = hash_file(&wheel.path)?;
        wheels.push(wheel);
    }
    wheels.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(wheels)
}

/// Files of a directory whose names are wanted.
fn list(
    directory: &Path,
    is_wanted: &dyn Fn(&str) -> bool,
) -> Result<Vec<(String, std::fs::DirEntry)>, EnvironmentError> {
    let entries = std::fs::read_dir(directory).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => {
            EnvironmentError::MissingInput { role: Role::RequirementsCache, path: directory.to_owned() }
        }
        _ => unreadable(directory)(source),
    })?;
    let mut wheels = Vec::new();
    for (index, entry) in entries.enumerate() {
        let entry = entry.map_err(unreadable(directory))?;
        if index >= FILES {
            let reason = "its cache directory holds more than 100,000 files";
            return Err(RequirementsError::File { reason }.into());
        }
        if let Ok(name) = entry.file_name().into_string()
            && is_wanted(&name)
        {
            wheels.push((name, entry));
        }
    }
    Ok(wheels)
}

fn hash_file(path: &Path) -> Result<String, EnvironmentError> {
    let Input::File(mut source) = open_input(Role::Wheel, path)? else {
        return Err(EnvironmentError::InputKind { role: Role::Wheel, path: path.to_owned() });
    };
    hash_source(&mut source)
}

fn hash_source(source: &mut InputFile) -> Result<String, EnvironmentError> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 128 << 10];
    let mut size = 0;
    loop {
        match source.read(&mut buffer).map_err(|error| source.failed(error))? {
            0 => break,
            count => {
                hasher.update(&buffer[..count]);
                size += count as u64;
            }
        }
    }
    source.check_unchanged(size)?;
    Ok(hex(&hasher.finalize()))
}

fn unreadable(directory: &Path) -> impl Fn(std::io::Error) -> EnvironmentError + '_ {
    move |source| EnvironmentError::ReadInput { role: Role::RequirementsCache, path: directory.to_owned(), source }
}
