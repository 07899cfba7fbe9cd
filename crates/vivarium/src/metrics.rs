//! A function's metrics, summed over the instances of its task.
//!
//! Instances report their metrics' current values. An instance may die and another take its place, so each report adds the
//! difference from the same instance's report before. Gauges have no sum: the last reported value counts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use vivarium_sandbox::{ColumnCounts, FunctionMetric, FunctionMetrics, MAX_FUNCTION_METRICS};

/// The metrics of a task's function.
#[derive(Debug, Default)]
pub(crate) struct TaskMetrics {
    totals: Mutex<BTreeMap<String, FunctionMetric>>,
}

impl TaskMetrics {
    /// Adds what an instance reports; `reported` is what it reported before, and is brought up to date.
    pub(crate) fn add(&self, reported: &mut BTreeMap<String, FunctionMetric>, report: FunctionMetrics) {
        if report.is_empty() {
            return;
        }
        // Metrics are replaced whole, so a panic elsewhere leaves the map valid.
        let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, now) in report.0 {
            // Every instance runs the same code; names beyond the bound would be made up to fill the host.
            if !totals.contains_key(&name) && totals.len() >= MAX_FUNCTION_METRICS {
                continue;
            }
            let before = reported.insert(name.clone(), now);
            let total = totals.remove(&name);
            totals.insert(name, sum(total, before, now));
        }
    }

    /// The metrics now.
    pub(crate) fn snapshot(&self) -> BTreeMap<String, FunctionMetric> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// How the rows of a task were computed.
#[derive(Debug, Default)]
pub(crate) struct TaskCounts {
    rows_as_columns: AtomicU64,
    rows_interpreted: AtomicU64,
    programs_dropped: AtomicU64,
}

impl TaskCounts {
    /// Adds those of one call.
    pub(crate) fn add(&self, call: &ColumnCounts) {
        for (total, count) in [
            (&self.rows_as_columns, call.rows_as_columns),
            (&self.rows_interpreted, call.rows_interpreted),
            (&self.programs_dropped, call.programs_dropped),
        ] {
            // Most calls have only one of them, and adding nothing takes as long as adding.
            if count > 0 {
                total.fetch_add(count, Ordering::Relaxed);
            }
        }
    }

    /// All so far.
    pub(crate) fn snapshot(&self) -> ColumnCounts {
        let mut counts = ColumnCounts::default();
        counts.rows_as_columns = self.rows_as_columns.load(Ordering::Relaxed);
        counts.rows_interpreted = self.rows_interpreted.load(Ordering::Relaxed);
        counts.programs_dropped = self.programs_dropped.load(Ordering::Relaxed);
        counts
    }
}

/// A total with one instance's share brought from `before` to `now`. A metric that changed its kind counts anew.
fn sum(total: Option<FunctionMetric>, before: Option<FunctionMetric>, now: FunctionMetric) -> FunctionMetric {
    use FunctionMetric::{Counter, Distribution, Meter};
    let moved = |total: i64, before: i64, now: i64| total.saturating_add(now.saturating_sub(before));
    match (total, before, now) {
        (Some(Counter(total)), Some(Counter(before)), Counter(now)) => Counter(moved(total, before, now)),
        (Some(Counter(total)), _, Counter(now)) => Counter(total.saturating_add(now)),
        (Some(Meter(total)), Some(Meter(before)), Meter(now)) => Meter(moved(total, before, now)),
        (Some(Meter(total)), _, Meter(now)) => Meter(total.saturating_add(now)),
        (
            Some(Distribution { count, sum, min, max }),
            before,
            Distribution { count: n, sum: s, min: low, max: high },
        ) => {
            let (counted, summed) = match before {
                Some(Distribution { count, sum, .. }) => (count, sum),
                _ => (0, 0),
            };
            let (count_now, sum_now) = (moved(count, counted, n), moved(sum, summed, s));
            match (count, n) {
                (0, _) => Distribution { count: count_now, sum: sum_now, min: low, max: high },
                (_, 0) => Distribution { count, sum, min, max },
                _ => Distribution { count: count_now, sum: sum_now, min: min.min(low), max: max.max(high) },
            }
        }
        (_, _, now) => now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(metrics: &[(&str, FunctionMetric)]) -> FunctionMetrics {
        FunctionMetrics(metrics.iter().map(|(name, metric)| ((*name).to_owned(), *metric)).collect())
    }

    #[test]
    fn instances_add_up() {
        use FunctionMetric::{Counter, Distribution, Gauge, Meter};
        let distribution = |count, sum, min, max| Distribution { count, sum, min, max };
        let task = TaskMetrics::default();
        let (mut one, mut other) = (BTreeMap::new(), BTreeMap::new());
        task.add(
            &mut one,
            report(&[("c", Counter(5)), ("m", Meter(1)), ("d", distribution(0, 0, 0, 0)), ("g", Gauge(Some(1.0)))]),
        );
        task.add(&mut other, report(&[("c", Counter(-7)), ("d", distribution(2, 11, 5, 6)), ("g", Gauge(Some(2.0)))]));
        task.add(&mut one, report(&[("c", Counter(6)), ("m", Meter(4)), ("d", distribution(1, 9, 9, 9))]));
        let found = task.snapshot();
        assert_eq!(
            found.into_iter().collect::<Vec<_>>(),
            [
                ("c".to_owned(), Counter(-1)),
                ("d".to_owned(), distribution(3, 20, 5, 9)),
                ("g".to_owned(), Gauge(Some(2.0))),
                ("m".to_owned(), Meter(4)),
            ]
        );
    }

    #[test]
    fn a_liar_neither_overflows_nor_fills_the_host() {
        let task = TaskMetrics::default();
        for round in 0..3 {
            let mut fresh = BTreeMap::new();
            let names =
                (0..MAX_FUNCTION_METRICS).map(|index| (format!("{round}.{index}"), FunctionMetric::Counter(i64::MAX)));
            task.add(&mut fresh, FunctionMetrics(names.collect()));
            task.add(&mut fresh, report(&[("0.1", FunctionMetric::Counter(i64::MIN))]));
        }
        assert_eq!(task.snapshot().len(), MAX_FUNCTION_METRICS);
    }
}
