//! The memory of queries, when sandboxes are not to be counted with it.

use std::fmt;

use datafusion::error::Result;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};

/// How `vivarium-datafusion` calls what it charges for the linear memory of a function's sandboxes.
const SANDBOXES: &str = "Python function ";

/// A pool that sandboxes are not charged to: each has its own limit (`--memory`), and their memory is not this process's heap.
#[derive(Debug)]
pub struct WithoutSandboxes<P> {
    pool: P,
}

impl<P: MemoryPool> WithoutSandboxes<P> {
    pub fn new(pool: P) -> Self {
        Self { pool }
    }
}

fn is_counted(consumer: &MemoryConsumer) -> bool {
    !consumer.name().starts_with(SANDBOXES)
}

impl<P: MemoryPool + fmt::Debug + 'static> MemoryPool for WithoutSandboxes<P> {
    fn name(&self) -> &str {
        "without sandboxes"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        if is_counted(consumer) {
            self.pool.register(consumer);
        }
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        if is_counted(consumer) {
            self.pool.unregister(consumer);
        }
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        if is_counted(reservation.consumer()) {
            self.pool.grow(reservation, additional);
        }
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        if is_counted(reservation.consumer()) {
            self.pool.shrink(reservation, shrink);
        }
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        match is_counted(reservation.consumer()) {
            true => self.pool.try_grow(reservation, additional),
            false => Ok(()),
        }
    }

    fn reserved(&self) -> usize {
        self.pool.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.pool.memory_limit()
    }
}

impl<P: MemoryPool> fmt::Display for WithoutSandboxes<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.pool, f)
    }
}
