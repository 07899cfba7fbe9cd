//! WebAssembly sandboxes for CPython: engine, images, limits, instance pools, and Arrow record batches across linear memory.

mod exchange;
pub mod wasi;
