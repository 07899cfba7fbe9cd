//! The 46 functions of `wasi_snapshot_preview1`, by name and type.
//!
//! The tables below are the whole interface between the guest and this module. Each line becomes a function of the
//! linker that finds the caller's memory and context and calls the method of [`WasiCtx`] with the same name, in
//! `calls/`. Arguments are the raw numbers the guest passed; nothing is checked on the way.

use std::fmt;

use wasmtime::{Caller, Extern, Linker};

use crate::WasiCtx;
use crate::errno::Result;
use crate::memory::GuestMemory;

/// The module name of preview 1.
const MODULE: &str = "wasi_snapshot_preview1";

/// The guest ended itself with this status, through `proc_exit`. It travels as the error of the call into the guest:
/// `error.downcast_ref::<Exit>()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit(
    /// The status; Python's `sys.exit` uses 0 to 255.
    pub i32,
);

impl fmt::Display for Exit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the guest exited with status {}", self.0)
    }
}

impl std::error::Error for Exit {}

/// A guest without a memory called a function that needs one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the guest does not export its linear memory as \"memory\"")]
pub struct MissingMemory;

/// Defines every function of `wasi_snapshot_preview1` in `linker`; `get` finds the context in a store's data.
///
/// Some of the functions wait, so the guest must be called asynchronously (`instantiate_async`, `call_async`) within a
/// tokio runtime whose timer is enabled. Dropping such a call, for instance at a deadline, ends the wait at once.
///
/// # Errors
/// When `linker` already has one of the functions.
pub fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    get: impl Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static,
) -> wasmtime::Result<()> {
    macro_rules! calls {
        ($($name:ident ( $($argument:ident : $type:ty),* );)*) => {$(
            linker.func_wrap(MODULE, stringify!($name), move |mut caller: Caller<'_, T> $(, $argument: $type)*| {
                wasmtime::Result::Ok(status(get(caller.data_mut()).$name($($argument),*)))
            })?;
        )*};
    }
    macro_rules! calls_with_memory {
        ($($name:ident ( $($argument:ident : $type:ty),* );)*) => {$(
            linker.func_wrap(MODULE, stringify!($name), move |mut caller: Caller<'_, T> $(, $argument: $type)*| {
                let (mut memory, context) = enter(&mut caller, get)?;
                wasmtime::Result::Ok(status(context.$name(&mut memory $(, $argument)*)))
            })?;
        )*};
    }
    macro_rules! calls_that_wait {
        ($($name:ident ( $($argument:ident : $type:ty),* );)*) => {$(
            linker.func_wrap_async(
                MODULE,
                stringify!($name),
                move |mut caller: Caller<'_, T>, ($($argument,)*): ($($type,)*)| {
                    Box::new(async move {
                        let (mut memory, context) = enter(&mut caller, get)?;
                        wasmtime::Result::Ok(status(context.$name(&mut memory $(, $argument)*).await))
                    })
                },
            )?;
        )*};
    }

    calls! {
        fd_advise(fd: u32, offset: u64, length: u64, advice: u32);
        fd_allocate(fd: u32, offset: u64, length: u64);
        fd_close(fd: u32);
        fd_datasync(fd: u32);
        fd_fdstat_set_flags(fd: u32, flags: u32);
        fd_fdstat_set_rights(fd: u32, rights: u64, inheriting: u64);
        fd_filestat_set_size(fd: u32, size: u64);
        fd_filestat_set_times(fd: u32, accessed: u64, modified: u64, flags: u32);
        fd_renumber(fd: u32, to: u32);
        fd_sync(fd: u32);
        proc_raise(signal: u32);
        sock_accept(fd: u32, flags: u32, out: u32);
        sock_recv(fd: u32, vectors: u32, count: u32, flags: u32, out_length: u32, out_flags: u32);
        sock_send(fd: u32, vectors: u32, count: u32, flags: u32, out: u32);
        sock_shutdown(fd: u32, how: u32);
    }
    calls_with_memory! {
        args_get(pointers: u32, buffer: u32);
        args_sizes_get(out_count: u32, out_bytes: u32);
        clock_res_get(id: u32, out: u32);
        clock_time_get(id: u32, precision: u64, out: u32);
        environ_get(pointers: u32, buffer: u32);
        environ_sizes_get(out_count: u32, out_bytes: u32);
        fd_fdstat_get(fd: u32, out: u32);
        fd_filestat_get(fd: u32, out: u32);
        fd_pread(fd: u32, vectors: u32, count: u32, offset: u64, out: u32);
        fd_prestat_dir_name(fd: u32, buffer: u32, length: u32);
        fd_prestat_get(fd: u32, out: u32);
        fd_pwrite(fd: u32, vectors: u32, count: u32, offset: u64, out: u32);
        fd_seek(fd: u32, offset: i64, whence: u32, out: u32);
        fd_tell(fd: u32, out: u32);
        path_create_directory(fd: u32, path: u32, length: u32);
        path_filestat_get(fd: u32, lookup: u32, path: u32, length: u32, out: u32);
        path_filestat_set_times(fd: u32, lookup: u32, path: u32, length: u32, accessed: u64, modified: u64, flags: u32);
        path_link(fd: u32, lookup: u32, path: u32, length: u32, to_fd: u32, to_path: u32, to_length: u32);
        path_open(
            fd: u32, lookup: u32, path: u32, length: u32, open: u32, rights: u64, inheriting: u64, flags: u32, out: u32
        );
        path_readlink(fd: u32, path: u32, length: u32, buffer: u32, buffer_length: u32, out: u32);
        path_remove_directory(fd: u32, path: u32, length: u32);
        path_rename(fd: u32, path: u32, length: u32, to_fd: u32, to_path: u32, to_length: u32);
        path_symlink(text: u32, text_length: u32, fd: u32, path: u32, length: u32);
        path_unlink_file(fd: u32, path: u32, length: u32);
        random_get(buffer: u32, length: u32);
    }
    calls_that_wait! {
        fd_read(fd: u32, vectors: u32, count: u32, out: u32);
        fd_readdir(fd: u32, buffer: u32, length: u32, cookie: u64, out: u32);
        fd_write(fd: u32, vectors: u32, count: u32, out: u32);
        poll_oneoff(subscriptions: u32, events: u32, count: u32, out: u32);
    }
    linker.func_wrap_async(MODULE, "sched_yield", |_: Caller<'_, T>, (): ()| {
        Box::new(async {
            tokio::task::yield_now().await;
            0
        })
    })?;
    linker.func_wrap(MODULE, "proc_exit", |_: Caller<'_, T>, code: u32| -> wasmtime::Result<()> {
        Err(Exit(code.cast_signed()).into())
    })?;
    Ok(())
}

/// The caller's memory and context, which a call uses side by side.
fn enter<'a, T: 'static>(
    caller: &'a mut Caller<'_, T>,
    get: impl Fn(&mut T) -> &mut WasiCtx,
) -> wasmtime::Result<(GuestMemory<'a>, &'a mut WasiCtx)> {
    let memory = caller.get_export("memory").and_then(Extern::into_memory).ok_or(MissingMemory)?;
    let (bytes, data) = memory.data_and_store_mut(caller);
    Ok((GuestMemory::new(bytes), get(data)))
}

/// The result as the guest gets it.
fn status(result: Result<()>) -> u32 {
    match result {
        Ok(()) => 0,
        Err(errno) => u32::from(errno as u16),
    }
}
