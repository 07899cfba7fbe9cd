//! Tables in files and pipes: which format, how they are read, how they are written.

mod format;
mod input;
mod location;
mod output;
mod recorded;
mod writer;

pub use format::Format;
pub use input::{Input, open};
pub use location::Location;
pub use output::Output;
