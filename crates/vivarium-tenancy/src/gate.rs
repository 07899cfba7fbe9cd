//! Whether a tenant's code may run, and how those who wait learn that this has changed.
//!
//! ```text
//!                 resume          calls that run   calls to come      sandboxes for new ones
//!   Active    <───────────┐   │   go on            begin              are started
//!     │ suspend           │   │
//!     ├──────────> Suspended  │   wait             wait               wait
//!     │ drain             │   │
//!     ├──────────> Draining ──┘   go on            begin              are started for tasks that began before
//!     │ end
//!     └──────────> Ended          end              are refused        are refused
//! ```
//!
//! Whoever runs code looks at each turn; while the tenant is active that is one load. The state is changed and tasks are noted under one
//! lock, so that nobody begins to wait for a change that has been.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use serde::{Deserialize, Serialize};

use crate::id::TenantId;

/// What a tenant's code may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TenantState {
    /// Run.
    Active,
    /// Wait: no time slices and no new sandboxes. What it holds it keeps.
    Suspended,
    /// Come to an end: tasks that have begun go on, and no other begins.
    Draining,
    /// Nothing, for ever.
    Ended,
}

/// A tenant's code may not run, or not begin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the tenant {tenant} {}", self.reason())]
#[non_exhaustive]
pub struct TenantClosed {
    /// The tenant.
    pub tenant: TenantId,
    /// Why: [`TenantState::Draining`] or [`TenantState::Ended`].
    pub state: TenantState,
}

impl TenantClosed {
    fn reason(&self) -> &'static str {
        match self.state {
            TenantState::Draining => "is being drained: tasks that have begun go on, and no other begins",
            _ => "was ended: none of its code runs any more",
        }
    }
}

/// A tenant's state, and who waits for another one.
#[derive(Debug)]
pub(crate) struct Gate {
    tenant: TenantId,
    /// The state in the lowest bits, and above them how often it changed.
    word: AtomicU64,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    last: u64,
    wakers: BTreeMap<u64, Waker>,
}

const STATES: [TenantState; 4] =
    [TenantState::Active, TenantState::Suspended, TenantState::Draining, TenantState::Ended];

impl Gate {
    /// An active tenant's.
    pub fn new(tenant: TenantId) -> Self {
        Self { tenant, word: AtomicU64::new(0), waiting: Mutex::default() }
    }

    #[inline]
    pub fn state(&self) -> TenantState {
        state_of(self.word())
    }

    /// The state, and which of several equal ones it is.
    #[inline]
    pub fn word(&self) -> u64 {
        self.word.load(Ordering::SeqCst)
    }

    /// Changes the state, and wakes those who wait.
    ///
    /// # Errors
    /// The tenant has ended.
    pub fn change(&self, to: TenantState) -> Result<(), TenantClosed> {
        let mut waiting = self.lock();
        let word = self.word();
        match state_of(word) {
            state if state == to => return Ok(()),
            TenantState::Ended => return Err(self.closed(TenantState::Ended)),
            _ => {}
        }
        let changes = (word >> 2) + 1;
        self.word.store(changes << 2 | to as u64, Ordering::SeqCst);
        let wakers = std::mem::take(&mut waiting.wakers);
        drop(waiting);
        wakers.into_values().for_each(Waker::wake);
        Ok(())
    }

    /// Whether sandboxes are started for a task that began when the word was `born`.
    pub fn admits(&self, born: u64) -> Result<(), TenantClosed> {
        let word = self.word();
        match state_of(word) {
            TenantState::Draining if born == word => Err(self.closed(TenantState::Draining)),
            TenantState::Ended => Err(self.closed(TenantState::Ended)),
            _ => Ok(()),
        }
    }

    pub fn watch(&self) -> GateWatch<'_> {
        GateWatch { gate: self, key: None }
    }

    fn closed(&self, state: TenantState) -> TenantClosed {
        TenantClosed { tenant: self.tenant.clone(), state }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Entries are added and removed whole.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn state_of(word: u64) -> TenantState {
    STATES[(word & 3) as usize]
}

/// A task's look at whether its tenant's code may run.
#[derive(Debug)]
pub struct GateWatch<'a> {
    gate: &'a Gate,
    /// Of its waker, since it waited for the first time.
    key: Option<u64>,
}

impl GateWatch<'_> {
    /// Ready when code may run. While the tenant is suspended the task is woken when that changes.
    ///
    /// # Errors
    /// The tenant has ended.
    #[inline]
    pub fn poll_open(&mut self, waker: &Waker) -> Poll<Result<(), TenantClosed>> {
        match self.gate.state() {
            TenantState::Active | TenantState::Draining => Poll::Ready(Ok(())),
            _ => self
                .poll(waker, |state| match state {
                    TenantState::Active | TenantState::Draining => Some(Ok(())),
                    TenantState::Ended => Some(Err(())),
                    TenantState::Suspended => None,
                })
                .map(|open| open.map_err(|()| self.gate.closed(TenantState::Ended))),
        }
    }

    /// Ready when the tenant has ended. Until then the task is woken whenever the state changes.
    pub fn poll_ended(&mut self, waker: &Waker) -> Poll<TenantClosed> {
        let ended = self.poll(waker, |state| (state == TenantState::Ended).then_some(()));
        ended.map(|()| self.gate.closed(TenantState::Ended))
    }

    fn poll<T>(&mut self, waker: &Waker, ready: impl Fn(TenantState) -> Option<T>) -> Poll<T> {
        let mut waiting = self.gate.lock();
        if let Some(ready) = ready(self.gate.state()) {
            return Poll::Ready(ready);
        }
        let key = *self.key.get_or_insert_with(|| {
            waiting.last += 1;
            waiting.last
        });
        waiting.wakers.entry(key).and_modify(|known| known.clone_from(waker)).or_insert_with(|| waker.clone());
        Poll::Pending
    }
}

impl Drop for GateWatch<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.gate.lock().wakers.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn gate() -> Gate {
        Gate::new(TenantId::new("acme").unwrap())
    }

    #[test]
    fn a_suspended_tenants_code_waits_until_it_is_resumed() {
        let (gate, woken) = (gate(), Arc::new(Woken::default()));
        let waker = Waker::from(Arc::clone(&woken));
        let mut watch = gate.watch();
        assert_eq!(watch.poll_open(&waker), Poll::Ready(Ok(())));
        gate.change(TenantState::Suspended).unwrap();
        assert_eq!(watch.poll_open(&waker), Poll::Pending);
        assert_eq!(watch.poll_open(&waker), Poll::Pending);
        assert_eq!(woken.0.load(Ordering::SeqCst), 0);
        gate.change(TenantState::Active).unwrap();
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
        assert_eq!(watch.poll_open(&waker), Poll::Ready(Ok(())));
        assert!(gate.lock().wakers.is_empty());
    }

    #[test]
    fn an_end_is_told_to_everybody_and_is_final() {
        let (gate, woken) = (gate(), Arc::new(Woken::default()));
        let waker = Waker::from(Arc::clone(&woken));
        let (mut runs, mut waits) = (gate.watch(), gate.watch());
        assert!(runs.poll_ended(&waker).is_pending());
        gate.change(TenantState::Suspended).unwrap();
        assert!(waits.poll_open(&waker).is_pending() && runs.poll_ended(&waker).is_pending());
        gate.change(TenantState::Ended).unwrap();
        assert_eq!(woken.0.load(Ordering::SeqCst), 3);
        let closed = TenantClosed { tenant: TenantId::new("acme").unwrap(), state: TenantState::Ended };
        assert_eq!(runs.poll_ended(&waker), Poll::Ready(closed.clone()));
        assert_eq!(waits.poll_open(&waker), Poll::Ready(Err(closed.clone())));
        assert_eq!(gate.change(TenantState::Active), Err(closed.clone()));
        assert_eq!(gate.change(TenantState::Ended), Ok(()));
        assert_eq!(closed.to_string(), "the tenant acme was ended: none of its code runs any more");
    }

    #[test]
    fn who_gives_up_waiting_is_forgotten() {
        let gate = gate();
        gate.change(TenantState::Suspended).unwrap();
        let mut watch = gate.watch();
        assert!(watch.poll_open(Waker::noop()).is_pending());
        assert_eq!(gate.lock().wakers.len(), 1);
        drop(watch);
        assert!(gate.lock().wakers.is_empty());
    }

    #[test]
    fn only_tasks_that_began_before_it_go_on_in_a_drain() {
        let gate = gate();
        let before = gate.word();
        gate.change(TenantState::Draining).unwrap();
        let late = gate.word();
        assert_eq!((gate.admits(before).is_ok(), gate.admits(late).is_err()), (true, true));
        gate.change(TenantState::Active).unwrap();
        assert!(gate.admits(late).is_ok());
        gate.change(TenantState::Draining).unwrap();
        assert!(gate.admits(late).is_ok(), "it began before this one");
    }

    /// One side suspends and resumes, the other waits: if a wake-up were lost it would wait for ever.
    #[test]
    fn no_change_is_missed() {
        let gate = gate();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                let mut opened = 0_u32;
                loop {
                    let mut watch = gate.watch();
                    match futures::executor::block_on(poll_fn(|context| watch.poll_open(context.waker()))) {
                        Ok(()) => opened += 1,
                        Err(_) => return opened,
                    }
                }
            });
            for _ in 0..10_000 {
                gate.change(TenantState::Suspended).unwrap();
                gate.change(TenantState::Active).unwrap();
            }
            gate.change(TenantState::Ended).unwrap();
            waiter.join().unwrap();
        });
    }
}
