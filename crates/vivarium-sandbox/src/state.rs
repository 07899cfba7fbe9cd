//! What the host keeps in each instance's store.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::{StoreContextMut, UpdateDeadline};

use crate::cpu::CpuMeter;
use crate::error::{LimitError, LimitKind};
use crate::host_call::HostCalls;
use crate::limiter::Limiter;
use crate::wasi::WasiCtx;

/// Data of one store: everything host functions, the memory limiter and the epoch callback need.
pub(crate) struct State {
    pub(crate) wasi: WasiCtx,
    pub(crate) host: HostCalls,
    pub(crate) limiter: Limiter,
    pub(crate) cpu: Arc<CpuMeter>,
    pub(crate) deadline: Deadline,
}

/// When a call must have ended, and which limit says so.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    pub(crate) at: Instant,
    limit: LimitKind,
    configured: Duration,
}

impl Deadline {
    pub(crate) fn after(limit: LimitKind, configured: Duration) -> Self {
        // Saturates at thirty years for a duration that an Instant cannot hold.
        let now = Instant::now();
        let at = now.checked_add(configured).unwrap_or_else(|| now + Duration::from_secs(1_000_000_000));
        Self { at, limit, configured }
    }

    pub(crate) fn error(&self) -> LimitError {
        LimitError::time(self.limit, self.configured)
    }
}

/// Asked once per tick of the epoch, in the middle of the guest's code: may it go on?
///
/// Going on means yielding first: no sandbox holds a thread for longer than a tick, and whether it is resumed at once or
/// another tenant is due, the [scheduler](crate::scheduler) decides.
pub(crate) fn on_tick(store: StoreContextMut<'_, State>) -> wasmtime::Result<UpdateDeadline> {
    let state = store.data();
    if Instant::now() >= state.deadline.at {
        return Err(wasmtime::Error::new(state.deadline.error()));
    }
    state.cpu.charge().map_err(wasmtime::Error::new)?;
    state.cpu.interrupt();
    Ok(UpdateDeadline::Yield(1))
}
