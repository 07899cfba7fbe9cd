//! What a scratch file system may hold, what it holds, and the total it shares with others.
//!
//! Everything that takes host memory is charged here before it is allocated and released when it is freed: pages,
//! inodes, names and the texts of links. Inodes and names are charged what they take at worst and pages their size,
//! which leaves out less than two percent, so that a quota in bytes is a quota on the host's memory whichever way the
//! guest fills it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::errno::{Errno, Result};
use super::pages::PAGE_BYTES;

/// Limits of one sandbox's `/tmp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScratchLimits {
    /// Bytes of host memory for everything: 4 KiB for each page written, 512 for each file or link, 1,024 for each
    /// directory, 192 and the length for each name, and the texts of symbolic links. Past it the guest sees `ENOSPC`.
    /// Default: 64 MiB.
    pub bytes: u64,
    /// Files, directories and symbolic links, unlinked ones that are still open included. Past it the guest sees
    /// `ENOSPC`. Default: 10,000.
    pub files: u64,
    /// Largest size of one file in bytes, holes included; past it the guest sees `EFBIG`. A hole costs no memory, so
    /// this only bounds the numbers a guest can make others see. Default: 1 GiB.
    pub file_bytes: u64,
}

impl Default for ScratchLimits {
    fn default() -> Self {
        ScratchLimits { bytes: 64 << 20, files: 10_000, file_bytes: 1 << 30 }
    }
}

/// What a scratch file system holds now and held at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScratchUsage {
    /// Bytes charged, as [`ScratchLimits::bytes`] counts them.
    pub bytes: u64,
    /// Files, directories and links, as [`ScratchLimits::files`] counts them.
    pub files: u64,
    /// The most bytes ever charged.
    pub peak_bytes: u64,
    /// The most files there ever were.
    pub peak_files: u64,
}

/// A total over several scratch file systems, for instance over all sandboxes of a tenant.
///
/// Each file system charges it besides its own limits and gives everything back when it is dropped.
#[derive(Debug)]
pub struct ScratchBudget {
    max_bytes: u64,
    max_files: u64,
    bytes: AtomicU64,
    files: AtomicU64,
}

impl ScratchBudget {
    /// A total of at most `max_bytes` bytes and `max_files` files, counted as [`ScratchLimits`] counts them.
    pub fn new(max_bytes: u64, max_files: u64) -> Self {
        ScratchBudget { max_bytes, max_files, bytes: AtomicU64::new(0), files: AtomicU64::new(0) }
    }

    /// Bytes charged now.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Files charged now.
    pub fn files(&self) -> u64 {
        self.files.load(Ordering::Relaxed)
    }
}

/// Takes as many of `wanted` units of `size` from `used` as stay under `max`, and returns how many.
///
/// Relaxed ordering is enough: the counter guards no other memory, and each update is atomic by itself.
fn take_units(used: &AtomicU64, max: u64, wanted: u64, size: u64) -> u64 {
    let mut granted = 0;
    let update = |now: u64| {
        granted = wanted.min(max.saturating_sub(now) / size);
        Some(now + granted * size)
    };
    // The closure never refuses, so neither does the update.
    let _ = used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update);
    granted
}

/// The books of one scratch file system.
#[derive(Debug)]
pub(super) struct Account {
    limits: ScratchLimits,
    usage: ScratchUsage,
    shared: Option<Arc<ScratchBudget>>,
}

impl Account {
    pub fn new(limits: ScratchLimits, shared: Option<Arc<ScratchBudget>>) -> Self {
        Account { limits, usage: ScratchUsage::default(), shared }
    }

    pub fn limits(&self) -> &ScratchLimits {
        &self.limits
    }

    pub fn usage(&self) -> ScratchUsage {
        self.usage
    }

    /// Charges `bytes`, or nothing and `ENOSPC`.
    pub fn charge_bytes(&mut self, bytes: u64) -> Result<()> {
        if bytes == 0 || self.charge_units(1, bytes) == 1 { Ok(()) } else { Err(Errno::Nospc) }
    }

    /// Lets what was charged `from` bytes be charged `to` bytes, or changes nothing and is `ENOSPC`.
    pub fn exchange_bytes(&mut self, from: u64, to: u64) -> Result<()> {
        self.charge_bytes(to.saturating_sub(from))?;
        self.release_bytes(from.saturating_sub(to));
        Ok(())
    }

    /// Charges as many of `wanted` pages as there is room for, and returns how many.
    pub fn charge_pages(&mut self, wanted: u64) -> u64 {
        self.charge_units(wanted, PAGE_BYTES as u64)
    }

    /// Charges one file, or nothing and `ENOSPC`.
    pub fn charge_file(&mut self) -> Result<()> {
        if self.usage.files >= self.limits.files {
            return Err(Errno::Nospc);
        }
        if let Some(shared) = &self.shared
            && take_units(&shared.files, shared.max_files, 1, 1) == 0
        {
            return Err(Errno::Nospc);
        }
        self.usage.files += 1;
        self.usage.peak_files = self.usage.peak_files.max(self.usage.files);
        Ok(())
    }

    pub fn release_bytes(&mut self, bytes: u64) {
        self.usage.bytes -= bytes;
        if let Some(shared) = &self.shared {
            shared.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    pub fn release_pages(&mut self, pages: u64) {
        self.release_bytes(pages * PAGE_BYTES as u64);
    }

    pub fn release_file(&mut self) {
        self.usage.files -= 1;
        if let Some(shared) = &self.shared {
            shared.files.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn charge_units(&mut self, wanted: u64, size: u64) -> u64 {
        let mut granted = wanted.min(self.limits.bytes.saturating_sub(self.usage.bytes) / size);
        if let Some(shared) = &self.shared {
            granted = take_units(&shared.bytes, shared.max_bytes, granted, size);
        }
        self.usage.bytes += granted * size;
        self.usage.peak_bytes = self.usage.peak_bytes.max(self.usage.bytes);
        granted
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        if let Some(shared) = &self.shared {
            shared.bytes.fetch_sub(self.usage.bytes, Ordering::Relaxed);
            shared.files.fetch_sub(self.usage.files, Ordering::Relaxed);
        }
    }
}
