//! How often something took how long.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Buckets with an upper bound. The last one has none.
const BOUNDED: usize = 12;

/// Counts of durations in buckets whose bounds are 16 µs times powers of four, up to 67 s: from a short call to a long deadline, and a
/// bucket is found without a search.
#[derive(Debug, Default)]
pub struct Histogram {
    counts: [AtomicU64; BOUNDED + 1],
    nanos: AtomicU64,
}

/// The values of a [`Histogram`] at one moment, or the sum of several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Durations {
    counts: [u64; BOUNDED + 1],
    sum: Duration,
}

impl Histogram {
    /// One took so long.
    #[inline]
    pub fn record(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket(nanos)].fetch_add(1, Ordering::Relaxed);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// The counts now.
    pub fn durations(&self) -> Durations {
        let counts = std::array::from_fn(|index| self.counts[index].load(Ordering::Relaxed));
        Durations { counts, sum: Duration::from_nanos(self.nanos.load(Ordering::Relaxed)) }
    }
}

impl Durations {
    /// Adds those of another histogram.
    pub fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// Upper bounds in seconds, each with how many took at most as long.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        let counts = self.counts;
        (0..BOUNDED).scan(0, move |total, index| {
            *total += counts[index];
            Some((bound(index).as_secs_f64(), *total))
        })
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How long all took together.
    pub fn sum(&self) -> Duration {
        self.sum
    }
}

/// The bucket of a duration.
#[inline]
fn bucket(nanos: u64) -> usize {
    // 0 up to the first bound, 1 to 3 up to the second, 4 to 15 up to the third, and so on: half of the bits.
    let sixteenths = nanos.div_ceil(1000).saturating_sub(1) / 16;
    let bits = (u64::BITS - sixteenths.leading_zeros()) as usize;
    bits.div_ceil(2).min(BOUNDED)
}

fn bound(index: usize) -> Duration {
    Duration::from_micros(16 << (2 * index))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_the_last_of_its_bucket() {
        for index in 0..BOUNDED {
            let bound = bound(index).as_nanos() as u64;
            assert_eq!((bucket(bound), bucket(bound + 1)), (index, index + 1));
        }
        assert_eq!((bucket(0), bucket(1), bucket(u64::MAX)), (0, 0, BOUNDED));
    }

    #[test]
    fn all_are_counted_and_sums_add_up() {
        let histogram = Histogram::default();
        for micros in [1, 16, 17, 1000, 100_000_000] {
            histogram.record(Duration::from_micros(micros));
        }
        let mut durations = histogram.durations();
        assert_eq!((durations.count(), durations.sum()), (5, Duration::from_micros(100_001_034)));
        let cumulative: Vec<_> = durations.cumulative().collect();
        assert_eq!((cumulative[0], cumulative[1], cumulative[3]), ((0.000_016, 2), (0.000_064, 3), (0.001_024, 4)));
        assert_eq!(cumulative[BOUNDED - 1], (67.108_864, 4));
        durations.add(&histogram.durations());
        assert_eq!((durations.count(), durations.sum()), (10, Duration::from_micros(200_002_068)));
    }
}
