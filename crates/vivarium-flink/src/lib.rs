//! A worker for Apache Flink whose Python functions run in sandboxes.
//!
//! Flink is unchanged: `python.executable` names a launcher ([`install`]), which answers what a TaskManager asks of a Python
//! interpreter and starts a [`Worker`] in place of Beam's. A worker speaks Beam's Fn API; one sandbox for each bundle descriptor runs
//! PyFlink's own operations over stand-ins for the modules that do not exist there (`wasm-python/images/flink`).
//!
//! ```text
//!   TaskManager ──starts──> launcher ──> worker ──> Server       provision, control, data, state, logging
//!        │                                 │
//!        │ instruction, Elements           └──> BundleRunner ──frames──> Guest: a sandbox
//!        └────────────────────────────────────────────┘                   │
//!                        state: StateStream <── BundleState <──host call──┘
//! ```
//!
//! Invariants:
//! * Nothing that a job made is unpickled, evaluated or imported on the host: payloads pass through as bytes.
//! * A guest speaks for its own bundle only: it names neither instruction nor worker.
//! * After an error the sandbox is dropped, and the next instruction starts a new one.
//! * No function runs before the worker is in its process sandbox ([`Worker::run`]): its connections are made by then.
#![forbid(unsafe_code)]

mod bundle;
mod cut;
mod data;
mod descriptor;
mod error;
mod frames;
#[doc(hidden)]
pub mod fuzzing;
mod guest;
mod install;
mod job;
mod launch;
mod logging;
mod metrics;
mod protocol;
mod settings;
mod state;
mod worker;

pub use error::Error;
pub use install::{Installed, PYTHON_VERSIONS, install};
pub use job::JobVariables;
pub use launch::{NotFlink, Question, site_packages};
pub use logging::{FlinkLog, LogSink, log};
pub use settings::{MetricsSettings, ProcessSandboxPolicy, Settings, SettingsError};
pub use worker::{Sandboxes, Worker, WorkerOptions};
