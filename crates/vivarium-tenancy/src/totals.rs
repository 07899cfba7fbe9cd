//! Sums over tasks.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::histogram::Durations;

/// Why a sandbox ended: the reason, and the limit if that is one; the words of the audit log.
pub type End = (&'static str, &'static str);

/// Sums over tasks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Processor time.
    pub cpu: Duration,
    /// Batches sent.
    pub calls: u64,
    /// Rows of these.
    pub rows: u64,
    /// Bytes copied into guests.
    pub bytes_in: u64,
    /// Bytes copied out of them.
    pub bytes_out: u64,
    /// Sandboxes started.
    pub started: u64,
    /// Sandboxes that a call ended.
    pub replaced: u64,
    /// Sandboxes lent out.
    pub checkouts: u64,
    /// Bytes of output dropped.
    pub log_dropped: u64,
    /// How long calls took.
    pub call_times: Durations,
    /// How long calls waited for a turn, of those that did.
    pub turn_waits: Durations,
    /// How long callers waited for room, of those that did.
    pub room_waits: Durations,
    /// Sandboxes ended because of what their code did.
    pub ended: BTreeMap<End, u64>,
    /// Sandboxes for which there was no room, by the limit.
    pub refused: BTreeMap<&'static str, u64>,
    /// Sandboxes that pools ended although nothing was wrong with them, by the reason.
    pub retired: BTreeMap<&'static str, u64>,
}

impl Totals {
    /// Adds those of others.
    pub fn add(&mut self, other: &Self) {
        self.cpu = self.cpu.saturating_add(other.cpu);
        self.calls += other.calls;
        self.rows += other.rows;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.started += other.started;
        self.replaced += other.replaced;
        self.checkouts += other.checkouts;
        self.log_dropped += other.log_dropped;
        self.call_times.add(&other.call_times);
        self.turn_waits.add(&other.turn_waits);
        self.room_waits.add(&other.room_waits);
        for (end, count) in &other.ended {
            *self.ended.entry(*end).or_default() += count;
        }
        for (limit, count) in &other.refused {
            *self.refused.entry(*limit).or_default() += count;
        }
        for (reason, count) in &other.retired {
            *self.retired.entry(*reason).or_default() += count;
        }
    }
}
