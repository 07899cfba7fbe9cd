//! Processor time of the guest, charged to its task.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::error::{LimitError, LimitKind};
use crate::tenant::Task;

/// Measures the thread that polls a call, only while it does.
///
/// A call moves between threads, and a thread serves many calls, so the thread's processor clock is read when a poll
/// begins, at each tick of the epoch, and when the poll ends; the differences belong to this sandbox.
#[derive(Debug)]
pub(crate) struct CpuMeter {
    task: Arc<Task>,
    limit: Option<Duration>,
    /// The thread's clock when time was last charged, in nanoseconds.
    charged_until: AtomicU64,
}

impl CpuMeter {
    pub(crate) fn new(task: Arc<Task>, limit: Option<Duration>) -> Self {
        Self { task, limit, charged_until: AtomicU64::new(0) }
    }

    /// A poll begins on this thread.
    pub(crate) fn resume(&self) {
        self.charged_until.store(thread_time(), Ordering::Relaxed);
    }

    /// Charges the time since the last charge on this thread.
    ///
    /// # Errors
    /// When the task has used up its time.
    pub(crate) fn charge(&self) -> Result<(), LimitError> {
        let now = thread_time();
        let used = now.saturating_sub(self.charged_until.swap(now, Ordering::Relaxed));
        let total = self.task.charge_cpu(Duration::from_nanos(used));
        match self.limit {
            Some(limit) if total > limit => Err(LimitError::time(LimitKind::CpuTime, limit)),
            _ => Ok(()),
        }
    }
}

/// Processor time of the calling thread in nanoseconds.
fn thread_time() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    (time.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(time.tv_nsec as u64)
}
