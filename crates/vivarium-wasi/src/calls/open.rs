//! Opening files and directories.

use super::descriptor::descriptor_flags;
use crate::WasiCtx;
use crate::abi::{lookupflags, oflags, rights};
use crate::descriptors::{Descriptor, Directory, FileContent, OpenDirectory, OpenFile, Target};
use crate::environment::Opened;
use crate::errno::{Errno, Result};
use crate::host_files::HostFile;
use crate::memory::GuestMemory;
use crate::scratch::OpenOptions;

impl WasiCtx {
    /// Opens for reading when `rights` holds `FD_READ` and for writing when it holds `FD_WRITE`: this is how preview 1
    /// says it.
    #[expect(clippy::too_many_arguments, reason = "the signature is WASI's")]
    pub(crate) fn path_open(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        lookup: u32,
        path: u32,
        length: u32,
        open: u32,
        rights: u64,
        _inheriting: u64,
        flags: u32,
        out: u32,
    ) -> Result<()> {
        let (place, path) = self.place_and_path(memory, fd, path, length)?;
        let open = u16::try_from(open).ok().filter(|open| open & !oflags::ALL == 0).ok_or(Errno::Inval)?;
        let flags = descriptor_flags(flags)?;
        // Opening makes files only, and a directory is not cut: Linux answers the same since 6.3, whatever is there.
        if open & oflags::DIRECTORY != 0 && open & !oflags::DIRECTORY != 0 {
            return Err(Errno::Inval);
        }
        // Whatever can fail for the guest's own reasons fails before something is created or opened.
        memory.bytes(out, 4)?;
        self.descriptors.check_room()?;

        let readable = rights & rights::FD_READ != 0;
        let writable = rights & rights::FD_WRITE != 0;
        let options = OpenOptions {
            create: open & oflags::CREATE != 0,
            exclusive: open & oflags::EXCLUSIVE != 0,
            truncate: open & oflags::TRUNCATE != 0,
            directory: open & oflags::DIRECTORY != 0,
            write: writable,
            follow: lookup & lookupflags::FOLLOW != 0,
        };
        let file = |content, writable| Target::File(OpenFile { content, position: 0, readable, writable });
        let directory = |place| Target::Directory(OpenDirectory { place, mount: None });
        let mut counted = None;
        let target = match place {
            Directory::Environment(environment) => {
                self.descriptors.check_host_room(self.limits.host_files)?;
                counted = Some(HostFile::count(&self.host_files)?);
                // See `rights::ENVIRONMENT_INHERITING` for why a writer may come without FD_WRITE.
                let write = rights & (rights::FD_WRITE | rights::WRITE_INTENT) != 0;
                match environment.open(&path, OpenOptions { write, ..options })? {
                    Opened::File(opened) => file(FileContent::Environment(opened), false),
                    Opened::Directory(opened) => directory(Directory::Environment(opened)),
                }
            }
            Directory::Scratch(base) => match self.scratch.open(base, &path, options, self.clocks.realtime())? {
                (inode, true) => directory(Directory::Scratch(inode)),
                (inode, false) => file(FileContent::Scratch(inode), writable),
            },
        };
        let number = self.descriptors.insert(Descriptor { target, flags, _counted: counted })?;
        memory.write_u32(out, number)
    }
}
