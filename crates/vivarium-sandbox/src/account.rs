//! A total that many sandboxes draw from, and never past its limit.

use std::sync::atomic::{AtomicU64, Ordering};

/// An amount in use, its limit and its peak. Charging and releasing never lock.
#[derive(Debug)]
pub(crate) struct Account {
    used: AtomicU64,
    peak: AtomicU64,
    limit: u64,
}

impl Account {
    pub(crate) fn new(limit: u64) -> Self {
        Self { used: AtomicU64::new(0), peak: AtomicU64::new(0), limit }
    }

    /// Adds `amount` if the limit allows it; tells whether it did.
    pub(crate) fn try_charge(&self, amount: u64) -> bool {
        let charged = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(amount).filter(|total| *total <= self.limit)
        });
        match charged {
            Ok(before) => {
                self.peak.fetch_max(before + amount, Ordering::Relaxed);
                true
            }
            Err(_) => false,
        }
    }

    /// Gives back `amount`, which was charged before.
    pub(crate) fn release(&self, amount: u64) {
        let before = self.used.fetch_sub(amount, Ordering::Relaxed);
        debug_assert!(before >= amount, "released {amount} of {before}");
    }

    /// Whether the last eighth of it is in use.
    pub(crate) fn is_scarce(&self) -> bool {
        self.used() >= self.limit - self.limit / 8
    }

    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    pub(crate) fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit
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
}
