//! Processor time of the guest, charged to its task.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

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
    /// The thread's clock when the poll began, in nanoseconds.
    resumed_at: AtomicU64,
    /// A tick interrupted the guest in the poll: it could go on.
    interrupted: AtomicBool,
}

impl CpuMeter {
    pub(crate) fn new(task: Arc<Task>, limit: Option<Duration>) -> Self {
        Self {
            task,
            limit,
            charged_until: AtomicU64::new(0),
            resumed_at: AtomicU64::new(0),
            interrupted: AtomicBool::new(false),
        }
    }

    /// A poll begins on this thread.
    pub(crate) fn resume(&self) {
        let now = thread_time();
        self.charged_until.store(now, Ordering::Relaxed);
        self.resumed_at.store(now, Ordering::Relaxed);
        self.interrupted.store(false, Ordering::Relaxed);
    }

    /// A tick interrupts the guest, which yields.
    pub(crate) fn interrupt(&self) {
        self.interrupted.store(true, Ordering::Relaxed);
    }

    /// Whether the poll ended because of a tick.
    pub(crate) fn was_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// What this poll has been charged.
    pub(crate) fn poll_time(&self) -> Duration {
        let (from, to) = (self.resumed_at.load(Ordering::Relaxed), self.charged_until.load(Ordering::Relaxed));
        Duration::from_nanos(to.saturating_sub(from))
    }

    /// Whose processor time it is.
    pub(crate) fn task(&self) -> &Arc<Task> {
        &self.task
    }

    /// Charges the time since the last charge on this thread.
    pub(crate) fn charge(&self) -> Charged {
        let now = thread_time();
        let used = Duration::from_nanos(now.saturating_sub(self.charged_until.swap(now, Ordering::Relaxed)));
        let total = self.task.charge_cpu(used);
        let limit = self.limit.filter(|limit| total > *limit);
        Charged { used, exhausted: limit.map(|limit| LimitError::time(LimitKind::CpuTime, limit)) }
    }
}

/// What was charged.
#[derive(Debug)]
pub(crate) struct Charged {
    pub(crate) used: Duration,
    /// The task has used up its time.
    pub(crate) exhausted: Option<LimitError>,
}

/// Processor time of the calling thread in nanoseconds.
///
/// By libc: rustix looks for the clock in the kernel's own page, which valgrind has not mapped when it counts instructions.
#[allow(unsafe_code, reason = "the standard library has no clock of a thread's processor time")]
fn thread_time() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a timespec that the call may write, and it keeps no pointer to it.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    debug_assert_eq!(status, 0, "the clock exists wherever threads do");
    (time.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(time.tv_nsec as u64)
}
