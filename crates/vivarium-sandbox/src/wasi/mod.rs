//! WASI preview 1, as much of it as the guest may have.
//!
//! ```text
//!            wasm32 guest: CPython over wasi-libc
//!                 │ 46 imports of wasi_snapshot_preview1, raw numbers
//!   linker.rs     │ name and type of each ──> caller's memory and WasiCtx
//!   calls/        │ one method each: check, do, report
//!                 ├── memory.rs, path.rs          numbers become slices and paths here, or errors
//!                 ├── descriptors.rs              0 1 2 streams, 3 /env, 4 /tmp, 5.. what the guest opens
//!                 ├── stdin.rs, output.rs         streams of the host's choice; output has a rate
//!                 ├── environment.rs              /env: a capability for a host directory, read-only
//!                 ├── scratch/                    /tmp: a file system in memory, with a quota
//!                 └── clock.rs, random.rs         the host's, or reproducible ones for snapshots
//! ```
//!
//! # Why our own
//!
//! Wasmtime comes with an implementation, `wasmtime-wasi`, and it is a good one. It serves programs that are to reach
//! the host, and maps calls to the host's files, streams and sockets. Vivarium's guests are to reach nothing, and what
//! they have instead needs properties that cannot be added from outside:
//!
//! * **A quota on scratch space** that holds. With a host directory behind `/tmp` the quota has to be inferred from the
//!   outside, and sparse writes, renames, hard links and unlinked open files each evade some way of counting. Here each
//!   page, inode and name is charged where it is allocated ([`ScratchLimits`]), also to a total over sandboxes
//!   ([`ScratchBudget`]).
//! * **Bounded calls.** A deadline interrupts the guest's code, and a call that waits, but not a call that works. So
//!   each call's work is bounded: bytes per transfer, lines, vectors, subscriptions, random bytes, path lengths, entries of a
//!   listed directory.
//! * **A rate for output** at which the excess is dropped and counted, without stalling the guest ([`OutputLimit`]), also of
//!   several guests together ([`OutputBudget`]). A line of a log costs as an event does, however short it is.
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
//! `docs/wasi.md` lists what each function does.

#![forbid(unsafe_code)]

mod abi;
mod calls;
mod clock;
mod config;
mod context;
mod descriptors;
mod environment;
mod errno;
mod host_files;
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

pub use clock::Clock;
pub use config::{Terminals, WasiConfig, WasiError, WasiLimits};
pub use context::WasiCtx;
pub use host_files::HostFileBudget;
pub use linker::{Exit, MissingMemory, add_to_linker};
pub(crate) use memory::GuestMemory;
pub use output::{Admitted, Discard, OutputBudget, OutputLimit, OutputSink, Room};
pub use random::Random;
pub use scratch::{ScratchBudget, ScratchLimits, ScratchUsage};
pub use stdin::Stdin;
