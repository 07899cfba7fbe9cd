//! Copying a file or a directory that a job ships as it is.

use cap_std::fs::{Dir, MetadataExt, OpenOptions, OpenOptionsExt};
use rustix::fs::OFlags;

use crate::error::{EnvironmentError, Origin, Refusal, Role, WriteError};
use crate::limits::MaterializeLimits;
use crate::tree::{Bounds, EntryPath, InputFile, Kind, TreeWriter, Visit, WalkError, walk};

/// Copies one file, which errors call `entry`; returns the hash of what was written.
pub(crate) fn copy_file(
    writer: &mut TreeWriter<'_>,
    target: &EntryPath,
    entry: &str,
    source: &mut InputFile,
    origin: &Origin,
) -> Result<blake3::Hash, EnvironmentError> {
    let mut hasher = blake3::Hasher::new();
    let mode = Some(source.mode);
    let written = writer.file(target, mode, source, &mut |piece| {
        hasher.update(piece);
    });
    let size = match written {
        Ok(size) => size,
        Err(WriteError::Read(error)) => return Err(source.failed(error)),
        Err(error) => return Err(origin.failed(entry, error)),
    };
    source.check_unchanged(size)?;
    Ok(hasher.finalize())
}

/// Copies everything below a directory; returns the hash of names, kinds, modes and contents, equal to
/// [`hash_directory`]'s when nothing changed. Links that lead out of the directory are refused.
pub(crate) fn copy_directory(
    writer: &mut TreeWriter<'_>,
    target: &EntryPath,
    source: &Dir,
    origin: &Origin,
) -> Result<blake3::Hash, EnvironmentError> {
    writer.directory(target, None).map_err(|error| origin.failed("", error))?;
    let entries = writer.limits().entries.saturating_sub(writer.entries());
    let bounds = Bounds { depth: writer.limits().path_depth, entries };
    judge(source, bounds, writer.limits(), origin)?;
    hash_entries(source, bounds, origin, &mut |visit, content| {
        let below = EntryPath::parse(visit.path.as_bytes(), writer.limits())
            .and_then(|path| path.ok_or(Refusal::EmptyName))
            .map_err(|refusal| origin.refused(visit.path, refusal))?;
        let path = target.join(&below);
        let failed = |error| origin.failed(visit.path, error);
        match content {
            Content::Directory => writer.directory(&path, Some(visit.metadata.mode())).map_err(failed)?,
            Content::Symlink(link) => writer.symlink(&path, link, below.depth() - 1).map_err(failed)?,
            Content::File(file) => return copy_file(writer, &path, visit.path, file, origin),
        }
        Ok(blake3::hash(b""))
    })
}

/// Counts entries and sizes before anything is read or written.
fn judge(source: &Dir, bounds: Bounds, limits: &MaterializeLimits, origin: &Origin) -> Result<(), EnvironmentError> {
    let mut total = 0u64;
    let walked = walk(source, bounds, &mut |visit: Visit<'_>| {
        let refused = |refusal| Err(origin.refused(visit.path, refusal));
        match visit.kind {
            Kind::Special(kind) => refused(Refusal::SpecialFile(kind)),
            Kind::File => {
                let size = visit.metadata.len();
                total = total.saturating_add(size);
                match () {
                    () if size > limits.file_bytes => refused(Refusal::FileTooBig { limit: limits.file_bytes }),
                    () if total > limits.total_bytes => refused(Refusal::TooManyBytes { limit: limits.total_bytes }),
                    () => Ok(()),
                }
            }
            Kind::Directory | Kind::Symlink => Ok(()),
        }
    });
    walked.map_err(|error| walk_error(error, origin))
}

/// Hashes names, kinds, modes and contents of everything below a directory.
pub(crate) fn hash_directory(
    source: &Dir,
    limits: &MaterializeLimits,
    origin: &Origin,
) -> Result<blake3::Hash, EnvironmentError> {
    let bounds = Bounds { depth: limits.path_depth, entries: limits.entries };
    judge(source, bounds, limits, origin)?;
    hash_entries(source, bounds, origin, &mut |_, content| match content {
        Content::File(file) => file.hash(),
        Content::Directory | Content::Symlink(_) => Ok(blake3::hash(b"")),
    })
}

enum Content<'a> {
    Directory,
    Symlink(&'a [u8]),
    File(&'a mut InputFile),
}

type EachEntry<'a> = dyn FnMut(&Visit<'_>, Content<'_>) -> Result<blake3::Hash, EnvironmentError> + 'a;

fn hash_entries(
    source: &Dir,
    bounds: Bounds,
    origin: &Origin,
    each: &mut EachEntry<'_>,
) -> Result<blake3::Hash, EnvironmentError> {
    let mut hasher = blake3::Hasher::new();
    let walked = walk(source, bounds, &mut |visit: Visit<'_>| {
        let unreadable = |source| EnvironmentError::ReadInput {
            role: Role::PythonFile,
            path: origin.path().join(visit.path),
            source,
        };
        let (tag, detail) = match visit.kind {
            Kind::Directory => (b'd', each(&visit, Content::Directory)?.as_bytes().to_vec()),
            Kind::Symlink => {
                let link = visit.parent.read_link_contents(visit.name).map_err(unreadable)?;
                let link = link.into_os_string().into_encoded_bytes();
                each(&visit, Content::Symlink(&link))?;
                (b'l', link)
            }
            Kind::File => {
                let mut options = OpenOptions::new();
                options.read(true).custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32);
                let file = visit.parent.open_with(visit.name, &options).map_err(unreadable)?.into_std();
                let mut file = InputFile::new(Role::PythonFile, &origin.path().join(visit.path), file)?;
                (b'f', each(&visit, Content::File(&mut file))?.as_bytes().to_vec())
            }
            Kind::Special(kind) => return Err(origin.refused(visit.path, Refusal::SpecialFile(kind))),
        };
        for field in [visit.path.as_bytes(), &[tag], &(visit.metadata.mode() & 0o777).to_le_bytes(), &detail] {
            hasher.update(&(field.len() as u64).to_le_bytes());
            hasher.update(field);
        }
        Ok(())
    });
    walked.map(|()| hasher.finalize()).map_err(|error| walk_error(error, origin))
}

fn walk_error(error: WalkError<EnvironmentError>, origin: &Origin) -> EnvironmentError {
    match error {
        WalkError::Visitor(error) => error,
        WalkError::Refused { path, refusal } => origin.refused(&path, refusal),
        WalkError::Io { path, error } => {
            EnvironmentError::ReadInput { role: Role::PythonFile, path: origin.path().join(path), source: error }
        }
    }
}
