//! Python functions over Arrow record batches, inside WebAssembly sandboxes.
//!
//! ```text
//!   FunctionSource --Module::load--> Module     a sandbox runs the file and says what functions it has
//!                                      |
//!                              Function::bind   columns against parameters, before data flows
//!                                      |
//!                                    Task       N instances; invoke(batch), or run(stream of batches)
//!
//!             Function::bind_aggregate --> Aggregation   groups; run(stream of batches), or Accumulators by hand
//! ```
//!
//! The steps in order, each a file: `in_environment` (what else a job ships), [`FunctionSource`] (where code comes
//! from), [`Module`] and [`Signature`] (what it declares), [`Arguments`] and the conversions of [`Function::bind`] (which
//! column becomes which argument), [`Task`] (how batches are cut, distributed and put together again), [`Aggregation`] (the
//! same for groups of rows), [`Failures`] (rows for which a function raised). [`types`] is the text form of Arrow types that
//! host and guest share.
//!
//! Invariants:
//! * This crate reads no tables, prints nothing and knows no engine.
//! * Results, errors and their row numbers do not depend on how the input was cut into batches, nor on the number of
//!   instances. (A function that keeps state between calls sees only the rows of its instance; aggregate functions are for that.)
//! * What a guest says about itself is checked before it is used.
//!
//! # Features
//! * `environments` (default): what a job ships in addition to its function's file. Without it there is neither a store nor pip.
//! * `process-sandbox` (default): `sandbox::ProcessSandbox`, a second layer around the whole process. Linux only.
//!
//! SQL is a crate of its own, `vivarium-datafusion`.
#![doc = concat!("\n# Example\n```no_run\n", include_str!("../examples/add_tax.rs"), "```")]
#![forbid(unsafe_code)]

mod aggregate;
mod bind;
mod chunks;
mod column_mode;
mod columns;
mod context;
mod convert;
#[cfg(feature = "environments")]
mod environment;
#[cfg(feature = "environments")]
mod environment_snapshots;
mod error;
mod explain;
mod failures;
mod function;
mod groups;
mod instances;
mod metrics;
mod module;
mod python_error;
mod signature;
mod source;
mod spawn;
mod tables;
mod task;
mod together;
pub mod types;

pub use aggregate::{Accumulators, Aggregation, DEFAULT_GROUP_BYTES};
pub use bind::{ArgumentValue, Arguments, BindError, ColumnNames, Place};
pub use chunks::CHUNK_ROWS;
pub use column_mode::ColumnMode;
pub use context::JobContext;
pub use convert::{converts, plain as plain_type};
#[cfg(feature = "environments")]
pub use environment::{guest_python, in_environment};
#[cfg(feature = "environments")]
pub use environment_snapshots::EnvironmentSnapshots;
pub use error::{Error, ErrorClass};
pub use explain::{ExplainedLine, Explanation};
pub use failures::{Failures, MAX_DETAILED_FAILURES};
pub use function::{Function, GroupBy, TaskOptions};
pub use module::Module;
pub use python_error::PythonError;
pub use signature::{Kind, NullHandling, OnError, Parameter, Problem, Signature, SignatureError, ValueType};
pub use source::{FunctionSource, SourceError};
pub use tables::TableRows;
pub use task::{Evaluation, Output, Task};
pub use together::{concat_arrays, concat_rows};
/// What a job ships, as a tree that sandboxes see: the feature `environments`.
#[cfg(feature = "environments")]
pub use vivarium_env as env;
/// Where images come from.
pub use vivarium_guest as guest;
/// What functions run in: all of the crate, for embedders that depend only on this one.
pub use vivarium_sandbox as sandbox;
pub use vivarium_sandbox::{ColumnCounts, FunctionMetric, Image, Limits, Runtime, RuntimeConfig, SandboxConfig};
