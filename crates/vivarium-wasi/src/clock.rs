//! What time it is for the guest.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where the guest's clocks come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clock {
    /// The host's clocks. The monotonic clock starts when the context is made.
    #[default]
    System,
    /// All clocks stand still at this instant, in nanoseconds since 1970, and files of the environment say they were
    /// made then. Sleeping moves the clocks by the time slept and takes none. For snapshots that must be the same in
    /// every run.
    Fixed(u64),
}

/// What the monotonic clock shows at first, in nanoseconds: not 0, which programs take for "never".
const MONOTONIC_START: u64 = 1_000_000_000;

/// The running clocks of one context.
#[derive(Debug)]
pub(crate) struct Clocks {
    source: Clock,
    /// When this context was made.
    started: Instant,
    /// How long the guest slept under a fixed clock, in nanoseconds.
    slept: u64,
}

impl Clocks {
    pub fn new(source: Clock) -> Self {
        // Reading the clock is no system call on any host we run on.
        Clocks { source, started: Instant::now(), slept: 0 }
    }

    /// Nanoseconds since 1970.
    pub fn realtime(&self) -> u64 {
        match self.source {
            Clock::System => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, nanoseconds),
            Clock::Fixed(instant) => instant.saturating_add(self.slept),
        }
    }

    /// Nanoseconds that only grow.
    pub fn monotonic(&self) -> u64 {
        let elapsed = match self.source {
            Clock::System => nanoseconds(self.started.elapsed()),
            Clock::Fixed(_) => self.slept,
        };
        MONOTONIC_START.saturating_add(elapsed)
    }

    /// What to show as a time of a file that the host says is of `actual`.
    pub fn file_time(&self, actual: u64) -> u64 {
        match self.source {
            Clock::System => actual,
            Clock::Fixed(instant) => instant,
        }
    }

    /// Under a fixed clock, lets the time pass at once and returns true.
    pub fn skip(&mut self, time: Duration) -> bool {
        match self.source {
            Clock::System => false,
            Clock::Fixed(_) => {
                self.slept = self.slept.saturating_add(nanoseconds(time));
                true
            }
        }
    }
}

/// A duration in nanoseconds; `u64` holds 584 years of them.
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
