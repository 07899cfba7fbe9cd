//! Sandboxes that nobody works with now, and that end to make room for others.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::share::Share;
use crate::slots::{Load, Slots};

/// A pool of sandboxes, as whoever needs room sees it.
pub trait IdleMembers: Send + Sync {
    /// Whose they are.
    fn share(&self) -> &Share;

    /// How many members nobody works with.
    fn idle(&self) -> usize;

    /// Ends one of these; tells whether there was one.
    fn end_one(&self) -> bool;

    /// Their tenant has ended: ends all of them, and lets go of those who wait for one.
    fn end_all(&self);
}

/// Pools, of a tenant or of a process. It keeps none of them alive.
#[derive(Default)]
pub struct Pools(Mutex<Vec<Weak<dyn IdleMembers>>>);

impl Pools {
    /// One more.
    pub fn add(&self, pool: Weak<dyn IdleMembers>) {
        let mut pools = self.lock();
        // Now and then those that are gone are swept out, at a cost that is in proportion to what was added.
        if pools.len() == pools.capacity() {
            pools.retain(|pool| pool.strong_count() > 0);
        }
        pools.push(pool);
    }

    /// Ends an idle member of the pool that has the most of them, if that are more than `beyond`; tells whether it did.
    pub fn end_one(&self, beyond: usize) -> bool {
        self.end_first(beyond, |_| Load::default())
    }

    /// Ends one of the tenant that has the most slots for its weight; tells whether it did.
    pub fn end_one_of_any(&self, slots: &Slots) -> bool {
        self.end_first(0, |share| Load::new(slots.held(share.id()), share.weight()))
    }

    /// Ends all idle members.
    pub fn end_all(&self) {
        self.living().iter().for_each(|pool| pool.end_all());
    }

    fn end_first(&self, beyond: usize, load: impl Fn(&Share) -> Load) -> bool {
        let pools = self.living().into_iter().map(|pool| (load(pool.share()), pool.idle(), pool));
        let mut pools: Vec<_> = pools.filter(|(_, idle, _)| *idle > beyond).collect();
        pools.sort_by_key(|(load, idle, _)| std::cmp::Reverse((*load, *idle)));
        pools.iter().any(|(_, _, pool)| pool.end_one())
    }

    /// Nothing is ended under the lock: what is dropped may be the last of a pool.
    fn living(&self) -> Vec<Arc<dyn IdleMembers>> {
        self.lock().iter().filter_map(Weak::upgrade).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<dyn IdleMembers>>> {
        // Entries are pushed and removed whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Pools {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Pools").finish_non_exhaustive()
    }
}
