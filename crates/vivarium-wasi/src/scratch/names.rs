//! Calls that give, take and move names.

use super::Scratch;
use super::inode::{Content, Directory, ENTRY_BYTES, InodeId};
use super::resolve::{Last, ResolvedPath};
use crate::errno::{Errno, Result};
use crate::path::GuestPath;

impl Scratch {
    /// Makes a directory.
    pub fn create_directory(&mut self, base: InodeId, path: &GuestPath, now: u64) -> Result<()> {
        let place = self.vacant(base, path)?;
        self.create(&place, Content::Directory(Directory::new(place.parent)), now)?;
        Ok(())
    }

    /// Makes a symbolic link that says `text`. Where that leads is decided when it is followed.
    pub fn symlink(&mut self, text: Box<str>, base: InodeId, path: &GuestPath, now: u64) -> Result<()> {
        let place = self.vacant(base, path)?;
        if place.requires_directory {
            return Err(Errno::Noent);
        }
        self.create(&place, Content::Link(text), now)?;
        Ok(())
    }

    /// What the symbolic link at `path` says.
    pub fn read_link(&self, base: InodeId, path: &GuestPath) -> Result<&str> {
        match &self.inodes.get(self.lookup(base, path, false)?)?.content {
            Content::Link(text) => Ok(text),
            _ => Err(Errno::Inval),
        }
    }

    /// Gives a file a second name.
    pub fn link(
        &mut self,
        from_base: InodeId,
        from: &GuestPath,
        follow: bool,
        to_base: InodeId,
        to: &GuestPath,
        now: u64,
    ) -> Result<()> {
        let id = self.lookup(from_base, from, follow)?;
        let place = self.vacant(to_base, to)?;
        if place.requires_directory {
            return Err(Errno::Noent);
        }
        if matches!(self.inodes.get(id)?.content, Content::Directory(_)) {
            return Err(Errno::Perm);
        }
        self.add_name(&place, id, now)
    }

    /// Removes a name of a file or link.
    pub fn unlink(&mut self, base: InodeId, path: &GuestPath, now: u64) -> Result<()> {
        let place = self.resolve_name(base, path)?;
        let name = place.name(Errno::Isdir)?;
        let id = place.inode.ok_or(Errno::Noent)?;
        if matches!(self.inodes.get(id)?.content, Content::Directory(_)) {
            return Err(Errno::Isdir);
        }
        if place.requires_directory {
            return Err(Errno::Notdir);
        }
        self.remove_name(place.parent, name, now)?;
        self.drop_link(id, now)
    }

    /// Removes an empty directory. Descriptors on it stay valid, and nothing can be made in it any more.
    pub fn remove_directory(&mut self, base: InodeId, path: &GuestPath, now: u64) -> Result<()> {
        let place = self.resolve_name(base, path)?;
        let name = place.name(match place.last {
            Last::DotDot => Errno::Notempty,
            _ => Errno::Inval,
        })?;
        let id = place.inode.ok_or(Errno::Noent)?;
        if !self.inodes.directory(id)?.is_empty() {
            return Err(Errno::Notempty);
        }
        self.remove_name(place.parent, name, now)?;
        self.drop_link(id, now)
    }

    /// Moves a name, replacing what has the new one.
    pub fn rename(
        &mut self,
        from_base: InodeId,
        from: &GuestPath,
        to_base: InodeId,
        to: &GuestPath,
        now: u64,
    ) -> Result<()> {
        let source = self.resolve_name(from_base, from)?;
        let target = self.resolve_name(to_base, to)?;
        let (from_name, to_name) = (source.name(Errno::Busy)?, target.name(Errno::Busy)?);
        let id = source.inode.ok_or(Errno::Noent)?;
        let moves_directory = matches!(self.inodes.get(id)?.content, Content::Directory(_));
        if !moves_directory && (source.requires_directory || target.requires_directory) {
            return Err(Errno::Notdir);
        }
        if moves_directory && self.is_within(target.parent, id)? {
            return Err(Errno::Inval);
        }
        if let Some(replaced) = target.inode {
            if replaced == id {
                return Ok(());
            }
            if self.is_within(source.parent, replaced)? {
                return Err(Errno::Notempty);
            }
            self.check_replaced(moves_directory, replaced)?;
        } else {
            self.check_not_removed(target.parent)?;
        }
        // A name that is replaced keeps its charge and the old name's is given back. Otherwise the old name's charge
        // passes to the new name, so that a full file system still renames.
        let charged_after = if target.inode.is_some() { 0 } else { entry_charge(to_name) };
        self.quota.exchange_bytes(entry_charge(from_name), charged_after)?;
        self.inodes.directory_mut(target.parent)?.set(to_name, id);
        self.touch(target.parent, now)?;
        self.inodes.directory_mut(source.parent)?.remove(from_name);
        self.touch(source.parent, now)?;
        if moves_directory {
            self.inodes.directory_mut(id)?.parent = target.parent;
        }
        self.inodes.get_mut(id)?.times.changed = now;
        match target.inode {
            Some(replaced) => self.drop_link(replaced, now),
            None => Ok(()),
        }
    }

    /// Whether what has the new name of a rename may be replaced.
    fn check_replaced(&self, moves_directory: bool, replaced: InodeId) -> Result<()> {
        match &self.inodes.get(replaced)?.content {
            Content::Directory(_) if !moves_directory => Err(Errno::Isdir),
            Content::Directory(directory) if !directory.is_empty() => Err(Errno::Notempty),
            Content::File(_) | Content::Link(_) if moves_directory => Err(Errno::Notdir),
            _ => Ok(()),
        }
    }

    /// Adds an inode with one name, charging both.
    pub(super) fn create(&mut self, place: &ResolvedPath, content: Content, now: u64) -> Result<InodeId> {
        self.quota.charge_file()?;
        if let Err(error) = self.quota.charge_bytes(content.charge()) {
            self.quota.release_file();
            return Err(error);
        }
        // From here on the inode owns the charge and freeing it gives everything back.
        let id = self.inodes.insert(content, now)?;
        self.add_name(place, id, now).inspect_err(|_| self.free_if_unused(id))?;
        Ok(id)
    }

    /// Where a new name goes.
    ///
    /// # Errors
    /// `EEXIST` when something has that name, links that lead nowhere included.
    fn vacant(&self, base: InodeId, path: &GuestPath) -> Result<ResolvedPath> {
        let place = self.resolve_name(base, path)?;
        if place.inode.is_some() {
            return Err(Errno::Exist);
        }
        Ok(place)
    }

    /// Adds a name that nothing has yet, charging it.
    fn add_name(&mut self, place: &ResolvedPath, id: InodeId, now: u64) -> Result<()> {
        let name = place.name(Errno::Exist)?;
        self.check_not_removed(place.parent)?;
        self.quota.charge_bytes(entry_charge(name))?;
        self.inodes.directory_mut(place.parent)?.set(name, id);
        self.touch(place.parent, now)?;
        let inode = self.inodes.get_mut(id)?;
        inode.links += 1;
        inode.times.changed = now;
        Ok(())
    }

    /// Removes a name, giving back its charge, and leaves the inode's link count alone.
    fn remove_name(&mut self, parent: InodeId, name: &str, now: u64) -> Result<()> {
        self.inodes.directory_mut(parent)?.remove(name);
        self.quota.release_bytes(entry_charge(name));
        self.touch(parent, now)
    }

    /// Takes one name off the count, and frees the inode when that was the last and nobody has it open.
    fn drop_link(&mut self, id: InodeId, now: u64) -> Result<()> {
        let inode = self.inodes.get_mut(id)?;
        inode.links = inode.links.saturating_sub(1);
        inode.times.changed = now;
        if let Content::Directory(directory) = &mut inode.content {
            // A removed directory may outlive its parent; it must not keep an index that somebody else gets.
            directory.parent = id;
        }
        self.free_if_unused(id);
        Ok(())
    }

    /// # Errors
    /// `ENOENT` for a directory that has been removed and is only held open.
    fn check_not_removed(&self, directory: InodeId) -> Result<()> {
        if self.inodes.get(directory)?.links == 0 { Err(Errno::Noent) } else { Ok(()) }
    }

    /// Whether `directory` is `ancestor` or lies below it.
    fn is_within(&self, mut directory: InodeId, ancestor: InodeId) -> Result<bool> {
        loop {
            if directory == ancestor {
                return Ok(true);
            }
            let parent = self.inodes.directory(directory)?.parent;
            if parent == directory {
                return Ok(false);
            }
            directory = parent;
        }
    }
}

/// What a directory entry with this name is charged, in bytes.
fn entry_charge(name: &str) -> u64 {
    ENTRY_BYTES + name.len() as u64
}
