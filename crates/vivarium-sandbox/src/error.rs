//! Everything that can go wrong with a sandbox.

use std::time::Duration;

use vivarium_tenancy::{LimitKind, Limits, LimitsError, TenantClosed};
use wasmtime::Trap;

use crate::exchange::ExchangeError;
use crate::guest_error::GuestError;
use crate::image::ImageError;
#[cfg(feature = "process-sandbox")]
use crate::process_sandbox::ProcessSandboxError;
use crate::snapshot::SnapshotError;
use crate::wasi;

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
        use LimitKind::{Sandboxes, TenantInstances, TenantMemory};
        matches!(self, Self::Limit(limit) if matches!(limit.limit, Sandboxes | TenantInstances | TenantMemory))
    }
}

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
}

impl LimitError {
    /// The error of a limit of so many units (nanoseconds for times) that was reached.
    pub fn new(limit: LimitKind, configured: u64) -> Self {
        Self { limit, configured, observed: None, guest: None }
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

/// How the guest broke the contract of `wasm-python/ABI.md`. Only a damaged or hostile guest does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// Another version of the contract.
    #[error("it implements version {found} of the ABI, and this host version {expected}; build the guest again")]
    Version {
        /// What the guest says.
        found: i32,
        /// What the host implements.
        expected: i32,
    },
    /// A result that goes on although there is nothing that it could go on with.
    #[error("it announces more of a result that has one value for each row")]
    Continuation,
    /// A pointer and length that do not lie in linear memory.
    #[error("{what} at {address:#x}, {length} bytes long, does not lie in its memory of {memory} bytes")]
    OutOfBounds {
        /// What was to be read or written there.
        what: &'static str,
        /// Guest address.
        address: u32,
        /// Bytes.
        length: u64,
        /// Size of linear memory in bytes.
        memory: u64,
    },
    /// An address that must be a multiple of something and is not.
    #[error("{what} at {address:#x} is not aligned to {alignment} bytes")]
    Misaligned {
        /// What is there.
        what: &'static str,
        /// Guest address.
        address: u32,
        /// Bytes.
        alignment: u32,
    },
    /// A status that is neither success nor failure.
    #[error("it answered with the status {0}, which is neither done (0) nor failed (1)")]
    Status(u32),
    /// A reply that is not what the request calls for.
    #[error("its reply to `{request}` is not valid: {problem}")]
    Reply {
        /// The request's name.
        request: &'static str,
        /// What is wrong with the reply.
        problem: String,
    },
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
