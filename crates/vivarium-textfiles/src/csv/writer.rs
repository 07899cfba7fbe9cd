//! A table as a CSV file.

use std::io::Write;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, Schema};

use super::style::{Field, Style};

/// Writes rows as they come.
pub struct Writer<W: Write> {
    out: W,
    style: Style,
    line: Vec<u8>,
    /// Nothing has been written: there is no header, and was no row.
    at_start: bool,
}

impl<W: Write> Writer<W> {
    /// Begins with the header.
    ///
    /// # Errors
    /// When a column is of a type that CSV has no field for, or the header cannot be written.
    pub fn new(out: W, schema: &Schema) -> Result<Self, ArrowError> {
        Self::with_style(out, schema, Style::default())
    }

    /// Begins a file of a style.
    ///
    /// # Errors
    /// As for [`new`](Self::new), and when the style is none that can be read again.
    pub fn with_style(mut out: W, schema: &Schema, style: Style) -> Result<Self, ArrowError> {
        style.check()?;
        let mut line = Vec::new();
        for (index, field) in schema.fields().iter().enumerate() {
            if is_nested(field.data_type()) {
                return Err(ArrowError::CsvError(format!(
                    "column {:?} is of type {}, and a CSV file has no lists and structs; write JSON, Parquet or Arrow",
                    field.name(),
                    vivarium::types::print(field.data_type()).unwrap_or_else(|_| field.data_type().to_string())
                )));
            }
            if style.header {
                if index > 0 {
                    line.push(style.delimiter);
                }
                // The name of an only column would be an empty line, and a mark at the beginning one of the file's.
                style.push(&mut line, field.name(), Field { is_text: true, first: true })?;
            }
        }
        if style.header {
            line.push(b'\n');
            out.write_all(&line)?;
            // Also when no row follows, because the function fails in the first batch.
            out.flush()?;
            line.clear();
        }
        let at_start = !style.header;
        Ok(Self { out, style, line, at_start })
    }

    /// Writes the rows of a batch.
    ///
    /// # Errors
    /// When they cannot be written, or a value has no field of its own in this style.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let options = FormatOptions::default();
        let columns = batch.columns().iter().map(|column| Column::new(column.as_ref(), &options));
        let columns: Vec<_> = columns.collect::<Result<_, _>>()?;
        let mut text = String::new();
        for row in 0..batch.num_rows() {
            for (index, column) in columns.iter().enumerate() {
                if index > 0 {
                    self.line.push(self.style.delimiter);
                }
                let first = std::mem::take(&mut self.at_start);
                column.push(row, &mut text, &mut self.line, &self.style, first).map_err(|error| {
                    ArrowError::CsvError(format!(
                        "column {:?}: {}",
                        batch.schema_ref().field(index).name(),
                        said(&error)
                    ))
                })?;
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

/// An error without the name that Arrow puts before it.
fn said(error: &ArrowError) -> String {
    match error {
        ArrowError::CsvError(problem) => problem.clone(),
        error => error.to_string(),
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

    fn push(
        &self,
        row: usize,
        text: &mut String,
        line: &mut Vec<u8>,
        style: &Style,
        first: bool,
    ) -> Result<(), ArrowError> {
        match self {
            Self::Text(array) if array.is_null(row) => line.extend_from_slice(style.null.as_bytes()),
            Self::Text(array) => style.push(line, array.value(row), Field { is_text: true, first })?,
            Self::Formatted { array, nulls, formatter, is_text } => {
                if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) || array.data_type() == &DataType::Null {
                    line.extend_from_slice(style.null.as_bytes());
                    return Ok(());
                }
                text.clear();
                formatter.value(row).write(text)?;
                style.push(line, text, Field { is_text: *is_text, first })?;
            }
        }
        Ok(())
    }
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
