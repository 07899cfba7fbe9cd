//! Whose turn it is: processor time in proportion to the tenants' weights.
//!
//! An executor polls whatever is ready, so a tenant with a thousand busy sandboxes would get a thousand times the time of a
//! tenant with one. Here a sandbox runs only while it holds a turn, there are as many turns as cores, and a turn lasts for
//! one poll: until the guest waits or returns, at most one tick of the epoch (a millisecond).
//!
//! ```text
//!   tenant A  virtual time 40 ms   waiting: a1 a2 a3 ...  ─┐   a turn is free: the tenant with the least virtual time
//!   tenant B  virtual time 41 ms   waiting: b1            ─┴─> gives it to the first of its waiting calls
//!
//!   end of a turn: virtual time += processor time used * 100 / weight; a call that the tick interrupted waits again
//! ```
//!
//! This is stride scheduling (Waldspurger 1995) as Linux's CFS does it: under contention each tenant's time is in proportion
//! to its weight, and without contention nobody waits. A tenant that comes back from a pause starts at the virtual time of
//! those that run, so that it can neither save time up nor be punished for what it used when nobody else wanted it.
//!
//! A turn is handed to a call by waking its task. If the task does not poll it (its owner may be busy with other things),
//! the turn goes to the next one after [`GRACE`]: the epoch's thread looks after that.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::epoch::{Running, TICK, Ticker};
use crate::tenant::Tenant;

/// How long a call that was woken may take to use its turn. Longer than a busy executor takes to poll a task that is ready.
const GRACE: Duration = Duration::from_millis(50);

/// Hands out turns. One for each runtime.
#[derive(Debug)]
pub(crate) struct Scheduler {
    cores: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Turns that are used or were given and not yet taken.
    turns: usize,
    /// Virtual time of the tenant that got the last turn; never goes back.
    floor: u64,
    next_ticket: u64,
    /// Tenants that have a call which runs or waits.
    active: Vec<Active>,
    /// Turns that were given and not yet taken: at most one for each core.
    given: Vec<Given>,
}

#[derive(Debug)]
struct Active {
    tenant: Arc<Tenant>,
    turns: usize,
    /// In the order of their tickets.
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    ticket: u64,
    waker: Waker,
}

#[derive(Debug)]
struct Given {
    ticket: u64,
    tenant: Arc<Tenant>,
    since: Instant,
}

impl Scheduler {
    /// Gives at most `cores` turns at a time, at least one.
    pub(crate) fn new(cores: usize) -> Self {
        Self { cores: cores.max(1), state: Mutex::default() }
    }

    /// A place in the queue for a call of a sandbox of `tenant`.
    pub(crate) fn place<'a>(&'a self, ticker: &'a Ticker, tenant: &'a Arc<Tenant>) -> Place<'a> {
        Place { scheduler: self, ticker, tenant, ticket: None, _running: None }
    }

    /// Takes back turns that were not taken within the grace. Called at each tick.
    pub(crate) fn tick(&self) {
        let mut state = self.lock();
        if state.given.is_empty() {
            return;
        }
        let now = Instant::now();
        while let Some(index) = state.given.iter().position(|given| now.duration_since(given.since) >= GRACE) {
            let given = state.given.swap_remove(index);
            state.give_back(&given.tenant);
        }
        state.give(self.cores, now).wake(state);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is complete before anything that can panic, so a panic elsewhere leaves the state valid.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn active(&mut self, tenant: &Arc<Tenant>) -> &mut Active {
        let index = match self.active.iter().position(|active| Arc::ptr_eq(&active.tenant, tenant)) {
            Some(index) => index,
            None => {
                tenant.share.start_at(self.floor);
                self.active.push(Active { tenant: Arc::clone(tenant), turns: 0, waiting: VecDeque::new() });
                self.active.len() - 1
            }
        };
        &mut self.active[index]
    }

    fn forget_if_idle(&mut self, tenant: &Arc<Tenant>) {
        self.active
            .retain(|active| active.turns > 0 || !active.waiting.is_empty() || !Arc::ptr_eq(&active.tenant, tenant));
    }

    fn enqueue(&mut self, tenant: &Arc<Tenant>, waker: &Waker) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.active(tenant).waiting.push_back(Waiting { ticket, waker: waker.clone() });
        ticket
    }

    /// The waiting call of that ticket.
    fn waiting(&mut self, tenant: &Arc<Tenant>, ticket: u64) -> Option<(&mut Active, usize)> {
        let active = self.active.iter_mut().find(|active| Arc::ptr_eq(&active.tenant, tenant))?;
        let index = active.waiting.binary_search_by_key(&ticket, |waiting| waiting.ticket).ok()?;
        Some((active, index))
    }

    /// Takes the turn that was given for a ticket.
    fn take(&mut self, ticket: u64) -> bool {
        let index = self.given.iter().position(|given| given.ticket == ticket);
        index.map(|index| self.given.swap_remove(index)).is_some()
    }

    /// A turn of `tenant` is free again.
    fn give_back(&mut self, tenant: &Arc<Tenant>) {
        self.turns -= 1;
        self.active(tenant).turns -= 1;
        self.forget_if_idle(tenant);
    }

    /// Gives free turns to those whose tenants have had the least.
    fn give(&mut self, cores: usize, now: Instant) -> Wakers {
        let mut wakers = Wakers(Vec::new());
        while self.turns < cores {
            let waiting = self.active.iter_mut().filter(|active| !active.waiting.is_empty());
            // A turn that is being used is not charged yet, but counts.
            let Some(next) = waiting.min_by_key(|active| active.tenant.share.after(active.turns, TICK)) else { break };
            let Some(Waiting { ticket, waker }) = next.waiting.pop_front() else { break };
            next.turns += 1;
            self.turns += 1;
            self.floor = self.floor.max(next.tenant.share.virtual_time());
            self.given.push(Given { ticket, tenant: Arc::clone(&next.tenant), since: now });
            wakers.0.push(waker);
        }
        wakers
    }
}

/// Tasks to wake, when the lock is free again.
#[must_use]
struct Wakers(Vec<Waker>);

impl Wakers {
    fn wake(self, state: MutexGuard<'_, State>) {
        drop(state);
        self.0.into_iter().for_each(Waker::wake);
    }
}

/// A call's place in the queue. Dropped, it gives its turn or its place up.
pub(crate) struct Place<'a> {
    scheduler: &'a Scheduler,
    ticker: &'a Ticker,
    tenant: &'a Arc<Tenant>,
    /// While it waits, or was given a turn that it has not taken.
    ticket: Option<u64>,
    /// The epoch's thread must not sleep while somebody waits for a turn.
    _running: Option<Running<'a>>,
}

impl<'a> Place<'a> {
    /// A turn, if it is this call's. Otherwise its task is woken when it is.
    pub(crate) fn poll_turn(&mut self, waker: &Waker) -> Option<Turn<'_, 'a>> {
        let mut state = self.scheduler.lock();
        match self.ticket {
            Some(ticket) if state.take(ticket) => return Some(self.taken(state)),
            Some(ticket) => {
                if let Some((active, index)) = state.waiting(self.tenant, ticket) {
                    active.waiting[index].waker.clone_from(waker);
                    return None;
                }
                // It was given a turn and did not take it in time.
            }
            None if state.turns < self.scheduler.cores
                && state.active.iter().all(|active| active.waiting.is_empty()) =>
            {
                state.turns += 1;
                state.active(self.tenant).turns += 1;
                state.floor = state.floor.max(self.tenant.share.virtual_time());
                return Some(self.taken(state));
            }
            None => {}
        }
        let ticket = state.enqueue(self.tenant, waker);
        self.ticket = Some(ticket);
        let wakers = state.give(self.scheduler.cores, Instant::now());
        if state.take(ticket) {
            // Its own waker is among them: a poll too many, and rare.
            wakers.wake(state);
            self.ticket = None;
            self._running = None;
            return Some(Turn { place: self, ended: false });
        }
        wakers.wake(state);
        self._running.get_or_insert_with(|| self.ticker.run());
        None
    }

    fn taken(&mut self, state: MutexGuard<'_, State>) -> Turn<'_, 'a> {
        drop(state);
        self.ticket = None;
        self._running = None;
        Turn { place: self, ended: false }
    }

    /// Gives the turn up and charges it; a call that could go on waits for its next one.
    fn end_turn(&mut self, used: Duration, next: Option<&Waker>) {
        let mut state = self.scheduler.lock();
        self.tenant.share.charge(used);
        self.ticket = next.map(|waker| state.enqueue(self.tenant, waker));
        state.give_back(self.tenant);
        state.give(self.scheduler.cores, Instant::now()).wake(state);
        self._running = next.is_some().then(|| self.ticker.run());
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        let mut state = self.scheduler.lock();
        if state.take(ticket) {
            state.give_back(self.tenant);
            state.give(self.scheduler.cores, Instant::now()).wake(state);
        } else if let Some((active, index)) = state.waiting(self.tenant, ticket) {
            active.waiting.remove(index);
            state.forget_if_idle(self.tenant);
        }
    }
}

/// The right to run until it ends.
pub(crate) struct Turn<'p, 'a> {
    place: &'p mut Place<'a>,
    ended: bool,
}

impl Turn<'_, '_> {
    /// Ends the turn after `used` processor time. `next`: the call was interrupted and could go on.
    pub(crate) fn end(mut self, used: Duration, next: Option<&Waker>) {
        self.ended = true;
        self.place.end_turn(used, next);
    }
}

impl Drop for Turn<'_, '_> {
    /// A poll that panicked has used nothing that is known.
    fn drop(&mut self) {
        if !self.ended {
            self.place.end_turn(Duration::ZERO, None);
        }
    }
}

#[cfg(test)]
mod tests;
