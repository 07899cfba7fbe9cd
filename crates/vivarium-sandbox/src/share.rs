//! A tenant's share of the processors: its weight, and the time it has had in proportion to that.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The weight at which virtual time passes as fast as processor time.
const USUAL_WEIGHT: u64 = 100;

/// Only the [scheduler](crate::scheduler) changes it, under its lock: the operations need not be atomic together.
#[derive(Debug)]
pub(crate) struct Share {
    weight: u64,
    /// Processor time in nanoseconds, times the usual weight over the tenant's.
    virtual_time: AtomicU64,
}

impl Share {
    pub(crate) fn new(weight: u32) -> Self {
        Self { weight: u64::from(weight.clamp(1, 10_000)), virtual_time: AtomicU64::new(0) }
    }

    pub(crate) fn virtual_time(&self) -> u64 {
        self.virtual_time.load(Ordering::Relaxed)
    }

    /// What the virtual time will be when `turns` of this length have ended.
    pub(crate) fn after(&self, turns: usize, length: Duration) -> u64 {
        self.virtual_time().saturating_add(self.virtually(length).saturating_mul(turns as u64))
    }

    pub(crate) fn charge(&self, used: Duration) {
        self.virtual_time.store(self.after(1, used), Ordering::Relaxed);
    }

    /// Brings a tenant that comes back from a pause up to the others.
    pub(crate) fn start_at(&self, floor: u64) {
        self.virtual_time.fetch_max(floor, Ordering::Relaxed);
    }

    fn virtually(&self, time: Duration) -> u64 {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        nanos.saturating_mul(USUAL_WEIGHT) / self.weight
    }
}
