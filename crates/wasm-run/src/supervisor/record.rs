//! What the child writes down for the process that waits for it, in a file without a name that both have open.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

use rustix::fs::MemfdFlags;
use vivarium::ErrorClass;

/// Where in the record things are.
const DOING: u64 = 0;
pub(super) const MEMORY: u64 = 8;
const INTERRUPTS: u64 = 16;
const NAME: u64 = 24;
/// How much of a name is kept.
const NAME_BYTES: usize = 1000;

/// What the child is working on, which decides whose fault its end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// Nothing untrusted yet.
    Starting,
    /// A data file.
    Reading,
    /// A statement.
    Querying,
}

impl Doing {
    /// The class of a failure that ends the child.
    pub fn class(self) -> ErrorClass {
        match self {
            Self::Starting => ErrorClass::Internal,
            Self::Reading => ErrorClass::Input,
            Self::Querying => ErrorClass::Usage,
        }
    }
}

/// The record.
pub(super) struct Record(File);

/// The child's end of it.
static INSTALLED: OnceLock<File> = OnceLock::new();
/// The same as a number, for the allocator. -1: none.
pub(super) static DESCRIPTOR: AtomicI32 = AtomicI32::new(-1);
static HANDLED: AtomicU64 = AtomicU64::new(0);

impl Record {
    pub fn new() -> io::Result<Self> {
        let file = File::from(rustix::fs::memfd_create("supervisor", MemfdFlags::CLOEXEC)?);
        file.set_len(NAME + 4 + NAME_BYTES as u64)?;
        Ok(Self(file))
    }

    /// Makes this process the one that writes.
    pub fn install(&self) {
        if let Ok(file) = self.0.try_clone() {
            DESCRIPTOR.store(file.as_raw_fd(), Ordering::SeqCst);
            // There is one child in this process's life.
            let _ = INSTALLED.set(file);
        }
    }

    /// Forgets what a former child wrote.
    pub fn clear(&self) {
        let _ = self.0.write_all_at(&[0; NAME as usize + 4], 0); // a record that cannot be written is one that says nothing
    }

    /// What the child was doing, and to what.
    pub fn doing(&self) -> (Doing, String) {
        let doing = match self.number(DOING) {
            1 => Doing::Reading,
            2 => Doing::Querying,
            _ => Doing::Starting,
        };
        let mut name = [0; NAME_BYTES + 4];
        if self.0.read_exact_at(&mut name, NAME).is_err() {
            return (doing, String::new());
        }
        let (length, text) = name.split_at(4);
        let length = u32::from_le_bytes(length.try_into().unwrap_or_default()) as usize;
        (doing, String::from_utf8_lossy(text.get(..length).unwrap_or_default()).into_owned())
    }

    /// The limit of its memory that the child passed; 0 when it did not.
    pub fn memory_limit(&self) -> u64 {
        self.number(MEMORY)
    }

    /// How many interrupts the child has acted on.
    pub fn interrupts_handled(&self) -> u64 {
        self.number(INTERRUPTS)
    }

    fn number(&self, place: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.read_exact_at(&mut bytes, place).map_or(0, |()| u64::from_le_bytes(bytes))
    }
}

/// Writes down what this process does now, and to which file or statement.
pub fn doing(doing: Doing, name: &str) {
    let Some(file) = INSTALLED.get() else { return };
    let number: u64 = match doing {
        Doing::Starting => 0,
        Doing::Reading => 1,
        Doing::Querying => 2,
    };
    let name = vivarium_text::line(name, NAME_BYTES / 4);
    let name = &name.as_bytes()[..name.len().min(NAME_BYTES)];
    let mut bytes = (name.len() as u32).to_le_bytes().to_vec();
    bytes.extend_from_slice(name);
    // A record that cannot be written costs a better message.
    let _ = file.write_all_at(&number.to_le_bytes(), DOING).and_then(|()| file.write_all_at(&bytes, NAME));
}

/// Tells that an interrupt was acted on, so that the session need not be ended.
pub fn interrupt_handled() {
    let handled = HANDLED.fetch_add(1, Ordering::SeqCst) + 1;
    if let Some(file) = INSTALLED.get() {
        let _ = file.write_all_at(&handled.to_le_bytes(), INTERRUPTS); // then the session ends, as it would have anyway
    }
}
