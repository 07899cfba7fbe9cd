//! Stand-ins for the commands whose cargo feature is off: they parse any arguments and say how to get the command.
//!
//! `sql.rs`, `flink.rs` and `bench.rs` take the place of the modules of those names and have the same items, so that nothing else
//! in the program knows which features it was built with.

use crate::failure::Failure;

/// The error of a command that is not in this build.
pub fn failure(command: &str) -> Failure {
    Failure::usage(format!(
        "this wasm-run was built without `{command}`, which `make demo` leaves out to finish sooner; `cargo build --workspace` builds everything"
    ))
}
