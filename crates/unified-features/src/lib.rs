//! No code: a list of dependencies, with the features that they have when the whole workspace is built.
//!
//! Cargo builds a dependency once for each set of features that is requested. `make demo` builds only what `wasm-run run` needs; without
//! this package in its selection, arrow, parquet, tokio and all that rests on them would be compiled a second time by the next
//! `cargo build --workspace`. `tests/crates/features.py` fails when the list is not complete and prints what is missing.
#![forbid(unsafe_code)]
