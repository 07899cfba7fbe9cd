//! Tests of WASI, by what they promise. `scratch_*` talk to the file system alone, the others make calls from a
//! WebAssembly module through a linker.

mod calls;
mod environment;
mod functions;
mod guest;
mod hostile;
mod output;
mod scratch_files;
mod scratch_model;
mod scratch_quota;
mod waiting;
