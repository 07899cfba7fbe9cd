//! A JSON file as a table.

use std::collections::BTreeSet;
use std::io::Read;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions, RecordBatchReader};
use arrow::error::ArrowError;
use arrow_schema::SchemaRef;

use super::columns::{Struct, Types};
use super::cursor::Cursor;
use super::lines::{Lines, Range};
use crate::{TextError, TextFormat};

/// The batches of a file.
pub struct Reader<R> {
    lines: Lines<R>,
    rows: Struct,
    wanted: Vec<usize>,
    schema: SchemaRef,
    format: TextFormat,
    batch_rows: usize,
    failed: bool,
}

impl<R: Read> Reader<R> {
    /// Reads the columns `wanted` of all `columns`, at most `batch_rows` rows at a time, of the whole file or a `range` of it (then the
    /// input is at the byte before it). `mixed`: where text stands for values of several kinds.
    ///
    /// # Errors
    /// When `wanted` names a column that there is not.
    pub fn new(
        input: R,
        columns: &SchemaRef,
        wanted: Vec<usize>,
        (format, mixed): (TextFormat, &BTreeSet<String>),
        range: Option<Range>,
        batch_rows: usize,
    ) -> Result<Self, ArrowError> {
        let schema = Arc::new(columns.project(&wanted)?);
        let types = Types { mixed, told: &|name| format.told(name).is_some(), chosen: format.chosen };
        let rows = Struct::new(columns.fields(), None, &types, false, &|index| wanted.contains(&index));
        let lines = match range {
            Some(range) => Lines::within(input, range),
            None => Lines::new(input),
        };
        Ok(Self { lines, rows, wanted, schema, format, batch_rows, failed: false })
    }

    fn batch(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        while self.rows.len() < self.batch_rows
            && let Some((number, line)) = self.lines.next()?
        {
            let rows = &mut self.rows;
            rows.begin();
            let read = Cursor::new(number, line).only_object(|cursor, name| rows.member(cursor, &name));
            read.map_err(|error| self.explained(error))?;
            self.rows.end(true);
        }
        let count = self.rows.len();
        if count == 0 {
            return Ok(None);
        }
        let arrays = self.rows.take(&self.wanted)?;
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options).map(Some)
    }

    /// The error, with what can be done about a column that holds something else.
    fn explained(&self, error: TextError) -> TextError {
        let column = error.problem.strip_prefix("column \"").and_then(|rest| rest.split(['"', '.', '[']).next());
        let hint = column.map(|column| self.format.hint(column)).unwrap_or_default();
        TextError { problem: error.problem + &hint, ..error }
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
