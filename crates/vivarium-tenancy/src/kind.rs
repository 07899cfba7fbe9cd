//! Every limit by its name, with its unit, whose it is, and what to do about it.

use std::time::Duration;

use crate::quantity::{format_duration, format_size};

/// The limits of [`Limits`](crate::Limits), of [`TenantLimits`](crate::TenantLimits) and of the process (`RuntimeConfig`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LimitKind {
    /// [`Limits::memory`](crate::Limits::memory)
    Memory,
    /// [`Limits::batch_time`](crate::Limits::batch_time)
    BatchTime,
    /// [`Limits::startup_time`](crate::Limits::startup_time)
    StartupTime,
    /// [`Limits::cpu_time`](crate::Limits::cpu_time)
    CpuTime,
    /// [`Limits::table_elements`](crate::Limits::table_elements)
    TableElements,
    /// [`Limits::batch_bytes`](crate::Limits::batch_bytes)
    BatchBytes,
    /// [`Limits::output_bytes`](crate::Limits::output_bytes)
    OutputBytes,
    /// [`Limits::output_rows`](crate::Limits::output_rows)
    OutputRows,
    /// [`Limits::output_items`](crate::Limits::output_items)
    OutputItems,
    /// [`Limits::request_bytes`](crate::Limits::request_bytes)
    RequestBytes,
    /// [`Limits::reply_bytes`](crate::Limits::reply_bytes)
    ReplyBytes,
    /// `RuntimeConfig::wasm_stack`
    Stack,
    /// `RuntimeConfig::sandboxes`
    Sandboxes,
    /// [`TenantLimits::memory`](crate::TenantLimits::memory)
    TenantMemory,
    /// [`TenantLimits::host_memory`](crate::TenantLimits::host_memory)
    TenantHostMemory,
    /// [`TenantLimits::instances`](crate::TenantLimits::instances)
    TenantInstances,
}

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitUnit {
    /// Bytes.
    Bytes,
    /// Nanoseconds.
    Nanoseconds,
    /// Rows, instances or elements.
    Count,
}

impl LimitKind {
    /// The name of the field that sets it.
    pub fn name(self) -> &'static str {
        self.describe().0
    }

    /// What it counts.
    pub fn unit(self) -> LimitUnit {
        self.describe().1
    }

    /// What to do when it was reached.
    pub fn advice(self) -> &'static str {
        self.describe().2
    }

    /// A value of it, in its unit, as people write it.
    pub fn show(self, value: u64) -> String {
        match self.unit() {
            LimitUnit::Bytes => format_size(value),
            LimitUnit::Nanoseconds => format_duration(Duration::from_nanos(value)),
            LimitUnit::Count => value.to_string(),
        }
    }

    /// Name, unit, and what to do about it.
    fn describe(self) -> (&'static str, LimitUnit, &'static str) {
        use LimitUnit::{Bytes, Count, Nanoseconds};
        match self {
            Self::Memory => ("memory", Bytes, "use less memory, or raise it"),
            Self::BatchTime => {
                ("batch_time", Nanoseconds, "look for an endless loop, send smaller batches, or raise it")
            }
            Self::StartupTime => {
                ("startup_time", Nanoseconds, "look at what the module does while it is imported, or raise it")
            }
            Self::CpuTime => ("cpu_time", Nanoseconds, "raise it, or split the task"),
            Self::TableElements => ("table_elements", Count, "raise it for this guest image"),
            Self::BatchBytes => ("batch_bytes", Bytes, "send smaller batches, or raise it"),
            Self::OutputBytes => ("output_bytes", Bytes, "return less, send smaller batches, or raise it"),
            Self::OutputRows => ("output_rows", Count, "send smaller batches, or raise it"),
            Self::OutputItems => {
                ("output_items", Count, "return fewer values within a row, send smaller batches, or raise it")
            }
            Self::RequestBytes => ("request_bytes", Bytes, "load less source at a time, or raise it"),
            Self::ReplyBytes => ("reply_bytes", Bytes, "report less, or raise it"),
            Self::Stack => ("wasm_stack", Bytes, "recurse less deeply; the size belongs to the process"),
            Self::Sandboxes => ("sandboxes", Count, "end other sandboxes, or raise it for the process"),
            Self::TenantMemory => ("memory", Bytes, "end other sandboxes of the tenant, or raise it"),
            Self::TenantHostMemory => {
                ("host_memory", Bytes, "end other sandboxes of the tenant, return less at a time, or raise it")
            }
            Self::TenantInstances => ("instances", Count, "end other sandboxes of the tenant, or raise it"),
        }
    }

    /// Whose limit it is: `the tenant's`.
    pub fn owner(self) -> &'static str {
        match self {
            Self::TenantMemory | Self::TenantHostMemory | Self::TenantInstances => "the tenant's",
            Self::Stack | Self::Sandboxes => "the process's",
            Self::CpuTime => "the task's",
            _ => "the sandbox's",
        }
    }
}
