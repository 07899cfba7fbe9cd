//! Descriptors as such: what they are, their flags, closing and renumbering them.

use crate::WasiCtx;
use crate::abi::{DescriptorStat, FileType, fdflags, rights};
use crate::descriptors::{Directory, Target};
use crate::errno::{Errno, Result};
use crate::memory::GuestMemory;

impl WasiCtx {
    pub(crate) fn fd_close(&mut self, fd: u32) -> Result<()> {
        let closed = self.descriptors.remove(fd)?;
        self.forget_listing(fd);
        self.release(closed);
        Ok(())
    }

    pub(crate) fn fd_renumber(&mut self, fd: u32, to: u32) -> Result<()> {
        if let Some(replaced) = self.descriptors.renumber(fd, to)? {
            self.forget_listing(fd);
            self.forget_listing(to);
            self.release(replaced);
        }
        Ok(())
    }

    fn forget_listing(&mut self, fd: u32) {
        self.listing.take_if(|(listed, _)| *listed == fd);
    }

    pub(crate) fn fd_fdstat_get(&mut self, memory: &mut GuestMemory<'_>, fd: u32, out: u32) -> Result<()> {
        let descriptor = self.descriptors.get(fd)?;
        let (kind, rights, inheriting) = match &descriptor.target {
            target @ Target::Stdin => {
                (self.stream_kind(target), rights::FD_READ | rights::FD_FILESTAT_GET | rights::POLL_FD_READWRITE, 0)
            }
            target @ Target::Output(_) => {
                (self.stream_kind(target), rights::FD_WRITE | rights::FD_FILESTAT_GET | rights::POLL_FD_READWRITE, 0)
            }
            Target::File(file) => {
                let read = if file.readable { rights::READ } else { 0 };
                let write = if file.writable { rights::WRITE } else { 0 };
                (FileType::RegularFile, rights::FILE | read | write, 0)
            }
            Target::Directory(directory) => {
                let inheriting = match directory.place {
                    Directory::Environment(_) => rights::ENVIRONMENT_INHERITING,
                    Directory::Scratch(_) => rights::SCRATCH_INHERITING,
                };
                (FileType::Directory, rights::DIRECTORY, inheriting)
            }
        };
        let stat = DescriptorStat { kind, flags: descriptor.flags, rights, inheriting };
        memory.write(out, &stat.to_bytes())
    }

    pub(crate) fn fd_fdstat_set_flags(&mut self, fd: u32, flags: u32) -> Result<()> {
        self.descriptors.get_mut(fd)?.flags = descriptor_flags(flags)?;
        Ok(())
    }

    /// Rights are reported, not kept.
    pub(crate) fn fd_fdstat_set_rights(&mut self, fd: u32, _rights: u64, _inheriting: u64) -> Result<()> {
        self.descriptors.get(fd)?;
        Err(Errno::Notsup)
    }

    pub(crate) fn fd_prestat_get(&mut self, memory: &mut GuestMemory<'_>, fd: u32, out: u32) -> Result<()> {
        /// The only kind of preopen there is.
        const DIRECTORY: u32 = 0;
        // wasi-libc asks for 3, 4, 5, ... until it is told EBADF, so a directory that is no preopen says the same.
        let mount = self.mount(fd)?.ok_or(Errno::Badf)?;
        memory.write_u64(out, u64::from(DIRECTORY) | (mount.len() as u64) << 32)
    }

    pub(crate) fn fd_prestat_dir_name(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        buffer: u32,
        length: u32,
    ) -> Result<()> {
        let mount = self.mount(fd)?.ok_or(Errno::Notdir)?;
        if mount.len() > length as usize {
            return Err(Errno::Nametoolong);
        }
        memory.write(buffer, mount.as_bytes())
    }

    /// Where a preopen is mounted; `None` for everything else.
    fn mount(&self, fd: u32) -> Result<Option<&'static str>> {
        match &self.descriptors.get(fd)?.target {
            Target::Directory(directory) => Ok(directory.mount),
            _ => Ok(None),
        }
    }

    pub(crate) fn fd_sync(&mut self, fd: u32) -> Result<()> {
        match self.descriptors.get(fd)?.target {
            // Nothing is cached between the guest and either file system.
            Target::File(_) | Target::Directory(_) => Ok(()),
            Target::Stdin | Target::Output(_) => Err(Errno::Inval),
        }
    }

    pub(crate) fn fd_datasync(&mut self, fd: u32) -> Result<()> {
        self.fd_sync(fd)
    }
}

/// Checks flags of a descriptor.
///
/// # Errors
/// `EINVAL` for flags that do not exist.
pub(super) fn descriptor_flags(flags: u32) -> Result<u16> {
    u16::try_from(flags).ok().filter(|flags| flags & !fdflags::ALL == 0).ok_or(Errno::Inval)
}
