//! Tables in text, CSV and JSON with one object a line: what is read is what is written there, or an error that says where.
//!
//! ```text
//!   format ─ how a file is read                          bytes ── decompressed, without a byte order mark
//!   scalar ── what a text can be, and a column of them  values ─ texts -> a column, exactly or not at all    time ─ dates, times
//!   csv/ ──── records ─ the fields of a line            reader ─ types, batches      writer
//!   json/ ─── cursor ── the grammar of a line           infer ── types               columns, reader ─ batches
//! ```
//!
//! Arrow's own readers take a column's type from a first part, and what the rest has besides is cut (2.9 is 2), left out (a key that
//! comes late) or shifted (a time's offset): apache/arrow-rs#10265, #3841. Here types come from a part whose size is told, too, and what
//! does not fit them later is an error with line and column.

#![forbid(unsafe_code)]

mod bytes;
pub mod csv;
mod format;
pub mod json;
mod scalar;
mod time;
mod values;

use std::fmt;

use arrow::error::ArrowError;
use arrow_schema::{DataType, Field, Schema};

pub use self::bytes::{Plain, is_compressed_name, plain};
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

/// The columns of a text file, and why they are of their types.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Inferred {
    /// The columns.
    pub schema: Schema,
    /// For each column what tells its type.
    pub reasons: Vec<Reason>,
    /// How many rows were looked at.
    pub rows: u64,
    /// Whether these were all rows.
    pub whole: bool,
}

/// What tells a column's type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Its values, which are of one kind.
    Values,
    /// Its values, which are of several kinds, so that text holds them: a sentence.
    Mixed(String),
    /// There is none but NULL.
    Nulls,
    /// It was said.
    Told,
}

impl Inferred {
    /// Columns of which nothing but NULL was seen become text, which holds anything.
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
