//! What can go wrong with the store of environments.

use std::io;
use std::path::PathBuf;

/// Why the store could not be used.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's message documents it and its fields")]
#[non_exhaustive]
pub enum StoreError {
    #[error("the environment store '{}' may be written by other users ({reason}); make it writable by its owner only (chmod 700)", path.display())]
    Writable { path: PathBuf, reason: String },
    #[error("the environment store '{}' is not a directory", path.display())]
    NotDirectory { path: PathBuf },
    #[error(
        "the environment of {bytes} bytes does not fit into the store '{}': the tenant's environments in use take {kept} bytes, and all together \
         may take {quota} (EnvironmentSettings::store_bytes); end the jobs that use them, or ship less", path.display()
    )]
    Full { path: PathBuf, bytes: u64, kept: u64, quota: u64 },
    #[error("the environment store '{}' failed while it {doing}{}", path.display(), advice(source))]
    Io { path: PathBuf, doing: &'static str, source: io::Error },
}

/// What to do about an error of the disk, where that is known.
pub(super) fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ": no space is left; free some or choose another directory"
        }
        _ => "",
    }
}
