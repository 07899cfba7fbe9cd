//! Room for one more sandbox: one of its tenant's, and one of the process's slots.
//!
//! ```text
//!   Sandbox::start          takes room that is there, or fails
//!   Pool::checkout          with members: waits for one of them       without: takes its place in the tenant's queue
//!
//!   tenant A's queue   p1 p2 p3 ──first──┐   the first of each queue waits for room of its tenant, then for a slot of the process;
//!   tenant B's queue   p4       ──first──┴─> a free slot goes to the tenant that has the fewest for its weight
//! ```
//!
//! While somebody waits, idle members of pools are ended to make room: of the same tenant for room of the tenant, and of the tenant
//! that has the most slots for its weight for a slot. Pools that have members leave the last eighth of everything to those that have
//! none, so that the calls of a query, each with its pool, do not keep each other from beginning.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::oneshot;
use vivarium_tenancy::{Account, Share, ShareId, Weight};

use crate::error::{LimitError, LimitKind};
use crate::runtime::Runtime;
use crate::tenant::{TaskAccount, Tenant};

/// Room for one sandbox, until it is dropped. The instance has to be gone by then.
#[derive(Debug)]
pub(crate) struct Room {
    // In this order: whoever gets the slot finds room of its tenant's.
    _instance: InstanceCharge,
    _slot: Slot,
}

impl Room {
    /// Room that is there now.
    ///
    /// # Errors
    /// The limit that leaves none.
    pub(crate) fn now(runtime: &Runtime, task: &Arc<TaskAccount>) -> Result<Self, LimitError> {
        let instance = InstanceCharge::new(task)?;
        let slots = runtime.slots();
        let slot = slots.try_take(&task.tenant().share).ok_or_else(|| slots.error())?;
        Ok(Self { _instance: instance, _slot: slot })
    }

    /// Room as soon as there is some. The caller is the first in its tenant's queue.
    ///
    /// # Errors
    /// The limit, when it leaves no room for any sandbox.
    pub(crate) async fn wait(runtime: &Runtime, task: &Arc<TaskAccount>) -> Result<Self, LimitError> {
        let tenant = task.tenant();
        let instance = loop {
            match InstanceCharge::new(task) {
                Ok(instance) => break instance,
                Err(error) if error.configured == 0 => return Err(error),
                Err(_) => make_room(runtime, tenant).await,
            }
        };
        let slots = runtime.slots();
        if slots.total == 0 {
            return Err(slots.error());
        }
        let slot = match slots.take(&tenant.share) {
            Ok(slot) => slot,
            Err(granted) => {
                // After it is known that somebody waits: a member that becomes idle now is ended by whoever gives it back.
                runtime.idle_members().end_one_of_any(slots);
                granted.await.map_err(|_| slots.error())?
            }
        };
        Ok(Self { _instance: instance, _slot: slot })
    }
}

/// Ends an idle sandbox of the tenant, or waits until something of the tenant's is given back.
pub(crate) async fn make_room(runtime: &Runtime, tenant: &Tenant) {
    if !runtime.idle_members().end_one_of(tenant, 0) {
        tenant.freed.notified().await;
    }
}

/// The limit of which only the last eighth is left, if there is one.
pub(crate) fn scarce(runtime: &Runtime, tenant: &Tenant) -> Option<LimitError> {
    let scarce = |limit, account: &Account| account.is_scarce().then(|| LimitError::new(limit, account.limit()));
    scarce(LimitKind::TenantInstances, &tenant.instances)
        .or_else(|| scarce(LimitKind::TenantMemory, &tenant.memory))
        .or_else(|| runtime.slots().are_scarce().then(|| runtime.slots().error()))
}

/// One of the instances that a tenant may have, until it is dropped.
#[derive(Debug)]
struct InstanceCharge(Arc<TaskAccount>);

impl InstanceCharge {
    fn new(task: &Arc<TaskAccount>) -> Result<Self, LimitError> {
        let instances = &task.tenant().instances;
        match instances.try_charge(1) {
            true => Ok(Self(Arc::clone(task))),
            false => Err(LimitError::new(LimitKind::TenantInstances, instances.limit())),
        }
    }
}

impl Drop for InstanceCharge {
    fn drop(&mut self) {
        self.0.tenant().instances.release(1);
        self.0.tenant().freed.notify_one();
    }
}

/// The process's slots for sandboxes.
#[derive(Debug)]
pub(crate) struct Slots {
    total: u32,
    /// Length of `waiting`, for those who give a sandbox back: they look at it each time, and lock nothing.
    waiting: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    free: u32,
    /// Slots that were given back, each reset for the next sandbox.
    reset: u64,
    /// Slots of each tenant that has any.
    held: HashMap<ShareId, u32>,
    /// The first of each tenant's queue, by tenant. There is one only while no slot is free.
    waiting: BTreeMap<ShareId, (Weight, oneshot::Sender<Slot>)>,
}

/// How the slots are used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SlotUsage {
    pub(crate) total: u32,
    pub(crate) used: u32,
    /// Tenants that wait for one.
    pub(crate) waiting: usize,
    /// How often one was given back.
    pub(crate) reset: u64,
}

/// A slot, until it is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Arc<Slots>,
    id: ShareId,
}

impl Slots {
    pub(crate) fn new(total: u32) -> Arc<Self> {
        let state = State { free: total, reset: 0, held: HashMap::new(), waiting: BTreeMap::new() };
        Arc::new(Self { total, waiting: AtomicUsize::new(0), state: Mutex::new(state) })
    }

    /// A slot, if one is free.
    fn try_take(self: &Arc<Self>, share: &Share) -> Option<Slot> {
        let mut state = self.lock();
        state.free = state.free.checked_sub(1)?;
        Some(self.slot(&mut state, share.id()))
    }

    /// A slot, or what will bring one.
    fn take(self: &Arc<Self>, share: &Share) -> Result<Slot, oneshot::Receiver<Slot>> {
        let mut state = self.lock();
        if let Some(free) = state.free.checked_sub(1) {
            state.free = free;
            return Ok(self.slot(&mut state, share.id()));
        }
        let (sender, receiver) = oneshot::channel();
        // One that was given up has a receiver that is gone; its place is taken.
        state.waiting.insert(share.id(), (share.weight(), sender));
        self.waiting.store(state.waiting.len(), Ordering::SeqCst);
        Err(receiver)
    }

    fn slot(self: &Arc<Self>, state: &mut State, id: ShareId) -> Slot {
        *state.held.entry(id).or_default() += 1;
        Slot { slots: Arc::clone(self), id }
    }

    /// Whether somebody waits for a slot.
    pub(crate) fn are_wanted(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }

    /// Whether the last eighth of them is in use.
    pub(crate) fn are_scarce(&self) -> bool {
        self.lock().free <= self.total / 8
    }

    /// What there is to know about them.
    pub(crate) fn usage(&self) -> SlotUsage {
        let state = self.lock();
        SlotUsage { total: self.total, used: self.total - state.free, waiting: state.waiting.len(), reset: state.reset }
    }

    fn held(&self, id: ShareId) -> u32 {
        self.lock().held.get(&id).copied().unwrap_or(0)
    }

    pub(crate) fn error(&self) -> LimitError {
        LimitError::new(LimitKind::Sandboxes, self.total.into())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is complete before anything that can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes the tenant out that has the fewest slots for its weight, of those that wait.
    fn next(&mut self) -> Option<(ShareId, oneshot::Sender<Slot>)> {
        let share = |(id, (weight, _)): &(&ShareId, &(Weight, oneshot::Sender<Slot>))| {
            Load::new(self.held.get(id).copied().unwrap_or(0) + 1, *weight)
        };
        let id = *self.waiting.iter().min_by_key(share)?.0;
        self.waiting.remove(&id).map(|(_, sender)| (id, sender))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.slots.lock();
        state.reset += 1;
        if let Some(held) = state.held.get_mut(&self.id) {
            *held -= 1;
            if *held == 0 {
                state.held.remove(&self.id);
            }
        }
        let next = state.next();
        self.slots.waiting.store(state.waiting.len(), Ordering::SeqCst);
        let Some((id, next)) = next else {
            state.free += 1;
            return;
        };
        let slot = self.slots.slot(&mut state, id);
        drop(state);
        // Who has given up gives the slot on, when this is dropped.
        let _given_up = next.send(slot);
    }
}

/// Slots in proportion to a weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Load {
    slots: u32,
    weight: u32,
}

impl Load {
    fn new(slots: u32, weight: Weight) -> Self {
        Self { slots, weight: weight.get() }
    }
}

impl Ord for Load {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let product = |slots: u32, weight: u32| u64::from(slots) * u64::from(weight);
        product(self.slots, other.weight).cmp(&product(other.slots, self.weight))
    }
}

impl PartialOrd for Load {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// A pool, as whoever needs room sees it.
pub(crate) trait IdleMembers: Send + Sync {
    /// Whose they are.
    fn tenant(&self) -> &Arc<Tenant>;

    /// How many members nobody works with.
    fn idle(&self) -> usize;

    /// Ends one of these.
    fn end_one(&self) -> bool;
}

/// The idle members of all pools of a runtime.
#[derive(Default)]
pub(crate) struct AllIdleMembers {
    pools: Mutex<Vec<Weak<dyn IdleMembers>>>,
}

impl AllIdleMembers {
    pub(crate) fn add(&self, pool: Weak<dyn IdleMembers>) {
        let mut pools = self.lock();
        // Now and then those that are gone are swept out, at a cost that is in proportion to what was added.
        if pools.len() == pools.capacity() {
            pools.retain(|pool| pool.strong_count() > 0);
        }
        pools.push(pool);
    }

    /// Ends one of the tenant's, of the pool that has the most, if that are more than `beyond`.
    pub(crate) fn end_one_of(&self, tenant: &Tenant, beyond: usize) -> bool {
        self.end_one(|other| std::ptr::eq(&**other, tenant), beyond, |_| Load { slots: 0, weight: 1 })
    }

    /// Ends one of the tenant that has the most slots for its weight.
    fn end_one_of_any(&self, slots: &Slots) -> bool {
        self.end_one(|_| true, 0, |tenant| Load::new(slots.held(tenant.share.id()), tenant.share.weight()))
    }

    fn end_one(&self, of: impl Fn(&Arc<Tenant>) -> bool, beyond: usize, load: impl Fn(&Arc<Tenant>) -> Load) -> bool {
        // Not under the lock: what is dropped here may be the last of a pool.
        let pools: Vec<_> = self.lock().iter().filter_map(Weak::upgrade).collect();
        let mut pools: Vec<_> = pools
            .into_iter()
            .filter(|pool| of(pool.tenant()))
            .map(|pool| (load(pool.tenant()), pool.idle(), pool))
            .filter(|(_, idle, _)| *idle > beyond)
            .collect();
        pools.sort_by_key(|(load, idle, _)| std::cmp::Reverse((*load, *idle)));
        pools.iter().any(|(_, _, pool)| pool.end_one())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<dyn IdleMembers>>> {
        // Entries are pushed and removed whole.
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for AllIdleMembers {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("AllIdleMembers").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    /// How many slots are free, and how many tenants have any.
    fn state(slots: &Slots) -> (u32, usize) {
        let state = slots.lock();
        (state.free, state.held.len())
    }

    #[test]
    fn a_free_slot_goes_to_the_tenant_with_the_fewest_for_its_weight() {
        let slots = Slots::new(4);
        let (light, heavy) = (Share::new(100), Share::new(300));
        let mut held: Vec<Slot> =
            (0..4).map(|index| slots.try_take(if index < 1 { &light } else { &heavy }).unwrap()).collect();
        assert!(slots.try_take(&light).is_none());
        let (mut for_light, mut for_heavy) = (slots.take(&light).unwrap_err(), slots.take(&heavy).unwrap_err());
        assert!(slots.are_wanted());
        // Light has one of weight 100, heavy two of weight 300 after this.
        drop(held.pop());
        assert!((&mut for_light).now_or_never().is_none());
        let third = (&mut for_heavy).now_or_never().unwrap().unwrap();
        drop(held.pop());
        let second = for_light.now_or_never().unwrap().unwrap();
        assert!(!slots.are_wanted());
        drop((held, third, second));
        assert_eq!(state(&slots), (4, 0));
    }

    #[test]
    fn a_slot_for_somebody_who_gave_up_goes_on() {
        let slots = Slots::new(1);
        let (a, b) = (Share::new(100), Share::new(100));
        let held = slots.try_take(&a).unwrap();
        let (gone, waiting) = (slots.take(&a).unwrap_err(), slots.take(&b).unwrap_err());
        drop(gone);
        drop(held);
        let slot = waiting.now_or_never().unwrap().unwrap();
        drop(slot);
        assert_eq!(state(&slots), (1, 0));
    }

    /// One that is granted and never received is not lost.
    #[test]
    fn a_slot_that_nobody_fetched_is_free_again() {
        let slots = Slots::new(1);
        let a = Share::new(100);
        let held = slots.try_take(&a).unwrap();
        let waiting = slots.take(&a).unwrap_err();
        drop(held);
        drop(waiting);
        assert_eq!(state(&slots), (1, 0));
    }
}
