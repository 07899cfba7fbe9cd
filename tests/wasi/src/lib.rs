//! The same calls on our WASI preview 1 and on `wasmtime-wasi`, which must answer alike.
//!
//! ```text
//!   generate.rs    a seed ──> a sequence of steps (step.rs): calls with any flags, paths and numbers
//!                                │
//!   guest.rs       one module whose exports are its imports (functions.rs), an instance on either side (sides.rs)
//!                                │
//!   run.rs         a step on one side ──> how it ended, and what it wrote, without what no program may rely on (normal.rs)
//!                                │
//!   compare.rs     both sides, step by step; then all that is left in /tmp (tree.rs)
//!                                │  alike, or one of differences.rs, or a failure: the shortest sequence that still fails (shrink.rs)
//!   document.rs    the differences as a table in docs/wasi.md
//! ```
//!
//! `wasmtime-wasi` is kept by many for many; ours is kept by us. So where they differ ours is wrong, unless `differences.rs` says
//! why it is not.

pub mod compare;
pub mod differences;
pub mod document;
pub mod errno;
pub mod functions;
pub mod generate;
pub mod guest;
mod normal;
pub mod run;
pub mod shrink;
pub mod sides;
pub mod step;
mod tree;
