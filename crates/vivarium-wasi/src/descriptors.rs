//! Which numbers the guest has open, and what they stand for.

use cap_std::fs::File;

use crate::abi::fdflags;
use crate::environment::Environment;
use crate::errno::{Errno, Result};
use crate::host_files::HostFile;
use crate::output::OutputStream;
use crate::scratch::InodeId;

/// What one descriptor stands for.
#[derive(Debug)]
pub(crate) struct Descriptor {
    pub target: Target,
    /// [`fdflags`]. Only `APPEND` has an effect: nothing here blocks a file's reader or writer, and there is no disk to
    /// sync.
    pub flags: u16,
    /// What it counts for, if the host holds a descriptor for it.
    pub _counted: Option<HostFile>,
}

#[derive(Debug)]
pub(crate) enum Target {
    Stdin,
    Output(OutputStream),
    File(OpenFile),
    Directory(OpenDirectory),
}

#[derive(Debug)]
pub(crate) struct OpenFile {
    pub content: FileContent,
    /// Offset of the next read or write in bytes.
    pub position: u64,
    pub readable: bool,
    pub writable: bool,
}

#[derive(Debug)]
pub(crate) enum FileContent {
    Environment(File),
    Scratch(InodeId),
}

#[derive(Debug)]
pub(crate) struct OpenDirectory {
    pub place: Directory,
    /// Where the guest sees it, if it is a preopen.
    pub mount: Option<&'static str>,
}

/// A directory, on one of the two file systems.
#[derive(Clone, Debug)]
pub(crate) enum Directory {
    Environment(Environment),
    Scratch(InodeId),
}

impl Descriptor {
    pub fn new(target: Target) -> Self {
        Descriptor { target, flags: 0, _counted: None }
    }

    /// Whether the host holds a descriptor for it, not counting the environment itself, which is shared.
    fn is_of_host(&self) -> bool {
        match &self.target {
            Target::File(file) => matches!(file.content, FileContent::Environment(_)),
            Target::Directory(directory) => {
                directory.mount.is_none() && matches!(directory.place, Directory::Environment(_))
            }
            Target::Stdin | Target::Output(_) => false,
        }
    }

    pub fn appends(&self) -> bool {
        self.flags & fdflags::APPEND != 0
    }
}

/// All descriptors of one context; the index is the number.
#[derive(Debug)]
pub(crate) struct DescriptorTable {
    slots: Vec<Option<Descriptor>>,
    open: u32,
    limit: u32,
}

impl DescriptorTable {
    /// An empty table that holds at most `limit` descriptors.
    pub fn new(limit: u32) -> Self {
        DescriptorTable { slots: Vec::with_capacity(8), open: 0, limit }
    }

    /// How many descriptors are open.
    pub fn open(&self) -> u32 {
        self.open
    }

    /// # Errors
    /// `EMFILE` when no more descriptors can be opened: to be asked before opening has any effect.
    pub fn check_room(&self) -> Result<()> {
        if self.open >= self.limit { Err(Errno::Mfile) } else { Ok(()) }
    }

    /// # Errors
    /// `EMFILE` when `limit` descriptors of the host are open.
    pub fn check_host_room(&self, limit: u32) -> Result<()> {
        let held = self.slots.iter().flatten().filter(|descriptor| descriptor.is_of_host()).count();
        if held >= limit as usize { Err(Errno::Mfile) } else { Ok(()) }
    }

    /// Adds a descriptor under the lowest free number, as POSIX demands.
    pub fn insert(&mut self, descriptor: Descriptor) -> Result<u32> {
        self.check_room()?;
        let index = match self.slots.iter().position(Option::is_none) {
            Some(free) => free,
            None => {
                self.slots.push(None);
                self.slots.len() - 1
            }
        };
        self.slots[index] = Some(descriptor);
        self.open += 1;
        u32::try_from(index).map_err(|_| Errno::Mfile)
    }

    /// # Errors
    /// `EBADF` for a number that is not open.
    pub fn get(&self, number: u32) -> Result<&Descriptor> {
        self.slots.get(number as usize).and_then(Option::as_ref).ok_or(Errno::Badf)
    }

    /// # Errors
    /// `EBADF` for a number that is not open.
    pub fn get_mut(&mut self, number: u32) -> Result<&mut Descriptor> {
        self.slots.get_mut(number as usize).and_then(Option::as_mut).ok_or(Errno::Badf)
    }

    /// # Errors
    /// `EBADF` for a number that is not open.
    pub fn remove(&mut self, number: u32) -> Result<Descriptor> {
        let removed = self.slots.get_mut(number as usize).and_then(Option::take).ok_or(Errno::Badf)?;
        self.open -= 1;
        Ok(removed)
    }

    /// Moves a descriptor to a number that is open, and returns what that stood for.
    ///
    /// # Errors
    /// `EBADF` unless both numbers are open.
    pub fn renumber(&mut self, from: u32, to: u32) -> Result<Option<Descriptor>> {
        self.get(to)?;
        self.get(from)?;
        if from == to {
            return Ok(None);
        }
        let moved = self.remove(from)?;
        Ok(Some(std::mem::replace(self.get_mut(to)?, moved)))
    }

    /// The file a number stands for.
    ///
    /// # Errors
    /// `EBADF` for a number that is not open, `EISDIR` for a directory, `ESPIPE` for a stream.
    pub fn file(&self, number: u32) -> Result<&OpenFile> {
        match &self.get(number)?.target {
            Target::File(file) => Ok(file),
            Target::Directory(_) => Err(Errno::Isdir),
            Target::Stdin | Target::Output(_) => Err(Errno::Spipe),
        }
    }

    /// The directory a number stands for.
    ///
    /// # Errors
    /// `EBADF` for a number that is not open, `ENOTDIR` for everything else that is no directory.
    pub fn directory(&self, number: u32) -> Result<&OpenDirectory> {
        match &self.get(number)?.target {
            Target::Directory(directory) => Ok(directory),
            _ => Err(Errno::Notdir),
        }
    }
}
