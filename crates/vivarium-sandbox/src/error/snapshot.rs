//! What can go wrong while an image's snapshot is made.

use std::io;
use std::path::PathBuf;

/// Why a snapshot could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The directory with the standard library cannot be opened.
    #[error("cannot open the guest's home {}: {source}", .path.display())]
    Home {
        /// The directory.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The guest is not a module that can be snapshotted, for instance because it changes tables while it runs.
    #[error("the guest module cannot be snapshotted: {0:#}")]
    Module(#[source] wasmtime::Error),
    /// The guest could not be compiled or instantiated.
    #[error("the guest module could not be instantiated for its snapshot: {0:#}")]
    Instantiate(#[source] wasmtime::Error),
    /// `vv_init` trapped or ended the process; what it printed says why.
    #[error("the guest failed while it initialised itself: {error:#}\n{output}")]
    Init {
        /// The trap or exit.
        #[source]
        error: wasmtime::Error,
        /// What the guest wrote to stdout and stderr, cut to the last 64 KiB.
        output: String,
    },
}
