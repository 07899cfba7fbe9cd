//! What the host keeps in each instance's store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use vivarium_tenancy::LimitKind;
use wasmtime::{StoreContextMut, UpdateDeadline};

use crate::cpu::{Charged, CpuMeter};
use crate::error::LimitError;
use crate::host_call::HostCalls;
use crate::limiter::Limiter;
use crate::wasi::WasiCtx;

/// Data of one store: everything host functions, the memory limiter and the epoch callback need.
pub(crate) struct State {
    pub(crate) wasi: WasiCtx,
    pub(crate) host: HostCalls,
    pub(crate) limiter: Limiter,
    pub(crate) cpu: Arc<CpuMeter>,
    pub(crate) deadline: Deadline,
}

/// The time that a call may take, what it has taken, and which limit says so. Clones count together.
///
/// A call takes time while it has a processor, and while it waits for something that it asked the host for. Time in which it could run
/// but waits for a time slice is not its own: a busy host makes calls late, but ends none of them.
#[derive(Debug)]
pub(crate) struct Deadline {
    limit: LimitKind,
    configured: Duration,
    /// Nanoseconds.
    spent: Arc<AtomicU64>,
}

impl Clone for Deadline {
    fn clone(&self) -> Self {
        Self { limit: self.limit, configured: self.configured, spent: Arc::clone(&self.spent) }
    }

    /// Most calls of a sandbox have the deadline of the one before, started again: then there is nothing to count up and down.
    fn clone_from(&mut self, source: &Self) {
        (self.limit, self.configured) = (source.limit, source.configured);
        if !Arc::ptr_eq(&self.spent, &source.spent) {
            self.spent = Arc::clone(&source.spent);
        }
    }
}

impl Deadline {
    pub(crate) fn after(limit: LimitKind, configured: Duration) -> Self {
        Self { limit, configured, spent: Arc::default() }
    }

    /// Begins anew. Clones begin with it.
    pub(crate) fn restart(&mut self, limit: LimitKind, configured: Duration) {
        (self.limit, self.configured) = (limit, configured);
        self.spent.store(0, Ordering::Relaxed);
    }

    pub(crate) fn spend(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        // Adding up to 2^64 takes 584 years.
        self.spent.fetch_add(nanos, Ordering::Relaxed);
    }

    pub(crate) fn spent(&self) -> Duration {
        Duration::from_nanos(self.spent.load(Ordering::Relaxed))
    }

    pub(crate) fn left(&self) -> Duration {
        self.configured.saturating_sub(self.spent())
    }

    pub(crate) fn is_over(&self) -> bool {
        self.left().is_zero()
    }

    pub(crate) fn error(&self) -> LimitError {
        LimitError::time(self.limit, self.configured)
    }
}

/// Asked once per tick of the epoch, in the middle of the guest's code: may it go on?
///
/// Going on means yielding first: no sandbox holds a thread for longer than a tick, and whether it is resumed at once or
/// another tenant is due, the [scheduler](crate::scheduler) decides.
pub(crate) fn on_tick(store: StoreContextMut<'_, State>) -> wasmtime::Result<UpdateDeadline> {
    let state = store.data();
    let Charged { used, exhausted } = state.cpu.charge(Instant::now());
    state.deadline.spend(used);
    if let Some(limit) = exhausted.or_else(|| state.deadline.is_over().then(|| state.deadline.error())) {
        return Err(wasmtime::Error::new(limit));
    }
    state.cpu.interrupt();
    Ok(UpdateDeadline::Yield(1))
}
