//! The one call by which a guest asks the plug-in that runs it for something: bytes out, bytes in.
//!
//! A streaming engine keeps state for a function, and the function's code asks for it in the middle of a call. So a guest may
//! import two functions of the module `vivarium` (`wasm-python/ABI.md`, "Imports"):
//!
//! ```text
//!   guest                               host
//!   request(address, length) ─────────> copies the request, awaits the service, keeps the reply
//!              length, or what is wrong <─┘
//!   reply(address, length) ───────────> copies the reply into the guest, once, and forgets it
//! ```
//!
//! A request waits as a sleep does: the sandbox gives its time slice up, its deadline keeps running, and dropping the call ends it. What the
//! guest says is checked like any other call's: requests are within linear memory and at most [`Limits::batch_bytes`] long, replies
//! too; without a [`HostService`] every request is refused. The service gets bytes that the guest made up. While the host has a request or
//! a reply, its tenant is charged for it; when it may hold no more, the sandbox ends.
//!
//! [`Limits::batch_bytes`]: crate::Limits::batch_bytes

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;

use vivarium_tenancy::{HostCharge, Tenant};
use wasmtime::{Caller, Error, Extern, Linker};

use crate::error::LimitError;
use crate::host_memory::{self, NoHostMemory};
use crate::wasi::MissingMemory;

/// The module that a guest imports these functions from.
pub(crate) const MODULE: &str = "vivarium";

/// Nobody answers requests.
const NO_SERVICE: i64 = -1;
/// The request is not in linear memory, or longer than it may be.
const BAD_REQUEST: i64 = -2;
/// The reply is longer than it may be.
const LONG_REPLY: i64 = -3;

/// What answers the requests of a sandbox's guest.
pub trait HostService: fmt::Debug + Send + Sync {
    /// Answers a request. Whether it was refused is part of the reply, in whatever form guest and service agreed on.
    ///
    /// The bytes are the guest's: nothing about them can be relied on.
    fn request(&self, request: Vec<u8>) -> Pin<Box<dyn Future<Output = Vec<u8>> + Send + '_>>;
}

/// What an instance's store keeps for these calls.
#[derive(Debug)]
pub(crate) struct HostCalls {
    tenant: Arc<Tenant>,
    service: Option<Arc<dyn HostService>>,
    /// Bytes of the longest request and of the longest reply.
    most: u64,
    /// The reply that has not been fetched, and the charge for it.
    reply: Vec<u8>,
    held: Option<HostCharge>,
}

impl HostCalls {
    pub(crate) fn new(service: Option<Arc<dyn HostService>>, most: u64, tenant: &Arc<Tenant>) -> Self {
        Self { tenant: Arc::clone(tenant), service, most, reply: Vec::new(), held: None }
    }
}

/// Defines both functions; `get` finds the instance's part of a store's data.
pub(crate) fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    get: impl Fn(&mut T) -> &mut HostCalls + Copy + Send + Sync + 'static,
) -> wasmtime::Result<()> {
    linker.func_wrap_async(MODULE, "request", move |mut caller: Caller<'_, T>, (address, length): (u32, u32)| {
        Box::new(async move {
            let memory = caller.get_export("memory").and_then(Extern::into_memory).ok_or(MissingMemory)?;
            let (bytes, data) = memory.data_and_store_mut(&mut caller);
            let calls = get(data);
            (calls.reply, calls.held) = (Vec::new(), None);
            let Some(service) = calls.service.clone() else { return wasmtime::Result::Ok(NO_SERVICE) };
            let (request, held) = match bytes.get(range(address, length)) {
                Some(request) if u64::from(length) <= calls.most => {
                    let held = host_memory::of_request(&calls.tenant, request.len()).map_err(refused)?;
                    (request.to_vec(), held)
                }
                _ => return Ok(BAD_REQUEST),
            };
            let reply = service.request(request).await;
            drop(held);
            let calls = get(caller.data_mut());
            if reply.len() as u64 > calls.most {
                return Ok(LONG_REPLY);
            }
            calls.held = host_memory::of_request(&calls.tenant, reply.len()).map_err(refused)?;
            calls.reply = reply;
            Ok(calls.reply.len() as i64)
        })
    })?;
    linker.func_wrap(MODULE, "reply", move |mut caller: Caller<'_, T>, address: u32, length: u32| {
        let memory = caller.get_export("memory").and_then(Extern::into_memory).ok_or(MissingMemory)?;
        let (bytes, data) = memory.data_and_store_mut(&mut caller);
        let calls = get(data);
        let (reply, _held) = (std::mem::take(&mut calls.reply), calls.held.take());
        match bytes.get_mut(range(address, length)) {
            Some(buffer) if buffer.len() == reply.len() => buffer.copy_from_slice(&reply),
            _ => return wasmtime::Result::Ok(BAD_REQUEST),
        }
        Ok(0_i64)
    })?;
    Ok(())
}

/// The tenant may hold no more: the call ends, and the sandbox with it.
fn refused(error: NoHostMemory) -> Error {
    Error::new(LimitError::from(error))
}

/// Where a guest says that bytes are: in linear memory, or not.
fn range(address: u32, length: u32) -> Range<usize> {
    // Addresses of the host have 64 bits: the sum does not overflow.
    address as usize..address as usize + length as usize
}

/// Defines both functions for a guest that nobody answers: while its snapshot is made.
pub(crate) fn refuse_all<T: Send + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    for name in ["request", "reply"] {
        linker.func_wrap(MODULE, name, |_: u32, _: u32| NO_SERVICE)?;
    }
    Ok(())
}
