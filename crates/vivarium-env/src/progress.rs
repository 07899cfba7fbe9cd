//! What opening an environment is doing, for a caller who waits and may cancel it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::EnvironmentError;

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

/// Who hears of [`OpenEvent`]s; the default is nobody. Clones are the same one.
#[derive(Clone, Default)]
pub struct OpenProgress {
    observer: Option<Arc<dyn Fn(OpenEvent) + Send + Sync>>,
    cancelled: Arc<AtomicBool>,
}

impl OpenProgress {
    /// Calls `observer` for every event, on the thread that opens.
    pub fn new(observer: impl Fn(OpenEvent) + Send + Sync + 'static) -> Self {
        Self { observer: Some(Arc::new(observer)), cancelled: Arc::default() }
    }

    /// Ends what waits for pip, and begins nothing more: opening then fails with
    /// [`EnvironmentError::Cancelled`](crate::EnvironmentError::Cancelled) and leaves nothing behind.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Tells of what begins, unless it may not any more.
    pub(crate) fn begin(&self, event: OpenEvent) -> Result<(), EnvironmentError> {
        if self.is_cancelled() {
            return Err(EnvironmentError::Cancelled);
        }
        if let Some(observer) = &self.observer {
            observer(event);
        }
        Ok(())
    }
}

impl fmt::Debug for OpenProgress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("OpenProgress").field("cancelled", &self.is_cancelled()).finish_non_exhaustive()
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
