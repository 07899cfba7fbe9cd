//! Options that several commands share.

mod columns;
mod environment;
mod host;
mod output;
mod sandbox;

pub use columns::ColumnOptions;
pub use environment::{EnvironmentOptions, PackageOptions, StoreOptions, WantedImage};
pub use host::HostOptions;
pub use output::OutputOptions;
pub use sandbox::{SandboxOptions, TimeLimit, parse_variable};
