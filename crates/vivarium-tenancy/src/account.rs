//! A total that many draw from, and never past its limit.

use std::sync::atomic::{AtomicU64, Ordering};

/// An amount in use, its limit and its peak. Charging and releasing never lock.
///
/// The limit may change at any time and counts from the next charge on. Where it is less than what is in use nothing is taken away, and
/// nothing more is granted until enough was given back.
///
/// Relaxed ordering is enough: an account guards no other memory, and each change is atomic by itself.
#[derive(Debug)]
pub struct Account {
    used: AtomicU64,
    peak: AtomicU64,
    limit: AtomicU64,
}

impl Account {
    /// An account of which nothing is in use.
    pub fn new(limit: u64) -> Self {
        Self { used: AtomicU64::new(0), peak: AtomicU64::new(0), limit: AtomicU64::new(limit) }
    }

    /// Adds `amount` if the limit allows it; tells whether it did.
    #[inline]
    pub fn try_charge(&self, amount: u64) -> bool {
        let limit = self.limit();
        let charged = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(amount).filter(|total| *total <= limit)
        });
        match charged {
            Ok(before) => {
                self.peak.fetch_max(before + amount, Ordering::Relaxed);
                true
            }
            Err(_) => false,
        }
    }

    /// Adds as many of `wanted` units of `size` as the limit allows; tells how many. A `size` of 0 is an amount of nothing: all are granted.
    #[inline]
    pub fn charge_up_to(&self, wanted: u64, size: u64) -> u64 {
        let limit = self.limit();
        let mut granted = 0;
        let charged = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            let room = limit.saturating_sub(used).checked_div(size).unwrap_or(u64::MAX);
            granted = wanted.min(room);
            // No more than the room, so that neither product nor sum overflows.
            (granted > 0).then(|| used + granted * size)
        });
        if let Ok(before) = charged {
            self.peak.fetch_max(before + granted * size, Ordering::Relaxed);
        }
        granted
    }

    /// Gives back `amount`, which was charged before.
    #[inline]
    pub fn release(&self, amount: u64) {
        let before = self.used.fetch_sub(amount, Ordering::Relaxed);
        debug_assert!(before >= amount, "released {amount} of {before}");
    }

    /// Whether the last eighth of it is in use.
    pub fn is_scarce(&self) -> bool {
        let limit = self.limit();
        self.used() >= limit - limit / 8
    }

    /// Whether nothing more is granted.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.used() >= self.limit()
    }

    /// What is in use.
    #[inline]
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// The most that ever was.
    pub fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    /// What may be in use.
    #[inline]
    pub fn limit(&self) -> u64 {
        self.limit.load(Ordering::Relaxed)
    }

    /// Changes what may be in use.
    pub fn set_limit(&self, limit: u64) {
        self.limit.store(limit, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_together_never_pass_the_limit() {
        let account = Account::new(1000);
        let granted: u64 = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..1000).filter(|_| account.try_charge(7)).count() as u64 * 7))
                .collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).sum()
        });
        assert_eq!(granted, 994);
        assert_eq!((account.used(), account.peak()), (994, 994));
        account.release(994);
        assert_eq!((account.used(), account.peak()), (0, 994));
        assert!(!account.try_charge(u64::MAX));
    }

    #[test]
    fn units_are_granted_as_far_as_they_fit() {
        let account = Account::new(1000);
        assert_eq!((account.charge_up_to(3, 300), account.used()), (3, 900));
        assert_eq!((account.charge_up_to(3, 30), account.used()), (3, 990));
        assert_eq!((account.charge_up_to(1, 11), account.used()), (0, 990));
        assert_eq!((account.charge_up_to(u64::MAX, 1), account.used()), (10, 1000));
        assert_eq!(account.charge_up_to(7, 0), 7);
        assert_eq!((account.used(), account.peak()), (1000, 1000));
        account.release(1000);
        assert_eq!(Account::new(u64::MAX).charge_up_to(u64::MAX, u64::MAX), 1);
    }

    #[test]
    fn below_what_is_in_use_nothing_is_granted_until_enough_is_given_back() {
        let account = Account::new(100);
        assert!(account.try_charge(80));
        account.set_limit(50);
        assert!(account.is_full() && !account.try_charge(1));
        assert_eq!((account.charge_up_to(1, 1), account.used()), (0, 80));
        account.release(31);
        assert!(account.try_charge(1) && !account.try_charge(1));
        account.set_limit(60);
        assert!(account.try_charge(10) && account.is_full());
        assert_eq!((account.used(), account.peak()), (60, 80));
    }
}
