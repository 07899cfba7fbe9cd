//! Samples of times, and ratios of samples that were taken in turns.

use serde::{Deserialize, Serialize};

/// Resamples of a bootstrap. The ends of a 95 % interval move by less than a hundredth of its width beyond this.
const RESAMPLES: usize = 2_000;

/// What an interval may be wide, as a part of the ratio, before a ratio is called noisy.
pub const NOISY: f64 = 0.10;

/// Fewer rounds have no spread to speak of.
const FEWEST_ROUNDS: usize = 3;

/// Samples of one quantity, in the order in which they were taken.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Samples(pub Vec<f64>);

impl Samples {
    /// The value below which `part` of the samples lie; NaN without samples.
    pub fn quantile(&self, part: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        quantile(&sorted, part)
    }

    /// The median.
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// The quartiles around the median.
    pub fn quartiles(&self) -> (f64, f64) {
        (self.quantile(0.25), self.quantile(0.75))
    }

    /// Each sample changed by `change`.
    pub fn map(&self, change: impl Fn(f64) -> f64) -> Self {
        Self(self.0.iter().copied().map(change).collect())
    }
}

fn quantile(sorted: &[f64], part: f64) -> f64 {
    let place = (sorted.len().saturating_sub(1)) as f64 * part;
    let (Some(low), Some(high)) = (sorted.get(place.floor() as usize), sorted.get(place.ceil() as usize)) else {
        return f64::NAN;
    };
    low + (high - low) * place.fract()
}

/// How much one side takes of what the other takes: the median of the rounds' ratios, with what it would be in 95 of 100 repetitions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// Median of the rounds' own ratios: what disturbs the machine for longer than a round hits both sides of each.
    pub median: f64,
    /// Lower end of the 95 % confidence interval.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// Rounds it comes from.
    pub rounds: usize,
}

impl Ratio {
    /// The ratio of two sides that took turns; `None` without a round.
    pub fn of(ours: &Samples, theirs: &Samples) -> Option<Self> {
        let rounds: Vec<f64> = ours.0.iter().zip(&theirs.0).map(|(ours, theirs)| ours / theirs).collect();
        if rounds.is_empty() || rounds.iter().any(|ratio| !ratio.is_finite()) {
            return None;
        }
        let mut medians: Vec<f64> = Vec::with_capacity(RESAMPLES);
        let mut random = Random(0x9E37_79B9_7F4A_7C15);
        let mut resample = vec![0.0; rounds.len()];
        for _ in 0..RESAMPLES {
            for value in &mut resample {
                *value = rounds[random.below(rounds.len())];
            }
            resample.sort_by(f64::total_cmp);
            medians.push(quantile(&resample, 0.5));
        }
        medians.sort_by(f64::total_cmp);
        let (low, high) = (quantile(&medians, 0.025), quantile(&medians, 0.975));
        Some(Self { low, high, rounds: rounds.len(), median: Samples(rounds).median() })
    }

    /// Whether the ratio says little: its interval is wider than a tenth of it, or there are too few rounds to tell.
    pub fn is_noisy(&self) -> bool {
        self.rounds < FEWEST_ROUNDS || self.high - self.low > NOISY * self.median
    }

    /// The ratio with its interval, and a warning when it is noisy.
    pub fn show(&self) -> String {
        let digits = match self.median {
            ..0.1 => 3,
            ..10.0 => 2,
            _ => 1,
        };
        let Self { median, low, high, .. } = self;
        let noisy = if self.is_noisy() { " noisy" } else { "" };
        format!("{median:.digits$}x ({low:.digits$}–{high:.digits$}){noisy}")
    }
}

/// Marsaglia's xorshift64*: a resampling is the same for the same samples.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound
    }
}

/// A number with three significant digits and a unit's prefix, such as `1.06 µ` of seconds.
pub fn significant(value: f64) -> String {
    let digits = match value.abs() {
        magnitude if magnitude >= 100.0 => 0,
        magnitude if magnitude >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.digits$}")
}

/// Seconds in the unit that a person would choose.
pub fn show_time(seconds: f64) -> String {
    let units = [(1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")];
    let (unit, name) = units.into_iter().find(|(unit, _)| seconds.abs() >= *unit).unwrap_or((1e-9, "ns"));
    format!("{} {name}", significant(seconds / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_ratio_is_not_noisy_and_a_wild_one_is() {
        let native = Samples((0..15).map(|round| 1.0 + 0.001 * f64::from(round)).collect());
        let steady = Ratio::of(&native.map(|time| time * 2.0), &native).unwrap();
        assert!((steady.median - 2.0).abs() < 1e-9 && steady.low <= 2.0 && steady.high >= 2.0);
        assert!(!steady.is_noisy(), "{}", steady.show());
        let wild = Samples((0..15).map(|round| if round % 2 == 0 { 1.0 } else { 3.0 }).collect());
        let wild = Ratio::of(&wild, &native).unwrap();
        assert!(wild.is_noisy() && wild.show().ends_with("noisy"), "{}", wild.show());
        let once = Ratio::of(&Samples(vec![2.0]), &Samples(vec![1.0])).unwrap();
        assert!(once.is_noisy(), "{}", once.show());
    }

    #[test]
    fn the_interval_contains_the_median_and_shrinks_with_rounds() {
        let noise = |round: usize| 1.0 + ((round * 7919) % 17) as f64 / 100.0;
        let of = |rounds: usize| {
            let samples = Samples((0..rounds).map(noise).collect());
            Ratio::of(&samples, &Samples(vec![1.0; rounds])).unwrap()
        };
        let (few, many) = (of(5), of(101));
        for ratio in [few, many] {
            assert!(ratio.low <= ratio.median && ratio.median <= ratio.high);
        }
        assert!(many.high - many.low < few.high - few.low);
        assert!(Ratio::of(&Samples(vec![]), &Samples(vec![])).is_none());
        assert!(Ratio::of(&Samples(vec![1.0]), &Samples(vec![0.0])).is_none());
    }

    #[test]
    fn quantiles_interpolate() {
        let samples = Samples(vec![4.0, 1.0, 3.0, 2.0]);
        assert_eq!((samples.median(), samples.quartiles()), (2.5, (1.75, 3.25)));
        assert_eq!([show_time(1.5e-6), show_time(0.25), show_time(12.0)], ["1.50 µs", "250 ms", "12.0 s"]);
    }
}
