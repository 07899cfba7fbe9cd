//! Python functions of a DataFusion session, sandboxed.
//!
//! ```text
//!   CREATE FUNCTION ... LANGUAGE PYTHON     create, declare, register     a function of the session; types checked
//!   SET vivarium.*, python.*                settings, environment
//!        |
//!   SELECT f(x) ...      analyzer rule      query: EnterScope             every function knows its query
//!   FROM t, LATERAL f(t.x)                  lateral                       rows beside the row they come from
//!        |               physical rule      extract -> exec: PythonExec   calls are awaited by an operator
//!        |                                  aggregate, table, scalar      what DataFusion calls by itself
//!        v
//!   work -> vivarium::Task                  a pool of instances for each call of a query
//! ```
//!
//! [`PythonFunctions::install`] is all that an engine has to call. Everything else is SQL; docs/sql.md is its documentation.
//!
//! Invariants:
//! * DataFusion is used as it is: functions, rules and operators are added through its own interfaces.
//! * No thread of the executor waits for a guest, except where DataFusion itself needs an answer at once (`bridge.rs` says
//!   where, and how).
//! * An instance belongs to one call of one query. When the query ends, for whatever reason, its guests stop and its instances go.
//! * What a function's sandboxes use is charged to the query's memory pool, and limited by the session and its tenant.
#![doc = concat!("\n# Example\n```no_run\n", include_str!("../examples/python_in_sql.rs"), "```")]
#![forbid(unsafe_code)]

mod aggregate;
mod bridge;
mod create;
mod declare;
mod environment;
mod error;
mod exec;
mod extract;
mod function;
mod functions;
mod guard;
mod lateral;
mod lists;
mod metrics;
mod once;
mod query;
mod register;
mod scalar;
mod scope;
mod session;
mod settings;
mod sql_types;
mod table;
mod work;

pub use environment::HostFiles;
pub use error::{Counted, Error, find_error};
pub use exec::PythonExec;
pub use functions::{PythonFunctions, PythonFunctionsBuilder, RegisteredFunction};
pub use query::PythonScopeExec;
pub use register::has_function;
pub use settings::{DependencySettings, SandboxSettings};
