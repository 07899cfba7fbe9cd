//! WebAssembly sandboxes for CPython: engine, images, limits, instance pools, and Arrow record batches across linear memory.

pub mod exchange;
mod wasi;
