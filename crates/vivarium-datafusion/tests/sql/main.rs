//! Python functions in DataFusion sessions: what SQL shows (`slt/*.slt`), and what only a program can see.
//!
//! One binary, because each that links DataFusion takes long to link.

mod batches;
mod ceilings;
mod constants;
mod declarations;
mod environments;
mod isolation;
mod memory;
mod panics;
mod plans;
mod scripts;
mod support;
