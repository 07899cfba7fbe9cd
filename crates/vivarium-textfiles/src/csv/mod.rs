//! CSV, as RFC 4180 has it: an empty field is NULL and `""` is the empty string, in both directions.
//!
//! Arrow's reader and writer have one spelling for both, so a file that was written with them does not come back as it was.

mod reader;
mod records;
mod style;
mod writer;

pub use self::reader::{CsvColumns, Reader, infer};
pub use self::style::Style;
pub use self::writer::Writer;
