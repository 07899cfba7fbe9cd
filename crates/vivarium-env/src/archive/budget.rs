//! How much an archive may decompress to.

use crate::error::Refusal;
use crate::limits::MaterializeLimits;

/// Counts the bytes that come out of one archive against the size of its file.
#[derive(Debug)]
pub(super) struct Budget {
    left: u64,
    ratio: u64,
}

impl Budget {
    pub(super) fn new(archive_size: u64, limits: &MaterializeLimits) -> Self {
        let ratio = limits.compression_ratio;
        Self { left: archive_size.saturating_mul(ratio).max(limits.compression_ratio_floor), ratio }
    }

    pub(super) fn take(&mut self, bytes: u64) -> Result<(), Refusal> {
        self.left = self.left.checked_sub(bytes).ok_or(Refusal::CompressionRatio { limit: self.ratio })?;
        Ok(())
    }
}
