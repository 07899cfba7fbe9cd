//! `/env`: a directory of the host, read-only.
//!
//! All access goes through a capability ([`cap_std::fs::Dir`]): the kernel (`openat2` with `RESOLVE_BENEATH` on Linux)
//! resolves each path below the directory, so that neither `..` nor a link of any kind leads out, whatever the
//! environment contains and whoever changes it meanwhile. Nothing here opens for writing. What the guest sees of the
//! host is reduced to the content: inode numbers are replaced by serial ones, and texts of links to absolute paths are
//! not shown.
//!
//! The host's own directory order, inode numbers and directory sizes would also make two snapshots differ that read the
//! same files; so listings are sorted and directories have size 0.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::os::unix::fs::DirEntryExt;
use std::sync::Arc;

use cap_std::fs::{Dir, File, Metadata, MetadataExt, OpenOptionsExt};

use crate::abi::{DirectoryEntry, FileStat, FileType};
use crate::clock::Clocks;
use crate::errno::{Errno, Result};
use crate::host_memory::HostMemory;
use crate::pace::Pace;
use crate::path::GuestPath;
use crate::scratch::OpenOptions;

/// Where the guest sees the directory.
pub(crate) const MOUNT: &str = "/env";

/// What `stat` says the device is.
const DEVICE: u64 = 1;

/// The largest directory that can be listed, so that a listing's memory is bounded. Python packages stay far below.
const MAX_ENTRIES: usize = 65_536;

/// A directory at or below `/env`; without one, an empty directory.
#[derive(Clone, Debug)]
pub(crate) struct Environment(Option<Arc<Dir>>);

/// What [`Environment::open`] opened.
#[derive(Debug)]
pub(crate) enum Opened {
    File(File),
    Directory(Environment),
}

/// Serial numbers for inodes, in the order in which the guest sees them first. Two names of one file get the same
/// number, and the numbers do not depend on the host. Bounded by the number of files in the environment, and charged.
#[derive(Debug)]
pub(crate) struct InodeNumbers {
    numbers: BTreeMap<(u64, u64), u64>,
    held: HostMemory,
}

/// Bytes that a number takes: three words in a node of a tree that is half full.
const NUMBER_BYTES: u64 = 64;

/// Bytes that an entry of a listing takes besides its name: in a tree like that, in order, and in the list that is made of it.
const ENTRY_BYTES: u64 = 192;

impl InodeNumbers {
    pub(crate) fn new(held: HostMemory) -> Self {
        Self { numbers: BTreeMap::new(), held }
    }

    /// The number of inode `inode` of device `device`.
    ///
    /// # Errors
    /// `ENOMEM` when no more can be remembered.
    fn number(&mut self, device: u64, inode: u64) -> Result<u64> {
        let next = self.numbers.len() as u64 + 1;
        match self.numbers.entry((device, inode)) {
            Entry::Occupied(known) => Ok(*known.get()),
            Entry::Vacant(new) => {
                self.held.take(NUMBER_BYTES)?;
                Ok(*new.insert(next))
            }
        }
    }
}

impl Environment {
    pub fn new(directory: Option<Arc<Dir>>) -> Self {
        Environment(directory)
    }

    /// Opens for reading what `path` leads to.
    ///
    /// # Errors
    /// `EROFS` for what would write, create or truncate, after the errors that a read-only file system reports first;
    /// `EACCES` for what is neither a file nor a directory.
    pub fn open(&self, path: &GuestPath, options: OpenOptions) -> Result<Opened> {
        let exclusive = options.create && options.exclusive;
        let Some(directory) = &self.0 else {
            return match self.require(path) {
                Ok(()) if exclusive => Err(Errno::Exist),
                Ok(()) if options.write || options.create || options.truncate => Err(Errno::Isdir),
                Ok(()) => Ok(Opened::Directory(self.clone())),
                Err(Errno::Noent) if options.create => Err(self.refuse_new(path)),
                Err(error) => Err(error),
            };
        };
        // The environment does not change while it is mounted, and if it did, the call below would still not leave it.
        if exclusive || !options.follow {
            match directory.symlink_metadata(path.as_str()) {
                Ok(_) if exclusive => return Err(Errno::Exist),
                Ok(metadata) if metadata.is_symlink() && !path.ends_as_directory() => return Err(Errno::Loop),
                _ => {}
            }
        }
        let mut host_options = cap_std::fs::OpenOptions::new();
        // A named pipe must not hold up the host; it is refused below.
        host_options.read(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32);
        let file = match directory.open_with(path.as_str(), &host_options).map_err(Errno::from) {
            Ok(file) => file,
            Err(Errno::Noent) if options.create => return Err(self.refuse_new(path)),
            Err(error) => return Err(error),
        };
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            if options.write || options.create || options.truncate {
                return Err(Errno::Isdir);
            }
            return Ok(Opened::Directory(Environment(Some(Arc::new(Dir::from_std_file(file.into_std()))))));
        }
        if options.directory {
            Err(Errno::Notdir)
        } else if !metadata.is_file() {
            Err(Errno::Acces)
        } else if options.write || options.truncate {
            Err(Errno::Rofs)
        } else {
            Ok(Opened::File(file))
        }
    }

    /// The attributes of this directory.
    pub fn stat(&self, numbers: &mut InodeNumbers, clocks: &Clocks) -> Result<FileStat> {
        match &self.0 {
            Some(directory) => file_stat(&directory.dir_metadata()?, numbers, clocks),
            None => Ok(empty_stat(clocks)),
        }
    }

    /// The attributes of what `path` leads to.
    pub fn stat_at(
        &self,
        path: &GuestPath,
        follow: bool,
        numbers: &mut InodeNumbers,
        clocks: &Clocks,
    ) -> Result<FileStat> {
        match &self.0 {
            Some(_) => file_stat(&self.metadata(path, follow)?, numbers, clocks),
            None => self.require(path).map(|()| empty_stat(clocks)),
        }
    }

    /// What a symbolic link says.
    ///
    /// # Errors
    /// `EPERM` for a link to an absolute path: that is a path of the host.
    pub fn read_link(&self, path: &GuestPath) -> Result<String> {
        let Some(directory) = &self.0 else {
            return Err(self.require(path).err().unwrap_or(Errno::Inval));
        };
        let text = directory.read_link(path.as_str())?;
        text.into_os_string().into_string().map_err(|_| Errno::Ilseq)
    }

    /// All entries of this directory.
    ///
    /// # Errors
    /// `EOVERFLOW` for more than 65,536; `ENOMEM` when the host may not hold them.
    pub async fn list(&self, numbers: &mut InodeNumbers, clocks: &Clocks) -> Result<Listing> {
        let this = self.stat(numbers, clocks)?;
        let mut held = numbers.held.another();
        let mut pace = Pace::default();
        // In order from the beginning: sorting all of them would be one long step.
        let mut found = BTreeMap::new();
        if let Some(directory) = &self.0 {
            let device = directory.dir_metadata()?.dev();
            for entry in directory.entries()? {
                pace.step().await;
                let entry = entry?;
                if found.len() == MAX_ENTRIES {
                    return Err(Errno::Overflow);
                }
                // A name that is not UTF-8 could not be opened either: paths are UTF-8 in WASI.
                if let Ok(name) = entry.file_name().into_string() {
                    held.take(ENTRY_BYTES + name.len() as u64)?;
                    found.insert(name, (device, entry.ino(), file_type(entry.file_type()?)));
                }
            }
        }
        let mut entries = Vec::with_capacity(2 + found.len());
        entries.extend([".", ".."].map(|name| (name.to_owned(), this.inode, FileType::Directory)));
        for (name, (device, inode, kind)) in found {
            pace.step().await;
            entries.push((name, numbers.number(device, inode)?, kind));
        }
        Ok(Listing { entries, _held: held })
    }

    /// Why nothing new can be made at `path`: what a read-only file system answers.
    pub fn refuse_new(&self, path: &GuestPath) -> Errno {
        match self.require(path) {
            Ok(()) => Errno::Exist,
            Err(Errno::Noent) => match parent(path).map(|parent| self.require(&parent)) {
                Some(Err(error)) => error,
                _ => Errno::Rofs,
            },
            Err(error) => error,
        }
    }

    /// Why what `path` leads to cannot be changed, moved or removed.
    pub fn refuse_change(&self, path: &GuestPath) -> Errno {
        self.require(path).err().unwrap_or(Errno::Rofs)
    }

    /// Whether `path` leads to something; a link at its end counts by itself.
    fn require(&self, path: &GuestPath) -> Result<()> {
        if self.0.is_some() {
            return self.metadata(path, false).map(drop);
        }
        match path.components().find(|&component| component != ".") {
            None => Ok(()),
            Some("..") => Err(Errno::Perm),
            Some(_) => Err(Errno::Noent),
        }
    }

    fn metadata(&self, path: &GuestPath, follow: bool) -> Result<Metadata> {
        let directory = self.0.as_ref().ok_or(Errno::Noent)?;
        // cap-std shows the link when there is a dot behind it.
        let metadata = match follow || path.ends_as_directory() {
            true => directory.metadata(path.as_str())?,
            false => directory.symlink_metadata(path.as_str())?,
        };
        if path.ends_as_directory() && !metadata.is_dir() {
            return Err(Errno::Notdir);
        }
        Ok(metadata)
    }
}

/// A directory as it was when its listing began: `.`, `..` and the names in order.
#[derive(Debug)]
pub(crate) struct Listing {
    entries: Vec<(String, u64, FileType)>,
    _held: HostMemory,
}

impl Listing {
    /// The entries behind `cookie`; 0: all.
    pub fn after(&self, cookie: u64) -> impl Iterator<Item = DirectoryEntry<'_>> {
        let skipped = usize::try_from(cookie).unwrap_or(usize::MAX);
        let entries = self.entries.iter().zip(1..).skip(skipped);
        entries.map(|((name, inode, kind), next)| DirectoryEntry { next, inode: *inode, kind: *kind, name })
    }
}

/// The attributes of an open file of the environment.
///
/// # Errors
/// `ENOMEM` when its number cannot be remembered.
pub(crate) fn file_stat(metadata: &Metadata, numbers: &mut InodeNumbers, clocks: &Clocks) -> Result<FileStat> {
    let time = |seconds: i64, nanoseconds: i64| {
        let seconds = u64::try_from(seconds).unwrap_or(0);
        let nanoseconds = u64::try_from(nanoseconds).unwrap_or(0);
        clocks.file_time(seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds))
    };
    let kind = file_type(metadata.file_type());
    Ok(FileStat {
        device: DEVICE,
        inode: numbers.number(metadata.dev(), metadata.ino())?,
        kind,
        links: 1,
        size: if kind == FileType::Directory { 0 } else { metadata.len() },
        // The time of the last access depends on who else uses the environment.
        accessed: time(metadata.mtime(), metadata.mtime_nsec()),
        modified: time(metadata.mtime(), metadata.mtime_nsec()),
        changed: time(metadata.mtime(), metadata.mtime_nsec()),
    })
}

/// The attributes of `/env` when there is no environment.
fn empty_stat(clocks: &Clocks) -> FileStat {
    let time = clocks.file_time(0);
    FileStat {
        device: DEVICE,
        inode: 1,
        kind: FileType::Directory,
        links: 1,
        size: 0,
        accessed: time,
        modified: time,
        changed: time,
    }
}

fn file_type(kind: cap_std::fs::FileType) -> FileType {
    if kind.is_dir() {
        FileType::Directory
    } else if kind.is_file() {
        FileType::RegularFile
    } else if kind.is_symlink() {
        FileType::SymbolicLink
    } else {
        FileType::Unknown
    }
}

/// The path without its last component, or `None` when that is the directory itself.
fn parent(path: &GuestPath) -> Option<GuestPath> {
    let trimmed = path.as_str().trim_end_matches('/');
    let (parent, _) = trimmed.rsplit_once('/')?;
    GuestPath::new(parent.as_bytes(), u32::MAX).ok()
}
