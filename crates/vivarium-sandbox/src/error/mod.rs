//! Everything that can go wrong with a sandbox.

mod image;
mod limit;
#[cfg(feature = "process-sandbox")]
mod process_sandbox;
mod protocol;
mod snapshot;

use vivarium_tenancy::{LimitKind, LimitsError, TenantClosed};
use wasmtime::Trap;

use crate::exchange::ExchangeError;
use crate::guest_error::GuestError;
use crate::wasi;
pub use image::ImageError;
pub use limit::LimitError;
#[cfg(feature = "process-sandbox")]
pub use process_sandbox::ProcessSandboxError;
pub use protocol::ProtocolError;
pub use snapshot::SnapshotError;

/// Why a sandbox did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A limit was reached.
    #[error(transparent)]
    Limit(#[from] LimitError),

    /// The Python code failed.
    #[error(transparent)]
    Guest(Box<GuestError>),

    /// The guest ended itself.
    #[error("the Python code ended its process with exit status {0}")]
    Exit(i32),

    /// The guest did what WebAssembly does not allow.
    #[error("the guest crashed: {reason}{backtrace}")]
    Trap {
        /// What it did.
        reason: String,
        /// Where, one function a line; empty when that is not known.
        backtrace: String,
    },

    /// The guest did not keep to the contract between host and guest.
    #[error("the guest broke its contract: {0}")]
    Protocol(#[from] ProtocolError),

    /// A record batch could not be sent, or what came back is not the array that was promised.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),

    /// The image cannot be used.
    #[error(transparent)]
    Image(#[from] ImageError),

    /// The guest could not be initialised for an image.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),

    /// The limits contradict themselves or the process.
    #[error(transparent)]
    Limits(#[from] LimitsError),

    /// The tenant is being drained, or was ended.
    #[error(transparent)]
    Tenant(#[from] TenantClosed),

    /// The process could not give the sandbox what it needs; nothing is wrong with the Python code.
    #[error("the sandbox could not be started: {0:#}")]
    Start(#[source] wasmtime::Error),

    /// The process sandbox was asked for and cannot be enforced.
    #[cfg(feature = "process-sandbox")]
    #[error(transparent)]
    ProcessSandbox(#[from] ProcessSandboxError),

    /// An earlier call destroyed the sandbox, and no call is answered any more.
    #[error("the sandbox ended in an earlier call: {reason}")]
    Dead {
        /// What the earlier call ended with.
        reason: String,
    },

    /// The caller gave up an earlier call while it was running, which destroyed the sandbox.
    #[error("the sandbox is gone: a call was cancelled while it was running")]
    Cancelled,
}

impl Error {
    /// Whether there is no room for a sandbox now, while there may be later.
    pub(crate) fn is_no_room(&self) -> bool {
        use LimitKind::{Sandboxes, TenantHostMemory, TenantInstances, TenantMemory};
        let of_room = |limit| matches!(limit, Sandboxes | TenantInstances | TenantMemory | TenantHostMemory);
        matches!(self, Self::Limit(error) if of_room(error.limit))
    }
}

/// Explains how a call into the guest ended when it did not return.
///
/// `refused` is the memory limit that was hit while the call ran, if one was: an allocation that fails inside C code
/// often ends in a trap, and then the limit is what the user has to know.
pub(crate) fn from_call(error: wasmtime::Error, refused: Option<LimitError>, wasm_stack: u64) -> Error {
    let error = match error.downcast::<LimitError>() {
        Ok(limit) => return Error::Limit(limit),
        Err(error) => error,
    };
    if let Some(wasi::Exit(status)) = error.downcast_ref::<wasi::Exit>() {
        return Error::Exit(*status);
    }
    match (error.downcast_ref::<Trap>(), refused) {
        (Some(Trap::StackOverflow), _) => Error::Limit(LimitError::new(LimitKind::Stack, wasm_stack)),
        (Some(_), Some(limit)) => Error::Limit(limit),
        (Some(trap), None) => Error::Trap { reason: trap.to_string(), backtrace: backtrace(&error) },
        (None, _) => Error::Trap { reason: error.root_cause().to_string(), backtrace: backtrace(&error) },
    }
}

/// The innermost functions, one a line.
fn backtrace(error: &wasmtime::Error) -> String {
    const MAX_FRAMES: usize = 20;
    let Some(backtrace) = error.downcast_ref::<wasmtime::WasmBacktrace>() else { return String::new() };
    // The guest of this project has no names; "in ?" twenty times tells nobody anything.
    let names = backtrace.frames().iter().filter_map(|frame| frame.func_name()).take(MAX_FRAMES);
    names.map(|name| format!("\n  in {}", vivarium_text::line(name, 200))).collect()
}
