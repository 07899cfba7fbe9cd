//! Tables in files and pipes: which format, how they are read, how they are written.
//!
//! ```text
//!   location ─ a file or a pipe     format ─ what is in it
//!   declared ─ what a file says of itself, checked ── input ─ reading        recorded ─ a beginning that is read twice
//!   (CSV and JSON: `vivarium_textfiles`)   int96 ─ old times of Parquet    exact ─ types that a format cannot say
//!   destination ─ an output, opened early ── output ─ writing ── writer ─ the formats (also of SQL's COPY and INSERT)
//! ```

pub mod declared;
mod destination;
mod exact;
mod format;
mod input;
pub mod int96;
mod location;
mod output;
mod recorded;
#[cfg(test)]
mod round_trips;
mod writer;

pub use destination::{Destination, PartialFile};
pub use format::Format;
pub use input::{Input, Opening, Spool, TextColumns, bytes_of_text, open};
pub use location::Location;
pub use output::TableOutput;
pub use writer::{Sink, Style, Writer};
