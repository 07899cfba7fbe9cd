//! Processor time of the guest, charged to its task.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use vivarium_tenancy::{LimitKind, TaskAccount};

use crate::error::LimitError;

/// Measures the thread that polls a call, only while it does.
///
/// A call moves between threads, and a thread serves many calls, so the thread's processor clock is looked at when a poll
/// begins, at each tick of the epoch, and when the poll ends; the differences belong to this sandbox. Each of them is given the
/// time, which its caller has read anyway.
#[derive(Debug)]
pub(crate) struct CpuMeter {
    task: Arc<TaskAccount>,
    limit: Option<Duration>,
    /// The thread's clock when time was last charged, in nanoseconds.
    charged_until: AtomicU64,
    /// The thread's clock when the poll began, in nanoseconds.
    resumed_at: AtomicU64,
    /// A tick interrupted the guest in the poll: it could go on.
    interrupted: AtomicBool,
}

impl CpuMeter {
    pub(crate) fn new(task: Arc<TaskAccount>, limit: Option<Duration>) -> Self {
        Self {
            task,
            limit,
            charged_until: AtomicU64::new(0),
            resumed_at: AtomicU64::new(0),
            interrupted: AtomicBool::new(false),
        }
    }

    /// A poll begins on this thread.
    pub(crate) fn resume(&self, now: Instant) {
        let now = thread_time(now, LONGEST_PAUSE);
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
    pub(crate) fn task(&self) -> &Arc<TaskAccount> {
        &self.task
    }

    /// Charges the time since the last charge on this thread.
    pub(crate) fn charge(&self, now: Instant) -> Charged {
        let now = thread_time(now, SHORTEST_TURN);
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

/// Between two polls a thread that is busy takes less than this, and one that went to sleep and was woken takes longer.
const LONGEST_PAUSE: Duration = Duration::from_micros(5);

/// A poll that is shorter than this counts with all of it. The kernel's scheduler takes a processor away for longer.
const SHORTEST_TURN: Duration = Duration::from_micros(20);

/// The processor time of a thread, in nanoseconds, and when it was that.
#[derive(Debug, Clone, Copy)]
struct Reading {
    time: u64,
    at: Instant,
}

thread_local! {
    static LAST: Cell<Option<Reading>> = const { Cell::new(None) };
}

/// Processor time of the calling thread in nanoseconds; `now` is the time.
///
/// Asking the kernel twice takes as long as a quarter of a call of one row. So when less than `within` has passed since this was last
/// asked on this thread, what has passed is taken for time that the thread ran: then nobody else was on its processor for long. A mistake
/// is smaller than `within`, does not add up, and ends when the kernel is asked again: after any longer poll or pause.
fn thread_time(now: Instant, within: Duration) -> u64 {
    let last = LAST.get().map(|last| (last.time, now.saturating_duration_since(last.at)));
    let time = match last {
        Some((time, passed)) if passed < within => time.saturating_add(passed.as_nanos() as u64),
        _ => kernel_thread_time(),
    };
    LAST.set(Some(Reading { time, at: now }));
    time
}

/// What the kernel says.
///
/// By libc: rustix looks for the clock in the kernel's own page, which valgrind has not mapped when it counts instructions.
#[allow(unsafe_code, reason = "the standard library has no clock of a thread's processor time")]
fn kernel_thread_time() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a timespec that the call may write, and it keeps no pointer to it.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    debug_assert_eq!(status, 0, "the clock exists wherever threads do");
    (time.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(time.tv_nsec as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On a thread of its own, which has no reading before the first one.
    fn on_a_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| scope.spawn(work).join().unwrap())
    }

    #[test]
    fn a_short_while_counts_whole() {
        on_a_thread(|| {
            let start = Instant::now();
            let before = thread_time(start, LONGEST_PAUSE);
            let after = thread_time(start + Duration::from_micros(19), SHORTEST_TURN);
            assert_eq!(after - before, 19_000);
            let resumed = thread_time(start + Duration::from_micros(23), LONGEST_PAUSE);
            assert_eq!(resumed - after, 4_000);
        });
    }

    #[test]
    fn after_a_longer_while_the_kernel_is_asked() {
        on_a_thread(|| {
            let start = Instant::now();
            let before = thread_time(start, LONGEST_PAUSE);
            // An hour of which the thread did not run.
            let later = start + Duration::from_secs(3600);
            assert!(thread_time(later, SHORTEST_TURN) - before < 1_000_000_000);
            // So is the pause of a thread that sleeps.
            let before = thread_time(later, LONGEST_PAUSE);
            std::thread::sleep(Duration::from_millis(20));
            assert!(thread_time(later + Duration::from_millis(20), LONGEST_PAUSE).saturating_sub(before) < 10_000_000);
        });
    }

    #[test]
    fn many_short_calls_are_charged_together() {
        on_a_thread(|| {
            let task = crate::TaskAccount::local();
            let meter = CpuMeter::new(Arc::clone(&task), Some(Duration::from_millis(1)));
            let mut now = Instant::now();
            let mut exhausted_at = None;
            for call in 0..200 {
                meter.resume(now);
                now += Duration::from_micros(10);
                let charged = meter.charge(now);
                assert_eq!((charged.used, meter.poll_time()), (Duration::from_micros(10), Duration::from_micros(10)));
                if charged.exhausted.is_some() {
                    exhausted_at.get_or_insert(call);
                }
                now += Duration::from_micros(2);
            }
            assert_eq!((task.cpu_time(), exhausted_at), (Duration::from_millis(2), Some(100)));
        });
    }
}
