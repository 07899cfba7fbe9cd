//! Options that several commands share.

mod columns;
mod environment;
mod host;
mod metrics;
mod output;
mod sandbox;
mod text;

pub use columns::ColumnOptions;
pub use environment::{EnvironmentOptions, PackageOptions, StoreOptions, WantedImage};
pub use host::HostOptions;
pub use metrics::MetricsOptions;
pub use output::OutputOptions;
pub use sandbox::{SandboxOptions, TimeLimit, parse_variable};
pub use text::{ColumnTypes, Quote, TextOptions, parse_quote, parse_rows};
