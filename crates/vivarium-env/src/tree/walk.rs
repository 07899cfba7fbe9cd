//! Reading a tree back, in an order that does not depend on the file system.

use std::io;
use std::os::unix::ffi::OsStrExt;

use cap_std::fs::{Dir, FileTypeExt, Metadata};

use crate::error::Refusal;
use crate::tree::open_directory;

/// What a walk found under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Directory,
    File,
    Symlink,
    /// A device, a fifo or a socket, with its name.
    Special(&'static str),
}

/// One entry of a walk.
#[derive(Debug)]
pub(crate) struct Visit<'a> {
    /// Relative to where the walk began.
    pub path: &'a str,
    /// The last component, to be used with `parent`.
    pub name: &'a str,
    pub kind: Kind,
    pub metadata: &'a Metadata,
    pub parent: &'a Dir,
}

/// Why a walk ended early.
#[derive(Debug)]
pub(crate) enum WalkError<E> {
    Io { path: String, error: io::Error },
    Refused { path: String, refusal: Refusal },
    Visitor(E),
}

/// Visits everything below `root`, sorted by name within each directory, directories before what is in them.
/// Links are not followed. Directories nested deeper than `depth` and more than `entries` entries are refused.
pub(crate) fn walk<E>(
    root: &Dir,
    Bounds { depth, entries }: Bounds,
    visit: &mut dyn FnMut(Visit<'_>) -> Result<(), E>,
) -> Result<(), WalkError<E>> {
    walk_below(root, "", (1, depth), &mut Count { left: entries, limit: entries }, visit)
}

/// How far a walk goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Directories within each other.
    pub depth: usize,
    pub entries: u64,
}

impl Bounds {
    /// Those of a tree of ours, whose entries were counted when it was made.
    pub(crate) fn of_depth(depth: usize) -> Self {
        Self { depth, entries: u64::MAX }
    }
}

/// Entries that may still come.
struct Count {
    left: u64,
    limit: u64,
}

fn walk_below<E>(
    directory: &Dir,
    prefix: &str,
    (depth, limit): (usize, usize),
    count: &mut Count,
    visit: &mut dyn FnMut(Visit<'_>) -> Result<(), E>,
) -> Result<(), WalkError<E>> {
    let failed = |error| WalkError::Io { path: prefix.to_owned(), error };
    let mut names = Vec::new();
    for entry in directory.entries().map_err(failed)? {
        // Counted before they are kept: one directory may have any number of them.
        count.left = count.left.checked_sub(1).ok_or_else(|| WalkError::Refused {
            path: prefix.to_owned(),
            refusal: Refusal::TooManyEntries { limit: count.limit },
        })?;
        names.push(entry.map_err(failed)?.file_name());
    }
    names.sort();
    for name in names {
        let Some(text) = name.to_str() else {
            let path = format!("{prefix}{}", crate::error::display_name(name.as_bytes()));
            return Err(WalkError::Refused { path, refusal: Refusal::NotUtf8 });
        };
        let path = format!("{prefix}{text}");
        let failed = |error| WalkError::Io { path: path.clone(), error };
        let metadata = directory.symlink_metadata(text).map_err(failed)?;
        let kind = kind_of(&metadata);
        visit(Visit { path: &path, name: text, kind, metadata: &metadata, parent: directory })
            .map_err(WalkError::Visitor)?;
        if kind == Kind::Directory {
            if depth >= limit {
                return Err(WalkError::Refused { path, refusal: Refusal::Deep { depth, limit } });
            }
            let below = open_directory(directory, text).map_err(failed)?;
            walk_below(&below, &format!("{path}/"), (depth + 1, limit), count, visit)?;
        }
    }
    Ok(())
}

pub(crate) fn kind_of(metadata: &Metadata) -> Kind {
    let kind = metadata.file_type();
    if kind.is_dir() {
        Kind::Directory
    } else if kind.is_file() {
        Kind::File
    } else if kind.is_symlink() {
        Kind::Symlink
    } else if kind.is_fifo() {
        Kind::Special("fifo")
    } else if kind.is_socket() {
        Kind::Special("socket")
    } else {
        Kind::Special("device")
    }
}
