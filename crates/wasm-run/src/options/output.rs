//! How a command reports what it does.

use clap::Args;

/// How messages look.
#[derive(Debug, Clone, Copy, Default, Args)]
#[command(next_help_heading = "Messages")]
pub struct OutputOptions {
    /// Print only errors: no progress, no summary, no output of the Python functions.
    #[arg(short, long)]
    pub quiet: bool,

    /// For machines: tables on standard output are JSON, and so are summary and errors on standard error, one object per line.
    #[arg(long)]
    pub json: bool,
}
