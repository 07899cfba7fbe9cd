//! Attributes of files: type, size, times.

use crate::WasiCtx;
use crate::abi::{FileStat, fstflags, lookupflags};
use crate::descriptors::{Directory, FileContent, OpenFile, Target};
use crate::environment;
use crate::errno::{Errno, Result};
use crate::memory::GuestMemory;
use crate::scratch::InodeId;

impl WasiCtx {
    pub(crate) fn fd_filestat_get(&mut self, memory: &mut GuestMemory<'_>, fd: u32, out: u32) -> Result<()> {
        let target = &self.descriptors.get(fd)?.target;
        let stat = match target {
            Target::Stdin | Target::Output(_) => stream_stat(self, target),
            Target::File(OpenFile { content: FileContent::Scratch(inode), .. }) => self.scratch.stat(*inode)?,
            Target::File(OpenFile { content: FileContent::Environment(file), .. }) => {
                environment::file_stat(&file.metadata()?, &mut self.numbers, &self.clocks)?
            }
            Target::Directory(directory) => match &directory.place {
                Directory::Environment(environment) => environment.stat(&mut self.numbers, &self.clocks)?,
                Directory::Scratch(inode) => self.scratch.stat(*inode)?,
            },
        };
        memory.write(out, &stat.to_bytes())
    }

    pub(crate) fn path_filestat_get(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        lookup: u32,
        path: u32,
        length: u32,
        out: u32,
    ) -> Result<()> {
        let follow = lookup & lookupflags::FOLLOW != 0;
        let (place, path) = self.place_and_path(memory, fd, path, length)?;
        let stat = match place {
            Directory::Environment(environment) => {
                environment.stat_at(&path, follow, &mut self.numbers, &self.clocks)?
            }
            Directory::Scratch(base) => self.scratch.stat(self.scratch.lookup(base, &path, follow)?)?,
        };
        memory.write(out, &stat.to_bytes())
    }

    pub(crate) fn fd_filestat_set_times(&mut self, fd: u32, accessed: u64, modified: u64, flags: u32) -> Result<()> {
        let times = self.new_times(accessed, modified, flags)?;
        let inode = match &self.descriptors.get(fd)?.target {
            Target::File(OpenFile { content: FileContent::Scratch(inode), .. }) => *inode,
            Target::Directory(directory) => match directory.place {
                Directory::Scratch(inode) => inode,
                Directory::Environment(_) => return Err(Errno::Rofs),
            },
            Target::File(_) => return Err(Errno::Rofs),
            Target::Stdin | Target::Output(_) => return Err(Errno::Inval),
        };
        self.set_times(inode, times)
    }

    #[expect(clippy::too_many_arguments, reason = "the signature is WASI's")]
    pub(crate) fn path_filestat_set_times(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        lookup: u32,
        path: u32,
        length: u32,
        accessed: u64,
        modified: u64,
        flags: u32,
    ) -> Result<()> {
        let times = self.new_times(accessed, modified, flags)?;
        let (place, path) = self.place_and_path(memory, fd, path, length)?;
        match place {
            Directory::Environment(environment) => Err(environment.refuse_change(&path)),
            Directory::Scratch(base) => {
                let inode = self.scratch.lookup(base, &path, lookup & lookupflags::FOLLOW != 0)?;
                self.set_times(inode, times)
            }
        }
    }

    pub(crate) fn fd_filestat_set_size(&mut self, fd: u32, size: u64) -> Result<()> {
        let inode = self.writable_inode(fd)?;
        self.scratch.set_size(inode, size, self.clocks.realtime())
    }

    pub(crate) fn fd_allocate(&mut self, fd: u32, offset: u64, length: u64) -> Result<()> {
        let inode = self.writable_inode(fd)?;
        self.scratch.reserve(inode, offset, length, self.clocks.realtime())
    }

    /// Advice is taken and has no effect: one file system is memory, the other the host's page cache.
    pub(crate) fn fd_advise(&mut self, fd: u32, _offset: u64, _length: u64, advice: u32) -> Result<()> {
        /// `normal` to `noreuse`.
        const KINDS: u32 = 6;
        self.descriptors.file(fd)?;
        if advice < KINDS { Ok(()) } else { Err(Errno::Inval) }
    }

    /// The file behind a descriptor that was opened for writing.
    ///
    /// # Errors
    /// `EINVAL` for one that was not, as `ftruncate` has it.
    fn writable_inode(&self, fd: u32) -> Result<InodeId> {
        match self.descriptors.file(fd)? {
            OpenFile { content: FileContent::Scratch(inode), writable: true, .. } => Ok(*inode),
            _ => Err(Errno::Inval),
        }
    }

    fn set_times(&mut self, inode: InodeId, (accessed, modified): (Option<u64>, Option<u64>)) -> Result<()> {
        self.scratch.set_times(inode, accessed, modified, self.clocks.realtime())
    }

    /// The times a call asks to set.
    ///
    /// # Errors
    /// `EINVAL` for a time that is to be both given and now, and for flags that do not exist.
    fn new_times(&self, accessed: u64, modified: u64, flags: u32) -> Result<(Option<u64>, Option<u64>)> {
        let flags = u16::try_from(flags).ok().filter(|flags| flags & !fstflags::ALL == 0).ok_or(Errno::Inval)?;
        let time = |given: u16, now: u16, value: u64| match (flags & given != 0, flags & now != 0) {
            (true, true) => Err(Errno::Inval),
            (true, false) => Ok(Some(value)),
            (false, true) => Ok(Some(self.clocks.realtime())),
            (false, false) => Ok(None),
        };
        Ok((
            time(fstflags::ACCESSED, fstflags::ACCESSED_NOW, accessed)?,
            time(fstflags::MODIFIED, fstflags::MODIFIED_NOW, modified)?,
        ))
    }
}

fn stream_stat(context: &WasiCtx, target: &Target) -> FileStat {
    let kind = context.stream_kind(target);
    FileStat { device: 0, inode: 0, kind, links: 0, size: 0, accessed: 0, modified: 0, changed: 0 }
}
