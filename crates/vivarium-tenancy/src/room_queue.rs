//! Those who wait for room for one more sandbox of a tenant's, in the order of asking.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Mutex, MutexGuard, Notify};

/// The first of them tries whenever something of the tenant's is given back; the others wait for their turn.
#[derive(Debug, Default)]
pub struct RoomQueue {
    first: Mutex<()>,
    /// How many wait for room, and how many for memory.
    queued: AtomicUsize,
    short_of_memory: AtomicUsize,
    freed: Notify,
}

impl RoomQueue {
    /// Counts one who waits for room, until this is dropped.
    pub fn for_room(&self) -> Queued<'_> {
        Queued::new(&self.queued)
    }

    /// Counts one who has room and waits for memory, until this is dropped.
    pub fn for_memory(&self) -> Queued<'_> {
        Queued::new(&self.short_of_memory)
    }

    /// Waits to be the first, until this is dropped.
    pub async fn first(&self) -> MutexGuard<'_, ()> {
        self.first.lock().await
    }

    /// Waits until something is given back. Only the first does.
    pub async fn freed(&self) {
        self.freed.notified().await;
    }

    /// Something was given back, or more is allowed.
    pub fn free(&self) {
        self.freed.notify_one();
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.queued.load(Ordering::Relaxed) + self.short_of_memory.load(Ordering::Relaxed)
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.queued.load(Ordering::SeqCst) == 0 && self.short_of_memory.load(Ordering::SeqCst) == 0
    }

    /// Whether they wait for idle sandboxes to end. `full` tells whether the tenant may have no more sandboxes; it is asked when somebody
    /// waits.
    #[inline]
    pub fn wants_room(&self, full: impl FnOnce() -> bool) -> bool {
        (self.queued.load(Ordering::SeqCst) > 0 && full()) || self.short_of_memory.load(Ordering::SeqCst) > 0
    }
}

/// One more of those who wait, until it is dropped.
#[derive(Debug)]
pub struct Queued<'a>(&'a AtomicUsize);

impl<'a> Queued<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
