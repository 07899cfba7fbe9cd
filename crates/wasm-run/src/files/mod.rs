//! Tables in files and pipes: which format, how they are read, how they are written.
//!
//! ```text
//!   location ─ a file or a pipe     format ─ what is in it
//!   declared ─ what a file says of itself, checked ── input ─ reading        recorded ─ a beginning that is read twice
//!   destination ─ an output, opened early ── output ─ writing ── writer ─ the formats
//! ```

pub mod declared;
mod destination;
mod format;
mod input;
mod location;
mod output;
mod recorded;
mod writer;

pub use destination::Destination;
pub use format::Format;
pub use input::{Input, Spool, open};
pub use location::Location;
pub use output::Output;
