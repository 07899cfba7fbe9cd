//! What operators watch, in the text format of Prometheus.
//!
//! ```text
//!   # HELP vivarium_instances Sandboxes alive.
//!   # TYPE vivarium_instances gauge
//!   vivarium_instances{tenant="acme"} 3
//! ```
//!
//! The counters are those that sandboxes keep anyway; they are read when the text is written. Writing the format takes less code than using
//! a library for it. Names are part of the interface: they do not change within a major version.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use vivarium_tenancy::{Durations, Tenant, TenantId, TenantUsage, Totals};

use crate::runtime::Runtime;

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetricKind {
    /// A number that only grows.
    Counter,
    /// A number that goes up and down.
    Gauge,
    /// Counts of durations, in seconds.
    Histogram,
}

/// A metric and what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name, by the conventions of Prometheus: with its unit, and `_total` for counters.
    pub name: &'static str,
    /// What it is.
    pub kind: MetricKind,
    /// Labels of its samples.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

const TENANT: &[&str] = &["tenant"];

/// Defines metrics by their names, and the list of all of them.
macro_rules! metrics {
    ($($constant:ident: $kind:ident $name:literal $labels:expr, $help:literal;)*) => {
        $(const $constant: Metric = Metric { name: $name, kind: MetricKind::$kind, labels: $labels, help: $help };)*

        /// All metrics of a runtime ([`Runtime::exposition`]).
        pub const METRICS: &[Metric] = &[$($constant),*];
    };
}

metrics! {
    CPU: Counter "vivarium_cpu_seconds_total" TENANT, "Processor time of guests.";
    CALLS: Counter "vivarium_calls_total" TENANT, "Batches sent through functions, failed ones included.";
    ROWS: Counter "vivarium_rows_total" TENANT, "Rows of these batches.";
    BYTES: Counter "vivarium_copied_bytes_total" &["tenant", "direction"], "Bytes copied into guests and out of them.";
    CALL_TIME: Histogram "vivarium_call_seconds" TENANT, "Time of these calls, including copying and waiting for the host and for time slices.";
    TURN_WAIT: Histogram "vivarium_turn_wait_seconds" TENANT,
        "Time that calls waited for a time slice, of those that had to wait.";
    ROOM_WAIT: Histogram "vivarium_room_wait_seconds" TENANT,
        "Time that callers waited for room for a sandbox or for a free sandbox, of those that had to wait.";
    ROOM_QUEUE: Gauge "vivarium_room_waiting" TENANT, "Callers that wait for room for a sandbox.";
    INSTANCES: Gauge "vivarium_instances" TENANT, "Sandboxes alive.";
    INSTANCES_LIMIT: Gauge "vivarium_instances_limit" TENANT, "The most sandboxes that may be alive.";
    MEMORY: Gauge "vivarium_memory_bytes" TENANT, "Linear memory of sandboxes, at its full size.";
    MEMORY_PEAK: Gauge "vivarium_memory_peak_bytes" TENANT, "The most linear memory so far.";
    MEMORY_LIMIT: Gauge "vivarium_memory_limit_bytes" TENANT, "The most linear memory that may be used.";
    HOST_MEMORY: Gauge "vivarium_host_memory_bytes" TENANT,
        "The host's memory besides linear memory and scratch: stacks at their full size, results, snapshots of environments.";
    HOST_MEMORY_PEAK: Gauge "vivarium_host_memory_peak_bytes" TENANT, "The most of that memory so far.";
    HOST_MEMORY_LIMIT: Gauge "vivarium_host_memory_limit_bytes" TENANT, "The most of that memory that may be held.";
    SCRATCH: Gauge "vivarium_scratch_bytes" TENANT, "Bytes in scratch directories, which are in the host's memory.";
    SCRATCH_FILES: Gauge "vivarium_scratch_files" TENANT, "Files in scratch directories.";
    HOST_FILES: Gauge "vivarium_host_files" TENANT, "Files of environments that are open: descriptors of the host.";
    STARTED: Counter "vivarium_instances_started_total" TENANT, "Sandboxes started.";
    REPLACED: Counter "vivarium_instances_replaced_total" TENANT, "Sandboxes of pools that a call ended, and that were replaced.";
    RETIRED: Counter "vivarium_instances_retired_total" &["tenant", "reason"],
        "Sandboxes that pools ended although nothing was wrong with them: `worn` by calls or bytes, or `idle` for long.";
    CHECKOUTS: Counter "vivarium_checkouts_total" TENANT, "Sandboxes lent out by pools.";
    ENDED: Counter "vivarium_sandboxes_ended_total" &["tenant", "reason", "limit"],
        "Sandboxes ended because of what their code did: reason and limit as in events of the audit log.";
    REFUSED: Counter "vivarium_sandboxes_refused_total" &["tenant", "limit"], "Sandboxes for which there was no room.";
    LOG_DROPPED: Counter "vivarium_log_dropped_bytes_total" TENANT, "Bytes of output dropped for exceeding a rate.";
    SLOTS: Gauge "vivarium_slots" &[], "Slots for sandboxes in this process.";
    SLOTS_USED: Gauge "vivarium_slots_used" &[], "Slots that have a sandbox.";
    SLOTS_WAITING: Gauge "vivarium_slots_waiting" &[], "Tenants that wait for a slot.";
    SLOTS_RESET: Counter "vivarium_slots_reset_total" &[], "Slots whose memory was given back when a sandbox ended.";
    PROCESS_HOST_FILES: Gauge "vivarium_process_host_files" &[], "Files of environments that all tenants have open.";
    PROCESS_HOST_FILES_LIMIT: Gauge "vivarium_process_host_files_limit" &[], "Files of environments that may be open.";
}

/// Metrics as text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exposition {
    text: String,
    /// Labels of every sample, as they are written.
    labels: String,
}

impl Exposition {
    /// One without metrics whose samples will all have these labels.
    pub fn new(labels: &[(&'static str, &str)]) -> Self {
        let mut written = String::new();
        for (name, value) in labels {
            write_label(&mut written, name, value);
        }
        Self { text: String::new(), labels: written }
    }

    /// Adds a metric. Its samples follow, and each metric is added once.
    pub fn metric(&mut self, metric: &Metric) -> Samples<'_> {
        let kind = match metric.kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        };
        // Writing to a String does not fail.
        let _ = writeln!(self.text, "# HELP {0} {1}\n# TYPE {0} {kind}", metric.name, metric.help);
        Samples { exposition: self, metric: *metric }
    }
}

impl fmt::Display for Exposition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// The samples of a metric.
#[derive(Debug)]
pub struct Samples<'a> {
    exposition: &'a mut Exposition,
    metric: Metric,
}

impl Samples<'_> {
    /// Adds a sample with the values of the metric's [labels](Metric::labels).
    pub fn sample(&mut self, values: &[&str], sample: f64) -> &mut Self {
        self.write("", values, None, sample)
    }

    fn histogram(&mut self, values: &[&str], durations: &Durations) {
        for (bound, count) in durations.cumulative() {
            self.write("_bucket", values, Some(&bound.to_string()), count as f64);
        }
        self.write("_bucket", values, Some("+Inf"), durations.count() as f64);
        self.write("_sum", values, None, durations.sum().as_secs_f64());
        self.write("_count", values, None, durations.count() as f64);
    }

    fn write(&mut self, suffix: &str, values: &[&str], bound: Option<&str>, sample: f64) -> &mut Self {
        debug_assert_eq!(values.len(), self.metric.labels.len(), "{}", self.metric.name);
        let mut labels = self.exposition.labels.clone();
        for (name, value) in self.metric.labels.iter().zip(values) {
            write_label(&mut labels, name, value);
        }
        if let Some(bound) = bound {
            write_label(&mut labels, "le", bound);
        }
        let (open, close) = if labels.is_empty() { ("", "") } else { ("{", "}") };
        let name = self.metric.name;
        let _ = writeln!(self.exposition.text, "{name}{suffix}{open}{labels}{close} {sample}");
        self
    }
}

/// Adds `name="value"` to labels.
fn write_label(labels: &mut String, name: &str, value: &str) {
    let comma = if labels.is_empty() { "" } else { "," };
    let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let _ = write!(labels, "{comma}{name}=\"{value}\"");
}

/// A tenant at one moment; those of one name are one.
#[derive(Default)]
struct Now {
    totals: Totals,
    memory: u64,
    peak_memory: u64,
    memory_limit: u64,
    host_memory: u64,
    peak_host_memory: u64,
    host_memory_limit: u64,
    instances: u64,
    instances_limit: u64,
    scratch_bytes: u64,
    scratch_files: u64,
    host_files: u64,
    queued: u64,
}

impl Now {
    fn add(&mut self, tenant: &Tenant) {
        let usage: TenantUsage = tenant.usage();
        self.totals.add(&tenant.totals());
        self.memory += usage.memory;
        self.peak_memory += usage.peak_memory;
        self.memory_limit = self.memory_limit.saturating_add(tenant.accounts().memory.limit());
        self.host_memory += usage.host_memory;
        self.peak_host_memory += usage.peak_host_memory;
        let host_memory = &tenant.accounts().host_memory;
        self.host_memory_limit = self.host_memory_limit.saturating_add(host_memory.limit());
        self.instances += usage.instances;
        self.instances_limit = self.instances_limit.saturating_add(tenant.accounts().instances.limit());
        self.scratch_bytes += usage.scratch_bytes;
        self.scratch_files += usage.scratch_files;
        self.host_files += usage.host_files;
        self.queued += usage.waiting as u64;
    }
}

/// A value of a tenant's.
type Value = fn(&Now) -> f64;

/// The metrics that are one number for each tenant.
const NUMBERS: &[(Metric, Value)] = &[
    (CPU, |now| now.totals.cpu.as_secs_f64()),
    (CALLS, |now| now.totals.calls as f64),
    (ROWS, |now| now.totals.rows as f64),
    (ROOM_QUEUE, |now| now.queued as f64),
    (INSTANCES, |now| now.instances as f64),
    (INSTANCES_LIMIT, |now| now.instances_limit as f64),
    (MEMORY, |now| now.memory as f64),
    (MEMORY_PEAK, |now| now.peak_memory as f64),
    (MEMORY_LIMIT, |now| now.memory_limit as f64),
    (HOST_MEMORY, |now| now.host_memory as f64),
    (HOST_MEMORY_PEAK, |now| now.peak_host_memory as f64),
    (HOST_MEMORY_LIMIT, |now| now.host_memory_limit as f64),
    (SCRATCH, |now| now.scratch_bytes as f64),
    (SCRATCH_FILES, |now| now.scratch_files as f64),
    (HOST_FILES, |now| now.host_files as f64),
    (STARTED, |now| now.totals.started as f64),
    (REPLACED, |now| now.totals.replaced as f64),
    (CHECKOUTS, |now| now.totals.checkouts as f64),
    (LOG_DROPPED, |now| now.totals.log_dropped as f64),
];

impl Runtime {
    /// What operators watch, in Prometheus's text format: of each tenant that has sandboxes or pools, and of the process. Its metrics
    /// are [`METRICS`]. `labels`, pairs of a name and a value, stand at every sample.
    ///
    /// Tenants of one name are summed up. What those did that nobody has any more is kept for some thousand names.
    pub fn exposition(&self, labels: &[(&'static str, &str)]) -> Exposition {
        of(self, labels)
    }
}

/// The metrics of a runtime.
fn of(runtime: &Runtime, labels: &[(&'static str, &str)]) -> Exposition {
    let (living, gone) = runtime.census().tenants();
    let now = |(id, totals): (TenantId, Totals)| (String::from(id), Now { totals, ..Now::default() });
    let mut tenants: BTreeMap<_, _> = gone.into_iter().map(now).collect();
    for tenant in living {
        tenants.entry(tenant.id().as_str().to_owned()).or_default().add(&tenant);
    }
    let mut exposition = Exposition::new(labels);
    for (metric, value) in NUMBERS {
        let mut samples = exposition.metric(metric);
        for (tenant, now) in &tenants {
            samples.sample(&[tenant], value(now));
        }
    }
    let mut samples = exposition.metric(&BYTES);
    for (tenant, now) in &tenants {
        samples.sample(&[tenant, "in"], now.totals.bytes_in as f64);
        samples.sample(&[tenant, "out"], now.totals.bytes_out as f64);
    }
    type DurationsOf = fn(&Totals) -> &Durations;
    let durations: [(Metric, DurationsOf); 3] = [
        (CALL_TIME, |totals| &totals.call_times),
        (TURN_WAIT, |totals| &totals.turn_waits),
        (ROOM_WAIT, |totals| &totals.room_waits),
    ];
    for (metric, of) in durations {
        let mut samples = exposition.metric(&metric);
        for (tenant, now) in &tenants {
            samples.histogram(&[tenant], of(&now.totals));
        }
    }
    let mut samples = exposition.metric(&ENDED);
    for (tenant, now) in &tenants {
        for ((reason, limit), count) in &now.totals.ended {
            samples.sample(&[tenant, reason, limit], *count as f64);
        }
    }
    let mut samples = exposition.metric(&RETIRED);
    for (tenant, now) in &tenants {
        for (reason, count) in &now.totals.retired {
            samples.sample(&[tenant, reason], *count as f64);
        }
    }
    let mut samples = exposition.metric(&REFUSED);
    for (tenant, now) in &tenants {
        for (limit, count) in &now.totals.refused {
            samples.sample(&[tenant, limit], *count as f64);
        }
    }
    of_process(runtime, &mut exposition);
    exposition
}

fn of_process(runtime: &Runtime, exposition: &mut Exposition) {
    let (slots, files) = (runtime.slots().usage(), runtime.host_files());
    for (metric, value) in [
        (SLOTS, f64::from(slots.total)),
        (SLOTS_USED, f64::from(slots.used)),
        (SLOTS_WAITING, slots.waiting as f64),
        (SLOTS_RESET, slots.reset as f64),
        (PROCESS_HOST_FILES, files.used() as f64),
        (PROCESS_HOST_FILES_LIMIT, files.limit() as f64),
    ] {
        exposition.metric(&metric).sample(&[], value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_samples_have_those_of_all() {
        let mut exposition = Exposition::new(&[("worker", "1-1")]);
        exposition.metric(&SLOTS).sample(&[], 2.0);
        exposition.metric(&INSTANCES).sample(&["a\"b\\c\nd"], 0.5);
        let expected = "\
# HELP vivarium_slots Slots for sandboxes in this process.
# TYPE vivarium_slots gauge
vivarium_slots{worker=\"1-1\"} 2
# HELP vivarium_instances Sandboxes alive.
# TYPE vivarium_instances gauge
vivarium_instances{worker=\"1-1\",tenant=\"a\\\"b\\\\c\\nd\"} 0.5
";
        assert_eq!(exposition.to_string(), expected);
        let mut exposition = Exposition::new(&[]);
        exposition.metric(&SLOTS).sample(&[], 2.0);
        assert!(exposition.to_string().ends_with("\nvivarium_slots 2\n"));
    }

    #[test]
    fn a_histogram_is_cumulative() {
        let histogram = vivarium_tenancy::Histogram::default();
        histogram.record(std::time::Duration::from_micros(100));
        let mut exposition = Exposition::new(&[]);
        exposition.metric(&CALL_TIME).histogram(&["a"], &histogram.durations());
        let text = exposition.to_string();
        for line in [
            "vivarium_call_seconds_bucket{tenant=\"a\",le=\"0.000064\"} 0",
            "vivarium_call_seconds_bucket{tenant=\"a\",le=\"0.000256\"} 1",
            "vivarium_call_seconds_bucket{tenant=\"a\",le=\"+Inf\"} 1",
            "vivarium_call_seconds_sum{tenant=\"a\"} 0.0001",
            "vivarium_call_seconds_count{tenant=\"a\"} 1",
        ] {
            assert!(text.lines().any(|each| each == line), "{line}\n{text}");
        }
    }

    #[test]
    fn names_are_unique_and_follow_the_conventions() {
        for (index, metric) in METRICS.iter().enumerate() {
            assert!(METRICS[..index].iter().all(|other| other.name != metric.name), "{}", metric.name);
            assert_eq!(metric.name.ends_with("_total"), metric.kind == MetricKind::Counter, "{}", metric.name);
            assert!(metric.name.starts_with("vivarium_") && metric.help.ends_with('.'), "{}", metric.name);
        }
    }
}
