//! A tenant's share of the processors.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// The weight at which virtual time passes as fast as processor time.
const USUAL_WEIGHT: u128 = 100;

/// Who has the share, in every scheduler of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShareId(u64);

/// A weight, and a name for it that no other share has. The weight may change at any time and counts from the next turn on.
#[derive(Debug)]
pub struct Share {
    id: ShareId,
    weight: AtomicU32,
}

/// From 1 to 10,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weight(u32);

impl Share {
    /// A share that nobody else has.
    pub fn new(weight: u32) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self { id: ShareId(NEXT.fetch_add(1, Ordering::Relaxed)), weight: AtomicU32::new(Weight::new(weight).0) }
    }

    /// Its name.
    #[inline]
    pub fn id(&self) -> ShareId {
        self.id
    }

    /// Its weight now.
    #[inline]
    pub fn weight(&self) -> Weight {
        Weight(self.weight.load(Ordering::Relaxed))
    }

    /// Gives it another weight.
    pub fn set_weight(&self, weight: u32) {
        self.weight.store(Weight::new(weight).0, Ordering::Relaxed);
    }
}

impl Weight {
    /// The nearest weight that there is.
    pub fn new(weight: u32) -> Self {
        Self(weight.clamp(1, 10_000))
    }

    /// Virtual time of so much processor time, both in nanoseconds. It cannot overflow: 2^64 ns are 584 years.
    #[inline]
    pub fn virtually(self, nanos: u64) -> u128 {
        // Dividing 128 bits takes longer than the rest of a turn's end.
        if u128::from(self.0) == USUAL_WEIGHT {
            return u128::from(nanos);
        }
        u128::from(nanos) * USUAL_WEIGHT / u128::from(self.0)
    }

    /// The number.
    #[inline]
    pub fn get(self) -> u32 {
        self.0
    }
}
