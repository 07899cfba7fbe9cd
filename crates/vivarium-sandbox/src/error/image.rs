//! What can be wrong with an image.

use std::io;
use std::path::{Path, PathBuf};

/// Why an image cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// A file or directory of the image could not be read or written.
    #[error("cannot {action} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// Somebody else could replace the code that this process is about to run.
    #[error("{} cannot be trusted with machine code: {problem}; {advice}", .path.display())]
    Untrusted {
        /// The file or directory.
        path: PathBuf,
        /// Who could write it.
        problem: String,
        /// What to do.
        advice: String,
    },
    /// The module is not valid or uses features the engine has switched off.
    #[error("the guest module cannot be compiled: {0:#}")]
    Compile(#[source] wasmtime::Error),
    /// The machine code could not be loaded although its hash is right.
    #[error("the compiled guest {} cannot be loaded: {source:#}; remove it and it is compiled again", .path.display())]
    Load {
        /// The file.
        path: PathBuf,
        /// The engine's reason.
        #[source]
        source: wasmtime::Error,
    },
    /// The module was not initialised by [`snapshot`](crate::snapshot()).
    #[error("the guest module has not been initialised: it still exports `vv_init`; make a snapshot of it first")]
    NotInitialised,
    /// The module wants something the host does not offer.
    #[error(
        "the guest module imports `{module}.{name}`; a guest may import functions of `wasi_snapshot_preview1` and `vivarium`, and nothing else"
    )]
    Import {
        /// Module name of the import.
        module: String,
        /// Its name.
        name: String,
    },
    /// The module lacks something the host needs.
    #[error("the guest module does not export {0}; it is no guest, or one of another version")]
    Export(&'static str),
}

impl ImageError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
