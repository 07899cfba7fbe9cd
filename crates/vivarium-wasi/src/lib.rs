//! WASI preview 1 for guests that are to reach nothing of the host.
//!
//! ```text
//!            a WebAssembly module over wasi-libc
//!                 │ 46 imports of wasi_snapshot_preview1, raw numbers
//!   linker        │ name and type of each ──> caller's memory and WasiCtx
//!   calls/        │ one method each: check, do, report
//!                 ├── memory, path                numbers become slices and paths here, or errors
//!                 ├── descriptors                 0 1 2 streams, 3 /env, 4 /tmp, 5.. what the guest opens
//!                 ├── stdin, output, capture      streams of the host's choice; output has a rate
//!                 ├── environment                 /env: a capability for a host directory, read-only
//!                 ├── scratch/                    /tmp: a file system in memory, with a quota
//!                 └── clock, random               the host's, or reproducible ones for snapshots
//! ```
//!
//! A context is made for one guest from a [`WasiConfig`], lives in the data of its store, and takes all that the guest made with it when it is
//! dropped. This crate knows no Python, no batches and no tenants: what several guests may use together, it charges to accounts that
//! somebody else keeps ([`WasiAccounts`]).
//!
//! # Example
//! ```
//! use vivarium_wasi::{Capture, Exit, WasiConfig, WasiCtx, add_to_linker};
//! use wasmtime::{Engine, Linker, Module, Store};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> wasmtime::Result<()> {
//! # let module = wat::parse_str(r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
//! #     (memory (export "memory") 1) (func (export "_start") (call $exit (i32.const 3))))"#)?;
//! let output = Capture::new(1 << 20);
//! let config = WasiConfig::default().with_args(vec!["program".into()]).with_stdout(Box::new(output.clone()));
//! let engine = Engine::default();
//! let mut linker = Linker::new(&engine);
//! add_to_linker(&mut linker, |context: &mut WasiCtx| context)?;
//! let mut store = Store::new(&engine, WasiCtx::new(config)?);
//! let instance = linker.instantiate_async(&mut store, &Module::new(&engine, module)?).await?;
//! let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
//! match start.call_async(&mut store, ()).await {
//!     Err(error) => assert_eq!(error.downcast_ref(), Some(&Exit(3))),
//!     Ok(()) => println!("{}", String::from_utf8_lossy(&output.take())),
//! }
//! # Ok(())
//! # }
//! ```
//! `cargo run --package vivarium-wasi --example run_module -- MODULE.wasm ARGUMENTS` runs any module of preview 1 so.
//!
//! # Why our own
//!
//! Wasmtime comes with an implementation, `wasmtime-wasi`, and it is a good one. It serves programs that are to reach
//! the host, and maps calls to the host's files, streams and sockets. Vivarium's guests are to reach nothing, and what
//! they have instead needs properties that cannot be added from outside:
//!
//! * **A quota on scratch space** that holds. With a host directory behind `/tmp` the quota has to be inferred from the
//!   outside, and sparse writes, renames, hard links and unlinked open files each evade some way of counting. Here each
//!   page, inode and name is charged where it is allocated ([`ScratchLimits`]), also to a total over guests
//!   ([`WasiAccounts::scratch_bytes`]).
//! * **Bounded calls.** A deadline interrupts the guest's code, and a call that waits, but not a call that works. So
//!   each call's work is bounded: bytes per transfer, lines, vectors, subscriptions, random bytes, path lengths, entries of a
//!   listed directory.
//! * **A rate for output** at which the excess is dropped and counted, without stalling the guest ([`WasiLimits::output`]), also of
//!   several guests together ([`WasiAccounts::output`]). A line of a log costs as an event does, however short it is.
//! * **Reproducible snapshots**: clocks, random numbers, inode numbers, file times and the order of directories that
//!   depend on nothing but their inputs ([`Clock::Fixed`], [`Random::Seeded`]).
//! * **Start-up in microseconds**: a context is a few allocations and no system call, since the environment is shared,
//!   and no call uses another thread, except for the streams of the host's own process.
//! * **A surface that can be audited**: no component model and no resource table between the guest's numbers and what
//!   they do, no code for sockets, and two kinds of file that cannot be confused.
//!
//! # Why it is safe
//!
//! There is no `unsafe` here. Addresses and lengths are used through `memory::GuestMemory` only, which answers
//! `EFAULT` for what is not in linear memory. (The specification lets such a call trap; an error is as safe, and a
//! program with a bug in one place goes on.) Paths are text until a file system resolves them; `/env` does so in the
//! kernel, beneath its directory; `/tmp` among its own inodes. No call opens, creates or names anything of the host but
//! the environment's files, for reading.
//!
//! `docs/wasi.md`, in the repository, lists what each function does.

#![forbid(unsafe_code)]

mod abi;
mod calls;
mod capture;
mod clock;
mod config;
mod context;
mod descriptors;
mod environment;
mod errno;
mod host_files;
mod host_memory;
mod linker;
mod memory;
mod output;
mod pace;
mod path;
mod random;
mod scratch;
mod stdin;

#[cfg(test)]
mod tests;

pub use capture::Capture;
pub use clock::Clock;
pub use config::{Terminals, WasiAccounts, WasiConfig, WasiError, WasiLimits};
pub use context::WasiCtx;
pub use linker::{Exit, MissingMemory, add_to_linker};
pub use output::{Admitted, Discard, OutputSink, Room};
pub use random::Random;
pub use scratch::{ScratchLimits, ScratchUsage};
pub use stdin::Stdin;
pub use vivarium_tenancy::{Account, RateAccount, RateLimit};
