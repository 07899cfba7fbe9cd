//! What all tasks of a tenant did, those that have ended included.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::metrics::Metrics;
use crate::totals::Totals;

/// The counters of a tenant's tasks. A task counts by itself, so that counting costs it nothing more; its counters are added to those of
/// the ended ones when nobody has them any more, and so no total ever goes down.
#[derive(Debug, Default)]
pub(crate) struct TaskCounters(Mutex<Counters>);

#[derive(Debug, Default)]
struct Counters {
    tasks: Vec<Arc<Metrics>>,
    ended: Totals,
}

impl TaskCounters {
    /// Counters for a new task.
    pub(crate) fn begin(&self) -> Arc<Metrics> {
        let mut counters = self.lock();
        // At a cost that is in proportion to how many tasks began.
        if counters.tasks.len() == counters.tasks.capacity() {
            counters.sweep();
        }
        let metrics = Arc::<Metrics>::default();
        counters.tasks.push(Arc::clone(&metrics));
        metrics
    }

    /// Sums over all of them.
    pub(crate) fn totals(&self) -> Totals {
        let counters = self.lock();
        let mut totals = counters.ended.clone();
        for task in &counters.tasks {
            totals.add(&task.totals());
        }
        totals
    }

    /// Processor time of all of them.
    pub(crate) fn cpu_time(&self) -> Duration {
        let counters = self.lock();
        counters.tasks.iter().fold(counters.ended.cpu, |total, task| total.saturating_add(task.cpu_time()))
    }

    fn lock(&self) -> MutexGuard<'_, Counters> {
        // Every change is complete before anything that can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counters {
    /// Keeps sums of the tasks that have ended.
    fn sweep(&mut self) {
        let ended = &mut self.ended;
        self.tasks.retain(|task| {
            // The last reference is this one, and whoever has none cannot make another.
            let lives = Arc::strong_count(task) > 1;
            if !lives {
                ended.add(&task.totals());
            }
            lives
        });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn totals_hold_what_ended_tasks_did_and_not_the_tasks() {
        let counters = TaskCounters::default();
        for _ in 0..100 {
            let task = counters.begin();
            task.add_call(3);
            task.add_cpu(Duration::from_millis(2));
            task.add_end(("limit", "memory"));
        }
        let totals = counters.totals();
        assert_eq!((totals.calls, totals.rows, totals.cpu), (100, 300, Duration::from_millis(200)));
        assert_eq!(totals.ended, BTreeMap::from([(("limit", "memory"), 100)]));
        assert!(counters.lock().tasks.len() < 10, "ended tasks are kept");
    }
}
