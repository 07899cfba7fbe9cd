//! A job's directory while it runs: `<temporary directory>/python-dist-<uuid>`, as Flink names it.
//!
//! Beside the directory lies `.python-dist-<uuid>.lock`, on which its owner holds a lock. A process that dies loses the
//! lock, so the next one to make a directory there finds the leftovers and removes them.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt, MetadataExt, OpenOptions, OpenOptionsExt};
use rustix::fs::{FlockOperation, OFlags};
use vivarium_text::OneLine;

use crate::error::EnvironmentError;
use crate::tree::{open_directory, remove_tree};

const PREFIX: &str = "python-dist-";
/// Flink's number of attempts at a unique name.
const ATTEMPTS: usize = 10;
const REMOVAL_ATTEMPTS: usize = 5;

/// A directory that is removed when this value is dropped or closed.
#[derive(Debug)]
pub(crate) struct BaseDirectory {
    parent: Dir,
    name: String,
    directory: Dir,
    path: PathBuf,
    /// Held for as long as the directory is in use; `None` once it was removed.
    lock: Option<File>,
}

impl BaseDirectory {
    /// Makes a new directory, readable by this user only, in one of `temporary`.
    pub(crate) fn create(temporary: &[PathBuf]) -> Result<Self, EnvironmentError> {
        let mut last = None;
        for _ in 0..if temporary.is_empty() { 0 } else { ATTEMPTS } {
            match random_bytes().and_then(|random| {
                let parent = &temporary[random[0] as usize % temporary.len()];
                Self::try_create(parent, &uuid(random))
            }) {
                Ok(directory) => return Ok(directory),
                Err(error) => last = Some(error),
            }
        }
        let directories: Vec<String> = temporary.iter().map(|path| path.display().to_string()).collect();
        Err(EnvironmentError::NoUniqueDirectory { directories: directories.join(", "), source: last })
    }

    pub(crate) fn directory(&self) -> &Dir {
        &self.directory
    }

    /// The directory's absolute path on the host.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn try_create(temporary: &Path, uuid: &str) -> io::Result<Self> {
        let temporary = std::path::absolute(temporary)?;
        std::fs::create_dir_all(&temporary)?;
        let parent = Dir::open_ambient_dir(&temporary, ambient_authority())?;
        sweep(&parent);

        let name = format!("{PREFIX}{uuid}");
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let lock = parent.open_with(lock_name(&name), &options)?.into_std();
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        // Somebody's sweep may have taken the lock file for a leftover before it was locked.
        if parent.symlink_metadata(lock_name(&name))?.ino() != std::os::unix::fs::MetadataExt::ino(&lock.metadata()?) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let mut builder = DirBuilder::new();
        builder.mode(0o700);
        if let Err(error) = parent.create_dir_with(&name, &builder) {
            let _ = parent.remove_file(lock_name(&name));
            return Err(error);
        }
        let directory = open_directory(&parent, &name)?;
        Ok(Self { path: temporary.join(&name), parent, name, directory, lock: Some(lock) })
    }

    fn remove(&mut self) {
        if self.lock.is_none() {
            return;
        }
        for attempt in 1..=REMOVAL_ATTEMPTS {
            match remove_tree(&self.parent, &self.name) {
                Ok(()) => break,
                Err(error) if attempt == REMOVAL_ATTEMPTS => {
                    tracing::warn!(directory = %OneLine(self.path.display()), error = %OneLine(&error), "the job's Python directory could not be removed");
                    return;
                }
                // A network file system keeps a file that is still open for a moment.
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        }
        let _ = self.parent.remove_file(lock_name(&self.name));
        self.lock = None;
    }
}

impl Drop for BaseDirectory {
    fn drop(&mut self) {
        self.remove();
    }
}

fn lock_name(name: &str) -> String {
    format!(".{name}.lock")
}

/// Removes directories whose owner is gone. Only this user's are looked at, and what cannot be removed stays.
fn sweep(parent: &Dir) {
    let Ok(entries) = parent.entries() else { return };
    for entry in entries.flatten() {
        let Ok(file) = entry.file_name().into_string() else { continue };
        let Some(name) = file.strip_prefix('.').and_then(|name| name.strip_suffix(".lock")) else { continue };
        let is_ours = name
            .strip_prefix(PREFIX)
            .is_some_and(|uuid| uuid.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-'));
        if !is_ours {
            continue;
        }
        if let Err(error) = sweep_one(parent, &file, name) {
            tracing::debug!(directory = name, error = %OneLine(&error), "a Python directory of a process that is gone could not be removed");
        }
    }
}

fn sweep_one(parent: &Dir, lock_name: &str, name: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32);
    let lock = parent.open_with(lock_name, &options)?;
    if lock.metadata()?.uid() != rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::WOULDBLOCK) => return Ok(()),
        locked => locked?,
    }
    remove_tree(parent, name)?;
    parent.remove_file(lock_name)
}

fn random_bytes() -> io::Result<[u8; 16]> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(random)
}

/// Formats random bytes as a version 4 UUID (RFC 9562).
fn uuid(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = crate::distributed::hex(&bytes);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
