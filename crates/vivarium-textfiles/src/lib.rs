//! Tables as text: CSV, and JSON with one object per line. Values are read exactly as they are written, or an error says where.
//!
//! ```text
//!   format ─ how a file is read                          bytes ── decompressed, without a byte order mark    compressed ─ and back
//!   scalar ── what a text can be, and a column of them  values ─ texts -> a column, exactly or not at all    time ─ dates, times
//!   csv/ ──── records ─ the fields of a line            reader ─ types, batches      style, writer
//!   json/ ─── cursor ── the grammar of a line           infer ── types               columns, reader ─ batches
//! ```
//!
//! Arrow's own readers infer a column's type from the first part of a file, and later values that do not fit are cut (2.9 becomes 2),
//! left out (a key that comes late) or shifted (a time's offset): apache/arrow-rs#10265, #3841. Here types come from a first part, too,
//! but a later value that does not fit is an error with line and column.

#![forbid(unsafe_code)]

mod bytes;
mod compressed;
pub mod csv;
mod decimal;
mod format;
pub mod json;
mod scalar;
mod time;
mod values;

use std::fmt;

use arrow::error::ArrowError;
use arrow_schema::{DataType, Field, Schema};

pub use self::bytes::{Plain, is_compressed_name, plain};
pub use self::compressed::{Compressed, Compression};
pub use self::format::{TextFormat, is_read};

/// Where a text is wrong, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TextError {
    /// The line, counted from 1.
    pub line: u64,
    /// Where in the line, in bytes counted from 1.
    pub column: Option<u64>,
    /// What is wrong, and what to do.
    pub problem: String,
}

impl TextError {
    fn new(line: u64, column: Option<u64>, problem: impl Into<String>) -> Self {
        Self { line, column, problem: problem.into() }
    }
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.column {
            Some(column) => write!(f, "line {}, column {column}: {}", self.line, self.problem),
            None => write!(f, "line {}: {}", self.line, self.problem),
        }
    }
}

impl std::error::Error for TextError {}

impl From<TextError> for ArrowError {
    fn from(error: TextError) -> Self {
        Self::ExternalError(Box::new(error))
    }
}

/// The columns of a text file, and where their types come from.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Inferred {
    /// The columns.
    pub schema: Schema,
    /// Where each column's type comes from.
    pub reasons: Vec<Reason>,
    /// How many rows were read to infer the types.
    pub rows: u64,
    /// Whether these were all rows of the file.
    pub whole: bool,
}

/// Where a column's type comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Its values, which are of one kind.
    Values,
    /// Its values, which are of several kinds, so that only text holds them: a sentence that says which.
    Mixed(String),
    /// Nothing: all its values are NULL.
    Nulls,
    /// The caller.
    Told,
}

impl Inferred {
    /// The schema in which columns with nothing but NULL are text, which holds anything.
    pub fn strings_for_nulls(&self) -> Schema {
        let fields = self.schema.fields().iter().map(|field| match field.data_type() {
            DataType::Null => field.as_ref().clone().with_data_type(DataType::Utf8),
            _ => field.as_ref().clone(),
        });
        Schema::new(fields.collect::<Vec<Field>>())
    }
}

/// A value as a message shows it.
fn shown(text: &str) -> String {
    format!("\"{}\"", vivarium_text::line(text, 60))
}
