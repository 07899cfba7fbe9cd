//! Memory and tables, as the engine asks whether they may grow.

use std::sync::Arc;

use vivarium_tenancy::{LimitKind, Limits, TaskAccount};
use wasmtime::{Error, ResourceLimiter, Result};

use crate::error::LimitError;

/// Allows one sandbox its memory, and charges it to its tenant for as long as the sandbox lives.
pub(crate) struct Limiter {
    task: Arc<TaskAccount>,
    memory: u64,
    table_elements: u32,
    charged: u64,
    /// What the last allowed growth added, in case the operating system then refuses it.
    last_charge: u64,
    refused: Option<LimitError>,
}

impl Limiter {
    pub(crate) fn new(task: Arc<TaskAccount>, limits: &Limits) -> Self {
        Self {
            task,
            memory: limits.memory,
            table_elements: limits.table_elements,
            charged: 0,
            last_charge: 0,
            refused: None,
        }
    }

    /// The limit that refused memory since the last call of this function.
    pub(crate) fn take_refused(&mut self) -> Option<LimitError> {
        self.refused.take()
    }

    fn charge(&mut self, current: u64, desired: u64) -> Result<(), LimitError> {
        if desired > self.memory {
            return Err(LimitError::new(LimitKind::Memory, self.memory).observed(desired));
        }
        let growth = desired.saturating_sub(current);
        let total = &self.task.tenant().accounts().memory;
        if !total.try_charge(growth) {
            return Err(LimitError::new(LimitKind::TenantMemory, total.limit()).asked(total.used(), growth));
        }
        self.charged += growth;
        self.last_charge = growth;
        self.task.metrics().grow_memory(growth, desired);
        Ok(())
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        self.last_charge = 0;
        match self.charge(current as u64, desired as u64) {
            Ok(()) => Ok(true),
            Err(limit) => {
                // The guest is told "no" and can raise MemoryError; what it makes of that is looked at afterwards.
                self.refused = Some(limit);
                Ok(false)
            }
        }
    }

    fn memory_grow_failed(&mut self, error: Error) -> Result<()> {
        self.task.tenant().accounts().memory.release(self.last_charge);
        self.task.metrics().release_memory(self.last_charge);
        self.charged -= self.last_charge;
        self.last_charge = 0;
        tracing::debug!(error = format!("{error:#}"), "linear memory did not grow");
        Ok(())
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        let allowed = desired as u64 <= u64::from(self.table_elements);
        if !allowed {
            let limit = LimitError::new(LimitKind::TableElements, self.table_elements.into());
            self.refused = Some(limit.observed(desired as u64));
        }
        Ok(allowed)
    }

    fn instances(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        1
    }

    fn memories(&self) -> usize {
        1
    }
}

impl Drop for Limiter {
    fn drop(&mut self) {
        self.task.tenant().accounts().memory.release(self.charged);
        self.task.metrics().release_memory(self.charged);
        self.task.tenant().room().free();
    }
}
