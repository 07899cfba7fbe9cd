//! What of the host an attack could change, and whether it did.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Variables, working directory, files of a canary directory, open files.
#[derive(Debug)]
pub struct HostState {
    variables: BTreeMap<OsString, OsString>,
    directory: PathBuf,
    canaries: BTreeMap<PathBuf, Vec<u8>>,
    /// What the process's descriptors are.
    files: BTreeSet<PathBuf>,
}

impl HostState {
    /// The state now; `canaries` is the directory whose files are compared.
    pub fn now(canaries: &Path) -> Self {
        Self {
            variables: std::env::vars_os().collect(),
            directory: std::env::current_dir().expect("a working directory"),
            canaries: contents(canaries),
            files: open_files(),
        }
    }

    /// What has changed since, if anything, while other cases run: what they have open is no change.
    ///
    /// They have files below `own`, memory images, one for each of their modules, and the pipes, pairs of sockets and processes
    /// that installing a package takes. What remains of these is found by [`HostState::left_open`].
    pub fn changed(&self, canaries: &Path, own: &Path) -> Result<(), String> {
        let now = Self::now(canaries);
        if now.variables != self.variables {
            return Err("environment variables of the host have changed".to_owned());
        }
        if now.directory != self.directory {
            return Err(format!("the working directory is now {}", now.directory.display()));
        }
        if now.canaries != self.canaries {
            return Err("files of the canary directory have changed".to_owned());
        }
        let foreign = |file: &&PathBuf| {
            let name = file.to_string_lossy();
            let of_processes = name.starts_with("pipe:") || name == "anon_inode:[pidfd]" || is_for_a_fork(file);
            !file.starts_with(own) && !is_memory(file) && !of_processes
        };
        match now.files.difference(&self.files).find(foreign) {
            Some(file) => Err(format!("the process has opened {}", file.display())),
            None => Ok(()),
        }
    }

    /// Files, pipes, sockets and processes that are open although no case runs any more.
    pub fn left_open(&self) -> Vec<PathBuf> {
        open_files().difference(&self.files).filter(|file| !is_memory(file)).cloned().collect()
    }

    /// How many descriptors there are.
    pub fn descriptors() -> usize {
        std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
    }
}

fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = std::fs::read_dir(directory).expect("the canary directory");
    entries
        .map(|entry| {
            let path = entry.expect("an entry of the canary directory").path();
            // A link is compared by where it leads.
            let content = match path.read_link() {
                Ok(target) => target.into_os_string().into_encoded_bytes(),
                Err(_) => std::fs::read(&path).expect("a canary"),
            };
            (path, content)
        })
        .collect()
}

fn open_files() -> BTreeSet<PathBuf> {
    let descriptors = std::fs::read_dir("/proc/self/fd").expect("/proc is mounted");
    // The descriptor of this listing itself is gone when it is read.
    descriptors
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter(|path| !is_listing(path))
        .collect()
}

/// A memory image, or the list of its pages that tells which of them are to be reset.
fn is_memory(path: &Path) -> bool {
    let name = path.to_string_lossy();
    name.starts_with("/memfd:") || name.contains("/pagemap")
}

/// One of the pair over which the standard library's `Command` hears of a child that cannot run its program: it lives while
/// the child starts, and is the only socket here that has no address and keeps the bounds of messages.
fn is_for_a_fork(file: &Path) -> bool {
    const SEQPACKET: &str = "0005";
    let name = file.to_string_lossy();
    let Some(inode) = name.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']')) else {
        return false;
    };
    let local = std::fs::read_to_string("/proc/self/net/unix").expect("/proc is mounted");
    // Number, references, protocol, flags, type, state, inode; then the address, if it has one.
    let is_pair = local
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .any(|fields| matches!(fields[..], [_, _, _, _, kind, _, of] if kind == SEQPACKET && of == inode));
    // Listed before, and closed by now.
    is_pair || !open_files().contains(file)
}

/// Another thread's listing, as this one makes it.
fn is_listing(path: &Path) -> bool {
    path.starts_with("/proc") && path.ends_with("fd")
}
