//! Listing directories, and making, moving and removing names.

use crate::WasiCtx;
use crate::abi::{DirectoryEntry, lookupflags};
use crate::descriptors::Directory;
use crate::errno::{Errno, Result};
use crate::memory::GuestMemory;
use crate::pace::Pace;
use crate::path::link_text;

impl WasiCtx {
    /// Fills the buffer with entries behind `cookie`. The last entry is cut where the buffer ends: a buffer that is not
    /// full is how the guest sees the end of the directory.
    pub(crate) async fn fd_readdir(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        buffer: u32,
        length: u32,
        cookie: u64,
        out: u32,
    ) -> Result<()> {
        memory.bytes(buffer, length)?;
        let mut writer = EntryWriter { memory, address: buffer, room: length };
        match self.place(fd)? {
            Directory::Scratch(inode) => self.scratch.list(inode, cookie, |entry| writer.push(entry))?,
            Directory::Environment(environment) => {
                if cookie == 0 || self.listing.as_ref().is_none_or(|(listed, _)| *listed != fd) {
                    // The one before goes first: one at a time is held.
                    self.listing = None;
                    self.listing = Some((fd, environment.list(&mut self.numbers, &self.clocks).await?));
                }
                if let Some((_, listing)) = &self.listing {
                    let mut pace = Pace::default();
                    for entry in listing.after(cookie) {
                        pace.step().await;
                        if !writer.push(entry)? {
                            break;
                        }
                    }
                }
                if writer.room > 0 {
                    // That was the end, and few come back.
                    self.listing = None;
                }
            }
        }
        let used = length - writer.room;
        memory.write_u32(out, used)
    }

    pub(crate) fn path_create_directory(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        path: u32,
        length: u32,
    ) -> Result<()> {
        let (place, path) = self.place_and_path(memory, fd, path, length)?;
        match place {
            Directory::Environment(environment) => Err(environment.refuse_new(&path)),
            Directory::Scratch(base) => self.scratch.create_directory(base, &path, self.clocks.realtime()),
        }
    }

    pub(crate) fn path_remove_directory(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        path: u32,
        length: u32,
    ) -> Result<()> {
        let (place, path) = self.place_and_path(memory, fd, path, length)?;
        match place {
            Directory::Environment(environment) => Err(environment.refuse_change(&path)),
            Directory::Scratch(base) => self.scratch.remove_directory(base, &path, self.clocks.realtime()),
        }
    }

    pub(crate) fn path_unlink_file(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        path: u32,
        length: u32,
    ) -> Result<()> {
        let (place, path) = self.place_and_path(memory, fd, path, length)?;
        match place {
            Directory::Environment(environment) => Err(environment.refuse_change(&path)),
            Directory::Scratch(base) => self.scratch.unlink(base, &path, self.clocks.realtime()),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the signature is WASI's")]
    pub(crate) fn path_rename(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        path: u32,
        length: u32,
        to_fd: u32,
        to_path: u32,
        to_length: u32,
    ) -> Result<()> {
        let (place, path) = self.place_and_path(memory, fd, path, length)?;
        let (to_place, to_path) = self.place_and_path(memory, to_fd, to_path, to_length)?;
        match (place, to_place) {
            (Directory::Scratch(base), Directory::Scratch(to_base)) => {
                self.scratch.rename(base, &path, to_base, &to_path, self.clocks.realtime())
            }
            (Directory::Environment(environment), Directory::Environment(_)) => Err(environment.refuse_change(&path)),
            _ => Err(Errno::Xdev),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the signature is WASI's")]
    pub(crate) fn path_link(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        lookup: u32,
        path: u32,
        length: u32,
        to_fd: u32,
        to_path: u32,
        to_length: u32,
    ) -> Result<()> {
        let (place, path) = self.place_and_path(memory, fd, path, length)?;
        let (to_place, to_path) = self.place_and_path(memory, to_fd, to_path, to_length)?;
        let follow = lookup & lookupflags::FOLLOW != 0;
        match (place, to_place) {
            (Directory::Scratch(base), Directory::Scratch(to_base)) => {
                self.scratch.link(base, &path, follow, to_base, &to_path, self.clocks.realtime())
            }
            (Directory::Environment(environment), Directory::Environment(_)) => Err(environment.refuse_change(&path)),
            _ => Err(Errno::Xdev),
        }
    }

    pub(crate) fn path_symlink(
        &mut self,
        memory: &mut GuestMemory<'_>,
        text: u32,
        text_length: u32,
        fd: u32,
        path: u32,
        length: u32,
    ) -> Result<()> {
        let text = link_text(memory.bytes(text, text_length)?, self.limits.path_bytes)?;
        let (place, path) = self.place_and_path(memory, fd, path, length)?;
        match place {
            Directory::Environment(environment) => Err(environment.refuse_new(&path)),
            Directory::Scratch(base) => self.scratch.symlink(text, base, &path, self.clocks.realtime()),
        }
    }

    /// Writes as much of the link's text as the buffer holds, as `readlink` does.
    #[expect(clippy::too_many_arguments, reason = "the signature is WASI's")]
    pub(crate) fn path_readlink(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        path: u32,
        length: u32,
        buffer: u32,
        buffer_length: u32,
        out: u32,
    ) -> Result<()> {
        let (place, path) = self.place_and_path(memory, fd, path, length)?;
        let from_environment;
        let text = match place {
            Directory::Environment(environment) => {
                from_environment = environment.read_link(&path)?;
                from_environment.as_str()
            }
            Directory::Scratch(base) => self.scratch.read_link(base, &path)?,
        };
        let target = memory.bytes_mut(buffer, buffer_length)?;
        let used = text.len().min(target.len());
        target[..used].copy_from_slice(&text.as_bytes()[..used]);
        // At most the buffer's length, a u32.
        memory.write_u32(out, used as u32)
    }
}

/// Writes entries of a directory one behind the other into a buffer of the guest.
struct EntryWriter<'a, 'b> {
    memory: &'a mut GuestMemory<'b>,
    address: u32,
    room: u32,
}

impl EntryWriter<'_, '_> {
    /// Writes as much of an entry as fits, and returns whether there is room for another.
    fn push(&mut self, entry: DirectoryEntry<'_>) -> Result<bool> {
        self.put(&entry.header())?;
        self.put(entry.name.as_bytes())?;
        Ok(self.room > 0)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        // Headers and names are short, so the length fits.
        let length = self.room.min(bytes.len() as u32);
        self.memory.write(self.address, &bytes[..length as usize])?;
        self.address = self.address.wrapping_add(length);
        self.room -= length;
        Ok(())
    }
}
