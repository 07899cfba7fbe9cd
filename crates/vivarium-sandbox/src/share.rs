//! A tenant's share of the processors.

use std::sync::atomic::{AtomicU64, Ordering};

/// The weight at which virtual time passes as fast as processor time.
const USUAL_WEIGHT: u128 = 100;

/// Who has the share, in every scheduler of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ShareId(u64);

/// A weight, and a name for it that no other share has.
#[derive(Debug)]
pub(crate) struct Share {
    id: ShareId,
    weight: Weight,
}

/// From 1 to 10,000.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weight(u32);

impl Share {
    pub(crate) fn new(weight: u32) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self { id: ShareId(NEXT.fetch_add(1, Ordering::Relaxed)), weight: Weight(weight.clamp(1, 10_000)) }
    }

    pub(crate) fn id(&self) -> ShareId {
        self.id
    }

    pub(crate) fn weight(&self) -> Weight {
        self.weight
    }
}

impl Weight {
    /// Virtual time of so much processor time, both in nanoseconds. It cannot overflow: 2^64 ns are 584 years.
    pub(crate) fn virtually(self, nanos: u64) -> u128 {
        u128::from(nanos) * USUAL_WEIGHT / u128::from(self.0)
    }

    pub(crate) fn get(self) -> u32 {
        self.0
    }
}
