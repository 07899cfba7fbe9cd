//! What `EXPLAIN ANALYZE` tells about each function.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use datafusion::physical_plan::metrics::{Count, Gauge, Metric, MetricValue, MetricsSet, Time};

use crate::work::Call;

/// Adds the counters of calls as they are now, under the functions' names.
pub(crate) fn report<'a>(calls: impl Iterator<Item = &'a Arc<Call>>, metrics: &mut MetricsSet) {
    let mut add = |value| metrics.push(Arc::new(Metric::new(value, None)));
    for call in calls {
        let function = &call.function.name;
        let name = |what: &str| -> Cow<'static, str> { format!("{function}.{what}").into() };
        let now = call.account.metrics().snapshot();
        let count = |what: &str, number: u64| {
            let count = Count::new();
            count.add(usize::try_from(number).unwrap_or(usize::MAX));
            MetricValue::Count { name: name(what), count }
        };
        let time = |what: &str, duration| {
            let time = Time::new();
            time.add_duration(duration);
            MetricValue::Time { name: name(what), time }
        };
        add(count("rows", now.rows));
        add(count("calls", now.calls));
        add(time("time_in_guest", now.time_in_guest));
        add(time("time_copying", now.time_copying));
        add(count("instances", now.instances_started));
        let gauge = Gauge::new();
        gauge.set(usize::try_from(now.peak_memory).unwrap_or(usize::MAX));
        add(MetricValue::PeakMemoryUsage { name: name("peak_memory"), gauge });
        add(count("rows_as_columns", now.counts.rows_as_columns));
        add(count("rows_interpreted", now.counts.rows_interpreted));
        add(count("programs_dropped", now.counts.programs_dropped));
        add(count("errors", call.errors.load(Ordering::Relaxed)));
    }
}
