//! What the functions of one query share, beyond the operators that have a stream of their own.
//!
//! A scope is made when a query is planned ([`crate::rule`]), and every function that the query calls synchronously gets a copy that
//! knows it. An operator at the root of the plan opens it when the query is executed and closes it with the last stream: then guests
//! that are waited for stop at once, and the instances go. Before it is opened the functions refuse to be called: planning never
//! waits.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::SchemaRef;
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::scalar::ScalarValue;
use tokio::sync::{Notify, OnceCell};

use crate::function::{BoundTypes, PythonFunction};
use crate::settings::SandboxSettings;
use crate::work::{Call, Work};

/// Tells those who wait for a guest that nobody wants the answer any more.
#[derive(Debug, Default)]
pub(crate) struct Cancel {
    over: AtomicBool,
    told: Notify,
}

impl Cancel {
    pub fn cancel(&self) {
        self.over.store(true, Ordering::SeqCst);
        self.told.notify_waiters();
    }

    /// Runs `future` to its end, or to the end of the query.
    pub async fn unless_over<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let told = self.told.notified();
        futures::pin_mut!(told);
        // Listening begins before looking, so that no word is lost between them.
        told.as_mut().enable();
        if self.over.load(Ordering::SeqCst) {
            return None;
        }
        tokio::select! {
            biased;
            () = told => None,
            value = future => Some(value),
        }
    }
}

/// One planned query.
#[derive(Debug)]
pub(crate) struct Scope {
    pub settings: SandboxSettings,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The execution that runs now; executions of the same plan follow each other.
    cancel: Arc<Cancel>,
    pool: Option<Arc<dyn MemoryPool>>,
    streams: usize,
    /// By function, types of the arguments, and whether it is an aggregate's.
    calls: HashMap<(usize, SchemaRef, bool), Arc<Call>>,
    work: Vec<Arc<Work>>,
    /// By function and arguments.
    constants: HashMap<(usize, Vec<ScalarValue>), Arc<Constant>>,
}

/// The most calls of a query whose instances stay between their batches. A statement may have hundreds of calls with constants, which are
/// made one after the other, and a process has not as many sandboxes.
const WORKS: usize = 16;

/// The value of a call with constants, once somebody has asked for it.
pub(crate) type Constant = OnceCell<ScalarValue>;

/// The most values of calls with constants that are kept; those of further calls are asked for once for a batch. A statement has as many
/// as its author wrote.
const CONSTANTS: usize = 65_536;

impl Scope {
    pub fn new(settings: SandboxSettings) -> Arc<Self> {
        Arc::new(Self { settings, state: Mutex::default() })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // What is behind it is replaced whole, so a panic elsewhere leaves it valid.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The call of a function with these types, the same for all its callers in the query.
    pub fn call(&self, function: &Arc<PythonFunction>, types: &BoundTypes) -> Arc<Call> {
        let key = (Arc::as_ptr(function) as usize, Arc::clone(&types.schema), false);
        let make = || Call::new(Arc::clone(function), types.clone(), &self.settings);
        Arc::clone(self.state().calls.entry(key).or_insert_with(make))
    }

    /// The call of an aggregate function, whose accumulators have an instance each.
    pub fn aggregate(&self, function: &Arc<PythonFunction>, types: &BoundTypes) -> Arc<Call> {
        let key = (Arc::as_ptr(function) as usize, Arc::clone(&types.schema), true);
        let make = || Call::with_an_instance_for_each(Arc::clone(function), types.clone(), &self.settings);
        Arc::clone(self.state().calls.entry(key).or_insert_with(make))
    }

    /// The call at work: until the query ends, or until so many others are that it has to make room when nobody waits for it.
    pub fn work(&self, call: &Arc<Call>) -> Arc<Work> {
        let mut state = self.state();
        let work = call.work(state.pool.as_ref());
        let mut idle = Vec::new();
        if !state.work.iter().any(|kept| Arc::ptr_eq(kept, &work)) {
            while state.work.len() >= WORKS
                && let Some(oldest) = state.work.iter().position(|kept| Arc::strong_count(kept) == 1)
            {
                idle.push(state.work.remove(oldest));
            }
            state.work.push(Arc::clone(&work));
        }
        drop(state);
        // Instances end here, and that may take a moment.
        drop(idle);
        work
    }

    pub fn cancel(&self) -> Arc<Cancel> {
        Arc::clone(&self.state().cancel)
    }

    /// Whether the query is executed now.
    pub fn is_open(&self) -> bool {
        self.state().streams > 0
    }

    /// The value of a call with these constants: one for all partitions and operators of the query.
    pub fn constant(&self, function: &Arc<PythonFunction>, arguments: Vec<ScalarValue>) -> Arc<Constant> {
        let mut state = self.state();
        let key = (Arc::as_ptr(function) as usize, arguments);
        if let Some(known) = state.constants.get(&key) {
            return Arc::clone(known);
        }
        let constant = Arc::new(Constant::new());
        if state.constants.len() < CONSTANTS {
            state.constants.insert(key, Arc::clone(&constant));
        }
        constant
    }

    /// A stream of the query begins.
    pub fn enter(&self, pool: &Arc<dyn MemoryPool>) {
        let mut state = self.state();
        if state.streams == 0 {
            state.cancel = Arc::default();
            state.pool = Some(Arc::clone(pool));
        }
        state.streams += 1;
    }

    /// A stream of the query ended, or was dropped.
    pub fn leave(&self) {
        let mut state = self.state();
        state.streams = state.streams.saturating_sub(1);
        if state.streams == 0 {
            state.cancel.cancel();
            state.pool = None;
            let work = std::mem::take(&mut state.work);
            let constants = std::mem::take(&mut state.constants);
            drop(state);
            // Instances end here, and that may take a moment.
            drop((work, constants));
        }
    }

    /// The calls made so far.
    pub fn calls(&self) -> Vec<Arc<Call>> {
        self.state().calls.values().cloned().collect()
    }
}
