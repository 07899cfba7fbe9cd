//! How many pips run at a time, and what they took.
//!
//! Each takes a core, up to a gibibyte and the network for minutes, so those of one process wait for each other, and a tenant that asks
//! for many leaves room to others.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use vivarium_tenancy::TenantId;

use crate::error::EnvironmentError;
use crate::progress::OpenProgress;

/// Runs at a time in a process.
const AT_ONCE: usize = 4;
/// Runs at a time of one tenant.
const OF_ONE: usize = 2;
/// How often one who waits looks whether it has been given up.
const LOOK: Duration = Duration::from_millis(50);

static RUNS: Runs = Runs::new();

/// What runs of pip took in this process so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PipUsage {
    /// Runs that ended as they should, those without a solution among them.
    pub done: u64,
    /// Runs that did not: they took too long or too much memory, were given up, or pip could not be started.
    pub failed: u64,
    /// Time of these runs.
    pub time: Duration,
    /// Runs that have not ended.
    pub running: usize,
    /// Runs that wait for another one to end.
    pub waiting: usize,
}

/// What runs of pip took in this process so far.
pub fn pip_usage() -> PipUsage {
    RUNS.lock().usage
}

/// A run, until it is dropped.
#[derive(Debug)]
pub(super) struct Run<'a> {
    runs: &'a Runs,
    tenant: &'a TenantId,
    began: Instant,
    done: bool,
}

impl<'a> Run<'a> {
    /// Waits until there is room for a run of the tenant's.
    ///
    /// # Errors
    /// [`EnvironmentError::Cancelled`].
    pub(super) fn begin(tenant: &'a TenantId, progress: &OpenProgress) -> Result<Self, EnvironmentError> {
        RUNS.begin(tenant, progress)
    }

    /// It ended as it should.
    pub(super) fn done(mut self) {
        self.done = true;
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        let mut state = self.runs.lock();
        let State { usage, running } = &mut *state;
        usage.running -= 1;
        usage.time = usage.time.saturating_add(self.began.elapsed());
        *(if self.done { &mut usage.done } else { &mut usage.failed }) += 1;
        if let Some(of_tenant) = running.get_mut(self.tenant) {
            *of_tenant -= 1;
            if *of_tenant == 0 {
                running.remove(self.tenant);
            }
        }
        drop(state);
        self.runs.ended.notify_all();
    }
}

/// The runs of a process.
#[derive(Debug)]
struct Runs {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Debug)]
struct State {
    usage: PipUsage,
    /// Of each tenant that has any.
    running: BTreeMap<TenantId, usize>,
}

impl Runs {
    const fn new() -> Self {
        let usage = PipUsage { done: 0, failed: 0, time: Duration::ZERO, running: 0, waiting: 0 };
        Self { state: Mutex::new(State { usage, running: BTreeMap::new() }), ended: Condvar::new() }
    }

    fn begin<'a>(&'a self, tenant: &'a TenantId, progress: &OpenProgress) -> Result<Run<'a>, EnvironmentError> {
        let mut state = self.lock();
        state.usage.waiting += 1;
        while !state.has_room(tenant) && !progress.is_cancelled() {
            let waited = self.ended.wait_timeout(state, LOOK);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.usage.waiting -= 1;
        if progress.is_cancelled() {
            return Err(EnvironmentError::Cancelled);
        }
        state.usage.running += 1;
        *state.running.entry(tenant.clone()).or_default() += 1;
        Ok(Run { runs: self, tenant, began: Instant::now(), done: false })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is complete before anything that can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn has_room(&self, tenant: &TenantId) -> bool {
        self.usage.running < AT_ONCE && self.running.get(tenant).is_none_or(|running| *running < OF_ONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_that_asks_for_many_leaves_room_to_another() {
        let (runs, progress) = (Runs::new(), OpenProgress::default());
        let (greedy, other) = (TenantId::new("greedy").unwrap(), TenantId::new("other").unwrap());
        let mut held: Vec<_> = (0..OF_ONE).map(|_| runs.begin(&greedy, &progress).unwrap()).collect();
        std::thread::scope(|scope| {
            let third = scope.spawn(|| runs.begin(&greedy, &progress).unwrap().done());
            while runs.lock().usage.waiting == 0 {
                std::thread::yield_now();
            }
            // Another tenant does not wait behind it.
            runs.begin(&other, &progress).unwrap().done();
            assert_eq!(runs.lock().usage.waiting, 1);
            held.pop();
            third.join().unwrap();
        });
        drop(held);
        let state = runs.lock();
        let PipUsage { done, failed, running, waiting, .. } = state.usage;
        assert_eq!((done, failed, running, waiting), (2, 2, 0, 0));
        assert!(state.running.is_empty());
    }

    #[test]
    fn all_tenants_together_have_no_more_than_the_process() {
        let (runs, progress) = (Runs::new(), OpenProgress::default());
        let tenants: Vec<_> = (0..=AT_ONCE).map(|index| TenantId::new(index.to_string()).unwrap()).collect();
        let _held: Vec<_> = tenants[1..].iter().map(|tenant| runs.begin(tenant, &progress).unwrap()).collect();
        progress.cancel();
        assert!(matches!(runs.begin(&tenants[0], &progress), Err(EnvironmentError::Cancelled)));
        let usage = runs.lock().usage;
        assert_eq!((usage.running, usage.waiting), (AT_ONCE, 0));
    }
}
