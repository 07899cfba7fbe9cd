//! Time slices, here called turns: processor time in proportion to the tenants' weights.
//!
//! An executor polls whatever is ready, so a tenant with a thousand busy sandboxes would get a thousand times the time of a
//! tenant with one. Here a sandbox runs only while it holds a turn, there are as many turns as cores, and a turn lasts for
//! one poll: until the guest waits or returns, at most one tick of the epoch (a millisecond).
//!
//! ```text
//!   tenant A  starts at 40 ms   waiting: a1 a2 a3 ...  ─┐   a turn is free: the tenant that starts first
//!   tenant B  starts at 41 ms   waiting: b1            ─┴─> gets it for the first of its waiting calls
//!
//!   end of a turn: the tenant starts later by processor time used * 100 / weight; a call that the tick interrupted waits again
//! ```
//!
//! Under contention each tenant's time is in proportion to its weight, and without contention nobody waits. A tenant that has all it
//! asks for saves nothing up, whether it pauses or its calls just all run, and is not punished for what it used when nobody else
//! wanted it. [`vivarium_tenancy::fair`] says how, and which algorithm it is.
//!
//! A turn is handed to a call by waking its task. If the task does not poll it (its owner may be busy with other things),
//! the turn goes to the next one after [`GRACE`]: the epoch's thread looks after that.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use vivarium_tenancy::fair::{FairQueue, Next};
use vivarium_tenancy::{Share, ShareId};

use crate::epoch::{Running, Ticker};

/// How long a call that was woken may take to use its turn. Longer than a busy executor takes to poll a task that is ready.
const GRACE: Duration = Duration::from_millis(50);

/// Hands out turns. One for each runtime.
#[derive(Debug)]
pub(crate) struct Scheduler {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    queue: FairQueue<Waker>,
    /// Turns that were given and not yet taken: at most one for each core.
    given: Vec<Given>,
}

#[derive(Debug)]
struct Given {
    ticket: u64,
    id: ShareId,
    since: Instant,
}

impl Scheduler {
    /// Gives at most `cores` turns at a time, at least one. A turn usually lasts for a `tick`.
    pub(crate) fn new(cores: usize, tick: Duration) -> Self {
        Self { state: Mutex::new(State { queue: FairQueue::new(cores.max(1), tick), given: Vec::new() }) }
    }

    /// A place in the queue for a call of a tenant that has this share.
    pub(crate) fn place<'a>(&'a self, ticker: &'a Ticker, share: &'a Share) -> QueuePlace<'a> {
        QueuePlace { scheduler: self, ticker, share, ticket: None, _running: None }
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
            state.queue.end(given.id, Duration::ZERO, None);
        }
        state.give().wake(state);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is complete before anything that can panic, so a panic elsewhere leaves the state valid.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes the turn that was given for a ticket.
    fn take(&mut self, ticket: u64) -> bool {
        let index = self.given.iter().position(|given| given.ticket == ticket);
        index.map(|index| self.given.swap_remove(index)).is_some()
    }

    /// Gives free turns to those whose they are.
    fn give(&mut self) -> Wakers {
        let mut wakers = Wakers(Vec::new());
        while let Some(Next { id, ticket, call }) = self.queue.give() {
            self.given.push(Given { ticket, id, since: Instant::now() });
            wakers.0.push(call);
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
        // Nearly always there is none.
        if !self.0.is_empty() {
            self.0.into_iter().for_each(Waker::wake);
        }
    }
}

/// A call's place in the queue. Dropped, it gives its turn or its place up.
pub(crate) struct QueuePlace<'a> {
    scheduler: &'a Scheduler,
    ticker: &'a Ticker,
    share: &'a Share,
    /// While it waits, or was given a turn that it has not taken.
    ticket: Option<u64>,
    /// The epoch's thread must not sleep while somebody waits for a turn.
    _running: Option<Running<'a>>,
}

impl<'a> QueuePlace<'a> {
    /// A turn, if it is this call's. Otherwise its task is woken when it is.
    pub(crate) fn poll_turn(&mut self, waker: &Waker) -> Option<Turn<'_, 'a>> {
        let mut state = self.scheduler.lock();
        match self.ticket {
            Some(ticket) if state.take(ticket) => return Some(self.taken(state)),
            Some(ticket) => {
                if let Some(waiting) = state.queue.waiting(self.share.id(), ticket) {
                    waiting.clone_from(waker);
                    return None;
                }
                // It was given a turn and did not take it in time.
            }
            None if state.queue.enter(self.share) => return Some(self.taken(state)),
            None => {}
        }
        let ticket = state.queue.arrive(self.share, waker.clone());
        self.ticket = Some(ticket);
        let wakers = state.give();
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
        if next.is_some() {
            state.queue.reweigh(self.share);
        }
        self.ticket = state.queue.end(self.share.id(), used, next.cloned());
        state.give().wake(state);
        self._running = next.is_some().then(|| self.ticker.run());
    }
}

impl Drop for QueuePlace<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

impl QueuePlace<'_> {
    /// Gives up the place, or the turn that was given and not taken: the call waits for something else than a turn.
    pub(crate) fn leave(&mut self) {
        let Some(ticket) = self.ticket.take() else { return };
        self._running = None;
        let mut state = self.scheduler.lock();
        if state.take(ticket) {
            state.queue.end(self.share.id(), Duration::ZERO, None);
            state.give().wake(state);
        } else {
            state.queue.leave(self.share.id(), ticket);
        }
    }
}

/// The right to run until it ends.
pub(crate) struct Turn<'p, 'a> {
    place: &'p mut QueuePlace<'a>,
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
