//! Options that several commands share.

mod output;
mod sandbox;

pub use output::OutputOptions;
pub use sandbox::{SandboxOptions, TimeLimit, parse_variable};
