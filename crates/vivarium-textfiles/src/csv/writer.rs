//! A table as a CSV file.

use std::io::Write;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, Schema};

/// Writes rows as they come.
pub struct Writer<W: Write> {
    out: W,
    line: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Begins with the header.
    ///
    /// # Errors
    /// When a column is of a type that CSV has no field for, or the header cannot be written.
    pub fn new(mut out: W, schema: &Schema) -> Result<Self, ArrowError> {
        let mut line = Vec::new();
        for (index, field) in schema.fields().iter().enumerate() {
            if is_nested(field.data_type()) {
                return Err(ArrowError::CsvError(format!(
                    "column {:?} is of type {}, and a CSV file has no lists and structs; write JSON, Parquet or Arrow",
                    field.name(),
                    vivarium::types::print(field.data_type()).unwrap_or_else(|_| field.data_type().to_string())
                )));
            }
            if index > 0 {
                line.push(b',');
            }
            // The name of an only column would be an empty line, and a mark at the beginning one of the file's.
            let name = field.name();
            push_field(&mut line, name, name.is_empty() || name.starts_with('\u{feff}'));
        }
        line.push(b'\n');
        out.write_all(&line)?;
        // Also when no row follows, because the function fails in the first batch.
        out.flush()?;
        line.clear();
        Ok(Self { out, line })
    }

    /// Writes the rows of a batch.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let options = FormatOptions::default();
        let columns = batch.columns().iter().map(|column| Column::new(column.as_ref(), &options));
        let columns: Vec<_> = columns.collect::<Result<_, _>>()?;
        let mut text = String::new();
        for row in 0..batch.num_rows() {
            for (index, column) in columns.iter().enumerate() {
                if index > 0 {
                    self.line.push(b',');
                }
                column.push(row, &mut text, &mut self.line)?;
            }
            self.line.push(b'\n');
            if self.line.len() > 1 << 16 {
                self.out.write_all(&self.line)?;
                self.line.clear();
            }
        }
        self.out.write_all(&self.line)?;
        self.line.clear();
        Ok(())
    }

    /// Where it was written.
    pub fn into_inner(self) -> W {
        self.out
    }
}

/// A column of a batch, and how its values are written.
enum Column<'a> {
    Text(&'a arrow::array::StringArray),
    Formatted {
        array: &'a dyn Array,
        nulls: Option<arrow::buffer::NullBuffer>,
        formatter: ArrayFormatter<'a>,
        is_text: bool,
    },
}

impl<'a> Column<'a> {
    fn new(array: &'a dyn Array, options: &FormatOptions<'a>) -> Result<Self, ArrowError> {
        if let Some(text) = array.as_string_opt::<i32>() {
            return Ok(Self::Text(text));
        }
        let formatter = ArrayFormatter::try_new(array, options)?;
        Ok(Self::Formatted { array, nulls: array.logical_nulls(), formatter, is_text: is_text(array.data_type()) })
    }

    fn push(&self, row: usize, text: &mut String, line: &mut Vec<u8>) -> Result<(), ArrowError> {
        match self {
            Self::Text(array) if array.is_null(row) => {}
            Self::Text(array) => {
                let text = array.value(row);
                push_field(line, text, text.is_empty());
            }
            Self::Formatted { array, nulls, formatter, is_text } => {
                if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) || array.data_type() == &DataType::Null {
                    return Ok(());
                }
                text.clear();
                formatter.value(row).write(text)?;
                push_field(line, text, *is_text && text.is_empty());
            }
        }
        Ok(())
    }
}

/// Writes a field in quotes when it needs them, or when it has to be told from NULL.
fn push_field(line: &mut Vec<u8>, text: &str, quoted: bool) {
    let needs = |byte: &u8| matches!(byte, b',' | b'"' | b'\n' | b'\r');
    if !quoted && !text.as_bytes().iter().any(needs) {
        line.extend_from_slice(text.as_bytes());
        return;
    }
    line.push(b'"');
    for byte in text.bytes() {
        if byte == b'"' {
            line.push(b'"');
        }
        line.push(byte);
    }
    line.push(b'"');
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_text(values),
        DataType::RunEndEncoded(_, values) => is_text(values.data_type()),
        other => other.is_string() || other.is_binary() || matches!(other, DataType::FixedSizeBinary(_)),
    }
}

fn is_nested(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_nested(values),
        DataType::RunEndEncoded(_, values) => is_nested(values.data_type()),
        other => other.is_nested(),
    }
}
