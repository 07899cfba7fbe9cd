//! Locks between threads and processes.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;

use cap_std::fs::{Dir, MetadataExt, OpenOptions, OpenOptionsExt};
use rustix::fs::{FlockOperation, OFlags};

/// How much a lock excludes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LockKind {
    Shared,
    Exclusive,
}

/// A held lock; it ends with this value, or with the process.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
}

impl Lock {
    /// Waits for a lock.
    pub(super) fn take(locks: &Dir, key: &str, kind: LockKind) -> io::Result<Self> {
        let operation = match kind {
            LockKind::Shared => FlockOperation::LockShared,
            LockKind::Exclusive => FlockOperation::LockExclusive,
        };
        loop {
            if let Some(lock) = Self::acquire(locks, key, operation)? {
                return Ok(lock);
            }
        }
    }

    /// Takes an exclusive lock that nobody holds any part of; `None` when somebody does.
    pub(super) fn try_exclusive(locks: &Dir, key: &str) -> io::Result<Option<Self>> {
        loop {
            match Self::acquire(locks, key, FlockOperation::NonBlockingLockExclusive) {
                Ok(Some(lock)) => return Ok(Some(lock)),
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// Marks the lock's file as used now, which is what collection orders by.
    pub(super) fn touch(&self) -> io::Result<()> {
        self.file.set_modified(std::time::SystemTime::now())
    }

    /// Removes the lock's file. Whoever waits for the lock finds a file that is gone, and starts over.
    pub(super) fn remove(self, locks: &Dir, key: &str) -> io::Result<()> {
        locks.remove_file(key)
    }

    /// `None` when the file was removed between opening and locking it.
    fn acquire(locks: &Dir, key: &str, operation: FlockOperation) -> io::Result<Option<Self>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).mode(0o600).custom_flags(OFlags::NOFOLLOW.bits() as i32);
        let file = locks.open_with(key, &options)?.into_std();
        loop {
            match rustix::fs::flock(&file, operation) {
                Err(rustix::io::Errno::INTR) => {}
                locked => break locked?,
            }
        }
        match locks.symlink_metadata(key) {
            Ok(metadata) if MetadataExt::ino(&metadata) == file.metadata()?.ino() => Ok(Some(Self { file })),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
