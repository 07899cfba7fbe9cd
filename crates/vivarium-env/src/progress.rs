//! What opening an environment is busy with, for somebody who waits.

use std::fmt;
use std::sync::Arc;

/// A part of opening an environment that may take a while. Opening one that is in the store has none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenEvent {
    /// pip looks for packages that satisfy this many requirements.
    Resolving {
        /// Requirements given, without what they need in turn.
        requirements: usize,
    },
    /// pip gets this many wheels that a lock names.
    Fetching {
        /// Packages of the lock.
        packages: usize,
    },
    /// Files are unpacked and copied.
    Materializing,
}

/// Who hears of [`OpenEvent`]s; the default is nobody. It is called on the thread that opens.
#[derive(Clone, Default)]
pub struct OpenProgress(Option<Arc<dyn Fn(OpenEvent) + Send + Sync>>);

impl OpenProgress {
    /// Calls `observer` for every event.
    pub fn new(observer: impl Fn(OpenEvent) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(observer)))
    }

    pub(crate) fn tell(&self, event: OpenEvent) {
        if let Some(observer) = &self.0 {
            observer(event);
        }
    }
}

impl fmt::Debug for OpenProgress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("OpenProgress").field(&self.0.is_some()).finish()
    }
}

impl fmt::Display for OpenEvent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |count: usize, one: &str, many: &str| match count {
            1 => format!("1 {one}"),
            count => format!("{count} {many}"),
        };
        match self {
            Self::Resolving { requirements } => {
                write!(formatter, "pip resolves {}", count(*requirements, "requirement", "requirements"))
            }
            Self::Fetching { packages } => write!(formatter, "pip gets {}", count(*packages, "package", "packages")),
            Self::Materializing => formatter.write_str("unpacking the Python environment"),
        }
    }
}
