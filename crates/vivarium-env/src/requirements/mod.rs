//! Requirements: from a requirements file to wheels, without running any package's code.
//!
//! ```text
//!   requirements file, script header
//!        |  file.rs, script.rs     every line understood and written anew; options refused
//!        v
//!   given lock, remembered lock, or pip    pip.rs: `pip download`, wheels only, for the guest's Python
//!        |  lock.rs                name==version --hash=sha256:..., for each package
//!        v
//!   wheels                          cache.rs: found by hash in the cache directory, or fetched by pip
//!        |  wheel.rs
//!        v
//!   site-packages                   unpacked by us, each file compared with the wheel's RECORD
//! ```
//!
//! pip is the resolver, and the only foreign program. It gets wheels only, so it never builds; and it runs under an
//! audit hook that lets it start no process, so that a dependency which smuggles in a source distribution fails.

mod cache;
mod file;
mod lock;
mod marker;
mod pip;
mod resolve;
mod runs;
mod script;
mod wheel;

use std::path::PathBuf;
use std::time::Duration;

pub use file::{AllowedLines, Requirement, RequirementsFile};
pub use lock::{LockedPackage, RequirementsLock};
pub use pip::PIP_VARIABLES;
pub(crate) use resolve::{Resolver, Whose};
pub use runs::{PipUsage, pip_usage};
pub use script::ScriptMetadata;
pub(crate) use wheel::{WheelFile, install_wheel};

/// How requirements are resolved; the operator's choice, never a job's.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequirementsSettings {
    /// The machine's Python, whose pip resolves. A job's `python.executable` is never run.
    pub python: PathBuf,
    /// Whether packages may come from the package index when a job gives no cache directory.
    pub use_index: bool,
    /// The package index; `None` is pip's default.
    pub index_url: Option<String>,
    /// Directories of wheels that come before the index, and count besides a job's cache directory: for instance a platform's own
    /// packages, or pure Python wheels of packages that the index has none of. A package of which they have any wheel comes from them
    /// and from nowhere else, whatever versions the index has.
    pub wheels: Vec<PathBuf>,
    /// What a requirements file may hold besides requirements by name.
    pub allowed: AllowedLines,
    /// Wall time for one run of pip.
    pub timeout: Duration,
    /// How long a resolution against the index is remembered in the store.
    pub resolution_max_age: Duration,
    /// A lock to use instead of resolving ([`RequirementsLock`]).
    pub lock: Option<RequirementsLock>,
}

impl Default for RequirementsSettings {
    fn default() -> Self {
        Self {
            python: PathBuf::from("python3"),
            use_index: true,
            index_url: None,
            wheels: Vec::new(),
            allowed: AllowedLines::default(),
            timeout: Duration::from_secs(300),
            resolution_max_age: Duration::from_secs(24 * 3600),
            lock: None,
        }
    }
}

vivarium_tenancy::__setters!(RequirementsSettings {
    with_python: python: PathBuf,
    with_use_index: use_index: bool,
    with_index_url: index_url: Option<String>,
    with_wheels: wheels: Vec<PathBuf>,
    with_allowed: allowed: AllowedLines,
    with_timeout: timeout: Duration,
    with_resolution_max_age: resolution_max_age: Duration,
    with_lock: lock: Option<RequirementsLock>,
});

/// A distribution's name in the form that compares equal however it is written (PEP 503).
pub(crate) fn normalize_name(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    let mut separator = false;
    for character in name.chars() {
        if matches!(character, '-' | '_' | '.') {
            separator = true;
            continue;
        }
        if separator && !normal.is_empty() {
            normal.push('-');
        }
        separator = false;
        normal.extend(character.to_lowercase());
    }
    normal
}
