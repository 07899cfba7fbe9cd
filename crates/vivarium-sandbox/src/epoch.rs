//! The clock that stops endless loops.
//!
//! Compiled code compares the engine's epoch with a deadline at every loop and function entry. One thread advances the
//! epoch each millisecond while some sandbox runs; each sandbox is then asked, once a tick, whether it may go on
//! (`call::on_tick`). When nothing runs the thread sleeps for good: an idle process does not wake up.
//!
//! ```text
//!   poll of a call begins: running += 1; if the thread is parked, wake it
//!   poll ends:             running -= 1
//!   thread:                tick each ms; after 20 idle ticks park, unless running > 0
//! ```

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

use wasmtime::Engine;

/// Usual time between two ticks ([`RuntimeConfig::tick`](crate::RuntimeConfig::tick)): how long a sandbox can run before its deadline is checked and others get a time slice.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// Ticks without any running sandbox before the thread parks. Waking it costs more than some idle ticks, so short
/// pauses between batches must not park it.
const IDLE_TICKS: u32 = 20;

/// Advances the epoch of one engine while sandboxes run.
#[derive(Debug)]
pub(crate) struct Ticker {
    state: Arc<State>,
    thread: Thread,
}

#[derive(Debug, Default)]
struct State {
    running: AtomicUsize,
    parked: AtomicBool,
    stopped: AtomicBool,
}

impl Ticker {
    /// Ticks once every `tick`, and calls `on_tick` before each.
    pub(crate) fn new(engine: &Engine, tick: Duration, on_tick: impl Fn() + Send + 'static) -> io::Result<Self> {
        let state = Arc::new(State::default());
        // A weak engine: the thread must not keep 2 TiB of address space alive after the last user is gone.
        let (engine, shared) = (engine.weak(), Arc::clone(&state));
        let handle = thread::Builder::new().name("vivarium-epoch".into()).spawn(move || {
            let mut idle = 0;
            while !shared.stopped.load(Ordering::SeqCst) {
                if shared.running.load(Ordering::SeqCst) > 0 {
                    idle = 0;
                } else if idle < IDLE_TICKS {
                    idle += 1;
                } else {
                    shared.park();
                    continue;
                }
                thread::sleep(tick);
                on_tick();
                match engine.upgrade() {
                    Some(engine) => engine.increment_epoch(),
                    None => return,
                }
            }
        })?;
        Ok(Self { state, thread: handle.thread().clone() })
    }

    /// Keeps the epoch advancing until the guard is dropped.
    pub(crate) fn run(&self) -> Running<'_> {
        self.state.running.fetch_add(1, Ordering::SeqCst);
        if self.state.parked.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
        Running(&self.state)
    }
}

impl State {
    /// Parks unless a sandbox runs. `parked` is stored before `running` is read here, and `running` before `parked` is read
    /// in [`Ticker::run`], all in one order: one of the two sides sees the other, and no wake-up is lost.
    fn park(&self) {
        self.parked.store(true, Ordering::SeqCst);
        if self.running.load(Ordering::SeqCst) == 0 && !self.stopped.load(Ordering::SeqCst) {
            thread::park();
        }
        self.parked.store(false, Ordering::SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

/// While it lives, the epoch advances.
#[derive(Debug)]
pub(crate) struct Running<'a>(&'a State);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}
