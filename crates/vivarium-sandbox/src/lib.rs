//! WebAssembly sandboxes for CPython: engine, images, limits, instance pools, and Arrow record batches across linear memory.
//!
//! ```text
//!   Runtime   one per process: the engine, its reserved address space, the clock that stops endless loops
//!     └─ Image   a compiled guest: an interpreter that has already started
//!          └─ Pool   the sandboxes of one task
//!               └─ Sandbox   one instance: control requests and record batches
//!                    └─ EnvironmentSnapshot   what a job's packages leave in its memory, for the next ones to start from
//! ```
//!
//! [`Limits`] says what a sandbox may use; [`Tenant`] says whose it is, and what all sandboxes of a tenant may use together. A
//! sandbox gets no network, no file of the host and none of its environment variables; it sees `/env`, a read-only directory,
//! and `/tmp`, a scratch directory in memory ([`wasi`]). Tenants share the processors in proportion to their weights
//! ([`TenantLimits::cpu_weight`]). A process may restrict itself, too (`ProcessSandbox`).
//!
//! Invariants:
//! * The host owns every deadline. A call returns in time whatever the guest does, and dropping its future stops it.
//! * Everything the guest returns is checked before it is used: no panic, no read outside its memory, no allocation that
//!   [`Limits`] does not bound.
//! * An instance serves one task for life, and a damaged one is never used again.
//! * This crate knows nothing of Python functions, SQL or files of data: batches in, batches out.
//!
//! # Features
//! * `process-sandbox` (default): `ProcessSandbox`, with Linux's Landlock and seccomp. Without it two fewer crates are compiled, and
//!   WebAssembly is the only boundary. `wasm-run` always has it.
//!
//! # Example
//! ```no_run
//! use std::sync::Arc;
//! use arrow::array::{ArrayRef, Int64Array};
//! use arrow::datatypes::DataType;
//! use serde_json::json;
//! use vivarium_sandbox::{Image, Runtime, RuntimeConfig, Sandbox, SandboxConfig};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), vivarium_sandbox::Error> {
//! let runtime = Runtime::new(RuntimeConfig::default())?;
//! let image = Image::open(&runtime, "images/base")?;
//! let mut sandbox = Sandbox::start(&image, &SandboxConfig::default()).await?;
//!
//! let source = "def add_one(x: int) -> int:\n    return x + 1\n";
//! sandbox.control(&json!({"op": "load", "source": source, "filename": "add_one.py"})).await?;
//! let argument = json!({"type": "int64", "nullable": true});
//! let bound = sandbox.control(&json!({"op": "bind", "function": "add_one", "arguments": [argument], "on_error": "fail"})).await?;
//!
//! let column: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(41)]));
//! let handle = bound["handle"].as_u64().unwrap() as u32;
//! let result = sandbox.invoke(handle, 0, 3, &[column], &DataType::Int64).await?;
//! println!("{:?}", result.array);
//! # Ok(())
//! # }
//! ```

#![deny(unsafe_code)]

/// Readers that are not public, for `fuzz/`. Not a part of the interface.
#[doc(hidden)]
pub mod fuzzing {
    pub use crate::sandbox::read_reply;
    pub use crate::warm::read_snapshot;
}

mod admission;
mod audit;
mod cpu;
mod epoch;
mod error;
pub mod exchange;
mod exposition;
mod function_metrics;
mod guest_error;
mod host_call;
mod host_memory;
mod image;
mod import_ahead;
mod limiter;
mod output;
mod partial;
mod pool;
#[cfg(feature = "process-sandbox")]
mod process_sandbox;
mod runtime;
mod sandbox;
mod scheduler;
mod snapshot;
mod state;
mod warm;

pub use audit::AUDIT_TARGET;
#[cfg(feature = "process-sandbox")]
pub use error::ProcessSandboxError;
pub use error::{Error, ImageError, LimitError, ProtocolError, SnapshotError};
pub use exchange::ExchangeError;
pub use exposition::{Exposition, METRICS, Metric, MetricKind};
pub use function_metrics::{FunctionMetric, FunctionMetrics, MAX_FUNCTION_METRICS};
pub use guest_error::{Frame, GuestError, GuestErrorKind};
pub use host_call::HostService;
pub use image::{CompileEvent, Image, copy_compiled, trusted_directory};
pub use output::{InputSource, OutputTarget};
pub use pool::{Lease, Pool};
#[cfg(feature = "process-sandbox")]
pub use process_sandbox::{ProcessSandbox, ProcessSandboxStatus};
pub use runtime::{Runtime, RuntimeConfig};
pub use sandbox::{Answer, Call, Expected, Invocation, Returned, RowErrors, Sandbox, SandboxConfig};
pub use snapshot::snapshot;
#[doc(hidden)]
pub use vivarium_tenancy::__setters;
pub use vivarium_tenancy::quantity::{QuantityError, format_duration, format_size, parse_duration, parse_size};
pub use vivarium_tenancy::{
    CallLimits, ColumnCounts, HostCharge, IdError, JobId, LimitKind, LimitUnit, Limits, LimitsError, Metrics,
    MetricsSnapshot, TaskAccount, TaskId, Tenant, TenantClosed, TenantId, TenantLimits, TenantState, TenantUsage,
};
pub use vivarium_wasi as wasi;
pub use vivarium_wasi::Capture;
pub use warm::{EnvironmentSnapshot, WarmError};
