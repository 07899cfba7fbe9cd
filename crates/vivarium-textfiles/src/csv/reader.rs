//! A CSV file as a table.

use std::io::Read;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions, RecordBatchReader};
use arrow::error::ArrowError;
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::records::{CsvRows, Records};
use crate::scalar::Seen;
use crate::values::{self, Wrong};
use crate::{Inferred, Reason, TextError, TextFormat};

/// Rows that are looked at in one go.
const ROWS: usize = 4096;

/// Columns of CSV files: what their values were.
#[derive(Debug, Clone)]
pub struct CsvColumns {
    names: Vec<String>,
    seen: Vec<Seen>,
    /// Whether a column has an empty string, which is none of the kinds.
    empty: Vec<bool>,
    rows: u64,
    whole: bool,
}

/// The columns of a file, by its header and its first rows, `most` at most.
///
/// # Errors
/// When it cannot be read that far, or types were given for columns that it has not.
pub fn infer(input: impl Read, format: &TextFormat, most: u64) -> Result<CsvColumns, ArrowError> {
    let (mut records, mut rows) = (Records::new(input, format.delimiter, format.quote), CsvRows::default());
    let found = records.header(&mut rows)?;
    rows.all_text()?;
    // Nothing but lines without anything is a column of NULLs, when no line has to have its name.
    let columns = if !format.header && found == 0 { usize::from(records.blank_lines() > 0) } else { found };
    let name = |column| match format.header {
        true => rows.text(0, column).0.to_owned(),
        false => format!("column_{}", column + 1),
    };
    let names: Vec<_> = (0..columns).map(name).collect();
    if let Some((name, _)) = format.types.iter().find(|(name, _)| !format.may_miss && !names.contains(name)) {
        return Err(ArrowError::InvalidArgumentError(format!(
            "--types names a column {name:?}, and the table has none"
        )));
    }
    let (mut seen, mut empty) = (vec![Seen::default(); columns], vec![false; columns]);
    let (mut left, mut whole) = (most, columns == 0);
    // Without a header the first row is one like any other, and of one column so are the lines before it.
    let mut ready = !format.header && found > 0;
    if !format.header && columns == 1 {
        left = left.saturating_sub(records.blank_lines());
    }
    while columns > 0 && left > 0 {
        let count = match std::mem::take(&mut ready) {
            true => 1,
            false => records.read(&mut rows, columns, ROWS.min(usize::try_from(left).unwrap_or(ROWS)))?,
        };
        rows.all_text()?;
        left -= count as u64;
        if count == 0 {
            whole = true;
            break;
        }
        for (column, seen) in seen.iter_mut().enumerate() {
            for row in 0..count {
                let (text, quoted) = rows.field(row, column);
                if is_null(text, quoted, format) {
                    continue;
                }
                if text.is_empty() {
                    empty[column] = true;
                } else if !seen.is_text() {
                    seen.add_text(text, rows.lines[row]);
                }
            }
        }
    }
    Ok(CsvColumns { names, seen, empty, rows: most - left, whole })
}

impl CsvColumns {
    /// How many rows were looked at.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Adds what the columns of another file are; `false` when they are not the same columns.
    pub fn merge(&mut self, other: &Self) -> bool {
        for (seen, other) in self.seen.iter_mut().zip(&other.seen) {
            seen.merge(other);
        }
        for (empty, other) in self.empty.iter_mut().zip(&other.empty) {
            *empty |= other;
        }
        self.rows += other.rows;
        self.whole &= other.whole;
        self.names == other.names
    }

    /// The columns' types.
    pub fn inferred(&self, format: &TextFormat) -> Inferred {
        let mut reasons = Vec::with_capacity(self.names.len());
        let field = |((name, seen), empty): ((&String, &Seen), &bool)| {
            let (data_type, reason) = match format.told(name) {
                Some(told) => (told.clone(), Reason::Told),
                // There are strings, all of which are empty.
                None if seen.is_empty() && *empty => (DataType::Utf8, Reason::Values),
                None => seen.resolve(),
            };
            reasons.push(reason);
            Field::new(name, data_type, true)
        };
        let fields: Vec<_> = self.names.iter().zip(&self.seen).zip(&self.empty).map(field).collect();
        Inferred { schema: Schema::new(fields), reasons, rows: self.rows, whole: self.whole }
    }
}

fn is_null(text: &[u8], quoted: bool, format: &TextFormat) -> bool {
    !quoted && (text.is_empty() || format.nulls.iter().any(|null| null.as_bytes() == text))
}

/// The batches of a file.
pub struct Reader<R> {
    records: Records<R>,
    rows: CsvRows,
    /// All columns of the file.
    columns: SchemaRef,
    /// Those that are wanted, by their places.
    wanted: Vec<usize>,
    schema: SchemaRef,
    format: TextFormat,
    batch_rows: usize,
    /// The header, or the first row, has not been read.
    first: bool,
    failed: bool,
}

impl<R: Read> Reader<R> {
    /// Reads the columns `wanted` of all `columns`, at most `batch_rows` rows at a time.
    ///
    /// # Errors
    /// When a column has a type that text cannot be read as.
    pub fn new(
        input: R,
        columns: SchemaRef,
        wanted: Vec<usize>,
        format: TextFormat,
        batch_rows: usize,
    ) -> Result<Self, ArrowError> {
        let schema = Arc::new(columns.project(&wanted)?);
        if let Some(field) = schema.fields().iter().find(|field| !values::is_read(field.data_type())) {
            return Err(ArrowError::NotYetImplemented(format!(
                "column {:?}: no field of CSV is read as {}",
                field.name(),
                field.data_type()
            )));
        }
        let records = Records::new(input, format.delimiter, format.quote);
        let first = format.header;
        Ok(Self {
            records,
            rows: CsvRows::default(),
            columns,
            wanted,
            schema,
            format,
            batch_rows,
            first,
            failed: false,
        })
    }

    fn batch(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        let columns = self.columns.fields().len();
        if std::mem::take(&mut self.first) {
            let found = self.records.header(&mut self.rows)?;
            if found != columns && found > 0 {
                let problem = format!("the header has {found} columns, and the table {columns}");
                return Err(TextError::new(1, None, problem).into());
            }
        }
        let count = self.records.read(&mut self.rows, columns, self.batch_rows)?;
        if count == 0 {
            return Ok(None);
        }
        let text = self.rows.all_text()?;
        let mut arrays = Vec::with_capacity(self.wanted.len());
        for (&column, field) in self.wanted.iter().zip(self.schema.fields()) {
            let is_text = field.data_type().is_string() || field.data_type().is_binary();
            let get = |row| {
                let (start, end, quoted) = self.rows.span(row, column);
                let field = &text[start..end];
                // What is empty is a value of text alone.
                let null = is_null(field.as_bytes(), quoted, &self.format) || (field.is_empty() && !is_text);
                (!null).then_some(field)
            };
            let array = values::column(field.data_type(), count, get).map_err(|Wrong { row, problem }| {
                let problem = format!("column {:?}: {problem}{}", field.name(), self.format.hint(field.name()));
                TextError::new(self.rows.lines[row], None, problem)
            })?;
            arrays.push(array);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options).map(Some)
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let batch = self.batch().transpose();
        self.failed = matches!(batch, Some(Err(_)));
        batch
    }
}

impl<R: Read> RecordBatchReader for Reader<R> {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}
