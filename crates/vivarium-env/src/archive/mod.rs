//! Extracting archives that nobody vouches for.
//!
//! Both extractors stream: they hold one buffer, the names seen so far and one small record an entry, never an entry's
//! content. The format is told from the name, as Flink does.

mod budget;
mod tar;
mod zip;

use std::fs::File;
use std::path::Path;

use crate::error::{EnvironmentError, Origin, Role};
use crate::tree::{EntryPath, Source, TreeWriter, private_copy};

pub(crate) use self::zip::{ZipEntries, ZipEntry, ZipKind};

/// The format of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Zip,
    Tar,
    TarGzip,
}

const EXTENSIONS: [(&str, Format); 5] = [
    (".zip", Format::Zip),
    (".jar", Format::Zip),
    (".tar.gz", Format::TarGzip),
    (".tgz", Format::TarGzip),
    (".tar", Format::Tar),
];

impl Format {
    /// The format a name's extension stands for, in any case, and the name without that extension.
    pub(crate) fn of_name(name: &str) -> Option<(Self, &str)> {
        EXTENSIONS.into_iter().find_map(|(extension, format)| {
            let split = name.len().checked_sub(extension.len())?;
            let found = name.get(split..)?.eq_ignore_ascii_case(extension);
            found.then(|| (format, &name[..split]))
        })
    }
}

/// A link that was left out instead of refused: see [`is_interpreter_link`].
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LeftOut {
    /// The archive's name.
    pub archive: String,
    /// The entry's name.
    pub entry: String,
}

/// Extracts `source` below `target`, and returns the archive's hash.
pub(crate) fn extract(
    writer: &mut TreeWriter<'_>,
    target: &EntryPath,
    source: &mut Source,
    format: Format,
    origin: &Origin,
    left_out: &mut Vec<LeftOut>,
) -> Result<blake3::Hash, EnvironmentError> {
    let mut hasher = blake3::Hasher::new();
    let limit = writer.limits().archive_bytes;
    let copy = private_copy(source, writer.root(), limit, &mut |piece| {
        hasher.update(piece);
    })?;
    writer.directory(target, None).map_err(|error| origin.failed("", error))?;
    extract_file(writer, target, copy, format, origin, left_out)?;
    Ok(hasher.finalize())
}

/// Extracts an archive that nobody else writes to.
pub(crate) fn extract_file(
    writer: &mut TreeWriter<'_>,
    target: &EntryPath,
    archive: File,
    format: Format,
    origin: &Origin,
    left_out: &mut Vec<LeftOut>,
) -> Result<(), EnvironmentError> {
    match format {
        Format::Zip => zip::extract(writer, target, archive, origin, left_out),
        Format::Tar => tar::extract(writer, target, archive, false, origin, left_out),
        Format::TarGzip => tar::extract(writer, target, archive, true, origin, left_out),
    }
}

/// Whether a link is a virtual environment's link to the interpreter it was made with (`bin/python3 ->
/// /usr/bin/python3`). It leaves the archive, but every packed virtual environment has it, and here it means nothing:
/// the interpreter is the guest. So it is left out and reported, where any other link to the outside is refused.
fn is_interpreter_link(path: &EntryPath, target: &[u8]) -> bool {
    let (parent, name) = path.split_last();
    let in_bin = parent.is_some_and(|parent| parent == "bin" || parent.ends_with("/bin"));
    let is_python = |name: &str| {
        name.strip_prefix("python").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'))
    };
    let target_name = target.rsplit(|&byte| byte == b'/').next().and_then(|name| str::from_utf8(name).ok());
    target.starts_with(b"/") && in_bin && is_python(name) && target_name.is_some_and(is_python)
}

/// Writes a symbolic link, or leaves it out.
fn write_symlink(
    writer: &mut TreeWriter<'_>,
    target: &EntryPath,
    path: &EntryPath,
    link: &[u8],
    origin: &Origin,
    left_out: &mut Vec<LeftOut>,
) -> Result<(), EnvironmentError> {
    if is_interpreter_link(path, link) {
        left_out.push(LeftOut { archive: archive_name(origin.path()), entry: path.as_str().to_owned() });
        return Ok(());
    }
    writer.symlink(&target.join(path), link, path.depth() - 1).map_err(|error| origin.failed(path.as_str(), error))
}

fn archive_name(path: &Path) -> String {
    path.display().to_string()
}

/// The origin of an archive's entries.
pub(crate) fn origin(role: Role, path: &Path, target: &EntryPath) -> Origin {
    Origin::new(role, path, target.as_str())
}
