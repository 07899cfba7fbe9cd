//! Locks: requirements files in which every package has a version and hashes.

use std::collections::BTreeSet;
use std::fmt;

use super::file::{AllowedLines, RequirementsFile};
use super::{WheelFile, normalize_name};
use crate::error::RequirementsError;
use crate::guest::GuestPython;

/// A package at one version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct LockedPackage {
    /// The distribution's name, normalised (PEP 503).
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 hashes in hexadecimal of wheels that may be used.
    pub hashes: BTreeSet<String>,
}

/// All packages of an environment, so that it can be made again as it is.
///
/// Its text is a requirements file that pip can install with `--require-hashes`. It is taken as complete: no package
/// is looked for that it does not name. Packages bundled with the guest are not in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequirementsLock {
    /// Packages, by name.
    pub packages: Vec<LockedPackage>,
}

impl RequirementsLock {
    /// Reads a lock's text. Packages that the guest bundles are passed over; an empty text is the lock of nothing else.
    pub fn parse(text: &str, guest: &GuestPython) -> Result<Self, RequirementsError> {
        let file = RequirementsFile::parse(text.as_bytes(), AllowedLines::default())?;
        if file == RequirementsFile::default() {
            return Ok(Self::default());
        }
        Self::from_requirements(&file, guest).ok_or(RequirementsError::File {
            reason: "it is no lock: each line must be name==version with a --hash=sha256:...",
        })
    }

    /// The lock that a requirements file is already; `None` when a package in it has no hash or no exact version.
    pub(crate) fn from_requirements(file: &RequirementsFile, guest: &GuestPython) -> Option<Self> {
        let mut packages = Vec::new();
        for requirement in &file.requirements {
            let name = normalize_name(&requirement.name);
            if is_bundled(guest, &name) {
                continue;
            }
            let version = requirement.pinned_version()?;
            if requirement.hashes.is_empty() || !requirement.marker.is_empty() {
                return None;
            }
            let hashes = requirement.hashes.iter().cloned().collect();
            packages.push(LockedPackage { name, version: version.to_owned(), hashes });
        }
        packages.sort();
        (!packages.is_empty() && file.options.is_empty()).then_some(Self { packages })
    }

    /// The lock of the wheels that a resolution chose.
    pub(crate) fn from_wheels(wheels: &[WheelFile]) -> Self {
        let mut packages: Vec<LockedPackage> = wheels
            .iter()
            .map(|wheel| LockedPackage {
                name: wheel.name.clone(),
                version: wheel.version.clone(),
                hashes: BTreeSet::from([wheel.sha256.clone()]),
            })
            .collect();
        packages.sort();
        Self { packages }
    }

    /// Fails when the lock misses a package that is required by name.
    pub(crate) fn check_covers(&self, file: &RequirementsFile, guest: &GuestPython) -> Result<(), RequirementsError> {
        for requirement in &file.requirements {
            let name = normalize_name(&requirement.name);
            // Whether a marker holds is not judged here.
            let is_covered = !requirement.marker.is_empty()
                || is_bundled(guest, &name)
                || self.packages.iter().any(|package| package.name == name);
            if !is_covered {
                return Err(RequirementsError::LockIncomplete { name });
            }
        }
        Ok(())
    }
}

impl fmt::Display for RequirementsLock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for package in &self.packages {
            write!(formatter, "{}=={}", package.name, package.version)?;
            for hash in &package.hashes {
                write!(formatter, " \\\n    --hash=sha256:{hash}")?;
            }
            writeln!(formatter)?;
        }
        Ok(())
    }
}

pub(crate) fn is_bundled(guest: &GuestPython, name: &str) -> bool {
    guest.bundled.iter().any(|package| normalize_name(&package.name) == name)
}
