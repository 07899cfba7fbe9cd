//! The one place where entries become files.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use rustix::fs::{Mode, OFlags};

use crate::error::{Refusal, WriteError};
use crate::limits::MaterializeLimits;
use crate::tree::EntryPath;

/// Modes of what carries none of its own (as a zip file made on Windows).
pub(crate) const DEFAULT_FILE_MODE: u32 = 0o644;
const DEFAULT_DIRECTORY_MODE: u32 = 0o755;
/// Set-user-ID, set-group-ID and sticky bits mean nothing in a tree that only the sandbox reads.
const MODE_MASK: u32 = 0o777;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NodeKind {
    Directory,
    File,
    Symlink,
}

#[derive(Debug)]
struct Node {
    kind: NodeKind,
    /// The path as it was written, when it is not the key itself (which is case-folded).
    exact: Option<String>,
}

/// Writes entries below a root directory, and keeps count of all of them.
///
/// What comes in an archive is first [run dry](Self::dry_run): all names, kinds, links and sizes are judged as if they were
/// written, and nothing is. An archive that is refused for any of them leaves no trace, and costs no more than reading it.
#[derive(Debug)]
pub(crate) struct TreeWriter<'a> {
    root: &'a Dir,
    limits: &'a MaterializeLimits,
    nodes: HashMap<String, Node>,
    name_bytes: u64,
    bytes: u64,
    /// Modes of directories are set when everything is in them: they may well be unwritable.
    directory_modes: Vec<(EntryPath, u32)>,
    /// The directory the last entry was written to; entries come in runs.
    parent: Option<(String, Dir)>,
    buffer: Vec<u8>,
    /// During a dry run, what it entered and counted.
    dry_run: Option<DryRun>,
}

/// What is taken back at the end of a dry run.
#[derive(Debug, Default)]
struct DryRun {
    keys: Vec<String>,
    name_bytes: u64,
    bytes: u64,
}

impl<'a> TreeWriter<'a> {
    pub(crate) fn new(root: &'a Dir, limits: &'a MaterializeLimits) -> Self {
        Self {
            root,
            limits,
            nodes: HashMap::new(),
            name_bytes: 0,
            bytes: 0,
            directory_modes: Vec::new(),
            parent: None,
            buffer: vec![0; 64 << 10],
            dry_run: None,
        }
    }

    /// Does what writes entries without writing any; afterwards the writer is as before.
    pub(crate) fn dry_run<T>(&mut self, write: impl FnOnce(&mut Self) -> T) -> T {
        self.dry_run = Some(DryRun { keys: Vec::new(), name_bytes: self.name_bytes, bytes: self.bytes });
        let written = write(self);
        if let Some(DryRun { keys, name_bytes, bytes }) = self.dry_run.take() {
            keys.iter().for_each(|key| drop(self.nodes.remove(key)));
            (self.name_bytes, self.bytes) = (name_bytes, bytes);
        }
        written
    }

    /// Whether nothing is written now.
    pub(crate) fn is_dry_run(&self) -> bool {
        self.dry_run.is_some()
    }

    /// Enters a file of so many bytes, which is not written yet.
    pub(crate) fn dry_run_file(&mut self, path: &EntryPath, size: u64) -> Result<(), Refusal> {
        self.claim_parents(path)?;
        self.claim(path.as_str(), NodeKind::File)?;
        self.count(size, size)
    }

    /// Counts bytes of a file that has `size` of them so far.
    fn count(&mut self, bytes: u64, size: u64) -> Result<(), Refusal> {
        self.bytes = self.bytes.saturating_add(bytes);
        if size > self.limits.file_bytes {
            return Err(Refusal::FileTooBig { limit: self.limits.file_bytes });
        }
        if self.bytes > self.limits.total_bytes {
            return Err(Refusal::TooManyBytes { limit: self.limits.total_bytes });
        }
        Ok(())
    }

    pub(crate) fn limits(&self) -> &'a MaterializeLimits {
        self.limits
    }

    /// The directory everything is written below.
    pub(crate) fn root(&self) -> &'a Dir {
        self.root
    }

    /// Entries written so far.
    pub(crate) fn entries(&self) -> u64 {
        self.nodes.len() as u64
    }

    /// Makes a directory, or accepts the one that is there; `mode` is set by [`Self::finish`].
    pub(crate) fn directory(&mut self, path: &EntryPath, mode: Option<u32>) -> Result<(), WriteError> {
        self.claim_parents(path)?;
        self.claim(path.as_str(), NodeKind::Directory)?;
        if self.is_dry_run() {
            return Ok(());
        }
        self.make_directory(path.as_str()).map_err(WriteError::Write)?;
        if let Some(mode) = mode {
            self.directory_modes.push((path.clone(), mode & MODE_MASK));
        }
        Ok(())
    }

    /// Writes a file from `content` and hands every piece of it to `observe` (to hash it). Returns its size in bytes.
    pub(crate) fn file(
        &mut self,
        path: &EntryPath,
        mode: Option<u32>,
        content: &mut dyn Read,
        observe: &mut dyn FnMut(&[u8]),
    ) -> Result<u64, WriteError> {
        self.claim_parents(path)?;
        self.claim(path.as_str(), NodeKind::File)?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let (parent, name) = self.parent_of(path).map_err(WriteError::Write)?;
        let mut file = parent.open_with(name, &options).map_err(WriteError::Write)?;
        let mut size = 0;
        loop {
            let count = match content.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(WriteError::Read(error)),
            };
            size += count as u64;
            self.count(count as u64, size)?;
            observe(&self.buffer[..count]);
            file.write_all(&self.buffer[..count]).map_err(WriteError::Write)?;
        }
        let mode = mode.unwrap_or(DEFAULT_FILE_MODE) & MODE_MASK;
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode)).map_err(|error| WriteError::Write(error.into()))?;
        Ok(size)
    }

    /// Makes a symbolic link that cannot lead out of the directory `depth` levels above it; it may dangle.
    pub(crate) fn symlink(&mut self, path: &EntryPath, target: &[u8], depth: usize) -> Result<(), WriteError> {
        EntryPath::check_symlink(target, depth, self.limits)?;
        self.claim_parents(path)?;
        self.claim(path.as_str(), NodeKind::Symlink)?;
        if self.is_dry_run() {
            return Ok(());
        }
        let (parent, name) = self.parent_of(path).map_err(WriteError::Write)?;
        rustix::fs::symlinkat(target, parent, name).map_err(|error| WriteError::Write(error.into()))
    }

    /// Makes a second name for a file that this writer wrote.
    pub(crate) fn hard_link(&mut self, path: &EntryPath, target: &EntryPath) -> Result<(), WriteError> {
        let existing = self.nodes.get(&self.key(target.as_str()));
        if !existing.is_some_and(|node| node.kind == NodeKind::File && self.is_exact(node, target.as_str())) {
            return Err(Refusal::HardLinkTarget { target: target.as_str().into() }.into());
        }
        self.claim_parents(path)?;
        self.claim(path.as_str(), NodeKind::File)?;
        if self.is_dry_run() {
            return Ok(());
        }
        let (target_parent, target_name) = self.parent_of(target).map_err(WriteError::Write)?;
        let (target_parent, target_name) = (target_parent.try_clone().map_err(WriteError::Write)?, target_name);
        let (parent, name) = self.parent_of(path).map_err(WriteError::Write)?;
        target_parent.hard_link(target_name, parent, name).map_err(WriteError::Write)
    }

    /// Whether a file was already written under exactly this name.
    pub(crate) fn holds_file(&self, path: &EntryPath) -> bool {
        let node = self.nodes.get(&self.key(path.as_str()));
        node.is_some_and(|node| node.kind == NodeKind::File && self.is_exact(node, path.as_str()))
    }

    /// Sets the modes of directories, deepest first, so that an unreadable one does not hide those below it.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.parent = None;
        let mut modes = std::mem::take(&mut self.directory_modes);
        modes.sort_by_key(|(path, _)| std::cmp::Reverse(path.depth()));
        for (path, mode) in modes {
            let directory = self.open_path(path.as_str())?;
            rustix::fs::fchmod(&directory, Mode::from_raw_mode(mode))?;
        }
        Ok(())
    }

    fn key(&self, path: &str) -> String {
        if self.limits.refuse_case_collisions {
            // Upper case first, so that letters with several lower-case forms (ſ and s) fold together.
            path.to_uppercase().to_lowercase()
        } else {
            path.to_owned()
        }
    }

    fn is_exact(&self, node: &Node, path: &str) -> bool {
        match &node.exact {
            Some(exact) => exact == path,
            None => self.key(path) == path,
        }
    }

    /// Enters the directories above `path` into the table of names.
    fn claim_parents(&mut self, path: &EntryPath) -> Result<(), Refusal> {
        let (Some(parent), _) = path.split_last() else { return Ok(()) };
        if self.parent.as_ref().is_some_and(|(last, _)| last == parent) {
            return Ok(());
        }
        for end in parent.match_indices('/').map(|(at, _)| at).chain([parent.len()]) {
            let ancestor = &path.as_str()[..end];
            self.claim(ancestor, NodeKind::Directory).map_err(|refusal| match refusal {
                Refusal::Duplicate => Refusal::ParentNotDirectory { parent: ancestor.to_owned() },
                other => other,
            })?;
        }
        Ok(())
    }

    fn claim(&mut self, path: &str, kind: NodeKind) -> Result<(), Refusal> {
        let key = self.key(path);
        if let Some(node) = self.nodes.get(&key) {
            return match &node.exact {
                _ if !self.is_exact(node, path) => {
                    Err(Refusal::CaseCollision { other: node.exact.clone().unwrap_or(key) })
                }
                _ if node.kind == NodeKind::Directory && kind == NodeKind::Directory => Ok(()),
                _ => Err(Refusal::Duplicate),
            };
        }
        if self.entries() >= self.limits.entries {
            return Err(Refusal::TooManyEntries { limit: self.limits.entries });
        }
        let exact = (key != path).then(|| path.to_owned());
        self.name_bytes += (key.len() + exact.as_ref().map_or(0, String::len)) as u64;
        if self.name_bytes > self.limits.name_bytes {
            return Err(Refusal::TooManyNameBytes { limit: self.limits.name_bytes });
        }
        if let Some(dry_run) = &mut self.dry_run {
            dry_run.keys.push(key.clone());
        }
        self.nodes.insert(key, Node { kind, exact });
        Ok(())
    }

    fn parent_of<'p>(&mut self, path: &'p EntryPath) -> io::Result<(&Dir, &'p str)> {
        let (parent, name) = path.split_last();
        let parent = parent.unwrap_or("");
        if self.parent.as_ref().is_none_or(|(last, _)| last != parent) {
            self.parent = Some((parent.to_owned(), self.make_directory(parent)?));
        }
        let directory = self.parent.as_ref().map_or(self.root, |(_, directory)| directory);
        Ok((directory, name))
    }

    fn make_directory(&self, path: &str) -> io::Result<Dir> {
        let mut directory = self.root.try_clone()?;
        for component in path.split('/').filter(|component| !component.is_empty()) {
            directory = match open_directory(&directory, component) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    directory.create_dir(component)?;
                    let made = open_directory(&directory, component)?;
                    rustix::fs::fchmod(&made, Mode::from_raw_mode(DEFAULT_DIRECTORY_MODE))?;
                    made
                }
                opened => opened?,
            };
        }
        Ok(directory)
    }

    fn open_path(&self, path: &str) -> io::Result<Dir> {
        path.split('/').try_fold(self.root.try_clone()?, |directory, component| open_directory(&directory, component))
    }
}

/// Opens a directory by one component, without following a link.
pub(crate) fn open_directory(parent: &impl AsFd, component: &str) -> io::Result<Dir> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(parent, component, flags, Mode::empty())?;
    Ok(Dir::from_std_file(std::fs::File::from(opened)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cap_std::ambient_authority;

    fn path(text: &str) -> EntryPath {
        EntryPath::parse(text.as_bytes(), &MaterializeLimits::default()).unwrap().unwrap()
    }

    fn write(writer: &mut TreeWriter<'_>, name: &str) -> Result<u64, WriteError> {
        writer.file(&path(name), None, &mut &b"content"[..], &mut |_| {})
    }

    #[test]
    fn a_dry_run_judges_everything_and_writes_nothing() {
        let place = tempfile::tempdir().unwrap();
        let root = Dir::open_ambient_dir(place.path(), ambient_authority()).unwrap();
        let limits = MaterializeLimits { entries: 6, total_bytes: 100, ..MaterializeLimits::default() };
        let mut writer = TreeWriter::new(&root, &limits);
        write(&mut writer, "first").unwrap();
        let counted = (writer.entries(), writer.name_bytes, writer.bytes);
        let refused = |written: Result<(), WriteError>, expected: &Refusal| {
            assert!(matches!(&written, Err(WriteError::Refused(refusal)) if refusal == expected), "{written:?}");
        };
        writer.dry_run(|writer| {
            writer.dry_run_file(&path("a/b"), 10).unwrap();
            writer.symlink(&path("a/link"), b"b", 1).unwrap();
            writer.hard_link(&path("a/hard"), &path("a/b")).unwrap();
            refused(writer.dry_run_file(&path("a/b"), 1).map_err(Into::into), &Refusal::Duplicate);
            refused(writer.dry_run_file(&path("a/c"), 100).map_err(Into::into), &Refusal::TooManyBytes { limit: 100 });
            refused(writer.directory(&path("d"), None), &Refusal::TooManyEntries { limit: 6 });
        });
        assert_eq!((writer.entries(), writer.name_bytes, writer.bytes), counted);
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1, "only the first file is there");
        // What a dry run accepted can be written.
        write(&mut writer, "a/b").unwrap();
    }

    /// What somebody who may write to the tree puts there meanwhile is never followed.
    #[test]
    fn a_symlink_swapped_in_while_extracting() {
        let place = tempfile::tempdir().unwrap();
        let (inside, outside) = (place.path().join("inside"), place.path().join("outside"));
        std::fs::create_dir(&inside).unwrap();
        std::fs::create_dir(&outside).unwrap();
        let root = Dir::open_ambient_dir(&inside, ambient_authority()).unwrap();
        let limits = MaterializeLimits::default();
        let mut writer = TreeWriter::new(&root, &limits);
        write(&mut writer, "a/first").unwrap();
        write(&mut writer, "b/other").unwrap();
        std::fs::rename(inside.join("a"), inside.join("moved")).unwrap();
        std::os::unix::fs::symlink(&outside, inside.join("a")).unwrap();
        assert!(matches!(write(&mut writer, "a/second"), Err(WriteError::Write(_))));
        assert!(matches!(writer.hard_link(&path("c"), &path("a/first")), Err(WriteError::Write(_))));
        std::os::unix::fs::symlink(outside.join("f"), inside.join("b/f")).unwrap();
        assert!(matches!(write(&mut writer, "b/f"), Err(WriteError::Write(_))));
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    }
}
