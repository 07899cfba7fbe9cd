//! What the sandbox costs, compared with everything that a user might choose instead.
//!
//! ```text
//!   work.py, Work ──Material──> Case ──compare──> Comparison ──> Results ──report──> benchmarks.md, plots, results.json
//!                                      │ in turns, round by round
//!                         Contender: the sandbox; programs of contenders/ (`child`, `workshop`); DataFusion; a worker process
//! ```
//!
//! `wasm-run bench` is its command line. [`standard`] is the whole benchmark, [`user`] compares a user's own function with native
//! CPython. `statistics` decides what may be said about samples, `measures` measures the sandbox alone, and [`counted`] is the
//! code whose instructions the regression check counts.
//!
//! Nothing here links libpython or another version of Arrow: contenders that do are programs of their own, installed into the
//! cache directory. A contender that fails is a line in the report, never the end of a run.
#![forbid(unsafe_code)]

mod child;
mod contender;
mod contenders;
pub mod counted;
mod flink;
pub mod guests;
mod machine;
mod material;
mod measures;
mod report;
mod results;
mod rounds;
pub mod standard;
mod statistics;
pub mod user;
mod work;
mod workshop;
