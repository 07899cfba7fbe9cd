//! What a task did, readable at any time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::histogram::Histogram;
use crate::totals::{End, Totals};

/// Counters of one task, over all its sandboxes, since it began. Reading them costs nothing to the sandboxes.
#[derive(Debug, Default)]
pub struct Metrics {
    calls: AtomicU64,
    rows: AtomicU64,
    guest_nanos: AtomicU64,
    copy_nanos: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    started: AtomicU64,
    replaced: AtomicU64,
    memory: AtomicU64,
    peak_memory: AtomicU64,
    rows_as_columns: AtomicU64,
    rows_interpreted: AtomicU64,
    programs_dropped: AtomicU64,
    cpu_nanos: AtomicU64,
    checkouts: AtomicU64,
    /// Shared with the sandboxes' output.
    log_dropped: Arc<AtomicU64>,
    call_times: Histogram,
    turn_waits: Histogram,
    room_waits: Histogram,
    ends: Mutex<Ends>,
}

/// What is rare, and told by its reason.
#[derive(Debug, Default)]
struct Ends {
    ended: BTreeMap<End, u64>,
    refused: BTreeMap<&'static str, u64>,
    retired: BTreeMap<&'static str, u64>,
}

/// The values of [`Metrics`] at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MetricsSnapshot {
    /// Batches sent through a function, failed ones included.
    pub calls: u64,
    /// Rows in those batches.
    pub rows: u64,
    /// Wall-clock time inside the guest, waiting included.
    pub time_in_guest: Duration,
    /// Time spent copying batches into and results out of linear memory, checks included.
    pub time_copying: Duration,
    /// Bytes of encoded batches.
    pub bytes_in: u64,
    /// Bytes of results, as they are on the host.
    pub bytes_out: u64,
    /// Instances started.
    pub instances_started: u64,
    /// Instances destroyed because a call failed in a way no instance survives, and replaced.
    pub instances_replaced: u64,
    /// Instances that pools ended although nothing was wrong with them: worn, or not needed for long.
    pub instances_retired: u64,
    /// Linear memory of all its instances that are alive now, in bytes, at its full size although idle instances share most of
    /// their pages.
    pub memory: u64,
    /// The largest linear memory any of its instances had, in bytes.
    pub peak_memory: u64,
    /// How the rows of calls that succeeded were computed.
    pub counts: ColumnCounts,
}

/// How the rows of functions that are called once a row were computed (`docs/columns.md`), as the guest tells. Rows of vectorized
/// functions are not counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ColumnCounts {
    /// Rows that ran as columns.
    pub rows_as_columns: u64,
    /// Rows that the interpreter computed.
    pub rows_interpreted: u64,
    /// How often a function that ran as columns did so no longer: what it depends on changed, or too many of its rows were the
    /// interpreter's.
    pub programs_dropped: u64,
}

impl Metrics {
    /// The counters now. Each is exact; together they need not be of one instant.
    pub fn snapshot(&self) -> MetricsSnapshot {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        MetricsSnapshot {
            calls: read(&self.calls),
            rows: read(&self.rows),
            time_in_guest: Duration::from_nanos(read(&self.guest_nanos)),
            time_copying: Duration::from_nanos(read(&self.copy_nanos)),
            bytes_in: read(&self.bytes_in),
            bytes_out: read(&self.bytes_out),
            instances_started: read(&self.started),
            instances_replaced: read(&self.replaced),
            instances_retired: self.ends().retired.values().sum(),
            memory: read(&self.memory),
            peak_memory: read(&self.peak_memory),
            counts: ColumnCounts {
                rows_as_columns: read(&self.rows_as_columns),
                rows_interpreted: read(&self.rows_interpreted),
                programs_dropped: read(&self.programs_dropped),
            },
        }
    }

    /// The counters as a tenant's totals have them.
    pub fn totals(&self) -> Totals {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let ends = self.ends();
        Totals {
            cpu: self.cpu_time(),
            calls: read(&self.calls),
            rows: read(&self.rows),
            bytes_in: read(&self.bytes_in),
            bytes_out: read(&self.bytes_out),
            started: read(&self.started),
            replaced: read(&self.replaced),
            checkouts: read(&self.checkouts),
            log_dropped: read(&self.log_dropped),
            call_times: self.call_times.durations(),
            turn_waits: self.turn_waits.durations(),
            room_waits: self.room_waits.durations(),
            ended: ends.ended.clone(),
            refused: ends.refused.clone(),
            retired: ends.retired.clone(),
        }
    }

    /// Processor time of its sandboxes.
    #[inline]
    pub fn cpu_time(&self) -> Duration {
        Duration::from_nanos(self.cpu_nanos.load(Ordering::Relaxed))
    }

    /// Adds processor time and returns the new total.
    #[inline]
    pub fn add_cpu(&self, time: Duration) -> Duration {
        let nanos = nanos(time);
        Duration::from_nanos(self.cpu_nanos.fetch_add(nanos, Ordering::Relaxed).saturating_add(nanos))
    }

    /// A sandbox was lent out.
    #[inline]
    pub fn add_checkout(&self) {
        add(&self.checkouts, 1);
    }

    /// A call waited so long for a time slice.
    #[inline]
    pub fn add_turn_wait(&self, time: Duration) {
        self.turn_waits.record(time);
    }

    /// Somebody waited so long for room for a sandbox, or for one to come back.
    #[inline]
    pub fn add_room_wait(&self, time: Duration) {
        self.room_waits.record(time);
    }

    /// A sandbox was ended because of what its code did.
    pub fn add_end(&self, end: End) {
        *self.ends().ended.entry(end).or_default() += 1;
    }

    /// A pool ended a sandbox although nothing was wrong with it.
    pub fn add_retired(&self, reason: &'static str) {
        *self.ends().retired.entry(reason).or_default() += 1;
    }

    /// There was no room for a sandbox.
    pub fn add_refusal(&self, limit: &'static str) {
        *self.ends().refused.entry(limit).or_default() += 1;
    }

    /// Where bytes of output are counted that were dropped for exceeding a rate.
    #[inline]
    pub fn log_dropped(&self) -> &Arc<AtomicU64> {
        &self.log_dropped
    }

    fn ends(&self) -> MutexGuard<'_, Ends> {
        // Counters are added one at a time.
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A batch of so many rows is sent.
    #[inline]
    pub fn add_call(&self, rows: usize) {
        add(&self.calls, 1);
        add(&self.rows, rows as u64);
    }

    /// A batch's call took so long, copying included.
    #[inline]
    pub fn add_call_time(&self, time: Duration) {
        self.call_times.record(time);
    }

    /// A call was so long in the guest.
    #[inline]
    pub fn add_guest_time(&self, time: Duration) {
        add(&self.guest_nanos, nanos(time));
    }

    /// A batch of so many bytes was copied in, which took so long.
    #[inline]
    pub fn add_copy_in(&self, time: Duration, bytes: usize) {
        add(&self.copy_nanos, nanos(time));
        add(&self.bytes_in, bytes as u64);
    }

    /// A result of so many bytes was copied out, which took so long.
    #[inline]
    pub fn add_copy_out(&self, time: Duration, bytes: usize) {
        add(&self.copy_nanos, nanos(time));
        add(&self.bytes_out, bytes as u64);
    }

    /// Rows of a call that succeeded were computed so.
    #[inline]
    pub fn add_counts(&self, counts: &ColumnCounts) {
        add(&self.rows_as_columns, counts.rows_as_columns);
        add(&self.rows_interpreted, counts.rows_interpreted);
        add(&self.programs_dropped, counts.programs_dropped);
    }

    /// An instance was started.
    #[inline]
    pub fn add_started(&self) {
        add(&self.started, 1);
    }

    /// An instance was destroyed by a call.
    #[inline]
    pub fn add_replaced(&self) {
        add(&self.replaced, 1);
    }

    /// An instance's memory grew by `growth` bytes and is of `size` bytes now.
    #[inline]
    pub fn grow_memory(&self, growth: u64, size: u64) {
        add(&self.memory, growth);
        self.peak_memory.fetch_max(size, Ordering::Relaxed);
    }

    /// An instance gave memory back, or did not get it after all.
    #[inline]
    pub fn release_memory(&self, bytes: u64) {
        self.memory.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[inline]
fn add(counter: &AtomicU64, amount: u64) {
    // Adding takes twenty times as long as looking whether there is anything to add.
    if amount > 0 {
        counter.fetch_add(amount, Ordering::Relaxed);
    }
}

#[inline]
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
