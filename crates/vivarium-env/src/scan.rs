//! Looking through a materialised tree, to fill its [`TreeReport`].

use std::io::{self, Read};

use cap_std::fs::Dir;

use crate::guest::GuestPython;
use crate::report::{Distribution, NativeModule, ShadowedBy, ShadowedModule, TreeReport};
use crate::tree::{Bounds, Kind, Visit, WalkError, walk};

/// Bytes of a distribution's metadata that are read: name and version stand in front.
const METADATA_BYTES: u64 = 16 << 10;
/// No tree of ours is deeper: two checked paths, one below the other.
const DEPTH: usize = 160;

/// Fills in what is found below the import roots that `report` names.
pub(crate) fn scan(root: &Dir, guest: &GuestPython, report: &mut TreeReport) -> io::Result<()> {
    let roots: Vec<String> = report.import_roots().cloned().collect();
    for import_root in roots {
        let directory = match root.open_dir(&import_root) {
            Ok(directory) => directory,
            // A wheel or an egg is itself on the Python path.
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                report.distributions.extend(distribution_of_file(&import_root));
                continue;
            }
            Err(error) => return Err(error),
        };
        scan_root(&directory, &import_root, guest, report)?;
    }
    report.distributions.sort();
    report.native_modules.sort();
    report.shadowed.sort();
    report.startup_files.sort();
    Ok(())
}

/// The `site-packages` directories of a Python home; the guest's own version first.
pub(crate) fn home_sites(root: &Dir, home: &str, guest: &GuestPython) -> io::Result<Vec<String>> {
    let library = format!("{home}/lib");
    let entries = match root.read_dir(&library) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        entries => entries?,
    };
    let own = format!("python{}", guest.short_version());
    let mut versions = Vec::new();
    for entry in entries {
        if let Ok(name) = entry?.file_name().into_string()
            && name.starts_with("python3.")
            && root.is_dir(format!("{library}/{name}/site-packages"))
        {
            versions.push(name);
        }
    }
    versions.sort_by_key(|name| (*name != own, name.clone()));
    Ok(versions.into_iter().map(|name| format!("{library}/{name}/site-packages")).collect())
}

fn scan_root(directory: &Dir, import_root: &str, guest: &GuestPython, report: &mut TreeReport) -> io::Result<()> {
    let walked = walk(directory, Bounds::of_depth(DEPTH), &mut |visit: Visit<'_>| {
        let path = format!("{import_root}/{}", visit.path);
        if !visit.path.contains('/') {
            scan_top_level(&visit, &path, import_root, guest, report)?;
        }
        if visit.kind == Kind::File && is_native(visit.name) {
            let package = module_name(visit.path.split('/').next().unwrap_or(visit.path)).to_owned();
            report.native_modules.push(NativeModule { package, path });
        }
        Ok(())
    });
    match walked {
        Ok(()) => Ok(()),
        Err(WalkError::Io { error, .. } | WalkError::Visitor(error)) => Err(error),
        Err(WalkError::Refused { refusal, .. }) => Err(io::Error::other(refusal)),
    }
}

fn scan_top_level(
    visit: &Visit<'_>,
    path: &str,
    import_root: &str,
    guest: &GuestPython,
    report: &mut TreeReport,
) -> io::Result<()> {
    let module = module_name(visit.name);
    if visit.name.ends_with(".pth") || ["sitecustomize", "usercustomize"].contains(&module) {
        report.startup_files.push(path.to_owned());
        return Ok(());
    }
    let metadata = match visit.name.rsplit_once('.') {
        Some((_, "dist-info")) => Some(format!("{}/METADATA", visit.name)),
        Some((_, "egg-info")) if visit.kind == Kind::Directory => Some(format!("{}/PKG-INFO", visit.name)),
        _ => None,
    };
    if let Some(metadata) = metadata {
        let distribution = read_distribution(visit.parent, &metadata, import_root)?;
        report.distributions.extend(distribution);
        return Ok(());
    }
    let is_module = match visit.kind {
        Kind::File => visit.name.ends_with(".py") || visit.name.ends_with(".pyc") || is_native(visit.name),
        Kind::Directory => !visit.name.contains('.') && holds_module(visit)?,
        Kind::Symlink => !visit.name.contains('.'),
        Kind::Special(_) => false,
    };
    let by = if !is_module {
        None
    } else if guest.standard_modules.iter().any(|name| name == module) {
        Some(ShadowedBy::StandardLibrary)
    } else {
        guest.sdk_modules.iter().any(|name| name == module).then_some(ShadowedBy::Sdk)
    };
    report.shadowed.extend(by.map(|by| ShadowedModule { module: module.to_owned(), path: path.to_owned(), by }));
    Ok(())
}

/// Whether a directory is a package. One without Python files in it (a directory `test` of data) hides nothing.
fn holds_module(visit: &Visit<'_>) -> io::Result<bool> {
    for entry in visit.parent.read_dir(visit.name)? {
        if entry?.file_name().to_str().is_some_and(|name| name.ends_with(".py")) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn read_distribution(parent: &Dir, metadata: &str, source: &str) -> io::Result<Option<Distribution>> {
    let mut text = Vec::new();
    match parent.open(metadata) {
        Ok(file) => file.take(METADATA_BYTES).read_to_end(&mut text)?,
        // Metadata that is missing or that nobody may read names nothing.
        Err(_) => return Ok(None),
    };
    let text = String::from_utf8_lossy(&text);
    let field = |name: &str| {
        text.lines()
            .take_while(|line| !line.is_empty())
            .find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()))
    };
    Ok(field("Name:").zip(field("Version:")).map(|(name, version)| Distribution {
        name,
        version,
        source: source.to_owned(),
    }))
}

fn distribution_of_file(path: &str) -> Option<Distribution> {
    let (_, file) = path.rsplit_once('/')?;
    let stem = file.strip_suffix(".whl").or_else(|| file.strip_suffix(".egg"))?;
    let mut parts = stem.split('-');
    let (name, version) = (parts.next()?, parts.next()?);
    Some(Distribution { name: name.to_owned(), version: version.to_owned(), source: path.to_owned() })
}

/// `_speedups.cpython-313-x86_64-linux-gnu.so`, `x.abi3.so`, `x.pyd`, and libraries with a version behind `.so`.
fn is_native(name: &str) -> bool {
    name.ends_with(".so") || name.ends_with(".pyd") || name.ends_with(".dylib") || name.contains(".so.")
}

fn module_name(file: &str) -> &str {
    file.split('.').next().unwrap_or(file)
}
