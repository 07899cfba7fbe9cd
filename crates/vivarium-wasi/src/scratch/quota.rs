//! What a scratch file system may hold, what it holds, and the total it shares with others.
//!
//! Everything that takes host memory is charged here before it is allocated and released when it is freed: pages,
//! inodes, names and the texts of links. Inodes and names are charged what they take at worst and pages their size,
//! which leaves out less than two percent, so that a quota in bytes is a quota on the host's memory whichever way the
//! guest fills it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use vivarium_tenancy::Account;
use vivarium_tenancy::quantity::serde_size;

use super::pages::PAGE_BYTES;
use crate::errno::{Errno, Result};

/// Limits of one sandbox's `/tmp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ScratchLimits {
    /// Bytes of host memory for everything: 4 KiB for each page written, 512 for each file or link, 1,024 for each
    /// directory, 192 and the length for each name, and the texts of symbolic links. Past it the guest sees `ENOSPC`.
    /// Default: 64 MiB.
    #[serde(with = "serde_size")]
    pub bytes: u64,
    /// Files, directories and symbolic links, unlinked ones that are still open included. Past it the guest sees
    /// `ENOSPC`. Default: 10,000.
    pub files: u64,
    /// Largest size of one file in bytes, holes included; past it the guest sees `EFBIG`. A hole costs no memory, so
    /// this only bounds the numbers a guest can make others see. Default: 1 GiB.
    #[serde(with = "serde_size")]
    pub file_bytes: u64,
}

impl Default for ScratchLimits {
    fn default() -> Self {
        ScratchLimits { bytes: 64 << 20, files: 10_000, file_bytes: 1 << 30 }
    }
}

vivarium_tenancy::__setters!(ScratchLimits {
    with_bytes: bytes: u64,
    with_files: files: u64,
    with_file_bytes: file_bytes: u64,
});

/// What a scratch file system holds now and held at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
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

/// Accounts of bytes and files that several scratch file systems charge besides their own limits. Each gives everything back when it is
/// dropped.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedAccounts {
    pub bytes: Option<Arc<Account>>,
    pub files: Option<Arc<Account>>,
}

/// The books of one scratch file system.
#[derive(Debug)]
pub(super) struct Quota {
    limits: ScratchLimits,
    usage: ScratchUsage,
    shared: SharedAccounts,
}

impl Quota {
    pub fn new(limits: ScratchLimits, shared: SharedAccounts) -> Self {
        Quota { limits, usage: ScratchUsage::default(), shared }
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
        if self.shared.files.as_ref().is_some_and(|files| !files.try_charge(1)) {
            return Err(Errno::Nospc);
        }
        self.usage.files += 1;
        self.usage.peak_files = self.usage.peak_files.max(self.usage.files);
        Ok(())
    }

    pub fn release_bytes(&mut self, bytes: u64) {
        self.usage.bytes -= bytes;
        if let Some(shared) = &self.shared.bytes {
            shared.release(bytes);
        }
    }

    pub fn release_pages(&mut self, pages: u64) {
        self.release_bytes(pages * PAGE_BYTES as u64);
    }

    pub fn release_file(&mut self) {
        self.usage.files -= 1;
        if let Some(shared) = &self.shared.files {
            shared.release(1);
        }
    }

    fn charge_units(&mut self, wanted: u64, size: u64) -> u64 {
        let mut granted = wanted.min(self.limits.bytes.saturating_sub(self.usage.bytes) / size);
        if let Some(shared) = &self.shared.bytes {
            granted = shared.charge_up_to(granted, size);
        }
        self.usage.bytes += granted * size;
        self.usage.peak_bytes = self.usage.peak_bytes.max(self.usage.bytes);
        granted
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        if let Some(shared) = &self.shared.bytes {
            shared.release(self.usage.bytes);
        }
        if let Some(shared) = &self.shared.files {
            shared.release(self.usage.files);
        }
    }
}
