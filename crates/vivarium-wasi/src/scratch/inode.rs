//! Files, directories and links, and the table that holds them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::pages::Pages;
use crate::abi::FileType;
use crate::errno::{Errno, Result};

/// What a file or link is charged, in bytes: the slot (some 120) and the first node of its map of pages (288), rounded
/// up.
const INODE_BYTES: u64 = 512;

/// What a directory is charged, in bytes: the slot and the first nodes of its two maps (280 and 368), rounded up.
const DIRECTORY_BYTES: u64 = 1024;

/// What a directory entry is charged besides its name, in bytes: its part of the two maps while their nodes are half
/// full (some 120), the counted string and the allocator's overhead, rounded up.
pub(super) const ENTRY_BYTES: u64 = 192;

/// Index of an inode in its [`InodeTable`]. Meaningful while the inode has a name or is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct InodeId(u32);

/// One file, directory or symbolic link.
#[derive(Debug)]
pub(super) struct Inode {
    /// The number the guest sees; unlike the index it is never used again.
    pub number: u64,
    /// Names that lead here. At 0 the inode goes away as soon as nobody has it open.
    pub links: u64,
    /// Descriptors on it.
    pub opens: u64,
    pub times: Times,
    pub content: Content,
}

/// Nanoseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub accessed: u64,
    pub modified: u64,
    pub changed: u64,
}

#[derive(Debug)]
pub(super) enum Content {
    File(Pages),
    Directory(Directory),
    Link(Box<str>),
}

impl Content {
    /// What an inode with this content is charged, in bytes, but for the pages of a file.
    pub fn charge(&self) -> u64 {
        match self {
            Content::File(_) => INODE_BYTES,
            Content::Directory(_) => DIRECTORY_BYTES,
            Content::Link(text) => INODE_BYTES + text.len() as u64,
        }
    }
}

impl Inode {
    pub fn kind(&self) -> FileType {
        match self.content {
            Content::File(_) => FileType::RegularFile,
            Content::Directory(_) => FileType::Directory,
            Content::Link(_) => FileType::SymbolicLink,
        }
    }
}

/// The entries of a directory, by name and in order of creation.
///
/// The serial number of an entry is its cookie in `fd_readdir`: a listing that goes on while entries come and go shows
/// each lasting entry exactly once.
#[derive(Debug)]
pub(super) struct Directory {
    /// The directory this one is in; itself for the root and for a removed directory.
    pub parent: InodeId,
    serials: BTreeMap<Arc<str>, u64>,
    entries: BTreeMap<u64, (Arc<str>, InodeId)>,
    next_serial: u64,
}

impl Directory {
    pub fn new(parent: InodeId) -> Self {
        Directory { parent, serials: BTreeMap::new(), entries: BTreeMap::new(), next_serial: 0 }
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn get(&self, name: &str) -> Option<InodeId> {
        let serial = self.serials.get(name)?;
        self.entries.get(serial).map(|&(_, inode)| inode)
    }

    /// Adds a name, or lets an existing one lead to `inode`.
    pub fn set(&mut self, name: &str, inode: InodeId) {
        if let Some(entry) = self.serials.get(name).and_then(|serial| self.entries.get_mut(serial)) {
            entry.1 = inode;
            return;
        }
        let name: Arc<str> = name.into();
        self.serials.insert(name.clone(), self.next_serial);
        self.entries.insert(self.next_serial, (name, inode));
        self.next_serial += 1;
    }

    pub fn remove(&mut self, name: &str) {
        if let Some(serial) = self.serials.remove(name) {
            self.entries.remove(&serial);
        }
    }

    /// The entries with at least this serial number, in order.
    pub fn entries(&self, from: u64) -> impl Iterator<Item = (u64, &str, InodeId)> {
        self.entries.range(from..).map(|(&serial, (name, inode))| (serial, &**name, *inode))
    }
}

/// All inodes of a file system. Slots of freed ones are used again.
#[derive(Debug, Default)]
pub(super) struct InodeTable {
    slots: Vec<Option<Inode>>,
    free: Vec<u32>,
    last_number: u64,
}

impl InodeTable {
    /// Adds an inode without names.
    ///
    /// # Errors
    /// `ENOSPC` when there are 2³² of them.
    pub fn insert(&mut self, content: Content, now: u64) -> Result<InodeId> {
        self.last_number += 1;
        let times = Times { accessed: now, modified: now, changed: now };
        let inode = Inode { number: self.last_number, links: 0, opens: 0, times, content };
        if let Some(index) = self.free.pop() {
            self.slots[index as usize] = Some(inode);
            return Ok(InodeId(index));
        }
        let index = u32::try_from(self.slots.len()).map_err(|_| Errno::Nospc)?;
        self.slots.push(Some(inode));
        Ok(InodeId(index))
    }

    pub fn remove(&mut self, id: InodeId) -> Option<Inode> {
        let inode = self.slots.get_mut(id.0 as usize)?.take()?;
        self.free.push(id.0);
        Some(inode)
    }

    /// # Errors
    /// `EIO` for an index that is not in use: an inconsistency that must not take the host down.
    pub fn get(&self, id: InodeId) -> Result<&Inode> {
        self.slots.get(id.0 as usize).and_then(Option::as_ref).ok_or(Errno::Io)
    }

    /// # Errors
    /// As [`InodeTable::get`].
    pub fn get_mut(&mut self, id: InodeId) -> Result<&mut Inode> {
        self.slots.get_mut(id.0 as usize).and_then(Option::as_mut).ok_or(Errno::Io)
    }

    /// # Errors
    /// `ENOTDIR` for what is not a directory.
    pub fn directory(&self, id: InodeId) -> Result<&Directory> {
        match &self.get(id)?.content {
            Content::Directory(directory) => Ok(directory),
            _ => Err(Errno::Notdir),
        }
    }

    /// # Errors
    /// `ENOTDIR` for what is not a directory.
    pub fn directory_mut(&mut self, id: InodeId) -> Result<&mut Directory> {
        match &mut self.get_mut(id)?.content {
            Content::Directory(directory) => Ok(directory),
            _ => Err(Errno::Notdir),
        }
    }

    /// # Errors
    /// `EISDIR` for a directory, `EINVAL` for a link.
    pub fn file(&self, id: InodeId) -> Result<&Pages> {
        match &self.get(id)?.content {
            Content::File(pages) => Ok(pages),
            Content::Directory(_) => Err(Errno::Isdir),
            Content::Link(_) => Err(Errno::Inval),
        }
    }

    /// # Errors
    /// As [`InodeTable::file`].
    pub fn file_mut(&mut self, id: InodeId) -> Result<&mut Pages> {
        match &mut self.get_mut(id)?.content {
            Content::File(pages) => Ok(pages),
            Content::Directory(_) => Err(Errno::Isdir),
            Content::Link(_) => Err(Errno::Inval),
        }
    }
}
