//! From what a job ships to a tree of files.

use std::collections::HashMap;
use std::path::Path;

use cap_std::fs::Dir;

use crate::archive::{self, Destination, Format};
use crate::dependencies::{PythonArchive, PythonDependencyInfo, PythonFile};
use crate::error::{EnvironmentError, Origin, Role};
use crate::guest::GuestPython;
use crate::interpreter::ArchivedPython;
use crate::limits::MaterializeLimits;
use crate::report::TreeReport;
use crate::requirements::{WheelFile, install_wheel};
use crate::scan;
use crate::tree::{EntryPath, Input, TreeWriter, copy_directory, copy_file, hash_directory, open_input};
use crate::view::{PYTHON_ARCHIVES, PYTHON_FILES, PYTHON_REQUIREMENTS};

/// Hashes of the shipped files and directories, in the order of the dependency info.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InputHashes {
    pub python_files: Vec<blake3::Hash>,
    pub archives: Vec<blake3::Hash>,
}

impl InputHashes {
    /// Reads every shipped file once.
    pub(crate) fn compute(info: &PythonDependencyInfo, limits: &MaterializeLimits) -> Result<Self, EnvironmentError> {
        let hash = |role, path: &Path| match open_input(role, path)? {
            Input::File(file) if file.size() > limits.archive_bytes.max(limits.file_bytes) => {
                let limit = limits.archive_bytes.max(limits.file_bytes);
                Err(EnvironmentError::InputTooBig { role, path: path.to_owned(), limit })
            }
            Input::File(mut file) => file.hash(),
            Input::Directory(directory) => hash_directory(&directory, limits, &Origin::new(role, path, "")),
        };
        Ok(Self {
            python_files: info
                .python_files
                .iter()
                .map(|file| hash(Role::PythonFile, &file.path))
                .collect::<Result<_, _>>()?,
            archives: info
                .archives
                .iter()
                .map(|archive| hash(Role::Archive, &archive.path))
                .collect::<Result<_, _>>()?,
        })
    }
}

/// What one tree is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Materials<'a> {
    pub info: &'a PythonDependencyInfo,
    pub python: Option<&'a ArchivedPython>,
    pub wheels: &'a [WheelFile],
    /// What the shipped files must still be, when they were hashed before.
    pub expected: Option<&'a InputHashes>,
    pub guest: &'a GuestPython,
    pub limits: &'a MaterializeLimits,
}

/// Makes the tree in `root`, which must be empty. On failure the caller removes what is there.
pub(crate) fn materialize(root: &Dir, materials: Materials<'_>) -> Result<TreeReport, EnvironmentError> {
    let mut writer = TreeWriter::new(root, materials.limits);
    let mut report = TreeReport::default();
    check_places(&materials.info.python_files)?;
    for (index, file) in materials.info.python_files.iter().enumerate() {
        let expected = materials.expected.map(|hashes| hashes.python_files[index]);
        let entry = python_file(&mut writer, file, expected, &mut report)?;
        report.python_files.push(entry);
    }
    if !materials.info.archives.is_empty() {
        let directory = EntryPath::known(PYTHON_ARCHIVES);
        let origin = Origin::new(Role::Archive, Path::new(PYTHON_ARCHIVES), PYTHON_ARCHIVES);
        writer.directory(&directory, None).map_err(|error| origin.failed("", error))?;
    }
    for (index, archive) in materials.info.archives.iter().enumerate() {
        let expected = materials.expected.map(|hashes| hashes.archives[index]);
        python_archive(&mut writer, archive, expected, &mut report)?;
    }
    if !materials.wheels.is_empty() {
        let site = format!("{PYTHON_REQUIREMENTS}/lib/python{}/site-packages", materials.guest.short_version());
        let target = EntryPath::parse(site.as_bytes(), materials.limits).ok().flatten();
        let target = target.unwrap_or_else(|| EntryPath::known(PYTHON_REQUIREMENTS));
        for wheel in materials.wheels {
            install_wheel(&mut writer, &target, wheel)?;
        }
        report.requirement_sites.push(target.as_str().to_owned());
    }
    let written = |source| EnvironmentError::Write { what: "the environment".to_owned(), source };
    writer.finish().map_err(written)?;
    if let Some(python) = materials.python {
        let home = format!("{PYTHON_ARCHIVES}/{}", python.home);
        report.home_sites = scan::home_sites(root, &home, materials.guest).map_err(written)?;
    }
    scan::scan(root, materials.guest, &mut report).map_err(written)?;
    Ok(report)
}

/// Flink lets a second file of the same local name overwrite the first; here it is refused.
fn check_places(files: &[PythonFile]) -> Result<(), EnvironmentError> {
    let mut places = HashMap::new();
    for file in files {
        if let Some(first) = places.insert(&file.cache_name, &file.path) {
            return Err(EnvironmentError::SamePlace {
                name: file.cache_name.clone(),
                first: first.clone(),
                second: file.path.clone(),
            });
        }
    }
    Ok(())
}

/// Places one python file and returns its entry of the Python path.
fn python_file(
    writer: &mut TreeWriter<'_>,
    file: &PythonFile,
    expected: Option<blake3::Hash>,
    report: &mut TreeReport,
) -> Result<String, EnvironmentError> {
    let named = |name: &str| {
        EntryPath::component(name, writer.limits()).map_err(|refusal| EnvironmentError::InputName {
            role: Role::PythonFile,
            path: file.path.clone(),
            name: name.to_owned(),
            refusal,
        })
    };
    let directory = EntryPath::known(PYTHON_FILES).join(&named(&file.cache_name)?);
    let place = directory.join(&named(&file.original_name)?);
    let archive = match Format::of_name(&file.original_name) {
        Some((format, stem)) => Some((format, directory.join(&named(stem)?))),
        None => None,
    };
    let changed = |source: &dyn Fn() -> EnvironmentError, hash| match expected {
        Some(expected) if expected != hash => Err(source()),
        _ => Ok(()),
    };
    let origin = Origin::new(Role::PythonFile, &file.path, place.as_str());
    match (open_input(Role::PythonFile, &file.path)?, archive) {
        (Input::Directory(source), _) => {
            let hash = copy_directory(writer, &place, &source, &origin)?;
            changed(&|| EnvironmentError::InputChanged { role: Role::PythonFile, path: file.path.clone() }, hash)?;
            Ok(place.as_str().to_owned())
        }
        (Input::File(mut source), Some((format, target))) => {
            let origin = archive::origin(Role::PythonFile, &file.path, &target);
            let left_out = &mut report.left_out;
            let destination = Destination { writer, target: &target, origin: &origin, left_out };
            let hash = destination.extract(&mut source, format)?;
            changed(&|| source.changed(), hash)?;
            Ok(target.as_str().to_owned())
        }
        (Input::File(mut source), None) => {
            let hash = copy_file(writer, &place, &file.original_name, &mut source, &origin)?;
            changed(&|| source.changed(), hash)?;
            let is_module = file.original_name.ends_with(".py");
            Ok(if is_module { directory.as_str() } else { place.as_str() }.to_owned())
        }
    }
}

fn python_archive(
    writer: &mut TreeWriter<'_>,
    archive: &PythonArchive,
    expected: Option<blake3::Hash>,
    report: &mut TreeReport,
) -> Result<(), EnvironmentError> {
    let target = EntryPath::parse(archive.target.as_bytes(), writer.limits())
        .and_then(|target| target.ok_or(crate::error::Refusal::EmptyName))
        .map_err(|refusal| EnvironmentError::Target {
            archive: archive.path.clone(),
            target: archive.target.clone(),
            refusal,
        })?;
    let target = EntryPath::known(PYTHON_ARCHIVES).join(&target);
    let Input::File(mut source) = open_input(Role::Archive, &archive.path)? else {
        return Err(EnvironmentError::InputKind { role: Role::Archive, path: archive.path.clone() });
    };
    let format = Format::of_name(&archive.original_name).map(|(format, _)| format).unwrap_or_else(|| {
        tracing::warn!(archive = archive.original_name, "the archive's name has no known extension; trying zip");
        Format::Zip
    });
    let origin = archive::origin(Role::Archive, &archive.path, &target);
    let destination = Destination { writer, target: &target, origin: &origin, left_out: &mut report.left_out };
    let hash = destination.extract(&mut source, format)?;
    match expected {
        Some(expected) if expected != hash => Err(source.changed()),
        _ => Ok(()),
    }
}
