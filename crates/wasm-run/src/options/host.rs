//! What the command may use besides its sandboxes.

use clap::Args;
use vivarium_sandbox::parse_size;

use crate::supervisor::memory;

/// Limits of the command itself.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Host")]
pub struct HostOptions {
    /// Memory of the command itself, besides that of its sandboxes: for reading files, for planning and running queries, for writing.
    #[arg(long, value_name = "SIZE", default_value = "640MiB", value_parser = parse_size)]
    pub host_memory: u64,
}

impl HostOptions {
    /// Holds the command to its limits from now on.
    pub fn enforce(&self) {
        memory::limit(self.host_memory);
    }
}
