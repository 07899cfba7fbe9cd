//! The process's slots for sandboxes, and who gets one that is free: the tenant that has the fewest for its weight.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::share::{Share, ShareId, Weight};

/// The process's slots for sandboxes.
#[derive(Debug)]
pub struct Slots {
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
pub struct SlotUsage {
    /// All.
    pub total: u32,
    /// Those that are taken.
    pub used: u32,
    /// Tenants that wait for one.
    pub waiting: usize,
    /// How often one was given back.
    pub reset: u64,
}

/// A slot, until it is dropped.
#[derive(Debug)]
pub struct Slot {
    slots: Arc<Slots>,
    id: ShareId,
}

impl Slots {
    /// So many, all free.
    pub fn new(total: u32) -> Arc<Self> {
        let state = State { free: total, reset: 0, held: HashMap::new(), waiting: BTreeMap::new() };
        Arc::new(Self { total, waiting: AtomicUsize::new(0), state: Mutex::new(state) })
    }

    /// A slot, if one is free.
    pub fn try_take(self: &Arc<Self>, share: &Share) -> Option<Slot> {
        let mut state = self.lock();
        state.free = state.free.checked_sub(1)?;
        Some(self.slot(&mut state, share.id()))
    }

    /// A slot, or what will bring one.
    pub fn take(self: &Arc<Self>, share: &Share) -> Result<Slot, oneshot::Receiver<Slot>> {
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
    #[inline]
    pub fn are_wanted(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }

    /// Whether the last eighth of them is in use.
    pub fn are_scarce(&self) -> bool {
        self.lock().free <= self.total / 8
    }

    /// What there is to know about them.
    pub fn usage(&self) -> SlotUsage {
        let state = self.lock();
        SlotUsage { total: self.total, used: self.total - state.free, waiting: state.waiting.len(), reset: state.reset }
    }

    /// How many a tenant has.
    pub fn held(&self, id: ShareId) -> u32 {
        self.lock().held.get(&id).copied().unwrap_or(0)
    }

    /// How many there are.
    pub fn total(&self) -> u32 {
        self.total
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
pub(crate) struct Load {
    slots: u32,
    weight: u32,
}

impl Load {
    pub fn new(slots: u32, weight: Weight) -> Self {
        Self { slots, weight: weight.get() }
    }
}

impl Default for Load {
    /// No slots.
    fn default() -> Self {
        Self { slots: 0, weight: 1 }
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
