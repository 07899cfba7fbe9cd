//! Readers of bytes that somebody hostile chose, each as a function that must survive any input.
//!
//! ```text
//!   targets/   what is read, and honest inputs to start from;  corpus/: inputs that reach what is known
//!      |  \
//!      |   +--- bin/vivarium-fuzz-guided.rs   libFuzzer, guided by coverage: built and run by guided.py
//!      |   +--- libfuzzer/                    the same for cargo-fuzz, with the address sanitizer (a workspace of its own: another compiler)
//!   driver.rs                                 mutations without guidance, in this workspace's build
//!      |   \
//!   main.rs tests/                            for a time, with any seed;  for a number of inputs, with one seed
//! ```
//!
//! A target panics when something is wrong. What it must not do besides is run for long, or end the process; the driver
//! keeps the input at hand for that.
#![forbid(unsafe_code)]

pub mod driver;
mod mutate;
pub mod targets;

pub use targets::{TARGETS, Target};
