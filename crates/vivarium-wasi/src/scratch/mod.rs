//! `/tmp`: a file system in the host's memory that lives as long as its guest.
//!
//! ```text
//!   descriptors ──InodeId──> InodeTable ──> File(Pages)            4 KiB pages, holes are free
//!                              │            Directory(names)  ──InodeId──> ...
//!                              │            Link(text)
//!                              └── links (names) + opens (descriptors): freed when both are 0
//!   Quota: bytes and files, charged before allocation ──> accounts that are shared with other guests
//! ```
//!
//! It is ours because of its quota. On the host's file system a quota has to be inferred from sizes and names; here
//! each page, inode, name and link text is charged where it is allocated, so there is nothing to evade: a sparse file
//! costs the pages that were written, an unlinked or replaced file costs until its last descriptor is closed, each hard
//! link costs its name, and an empty file still costs its inode. And there is no way from here to the host.
//!
//! Semantics are those of Linux where WASI has an opinion at all, with two simplifications: access times change only
//! when set, and a directory's link count is 1 (0 once removed). There are no permissions.

mod inode;
mod names;
mod pages;
mod quota;
mod resolve;

use crate::abi::{DirectoryEntry, FileStat};
use crate::errno::{Errno, Result};
use crate::path::GuestPath;
pub(crate) use inode::InodeId;
use inode::{Content, Directory, InodeTable};
use pages::Pages;
use quota::Quota;
pub(crate) use quota::SharedAccounts;
pub use quota::{ScratchLimits, ScratchUsage};

/// Where the guest sees the root.
pub(crate) const MOUNT: &str = "/tmp";

/// What `stat` says the device is.
const DEVICE: u64 = 2;

/// One in-memory file system.
#[derive(Debug)]
pub(crate) struct Scratch {
    inodes: InodeTable,
    root: InodeId,
    quota: Quota,
}

/// How to open a path; the flags of `open`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OpenOptions {
    pub create: bool,
    pub exclusive: bool,
    pub truncate: bool,
    pub directory: bool,
    pub write: bool,
    /// Follow a link at the end of the path.
    pub follow: bool,
}

impl Scratch {
    /// An empty file system. `now` is the time of its root in nanoseconds since 1970, as everywhere below.
    pub fn new(limits: ScratchLimits, shared: SharedAccounts, now: u64) -> Result<Self> {
        let mut inodes = InodeTable::default();
        // The table is empty, so the root's index is the first one and it is its own parent.
        let root = inodes.insert(Content::File(Pages::default()), now)?;
        let inode = inodes.get_mut(root)?;
        inode.links = 1;
        inode.content = Content::Directory(Directory::new(root));
        Ok(Scratch { inodes, root, quota: Quota::new(limits, shared) })
    }

    pub fn root(&self) -> InodeId {
        self.root
    }

    pub fn usage(&self) -> ScratchUsage {
        self.quota.usage()
    }

    /// Opens what `path` leads to from the directory `base`, and says whether it is a directory. What is open stays
    /// until [`Scratch::close`] is called as often as this was.
    pub fn open(&mut self, base: InodeId, path: &GuestPath, options: OpenOptions, now: u64) -> Result<(InodeId, bool)> {
        if options.create && path.requires_directory() {
            // Opening makes no directories, whatever has the name.
            self.resolve_name(base, path)?.name(Errno::Isdir).map_or(Ok(()), |_| Err(Errno::Isdir))?;
        }
        let place = self.resolve(base, path, options.follow && !(options.create && options.exclusive))?;
        let id = match place.inode {
            Some(_) if options.create && options.exclusive => return Err(Errno::Exist),
            Some(id) => {
                self.check_open(id, options)?;
                if options.truncate {
                    self.set_size(id, 0, now)?;
                }
                id
            }
            None if !options.create => return Err(Errno::Noent),
            None if place.requires_directory || options.directory => return Err(Errno::Isdir),
            None => self.create(&place, Content::File(Pages::default()), now)?,
        };
        let inode = self.inodes.get_mut(id)?;
        inode.opens += 1;
        Ok((id, matches!(inode.content, Content::Directory(_))))
    }

    fn check_open(&self, id: InodeId, options: OpenOptions) -> Result<()> {
        match self.inodes.get(id)?.content {
            Content::Link(_) => Err(Errno::Loop),
            Content::File(_) if options.directory => Err(Errno::Notdir),
            Content::Directory(_) if options.write || options.create || options.truncate => Err(Errno::Isdir),
            _ => Ok(()),
        }
    }

    /// Closes what [`Scratch::open`] opened. An unlinked file is freed with its last close.
    pub fn close(&mut self, id: InodeId) {
        if let Ok(inode) = self.inodes.get_mut(id) {
            inode.opens = inode.opens.saturating_sub(1);
            self.free_if_unused(id);
        }
    }

    /// Reads into `buffer` and returns the number of bytes, 0 at the end of the file.
    pub fn read(&self, id: InodeId, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        Ok(self.inodes.file(id)?.read(offset, buffer))
    }

    /// Writes as much of `data` as the quota allows and returns the number of bytes.
    ///
    /// # Errors
    /// `ENOSPC` or `EFBIG` when that is none.
    pub fn write(&mut self, id: InodeId, offset: u64, data: &[u8], now: u64) -> Result<usize> {
        let written = self.inodes.file_mut(id)?.write(offset, data, &mut self.quota)?;
        if written > 0 {
            self.touch(id, now)?;
        }
        Ok(written)
    }

    /// The size of a file in bytes.
    pub fn size(&self, id: InodeId) -> Result<u64> {
        Ok(self.inodes.file(id)?.size())
    }

    /// Cuts a file, or extends it with a hole.
    pub fn set_size(&mut self, id: InodeId, size: u64, now: u64) -> Result<()> {
        self.inodes.file_mut(id)?.set_size(size, &mut self.quota)?;
        self.touch(id, now)
    }

    /// Makes sure that writing to a range will not fail for lack of space.
    pub fn reserve(&mut self, id: InodeId, offset: u64, length: u64, now: u64) -> Result<()> {
        self.inodes.file_mut(id)?.reserve(offset, length, &mut self.quota)?;
        self.touch(id, now)
    }

    /// The attributes of an inode.
    pub fn stat(&self, id: InodeId) -> Result<FileStat> {
        let inode = self.inodes.get(id)?;
        Ok(FileStat {
            device: DEVICE,
            inode: inode.number,
            kind: inode.kind(),
            links: inode.links,
            size: match &inode.content {
                Content::File(pages) => pages.size(),
                Content::Directory(_) => 0,
                Content::Link(text) => text.len() as u64,
            },
            accessed: inode.times.accessed,
            modified: inode.times.modified,
            changed: inode.times.changed,
        })
    }

    /// What a path leads to.
    pub fn lookup(&self, base: InodeId, path: &GuestPath, follow: bool) -> Result<InodeId> {
        self.resolve(base, path, follow)?.inode.ok_or(Errno::Noent)
    }

    /// Sets the times that are given.
    pub fn set_times(&mut self, id: InodeId, accessed: Option<u64>, modified: Option<u64>, now: u64) -> Result<()> {
        let times = &mut self.inodes.get_mut(id)?.times;
        times.accessed = accessed.unwrap_or(times.accessed);
        times.modified = modified.unwrap_or(times.modified);
        times.changed = now;
        Ok(())
    }

    /// Passes the entries of a directory behind `cookie` (0: all) to `visit` until it returns false.
    pub fn list(
        &self,
        id: InodeId,
        cookie: u64,
        mut visit: impl FnMut(DirectoryEntry<'_>) -> Result<bool>,
    ) -> Result<()> {
        /// `.` and `..` come first; the entry with serial number n follows cookie n + 2.
        const SPECIAL: [&str; 2] = [".", ".."];
        let directory = self.inodes.directory(id)?;
        let special =
            SPECIAL.into_iter().zip([id, directory.parent]).zip(1..).map(|((name, id), next)| (next, name, id));
        let named = directory.entries(cookie.saturating_sub(2)).map(|(serial, name, id)| (serial + 3, name, id));
        for (next, name, id) in special.chain(named).filter(|&(next, ..)| next > cookie) {
            let inode = self.inodes.get(id)?;
            if !visit(DirectoryEntry { next, inode: inode.number, kind: inode.kind(), name })? {
                break;
            }
        }
        Ok(())
    }

    /// Notes a change of content.
    fn touch(&mut self, id: InodeId, now: u64) -> Result<()> {
        let times = &mut self.inodes.get_mut(id)?.times;
        times.modified = now;
        times.changed = now;
        Ok(())
    }

    /// Frees an inode that has neither names nor descriptors, and gives back all it was charged.
    fn free_if_unused(&mut self, id: InodeId) {
        if self.inodes.get(id).is_ok_and(|inode| inode.links == 0 && inode.opens == 0)
            && let Some(inode) = self.inodes.remove(id)
        {
            if let Content::File(pages) = &inode.content {
                self.quota.release_pages(pages.allocated());
            }
            self.quota.release_bytes(inode.content.charge());
            self.quota.release_file();
        }
    }
}
