//! A tenant: what it may use, what it uses, and what its code may do.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Notify;

use crate::accounts::TenantAccounts;
use crate::counters::TaskCounters;
use crate::gate::{Gate, GateWatch, TenantClosed, TenantState};
use crate::id::TenantId;
use crate::idle::Pools;
use crate::limits::Limits;
use crate::room_queue::RoomQueue;
use crate::share::Share;
use crate::tenant_limits::TenantLimits;
use crate::totals::Totals;

/// A tenant and what it uses now. Share one object (`Arc`) between all tasks of the tenant.
///
/// Its limits, its weight and what its code may do can be changed while its sandboxes run, by any thread:
///
/// ```
/// use vivarium_tenancy::{Tenant, TenantId, TenantLimits, TenantState};
///
/// let tenant = Tenant::new(TenantId::new("acme")?, &TenantLimits::default());
/// tenant.set_limits(&TenantLimits::default().with_instances(8).with_cpu_weight(300));
/// tenant.suspend()?;
/// assert_eq!(tenant.usage().state, TenantState::Suspended);
/// tenant.resume()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Tenant {
    id: TenantId,
    /// Those that were set last.
    limits: Mutex<Arc<TenantLimits>>,
    accounts: TenantAccounts,
    share: Share,
    gate: Gate,
    /// Its pools of sandboxes.
    pools: Pools,
    room: RoomQueue,
    /// What its tasks did, and how many there are.
    counters: Arc<TaskCounters>,
    tasks: AtomicUsize,
    /// Told when a task, or the last sandbox, is gone.
    gone: Notify,
}

/// What a tenant uses now, and the most it ever used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TenantUsage {
    /// What its code may do.
    pub state: TenantState,
    /// Tasks that somebody has.
    pub tasks: usize,
    /// Linear memory in bytes.
    pub memory: u64,
    /// The highest value of `memory` so far.
    pub peak_memory: u64,
    /// Bytes of the host's memory that are held for it, besides linear memory and scratch.
    pub host_memory: u64,
    /// The highest value of `host_memory` so far.
    pub peak_host_memory: u64,
    /// Sandboxes alive.
    pub instances: u64,
    /// Callers that wait for room for a sandbox.
    pub waiting: usize,
    /// Bytes in scratch directories.
    pub scratch_bytes: u64,
    /// Files in scratch directories.
    pub scratch_files: u64,
    /// Files and directories of environments that are open.
    pub host_files: u64,
    /// Processor time so far.
    pub cpu_time: Duration,
}

impl Tenant {
    /// A tenant that uses nothing yet.
    pub fn new(id: TenantId, limits: &TenantLimits) -> Arc<Self> {
        Arc::new(Self {
            gate: Gate::new(id.clone()),
            id,
            limits: Mutex::new(Arc::new(limits.clone())),
            accounts: TenantAccounts::new(limits),
            share: Share::new(limits.cpu_weight),
            pools: Pools::default(),
            room: RoomQueue::default(),
            counters: Arc::default(),
            tasks: AtomicUsize::new(0),
            gone: Notify::new(),
        })
    }

    /// Its name.
    pub fn id(&self) -> &TenantId {
        &self.id
    }

    /// What it may use, as it was set last.
    pub fn limits(&self) -> Arc<TenantLimits> {
        Arc::clone(&self.lock())
    }

    /// Changes what it may use, and its weight: from the next charge and the next turn on. Where a limit is below what is in use, nothing is
    /// taken away, and nothing new is granted until enough was given back. The ceiling for single sandboxes holds for those that are started
    /// from now on.
    pub fn set_limits(&self, limits: &TenantLimits) {
        let mut current = self.lock();
        self.accounts.set_limits(limits);
        self.share.set_weight(limits.cpu_weight);
        *current = Arc::new(limits.clone());
        drop(current);
        // There may be room now.
        self.room.free();
    }

    /// The most that any one of its sandboxes may use.
    pub fn ceiling(&self) -> Option<Limits> {
        self.lock().sandbox.clone()
    }

    /// What it uses now.
    pub fn usage(&self) -> TenantUsage {
        let accounts = &self.accounts;
        TenantUsage {
            state: self.gate.state(),
            tasks: self.tasks.load(Ordering::SeqCst),
            memory: accounts.memory.used(),
            peak_memory: accounts.memory.peak(),
            host_memory: accounts.host_memory.used(),
            peak_host_memory: accounts.host_memory.peak(),
            instances: accounts.instances.used(),
            waiting: self.room.len(),
            scratch_bytes: accounts.scratch_bytes.used(),
            scratch_files: accounts.scratch_files.used(),
            host_files: accounts.host_files.used(),
            cpu_time: self.counters.cpu_time(),
        }
    }

    /// What its code may do.
    #[inline]
    pub fn state(&self) -> TenantState {
        self.gate.state()
    }

    /// Lets its code wait: no call of its gets a time slice, and no sandbox is started, until it is [resumed](Self::resume). A call that
    /// runs stops within a tick. What it holds, it keeps; waiting is not charged to its calls, but for waiting for the host.
    ///
    /// # Errors
    /// It has ended.
    pub fn suspend(&self) -> Result<(), TenantClosed> {
        self.gate.change(TenantState::Suspended)
    }

    /// Lets its code run again after [`suspend`](Self::suspend) or [`drain`](Self::drain).
    ///
    /// # Errors
    /// It has ended.
    pub fn resume(&self) -> Result<(), TenantClosed> {
        self.gate.change(TenantState::Active)
    }

    /// Lets no new task begin: sandboxes are refused to tasks that are made from now on. Those that there are go on, as before, until they
    /// are dropped; [`drained`](Self::drained) waits for that. A suspended tenant goes on, too.
    ///
    /// # Errors
    /// It has ended.
    pub fn drain(&self) -> Result<(), TenantClosed> {
        self.gate.change(TenantState::Draining)
    }

    /// Ends it, for ever. Calls that run end within a tick, and all that come, with an error that says so; idle sandboxes are ended now.
    /// A sandbox that somebody keeps and does not call is given back when it is called or dropped. [`released`](Self::released) waits until
    /// all is given back.
    pub fn end(&self) {
        // Only an ended tenant's state cannot be changed, and to that it can.
        let _ = self.gate.change(TenantState::Ended);
        self.pools.end_all();
    }

    /// Waits until nobody has a task of its any more.
    pub async fn drained(&self) {
        self.until(|| self.tasks.load(Ordering::SeqCst) == 0).await;
    }

    /// Waits until it has no sandbox any more: then it holds nothing.
    pub async fn released(&self) {
        self.until(|| self.accounts.instances.used() == 0).await;
    }

    async fn until(&self, done: impl Fn() -> bool) {
        loop {
            let mut told = pin!(self.gone.notified());
            // Before looking: whoever goes afterwards tells.
            told.as_mut().enable();
            if done() {
                return;
            }
            told.await;
        }
    }
}

/// What acts for a tenant needs these.
impl Tenant {
    /// What its sandboxes charge.
    #[inline]
    pub fn accounts(&self) -> &TenantAccounts {
        &self.accounts
    }

    /// Its part of the processors.
    #[inline]
    pub fn share(&self) -> &Share {
        &self.share
    }

    /// Its pools of sandboxes.
    pub fn pools(&self) -> &Pools {
        &self.pools
    }

    /// Those who wait for room for a sandbox of its.
    pub fn room(&self) -> &RoomQueue {
        &self.room
    }

    /// What its tasks did, those that have ended included.
    pub fn totals(&self) -> Totals {
        self.counters.totals()
    }

    /// A look at whether its code may run, at each turn.
    #[inline]
    pub fn watch(&self) -> GateWatch<'_> {
        self.gate.watch()
    }

    /// Waits until it has ended.
    pub async fn ended(&self) -> TenantClosed {
        let mut watch = self.gate.watch();
        poll_fn(|context| watch.poll_ended(context.waker())).await
    }

    /// Whether idle sandboxes are to end so that others get room.
    #[inline]
    pub fn wants_room(&self) -> bool {
        self.room.wants_room(|| self.accounts.instances.is_full())
    }

    /// One of its sandboxes is gone, with all that it had.
    pub fn instance_gone(&self) {
        self.accounts.instances.release(1);
        self.room.free();
        if self.accounts.instances.used() == 0 {
            self.gone.notify_waiters();
        }
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.gate
    }

    pub(crate) fn counters(&self) -> &Arc<TaskCounters> {
        &self.counters
    }

    pub(crate) fn task_begins(&self) {
        self.tasks.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn task_ends(&self) {
        self.tasks.fetch_sub(1, Ordering::SeqCst);
        self.gone.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, Arc<TenantLimits>> {
        // It is replaced whole.
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::id::{JobId, TaskId};
    use crate::task::TaskAccount;

    fn tenant() -> Arc<Tenant> {
        Tenant::new(TenantId::new("acme").unwrap(), &TenantLimits::default())
    }

    fn task(tenant: &Arc<Tenant>) -> Arc<TaskAccount> {
        tenant.task(JobId::new("job").unwrap(), TaskId::new("0").unwrap())
    }

    #[test]
    fn limits_and_weight_change_while_they_are_used() {
        let tenant = tenant();
        assert!(tenant.accounts().instances.try_charge(3));
        let less = TenantLimits::default().with_instances(2).with_cpu_weight(7).with_sandbox(Some(Limits::default()));
        tenant.set_limits(&less);
        assert_eq!((&*tenant.limits(), tenant.share().weight().get()), (&less, 7));
        assert_eq!(tenant.ceiling(), Some(Limits::default()));
        assert!(!tenant.accounts().instances.try_charge(1));
        // Whoever waits for room hears of more.
        let freed = tenant.room().freed();
        tenant.room().freed().now_or_never();
        let mut freed = pin!(freed);
        tenant.set_limits(&TenantLimits::default());
        assert!(freed.as_mut().now_or_never().is_some());
        assert!(tenant.accounts().instances.try_charge(1));
    }

    #[test]
    fn a_drained_tenant_is_one_without_tasks() {
        let tenant = tenant();
        let before = task(&tenant);
        tenant.drain().unwrap();
        let late = task(&tenant);
        assert_eq!(late.admitted().now_or_never().unwrap().unwrap_err().state, TenantState::Draining);
        assert_eq!(before.admitted().now_or_never(), Some(Ok(())));
        let mut drained = pin!(tenant.drained());
        assert!(drained.as_mut().now_or_never().is_none());
        drop(late);
        assert!(drained.as_mut().now_or_never().is_none());
        drop(before);
        assert!(drained.as_mut().now_or_never().is_some());
        tenant.resume().unwrap();
        assert_eq!(task(&tenant).admitted().now_or_never(), Some(Ok(())));
    }

    #[test]
    fn a_suspended_tenants_task_waits_to_be_admitted() {
        let tenant = tenant();
        let task = task(&tenant);
        tenant.suspend().unwrap();
        let mut admitted = pin!(task.admitted());
        assert!(admitted.as_mut().now_or_never().is_none());
        tenant.resume().unwrap();
        assert_eq!(admitted.as_mut().now_or_never(), Some(Ok(())));
        tenant.end();
        assert_eq!(task.admitted().now_or_never().unwrap().unwrap_err().state, TenantState::Ended);
        assert_eq!(tenant.suspend().unwrap_err().state, TenantState::Ended);
    }

    #[test]
    fn who_waits_for_the_last_sandbox_hears_of_it() {
        let tenant = tenant();
        assert!(tenant.accounts().instances.try_charge(2));
        let mut released = pin!(tenant.released());
        assert!(released.as_mut().now_or_never().is_none());
        tenant.instance_gone();
        assert!(released.as_mut().now_or_never().is_none());
        tenant.instance_gone();
        assert!(released.as_mut().now_or_never().is_some());
    }
}
