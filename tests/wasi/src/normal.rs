//! What no program may rely on is taken out of what a call wrote, so that the rest can be compared.
//!
//! Numbers of descriptors (ours are the lowest that are free, theirs those that were free last), of inodes and devices; the order and the
//! cookies of directories' entries; times that were not set, and those of the last access; sizes and numbers of names of directories;
//! the rights of a descriptor, but for reading and writing files; how much can be read or written without waiting; clocks; random bytes.

use crate::guest::Outcome;
use crate::run::Lowered;
use crate::step::{Argument, Call};

/// Bytes of `filestat`, `event` and the head of `dirent`.
pub(crate) const FILESTAT: u32 = 64;
pub(crate) const EVENT: u32 = 32;
const DIRENT: usize = 24;

/// The flag of `path_open` for directories only.
pub(crate) const DIRECTORY_FLAG: u64 = 2;

/// Types of files.
pub(crate) const DIRECTORY: u8 = 3;
pub(crate) const REGULAR_FILE: u8 = 4;
pub(crate) const SYMBOLIC_LINK: u8 = 7;

/// Times from 2001 on were not set by a sequence, in nanoseconds since 1970.
const NOW: u64 = 1_000_000_000_000_000_000;

/// Rights to read and to write.
const READ_WRITE: u64 = 1 << 1 | 1 << 6;

/// Attributes of a file.
#[derive(Clone, Debug)]
pub(crate) struct Filestat {
    pub inode: u64,
    pub kind: u8,
    pub names: u64,
    pub size: u64,
    pub accessed: u64,
    pub modified: u64,
}

impl Filestat {
    pub fn read(bytes: &[u8]) -> Self {
        let number = |at: usize| bytes[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        Filestat {
            inode: number(8),
            kind: bytes[16],
            names: number(24),
            size: number(32),
            accessed: number(40),
            modified: number(48),
        }
    }
}

/// An entry of a directory.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub name: Vec<u8>,
    pub kind: u8,
}

/// The whole entries in a buffer, and the cookie of the last one.
pub(crate) fn entries(mut buffer: &[u8]) -> (Vec<Entry>, Option<u64>) {
    let (mut entries, mut next) = (Vec::new(), None);
    while let Some((head, rest)) = buffer.split_first_chunk::<DIRENT>() {
        let length = u32::from_le_bytes([head[16], head[17], head[18], head[19]]) as usize;
        let Some(name) = rest.get(..length) else { break };
        entries.push(Entry { name: name.to_vec(), kind: head[20] });
        next = head.first_chunk().map(|cookie| u64::from_le_bytes(*cookie));
        buffer = &rest[length..];
    }
    (entries, next)
}

/// Takes what no program may rely on out of memory.
pub(crate) fn forget(call: &Call, lowered: &Lowered, outcome: &Outcome, memory: &mut [u8]) {
    for (argument, &(address, length)) in call.arguments.iter().zip(&lowered.places) {
        if let Argument::Subscriptions(subscriptions) = argument {
            // Numbers of descriptors.
            let records = length as usize - subscriptions.len() * EVENT as usize;
            memory[address as usize..address as usize + records].fill(0);
        }
    }
    if !outcome.succeeded() {
        return;
    }
    let place = |index: usize| {
        let (address, length) = lowered.places[index];
        address as usize..(address + length) as usize
    };
    let last = lowered.places.len().saturating_sub(1);
    match call.function {
        "path_open" | "clock_time_get" => memory[place(last)].fill(0),
        "random_get" => memory[place(0)].fill(0),
        "fd_filestat_get" | "path_filestat_get" => forget_filestat(&mut memory[place(last)]),
        "fd_fdstat_get" => forget_rights(&mut memory[place(last)]),
        "poll_oneoff" => {
            let records = lowered.places[0].1 as usize * 48 / (48 + EVENT as usize);
            for event in memory[place(0)][records..].chunks_exact_mut(EVENT as usize) {
                event[16..24].fill(0);
            }
        }
        "fd_readdir" => {
            let used = memory[place(last)].first_chunk().map_or(0, |used| u32::from_le_bytes(*used));
            forget_order(&mut memory[place(1)], used as usize);
        }
        _ => {}
    }
}

fn forget_filestat(bytes: &mut [u8]) {
    let stat = Filestat::read(bytes);
    // Device and inode.
    bytes[..16].fill(0);
    if stat.kind == DIRECTORY {
        // Names and size.
        bytes[24..40].fill(0);
    }
    bytes[40..48].fill(0);
    if stat.modified > NOW {
        bytes[48..56].fill(0);
    }
    bytes[56..64].fill(0);
}

fn forget_rights(bytes: &mut [u8]) {
    let rights = bytes[8..].first_chunk().map_or(0, |rights| u64::from_le_bytes(*rights));
    let kept = if bytes[0] == REGULAR_FILE { rights & READ_WRITE } else { 0 };
    bytes[8..16].copy_from_slice(&kept.to_le_bytes());
    bytes[16..24].fill(0);
}

/// Entries by name; none when the buffer was too small for all, since it depends on their order which they are.
fn forget_order(buffer: &mut [u8], used: usize) {
    let complete = used < buffer.len();
    let (mut found, _) = entries(&buffer[..used.min(buffer.len())]);
    buffer.fill(0);
    if !complete {
        return;
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    let mut at = 0;
    for entry in found {
        buffer[at] = entry.kind;
        buffer[at + 1..at + 1 + entry.name.len()].copy_from_slice(&entry.name);
        at += 2 + entry.name.len();
    }
}
