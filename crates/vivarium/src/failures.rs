//! The rows for which a function failed under the policies `null` and `skip`.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use arrow::error::ArrowError;
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use crate::python_error::PythonError;

/// How many failed rows are kept with message and traceback; of the others only the row number is kept.
///
/// They are the first ones in input order, whatever instance ran them and however rows were cut into batches.
pub const MAX_DETAILED_FAILURES: usize = 100;

/// The error table: rows for which a function failed, in input order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Failures {
    rows: Vec<u64>,
    errors: Vec<PythonError>,
}

impl Failures {
    /// `rows` in ascending order, each of `errors` for one of them.
    pub(crate) fn new(rows: Vec<u64>, mut errors: Vec<PythonError>) -> Self {
        // The guest should send them so; where it does not, this keeps the table in order.
        errors.sort_by_key(|error| error.row);
        errors.dedup_by_key(|error| error.row);
        errors.truncate(MAX_DETAILED_FAILURES);
        Self { rows, errors }
    }

    /// Adds failures of rows anywhere in the input.
    pub(crate) fn merge(&mut self, other: Self) {
        self.rows.extend(other.rows);
        self.rows.sort_unstable();
        self.rows.dedup();
        self.errors.extend(other.errors);
        self.errors.sort_by_key(|error| error.row);
        self.errors.dedup_by_key(|error| error.row);
        self.errors.truncate(MAX_DETAILED_FAILURES);
    }

    /// Adds the failures of later rows.
    pub fn extend(&mut self, later: Self) {
        // Nearly always.
        if later.rows.is_empty() && later.errors.is_empty() {
            return;
        }
        let room = MAX_DETAILED_FAILURES - self.errors.len().min(MAX_DETAILED_FAILURES);
        self.rows.extend(later.rows);
        self.errors.extend(later.errors.into_iter().take(room));
    }

    /// Numbers of the failed rows in the whole input, from 0, ascending.
    pub fn rows(&self) -> &[u64] {
        &self.rows
    }

    /// The errors of the first [`MAX_DETAILED_FAILURES`] failed rows.
    pub fn errors(&self) -> &[PythonError] {
        &self.errors
    }

    /// Whether no row failed.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The columns of [`to_batch`](Self::to_batch): `row` (uint64), `function`, `type`, `message`, `traceback`, `arguments` (strings).
    pub fn schema() -> SchemaRef {
        Arc::new(Schema::new(vec![
            Field::new("row", DataType::UInt64, false),
            Field::new("function", DataType::Utf8, true),
            Field::new("type", DataType::Utf8, true),
            Field::new("message", DataType::Utf8, true),
            Field::new("traceback", DataType::Utf8, true),
            Field::new("arguments", DataType::Utf8, true),
        ]))
    }

    /// The table as a record batch, a row for each failed row; text columns are NULL where no details were kept.
    ///
    /// # Errors
    /// An [`ArrowError`] when the texts are more than a string array holds (2 GiB).
    pub fn to_batch(&self) -> Result<RecordBatch, ArrowError> {
        let mut errors = self.errors.iter().peekable();
        let details: Vec<_> = self.rows.iter().map(|row| errors.next_if(|error| error.row == Some(*row))).collect();
        let texts = |text: &dyn Fn(&PythonError) -> Option<String>| -> ArrayRef {
            Arc::new(details.iter().map(|error| error.and_then(text)).collect::<StringArray>())
        };
        RecordBatch::try_new(
            Self::schema(),
            vec![
                Arc::new(UInt64Array::from(self.rows.clone())),
                texts(&|error| error.function.clone()),
                texts(&|error| error.error.exception.clone()),
                texts(&|error| Some(error.error.message.clone())),
                texts(&|error| Some(error.traceback())),
                texts(&|error| Some(error.error.arguments.join(", "))),
            ],
        )
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};
    use vivarium_sandbox::{GuestError, GuestErrorKind};

    use super::*;
    use crate::python_error::RowNumbers;

    fn error(row: u64) -> PythonError {
        let mut error = GuestError::new(GuestErrorKind::Exception, format!("row {row}"));
        error.exception = Some("ValueError".to_owned());
        error.row = Some(row);
        error.arguments = vec![format!("{row}"), "'x'".to_owned()];
        PythonError::in_rows(error, "f", &RowNumbers::From(0, u64::MAX))
    }

    #[test]
    fn the_first_failures_keep_their_details_however_they_come() {
        let mut table = Failures::default();
        for part in 0..5 {
            let rows: Vec<u64> = (part * 70..part * 70 + 60).collect();
            // Each call reports the details of all its failures, in any order.
            table.extend(Failures::new(rows.clone(), rows.into_iter().rev().map(error).collect()));
        }
        let batch = table.to_batch().unwrap();
        let messages = batch.column(3).as_string::<i32>();
        assert_eq!((batch.num_rows(), table.errors().len()), (300, MAX_DETAILED_FAILURES));
        assert_eq!((messages.value(99), messages.is_null(100)), ("row 109", true));
        assert_eq!(batch.column(4).as_string::<i32>().value(0), "ValueError: row 0\n");
        assert_eq!(batch.column(5).as_string::<i32>().value(0), "0, 'x'");
    }

    #[test]
    fn an_error_of_no_failed_row_is_not_in_the_table() {
        let batch = Failures::new(vec![2, 4], vec![error(4), error(4)]).to_batch().unwrap();
        let messages = batch.column(3).as_string::<i32>();
        assert_eq!((messages.is_null(0), messages.value(1)), (true, "row 4"));
    }
}
