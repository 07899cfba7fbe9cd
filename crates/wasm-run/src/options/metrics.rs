//! How operators watch a command.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

/// Where metrics go.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Metrics")]
pub struct MetricsOptions {
    /// Write metrics to this file, in the text format of Prometheus, every 10 seconds and at the end.
    #[arg(long = "metrics", value_name = "FILE")]
    pub file: Option<PathBuf>,

    /// Serve metrics at http://ADDRESS:PORT/metrics while the command runs. Whoever can connect can read them.
    #[arg(long = "metrics-listen", value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
}
