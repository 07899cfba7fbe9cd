//! What a sandbox may use: every limit, its default, and why.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::quantity::{serde_duration, serde_size};

/// What one sandbox may use, per call and in total.
///
/// Every field is enforced by the host, whatever the guest does. Reaching a limit fails the call with an error that names it, or, where
/// it says so below, gives the Python code an exception it can handle.
/// Totals over all sandboxes of one tenant are in [`TenantLimits`](crate::TenantLimits); the size of the wasm stack and
/// the number of sandboxes belong to the process and are in `RuntimeConfig`.
///
/// They are set on three levels, and each can only tighten the one above: a tenant has a ceiling for each of its sandboxes
/// ([`TenantLimits::sandbox`](crate::TenantLimits::sandbox)), a job or task asks for what it wants
/// (`SandboxConfig::limits`), and single calls can be held to less ([`CallLimits`]).
///
/// ```
/// use std::time::Duration;
/// use vivarium_tenancy::Limits;
///
/// let limits = Limits::default().with_memory(512 << 20).with_batch_time(Duration::from_secs(5));
/// assert!(limits.validate().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Limits {
    /// Linear memory of the instance, in bytes: code, modules, data, everything Python sees.
    ///
    /// Growing beyond it raises `MemoryError`; a function that does not handle it fails with this limit.
    /// Default 256 MiB: an interpreter with numpy takes 30 MiB, and a batch in and out rarely ten times its 16 MiB.
    #[serde(with = "serde_size")]
    pub memory: u64,

    /// Time of one call: a batch through a function, or an `exec`. What counts is processor time, and the time in which the call waits
    /// for the host (sleeps, asks for state, reads standard input). Waiting for a time slice on a busy host does not count.
    ///
    /// Default 30 s: a batch that takes longer stalls its pipeline, and Flink's and DataFusion's users notice after that.
    #[serde(with = "serde_duration")]
    pub batch_time: Duration,

    /// Time of each step before data flows: starting the instance, loading the source (with its imports), binding a function. It
    /// counts as `batch_time` does.
    ///
    /// Default 20 s: importing the heaviest pure-Python package tried (all of sympy) takes twelve seconds in the sandbox.
    #[serde(with = "serde_duration")]
    pub startup_time: Duration,

    /// Time that a pool of sandboxes waits for room for a sandbox, or for one of its own to come back when there is no room for
    /// another, before the limit that leaves none is an error. It is apart from the times above, and bounds what would wait for
    /// ever: two calls, say, that each keep what the other one needs.
    ///
    /// Default 2 minutes: four times what one batch may take.
    #[serde(with = "serde_duration")]
    pub queue_time: Duration,

    /// Processor time of the whole task, summed over its sandboxes, whatever its wall-clock time.
    ///
    /// Default none: a streaming task has no end, so no total is right for all; a platform that sells processor time sets it.
    #[serde(with = "serde_duration::optional")]
    pub cpu_time: Option<Duration>,

    /// Elements of a WebAssembly table (function pointers).
    ///
    /// Default 50,000: CPython with numpy has 20,000 and never grows the table. The process reserves the space.
    pub table_elements: u32,

    /// Bytes of one encoded batch on its way in; what is larger is split by the caller.
    ///
    /// Default 16 MiB: big enough that crossing the boundary costs nothing, small enough to leave memory for the function.
    #[serde(with = "serde_size")]
    pub batch_bytes: u64,

    /// Bytes of one result on its way out, counted before anything is allocated on the host.
    ///
    /// Default 64 MiB: four times the batch, for functions that make text longer.
    #[serde(with = "serde_size")]
    pub output_bytes: u64,

    /// Rows of one result.
    ///
    /// Default 1,048,576: 128 batches of the usual 8,192 rows. It bounds what costs host memory per row, not per byte.
    pub output_rows: u64,

    /// Values within the rows of one result, at all levels together: items of lists, entries of maps, fields of structs.
    ///
    /// Default 16,777,216. With four bytes each they take the 64 MiB of `output_bytes`, so only what is smaller meets this first. It
    /// bounds what takes no bytes: lists of NULLs, structs without fields.
    pub output_items: u64,

    /// Bytes of one control request to the guest: source code, arguments, variables.
    ///
    /// Default 16 MiB: a hundred times the largest module of the standard library.
    #[serde(with = "serde_size")]
    pub request_bytes: u64,

    /// Bytes of one reply from the guest (signatures, errors, row errors), checked before it is copied or parsed.
    ///
    /// Default 16 MiB: a hundred row errors with full tracebacks, and the row numbers of a million failed rows.
    #[serde(with = "serde_size")]
    pub reply_bytes: u64,

    /// Bytes of any name the guest gives (functions, parameters, files in tracebacks) before they are cut.
    ///
    /// Default 1,024: longer than any name a person types, short enough for every log line.
    pub name_bytes: u32,

    /// Bytes per second the guest may write to stdout and stderr together; what is more is dropped, counted and reported once, and
    /// once more with the number when that ends. A line of the log counts as at least 128 bytes, because that is what its event
    /// takes; one call of the guest's ends at most 128 lines.
    ///
    /// Default 1 MiB/s: at most 8,192 log lines a second, above which a log no longer informs. None for a command line tool
    /// whose user asked for the output.
    #[serde(with = "serde_size::optional")]
    pub log_bytes_per_second: Option<u64>,

    /// Bytes of the scratch directory `/tmp`, which is in host memory. More is `OSError: No space left on device`.
    ///
    /// Default 64 MiB.
    #[serde(with = "serde_size")]
    pub scratch_bytes: u64,

    /// Files, directories and links in the scratch directory. More is `OSError: No space left on device`.
    ///
    /// Default 10,000: what unpacking a large archive needs.
    pub scratch_files: u32,

    /// Files and directories open at one time. More is `OSError: Too many open files`.
    ///
    /// Default 256: what a Linux shell gives a process, divided by four.
    pub open_files: u32,

    /// Bytes of a path the guest passes to the host. Longer is `OSError: File name too long`.
    ///
    /// Default 4,096: Linux's own.
    pub path_bytes: u32,

    /// Random bytes one call to the host gives; more is refused, so that no single call keeps the host busy.
    ///
    /// Default 64 KiB: Python asks for at most 256 at a time.
    #[serde(with = "serde_size")]
    pub random_bytes: u64,

    /// Time after which a sandbox of a pool is ended that nobody needed in all of it; it may take up to twice as long. The pool starts
    /// another one when there is work for it.
    ///
    /// Default none: a pool keeps what it has until it is dropped, or until others need the room. A platform of long tasks that pause sets
    /// some minutes; an idle instance holds a third of a megabyte of its own, and all that its function has imported.
    #[serde(with = "serde_duration::optional")]
    pub idle_time: Option<Duration>,

    /// Batches after which a pool replaces an instance by a new one, when it comes back: for functions that leave something behind at each
    /// call. What a function keeps between calls goes with it, as when an instance fails; accumulators do not, as their instance is lent
    /// until they have their values.
    ///
    /// Default none: nothing that the guest itself does at a call stays.
    pub instance_calls: Option<u64>,

    /// Bytes copied in and out after which the same happens.
    ///
    /// Default none.
    #[serde(with = "serde_size::optional")]
    pub instance_bytes: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 256 << 20,
            batch_time: Duration::from_secs(30),
            startup_time: Duration::from_secs(20),
            queue_time: Duration::from_secs(120),
            cpu_time: None,
            table_elements: 50_000,
            batch_bytes: 16 << 20,
            output_bytes: 64 << 20,
            output_rows: 1 << 20,
            output_items: 1 << 24,
            request_bytes: 16 << 20,
            reply_bytes: 16 << 20,
            name_bytes: 1024,
            log_bytes_per_second: Some(1 << 20),
            scratch_bytes: 64 << 20,
            scratch_files: 10_000,
            open_files: 256,
            path_bytes: 4096,
            random_bytes: 64 << 10,
            idle_time: None,
            instance_calls: None,
            instance_bytes: None,
        }
    }
}

crate::__setters!(Limits {
    with_memory: memory: u64,
    with_batch_time: batch_time: Duration,
    with_startup_time: startup_time: Duration,
    with_queue_time: queue_time: Duration,
    with_cpu_time: cpu_time: Option<Duration>,
    with_table_elements: table_elements: u32,
    with_batch_bytes: batch_bytes: u64,
    with_output_bytes: output_bytes: u64,
    with_output_rows: output_rows: u64,
    with_output_items: output_items: u64,
    with_request_bytes: request_bytes: u64,
    with_reply_bytes: reply_bytes: u64,
    with_name_bytes: name_bytes: u32,
    with_log_bytes_per_second: log_bytes_per_second: Option<u64>,
    with_scratch_bytes: scratch_bytes: u64,
    with_scratch_files: scratch_files: u32,
    with_open_files: open_files: u32,
    with_path_bytes: path_bytes: u32,
    with_random_bytes: random_bytes: u64,
    with_idle_time: idle_time: Option<Duration>,
    with_instance_calls: instance_calls: Option<u64>,
    with_instance_bytes: instance_bytes: Option<u64>,
});

impl Limits {
    /// These limits, none of them beyond `ceiling`'s.
    ///
    /// ```
    /// use vivarium_tenancy::Limits;
    ///
    /// let ceiling = Limits::default().with_memory(128 << 20);
    /// let asked = Limits::default().with_memory(1 << 30).with_open_files(16);
    /// let limits = asked.within(&ceiling);
    /// assert_eq!((limits.memory, limits.open_files), (128 << 20, 16));
    /// ```
    pub fn within(&self, ceiling: &Self) -> Self {
        /// `None` is no limit.
        fn optional<T: Ord + Copy>(one: Option<T>, other: Option<T>) -> Option<T> {
            one.into_iter().chain(other).min()
        }
        // Every field by name: a new one does not compile until it is here.
        Self {
            memory: self.memory.min(ceiling.memory),
            batch_time: self.batch_time.min(ceiling.batch_time),
            startup_time: self.startup_time.min(ceiling.startup_time),
            queue_time: self.queue_time.min(ceiling.queue_time),
            cpu_time: optional(self.cpu_time, ceiling.cpu_time),
            table_elements: self.table_elements.min(ceiling.table_elements),
            // A batch has to fit in the memory that is left.
            batch_bytes: self.batch_bytes.min(ceiling.batch_bytes).min(ceiling.memory),
            output_bytes: self.output_bytes.min(ceiling.output_bytes),
            output_rows: self.output_rows.min(ceiling.output_rows),
            output_items: self.output_items.min(ceiling.output_items),
            request_bytes: self.request_bytes.min(ceiling.request_bytes),
            reply_bytes: self.reply_bytes.min(ceiling.reply_bytes),
            name_bytes: self.name_bytes.min(ceiling.name_bytes),
            log_bytes_per_second: optional(self.log_bytes_per_second, ceiling.log_bytes_per_second),
            scratch_bytes: self.scratch_bytes.min(ceiling.scratch_bytes),
            scratch_files: self.scratch_files.min(ceiling.scratch_files),
            open_files: self.open_files.min(ceiling.open_files),
            path_bytes: self.path_bytes.min(ceiling.path_bytes),
            random_bytes: self.random_bytes.min(ceiling.random_bytes),
            idle_time: optional(self.idle_time, ceiling.idle_time),
            instance_calls: optional(self.instance_calls, ceiling.instance_calls),
            instance_bytes: optional(self.instance_bytes, ceiling.instance_bytes),
        }
    }

    /// The names of the limits that allow more here than in `ceiling`. An optional limit that is absent allows more than any other.
    ///
    /// ```
    /// use vivarium_tenancy::Limits;
    ///
    /// let asked = Limits::default().with_memory(1 << 30).with_cpu_time(None).with_open_files(16);
    /// assert_eq!(asked.beyond(&Limits::default()), ["memory"]);
    /// assert!(asked.within(&Limits::default()).beyond(&Limits::default()).is_empty());
    /// ```
    pub fn beyond(&self, ceiling: &Self) -> Vec<&'static str> {
        /// `None` is no limit: more than any.
        fn more<T: Ord>(one: &Option<T>, other: &Option<T>) -> bool {
            match (one, other) {
                (_, None) => false,
                (None, Some(_)) => true,
                (Some(one), Some(other)) => one > other,
            }
        }
        // Every field by name: a new one does not compile until it is here.
        let Self {
            memory,
            batch_time,
            startup_time,
            queue_time,
            cpu_time,
            table_elements,
            batch_bytes,
            output_bytes,
            output_rows,
            output_items,
            request_bytes,
            reply_bytes,
            name_bytes,
            log_bytes_per_second,
            scratch_bytes,
            scratch_files,
            open_files,
            path_bytes,
            random_bytes,
            idle_time,
            instance_calls,
            instance_bytes,
        } = self;
        let compared = [
            ("memory", *memory > ceiling.memory),
            ("batch_time", *batch_time > ceiling.batch_time),
            ("startup_time", *startup_time > ceiling.startup_time),
            ("queue_time", *queue_time > ceiling.queue_time),
            ("cpu_time", more(cpu_time, &ceiling.cpu_time)),
            ("table_elements", *table_elements > ceiling.table_elements),
            ("batch_bytes", *batch_bytes > ceiling.batch_bytes),
            ("output_bytes", *output_bytes > ceiling.output_bytes),
            ("output_rows", *output_rows > ceiling.output_rows),
            ("output_items", *output_items > ceiling.output_items),
            ("request_bytes", *request_bytes > ceiling.request_bytes),
            ("reply_bytes", *reply_bytes > ceiling.reply_bytes),
            ("name_bytes", *name_bytes > ceiling.name_bytes),
            ("log_bytes_per_second", more(log_bytes_per_second, &ceiling.log_bytes_per_second)),
            ("scratch_bytes", *scratch_bytes > ceiling.scratch_bytes),
            ("scratch_files", *scratch_files > ceiling.scratch_files),
            ("open_files", *open_files > ceiling.open_files),
            ("path_bytes", *path_bytes > ceiling.path_bytes),
            ("random_bytes", *random_bytes > ceiling.random_bytes),
            ("idle_time", more(idle_time, &ceiling.idle_time)),
            ("instance_calls", more(instance_calls, &ceiling.instance_calls)),
            ("instance_bytes", more(instance_bytes, &ceiling.instance_bytes)),
        ];
        compared.into_iter().filter_map(|(name, beyond)| beyond.then_some(name)).collect()
    }

    /// Checks that the limits do not contradict themselves or the 32-bit address space.
    ///
    /// # Errors
    /// [`LimitsError`] naming the field.
    pub fn validate(&self) -> Result<(), LimitsError> {
        const ADDRESS_SPACE: u64 = 1 << 32;
        let error = |field, problem| Err(LimitsError { field, problem });
        if self.memory > ADDRESS_SPACE {
            return error("memory", "is more than a 32-bit guest can address (4 GiB)");
        }
        if self.batch_bytes > self.memory {
            return error("batch_bytes", "is more than the memory the batch has to fit in");
        }
        for (field, value) in [("request_bytes", self.request_bytes), ("reply_bytes", self.reply_bytes)] {
            if value >= ADDRESS_SPACE {
                return error(field, "is more than a 32-bit guest can address (4 GiB)");
            }
        }
        if self.open_files < 5 {
            return error("open_files", "is less than the standard streams, /env and /tmp, which take 5");
        }
        for (field, value) in [("batch_time", self.batch_time), ("startup_time", self.startup_time)] {
            if value.is_zero() {
                return error(field, "is zero, so that nothing could ever run");
            }
        }
        if self.idle_time.is_some_and(|time| time.is_zero()) {
            return error("idle_time", "is zero, so that no sandbox could be used twice");
        }
        Ok(())
    }
}

/// What single calls of a sandbox may use, where that is less than its [`Limits`]. `None`: what those say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct CallLimits {
    /// As [`Limits::batch_time`].
    #[serde(with = "serde_duration::optional")]
    pub time: Option<Duration>,
    /// As [`Limits::output_bytes`].
    #[serde(with = "serde_size::optional")]
    pub output_bytes: Option<u64>,
    /// As [`Limits::output_rows`].
    pub output_rows: Option<u64>,
    /// As [`Limits::reply_bytes`].
    #[serde(with = "serde_size::optional")]
    pub reply_bytes: Option<u64>,
}

crate::__setters!(CallLimits {
    with_time: time: Option<Duration>,
    with_output_bytes: output_bytes: Option<u64>,
    with_output_rows: output_rows: Option<u64>,
    with_reply_bytes: reply_bytes: Option<u64>,
});

impl CallLimits {
    /// `limits`, with these where they are tighter.
    pub fn applied_to(&self, limits: &Limits) -> Limits {
        Limits {
            batch_time: self.time.map_or(limits.batch_time, |time| time.min(limits.batch_time)),
            output_bytes: self.output_bytes.map_or(limits.output_bytes, |bytes| bytes.min(limits.output_bytes)),
            output_rows: self.output_rows.map_or(limits.output_rows, |rows| rows.min(limits.output_rows)),
            reply_bytes: self.reply_bytes.map_or(limits.reply_bytes, |bytes| bytes.min(limits.reply_bytes)),
            ..limits.clone()
        }
    }
}

/// A limit that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the limit `{field}` {problem}")]
#[non_exhaustive]
pub struct LimitsError {
    /// The field of [`Limits`].
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl LimitsError {
    /// The error of a field with which so much is wrong.
    pub fn new(field: &'static str, problem: &'static str) -> Self {
        Self { field, problem }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_in_a_configuration_file() {
        let limits: Limits =
            serde_json::from_str(r#"{"memory": "1GiB", "batch_time": "2s", "cpu_time": "1h", "scratch_bytes": 4096}"#)
                .unwrap();
        assert_eq!((limits.memory, limits.scratch_bytes), (1 << 30, 4096));
        assert_eq!((limits.batch_time, limits.cpu_time), (Duration::from_secs(2), Some(Duration::from_secs(3600))));
        assert_eq!(limits.open_files, Limits::default().open_files);
        let again: Limits = serde_json::from_str(&serde_json::to_string(&limits).unwrap()).unwrap();
        assert_eq!(again, limits);
    }

    #[test]
    fn a_misspelt_limit_is_an_error() {
        let error = serde_json::from_str::<Limits>(r#"{"memroy": "1GiB"}"#).unwrap_err();
        assert!(error.to_string().contains("memroy"), "{error}");
    }

    #[test]
    fn a_ceiling_only_tightens() {
        let ceiling =
            Limits { cpu_time: Some(Duration::from_secs(9)), log_bytes_per_second: None, ..Limits::default() };
        let asked = Limits { memory: 1 << 30, batch_bytes: 1 << 29, open_files: 7, ..Limits::default() };
        let limits = asked.within(&ceiling);
        assert_eq!(limits, Limits { open_files: 7, cpu_time: ceiling.cpu_time, ..Limits::default() });
        assert_eq!(limits.validate(), Ok(()));
        let small = Limits { memory: 1 << 20, ..Limits::default() };
        assert_eq!(Limits::default().within(&small).validate(), Ok(()));

        let call =
            CallLimits { time: Some(Duration::from_secs(1)), output_bytes: Some(u64::MAX), ..CallLimits::default() };
        let expected = Limits { batch_time: Duration::from_secs(1), ..Limits::default() };
        assert_eq!(call.applied_to(&Limits::default()), expected);
    }

    #[test]
    fn limits_that_contradict_themselves_are_refused() {
        assert_eq!(Limits::default().validate(), Ok(()));
        for (field, limits) in [
            ("memory", Limits { memory: 5 << 30, ..Limits::default() }),
            ("batch_bytes", Limits { memory: 1 << 20, ..Limits::default() }),
            ("batch_time", Limits { batch_time: Duration::ZERO, ..Limits::default() }),
            ("reply_bytes", Limits { reply_bytes: 1 << 33, ..Limits::default() }),
        ] {
            assert_eq!(limits.validate().unwrap_err().field, field);
        }
    }
}
