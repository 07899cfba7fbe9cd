//! Waiting for a guest where DataFusion leaves no way to await it.
//!
//! Guests run asynchronously; scalar functions in a projection, a filter, a sort or the arguments of an aggregate are awaited by an
//! operator of this crate ([`crate::exec`]), and nothing waits. The exceptions are places where DataFusion calls a function and
//! needs its answer at once: calls with constants (made once for a query), branches of `CASE` (a call is made only for the rows that reach
//! it), join filters, accumulators. There the thread waits:
//!
//! * On a worker of a multi-threaded runtime within `block_in_place`, which hands the worker's other tasks to another thread first.
//! * On a current-thread runtime on a thread of its own that has no runtime: the guest's timers must not
//!   depend on the thread that waits. Without a runtime, on the thread itself.
//!
//! Waiting is a task of the runtime's own ([`crate::query::PythonScopeExec`] spawns one): within a `LocalSet`, where a worker's
//! tasks cannot be handed to another thread, nothing waits.
//!
//! In both cases the guest's deadlines are kept by a small runtime that only does that, and the end of the query stops the wait
//! ([`crate::scope::Cancel`]).

use std::future::Future;
use std::sync::LazyLock;

use tokio::runtime::{Builder, Handle, Runtime, RuntimeFlavor};

/// Keeps the time for guests that are waited for. `None` when its thread could not be started.
static TIMEKEEPER: LazyLock<Option<Runtime>> = LazyLock::new(|| {
    Builder::new_multi_thread().worker_threads(1).thread_name("vivarium-bridge").enable_all().build().ok()
});

/// Waits for `future` on this thread, or near it; `None` when there is no thread to do it.
pub(crate) fn wait<T: Send>(future: impl Future<Output = T> + Send) -> Option<T> {
    let timekeeper = TIMEKEEPER.as_ref()?;
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => Some(tokio::task::block_in_place(|| timekeeper.block_on(future))),
        Ok(_) => std::thread::scope(|scope| {
            let waiting = std::thread::Builder::new().spawn_scoped(scope, || timekeeper.block_on(future)).ok()?;
            waiting.join().ok()
        }),
        Err(_) => Some(timekeeper.block_on(future)),
    }
}
