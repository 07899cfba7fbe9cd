//! A rate that many draw from.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::quantity::serde_size;

/// How fast something may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// Bytes per second in the long run.
    #[serde(with = "serde_size")]
    pub bytes_per_second: u64,
    /// Bytes that may come at once after a time of silence.
    #[serde(with = "serde_size")]
    pub burst_bytes: u64,
}

impl RateLimit {
    /// A rate of which a second's worth may come at once.
    pub fn per_second(bytes: u64) -> Self {
        Self { bytes_per_second: bytes, burst_bytes: bytes }
    }
}

/// A rate that many share. It may change at any time.
#[derive(Debug)]
pub struct RateAccount(Mutex<TokenBucket>);

impl RateAccount {
    /// A rate of which nothing is used; `None` is no limit.
    pub fn new(limit: Option<RateLimit>) -> Self {
        Self(Mutex::new(TokenBucket::new(limit)))
    }

    /// Changes the rate. What was saved up stays, as far as the new one lets it.
    pub fn set_limit(&self, limit: Option<RateLimit>) {
        self.bucket().set_limit(limit);
    }

    /// The bucket, which nobody else has meanwhile.
    pub fn bucket(&self) -> MutexGuard<'_, TokenBucket> {
        // The bucket is changed by plain arithmetic, so a panic elsewhere leaves it valid.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The classic limiter: a bucket of `burst_bytes` tokens, refilled at `bytes_per_second`, that starts full. Without a limit it is always full.
#[derive(Debug)]
pub struct TokenBucket {
    limit: Option<RateLimit>,
    /// Tokens in units of a billionth, so that short intervals are not rounded away.
    credit: u128,
    refilled: Option<Instant>,
}

impl TokenBucket {
    const TOKEN: u128 = 1_000_000_000;

    /// A full bucket.
    pub fn new(limit: Option<RateLimit>) -> Self {
        Self { limit, credit: Self::size(limit), refilled: None }
    }

    /// Tokens that can be had at the time `now`.
    pub fn available(&mut self, now: Instant) -> u64 {
        let Some(limit) = self.limit else { return u64::MAX };
        if let Some(refilled) = self.refilled.replace(now) {
            let elapsed = now.saturating_duration_since(refilled).as_nanos();
            let gained = elapsed.saturating_mul(u128::from(limit.bytes_per_second));
            self.credit = self.credit.saturating_add(gained).min(Self::size(self.limit));
        }
        // At most the size of the bucket, a u64.
        (self.credit / Self::TOKEN) as u64
    }

    /// Takes tokens that are [available](Self::available).
    pub fn spend(&mut self, tokens: u64) {
        self.credit = self.credit.saturating_sub(u128::from(tokens) * Self::TOKEN);
    }

    /// Whether nothing is missing.
    pub fn is_full(&self) -> bool {
        self.limit.is_none_or(|limit| self.credit / Self::TOKEN >= u128::from(limit.burst_bytes))
    }

    /// Its rate.
    pub fn limit(&self) -> Option<RateLimit> {
        self.limit
    }

    fn set_limit(&mut self, limit: Option<RateLimit>) {
        if self.limit.is_none() {
            // Nothing was counted.
            (self.credit, self.refilled) = (u128::MAX, None);
        }
        self.limit = limit;
        self.credit = self.credit.min(Self::size(limit));
    }

    fn size(limit: Option<RateLimit>) -> u128 {
        limit.map_or(0, |limit| u128::from(limit.burst_bytes) * Self::TOKEN)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_bucket_refills_at_its_rate_and_not_beyond_its_size() {
        let mut bucket = TokenBucket::new(Some(RateLimit { bytes_per_second: 1000, burst_bytes: 100 }));
        let mut take = |wanted: u64, now| {
            let granted = bucket.available(now).min(wanted);
            bucket.spend(granted);
            granted
        };
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        assert_eq!(take(500, at(0)), 100);
        assert_eq!(take(500, at(0)), 0);
        assert_eq!(take(500, at(10)), 10);
        assert_eq!(take(5, at(20)), 5);
        assert_eq!(take(500, at(20)), 5);
        assert_eq!(take(500, at(60_000)), 100);
        // Refilled in steps of less than a token, nothing is lost.
        let total: u64 = (0..1000u64).map(|step| take(500, at(60_000) + Duration::from_micros(step * 100))).sum();
        assert_eq!(total, 99);
        // A clock that goes back gives nothing.
        assert_eq!(take(500, at(0)), 0);
    }

    #[test]
    fn a_rate_changes_while_it_is_used() {
        let account = RateAccount::new(None);
        let now = Instant::now();
        let take = |wanted: u64| {
            let mut bucket = account.bucket();
            let granted = bucket.available(now).min(wanted);
            bucket.spend(granted);
            granted
        };
        assert_eq!((take(u64::MAX), account.bucket().is_full()), (u64::MAX, true));
        account.set_limit(Some(RateLimit::per_second(100)));
        assert_eq!((take(40), account.bucket().is_full()), (40, false));
        // What is left is no more than the bucket holds, and a larger one is not filled at once.
        account.set_limit(Some(RateLimit::per_second(50)));
        account.set_limit(Some(RateLimit::per_second(1000)));
        assert_eq!(take(u64::MAX), 50);
        account.set_limit(None);
        assert_eq!(take(7), 7);
    }
}
