//! A limit that was reached.

use std::time::Duration;

use vivarium_tenancy::{LimitKind, Limits};

use crate::guest_error::GuestError;
use crate::host_memory::NoHostMemory;

/// A limit and how it was reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.sentence())]
#[non_exhaustive]
pub struct LimitError {
    /// The limit.
    pub limit: LimitKind,
    /// Its value, in the unit of [`LimitKind::unit`].
    pub configured: u64,
    /// What was needed or used, in the same unit, when that is known.
    pub observed: Option<u64>,
    /// What the Python code was doing, when it was told about the limit and could say.
    pub guest: Option<Box<GuestError>>,
    /// What was asked for in addition to what was used, in the same unit; 0 when that is not known.
    pub(crate) asked: u64,
}

impl From<NoHostMemory> for LimitError {
    fn from(NoHostMemory { limit, used, asked }: NoHostMemory) -> Self {
        Self::new(LimitKind::TenantHostMemory, limit).asked(used, asked)
    }
}

impl LimitError {
    /// The error of a limit of so many units (nanoseconds for times) that was reached.
    pub fn new(limit: LimitKind, configured: u64) -> Self {
        Self { limit, configured, observed: None, guest: None, asked: 0 }
    }

    /// The error of a limit of time.
    pub fn time(limit: LimitKind, configured: Duration) -> Self {
        Self::new(limit, u64::try_from(configured.as_nanos()).unwrap_or(u64::MAX))
    }

    /// Checks what a caller has collected of several results that stand for one.
    ///
    /// # Errors
    /// The limit on results that it exceeds.
    pub fn check_collected(limits: &Limits, bytes: u64, items: u64) -> Result<(), Self> {
        if bytes > limits.output_bytes {
            return Err(Self::new(LimitKind::OutputBytes, limits.output_bytes));
        }
        if items > limits.output_items {
            return Err(Self::new(LimitKind::OutputItems, limits.output_items));
        }
        Ok(())
    }

    pub(crate) fn observed(mut self, observed: u64) -> Self {
        self.observed = Some(observed);
        self
    }

    pub(crate) fn asked(self, used: u64, asked: u64) -> Self {
        Self { asked, ..self.observed(used.saturating_add(asked)) }
    }

    fn sentence(&self) -> String {
        let (limit, configured) = (self.limit, self.limit.show(self.configured));
        let mut sentence = format!("{} limit `{}` of {configured} was reached", limit.owner(), limit.name());
        if let Some(observed) = self.observed {
            sentence += &format!(" ({} needed)", limit.show(observed));
        }
        if let Some(guest) = &self.guest {
            sentence += &format!(": {guest}");
        }
        format!("{sentence}; {}", limit.advice())
    }
}
