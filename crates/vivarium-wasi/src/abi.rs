//! The numbers and layouts of `wasi_snapshot_preview1`, from `typenames.witx`.

/// What a path or descriptor leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum FileType {
    /// A stream that is not a terminal, or something of the host's that has no counterpart.
    Unknown = 0,
    /// A terminal.
    CharacterDevice = 2,
    /// A directory.
    Directory = 3,
    /// A regular file.
    RegularFile = 4,
    /// A symbolic link.
    SymbolicLink = 7,
}

/// Attributes of a file, as `fd_filestat_get` and `path_filestat_get` return them. Times are nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileStat {
    /// Which file system: 0 streams, 1 `/env`, 2 `/tmp`.
    pub device: u64,
    /// Number of the file within its file system.
    pub inode: u64,
    /// What it is.
    pub kind: FileType,
    /// How many names it has.
    pub links: u64,
    /// Size in bytes.
    pub size: u64,
    /// Last access.
    pub accessed: u64,
    /// Last change of the content.
    pub modified: u64,
    /// Last change of the attributes.
    pub changed: u64,
}

impl FileStat {
    /// The 64 bytes of `filestat`.
    pub fn to_bytes(self) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes[0..8].copy_from_slice(&self.device.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.inode.to_le_bytes());
        bytes[16] = self.kind as u8;
        bytes[24..32].copy_from_slice(&self.links.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.size.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.accessed.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.modified.to_le_bytes());
        bytes[56..64].copy_from_slice(&self.changed.to_le_bytes());
        bytes
    }
}

/// State of a descriptor, as `fd_fdstat_get` returns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DescriptorStat {
    /// What is open.
    pub kind: FileType,
    /// [`fdflags`].
    pub flags: u16,
    /// [`rights`] on the descriptor itself.
    pub rights: u64,
    /// [`rights`] on what is opened through it.
    pub inheriting: u64,
}

impl DescriptorStat {
    /// The 24 bytes of `fdstat`.
    pub fn to_bytes(self) -> [u8; 24] {
        let mut bytes = [0; 24];
        bytes[0] = self.kind as u8;
        bytes[2..4].copy_from_slice(&self.flags.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.rights.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.inheriting.to_le_bytes());
        bytes
    }
}

/// One entry of a directory, as `fd_readdir` returns it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DirectoryEntry<'a> {
    /// The cookie that continues behind this entry.
    pub next: u64,
    /// Number of the file.
    pub inode: u64,
    /// What it is.
    pub kind: FileType,
    /// Its name.
    pub name: &'a str,
}

impl DirectoryEntry<'_> {
    /// The 24 bytes of `dirent`, which the name follows. Names are at most 255 bytes.
    pub fn header(&self) -> [u8; 24] {
        let mut bytes = [0; 24];
        bytes[0..8].copy_from_slice(&self.next.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.inode.to_le_bytes());
        bytes[16..20].copy_from_slice(&(self.name.len() as u32).to_le_bytes());
        bytes[20] = self.kind as u8;
        bytes
    }
}

/// Flags of a descriptor.
pub(crate) mod fdflags {
    pub const APPEND: u16 = 1;
    /// All that exist: append, dsync, nonblock, rsync, sync.
    pub const ALL: u16 = 0x1f;
}

/// Flags of `path_open`.
pub(crate) mod oflags {
    pub const CREATE: u16 = 1;
    pub const DIRECTORY: u16 = 2;
    pub const EXCLUSIVE: u16 = 4;
    pub const TRUNCATE: u16 = 8;
    pub const ALL: u16 = 0xf;
}

/// Flags of the two `filestat_set_times`.
pub(crate) mod fstflags {
    pub const ACCESSED: u16 = 1;
    pub const ACCESSED_NOW: u16 = 2;
    pub const MODIFIED: u16 = 4;
    pub const MODIFIED_NOW: u16 = 8;
    pub const ALL: u16 = 0xf;
}

/// How a path is looked up.
pub(crate) mod lookupflags {
    pub const FOLLOW: u32 = 1;
}

/// What a descriptor may be used for. Preview 1 kept the numbers and dropped the enforcement; wasi-libc still reads
/// them to compute the flags of `open`, `fcntl` and `access`.
pub(crate) mod rights {
    pub const FD_DATASYNC: u64 = 1;
    pub const FD_READ: u64 = 1 << 1;
    pub const FD_SEEK: u64 = 1 << 2;
    pub const FD_FDSTAT_SET_FLAGS: u64 = 1 << 3;
    pub const FD_SYNC: u64 = 1 << 4;
    pub const FD_TELL: u64 = 1 << 5;
    pub const FD_WRITE: u64 = 1 << 6;
    pub const FD_ADVISE: u64 = 1 << 7;
    pub const FD_ALLOCATE: u64 = 1 << 8;
    pub const PATH_CREATE_DIRECTORY: u64 = 1 << 9;
    pub const PATH_CREATE_FILE: u64 = 1 << 10;
    pub const PATH_LINK_SOURCE: u64 = 1 << 11;
    pub const PATH_LINK_TARGET: u64 = 1 << 12;
    pub const PATH_OPEN: u64 = 1 << 13;
    pub const FD_READDIR: u64 = 1 << 14;
    pub const PATH_READLINK: u64 = 1 << 15;
    pub const PATH_RENAME_SOURCE: u64 = 1 << 16;
    pub const PATH_RENAME_TARGET: u64 = 1 << 17;
    pub const PATH_FILESTAT_GET: u64 = 1 << 18;
    pub const PATH_FILESTAT_SET_TIMES: u64 = 1 << 20;
    pub const FD_FILESTAT_GET: u64 = 1 << 21;
    pub const FD_FILESTAT_SET_SIZE: u64 = 1 << 22;
    pub const FD_FILESTAT_SET_TIMES: u64 = 1 << 23;
    pub const PATH_SYMLINK: u64 = 1 << 24;
    pub const PATH_REMOVE_DIRECTORY: u64 = 1 << 25;
    pub const PATH_UNLINK_FILE: u64 = 1 << 26;
    pub const POLL_FD_READWRITE: u64 = 1 << 27;

    /// What every file allows, whichever way it was opened.
    pub const FILE: u64 = FD_SEEK
        | FD_TELL
        | FD_FDSTAT_SET_FLAGS
        | FD_SYNC
        | FD_ADVISE
        | FD_FILESTAT_GET
        | FD_FILESTAT_SET_TIMES
        | POLL_FD_READWRITE;
    /// What a file opened for reading allows besides.
    pub const READ: u64 = FD_READ;
    /// What a file opened for writing allows besides.
    pub const WRITE: u64 = FD_WRITE | WRITE_INTENT;
    /// What wasi-libc asks for together with [`FD_WRITE`] and never without; see [`ENVIRONMENT_INHERITING`].
    pub const WRITE_INTENT: u64 = FD_DATASYNC | FD_ALLOCATE | FD_FILESTAT_SET_SIZE;
    /// What every directory allows.
    pub const DIRECTORY: u64 = PATH_CREATE_DIRECTORY
        | PATH_CREATE_FILE
        | PATH_LINK_SOURCE
        | PATH_LINK_TARGET
        | PATH_OPEN
        | FD_READDIR
        | PATH_READLINK
        | PATH_RENAME_SOURCE
        | PATH_RENAME_TARGET
        | PATH_FILESTAT_GET
        | PATH_FILESTAT_SET_TIMES
        | FD_FILESTAT_GET
        | FD_FILESTAT_SET_TIMES
        | FD_FDSTAT_SET_FLAGS
        | FD_SYNC
        | PATH_SYMLINK
        | PATH_REMOVE_DIRECTORY
        | PATH_UNLINK_FILE;
    /// What is opened below a writable directory may do.
    pub const SCRATCH_INHERITING: u64 = DIRECTORY | FILE | READ | WRITE;
    /// What is opened below a read-only directory may do.
    ///
    /// Without [`FD_WRITE`], so that `access(path, W_OK)` is refused. wasi-libc drops from the flags of `open` what is
    /// missing here, so the other rights of a writer stay: they are how [`path_open`](crate::WasiCtx::path_open)
    /// still sees that a writer asked, and answers `EROFS` instead of a descriptor on which every write fails.
    pub const ENVIRONMENT_INHERITING: u64 = SCRATCH_INHERITING & !FD_WRITE;
}
