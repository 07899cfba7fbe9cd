//! Options that several commands share.

mod environment;
mod output;
mod sandbox;

pub use environment::{EnvironmentOptions, PackageOptions, StoreOptions};
pub use output::OutputOptions;
pub use sandbox::{SandboxOptions, TimeLimit, parse_variable};
