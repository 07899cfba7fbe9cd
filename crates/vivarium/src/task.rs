//! A function at work: bound to columns, with a pool of instances.
//!
//! ```text
//!   batches --chunks--> chunk 0 | chunk 1 | chunk 2 | ...            8,192 rows each, numbered
//!                          |         |         |
//!                      instance   instance   instance                N at once; a chunk too large for one call is
//!                          |         |         |                     cut into parts, one call after the other
//!                       output 0 | output 1 | output 2 | ...         in the order of the input
//! ```
//!
//! Outputs leave in input order, so the first error that leaves is that of the first failing row, whichever instance
//! found one first. At most twice as many chunks as instances are in flight: a slow reader slows the input down.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, new_empty_array};
use arrow::compute::{concat, filter_record_batch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use futures::stream::{Stream, StreamExt};
use vivarium_sandbox::exchange::{ExchangeError, parts};

use crate::bind::{Argument, Place};
use crate::chunks::{CHUNK_ROWS, Chunk, chunks};
use crate::convert::ConversionError;
use crate::error::Error;
use crate::failures::Failures;
use crate::instances::{Instances, Reply};
use crate::signature::OnError;
use crate::spawn::spawn;
use crate::types;

/// A function bound to columns and ready to be applied to batches of them. Cheap to clone; clones share the instances.
#[derive(Debug, Clone)]
pub struct Task {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    place: Place,
    arguments: Vec<Argument>,
    result: Field,
    on_error: OnError,
    /// Bytes of one call's arguments.
    batch_bytes: usize,
    instances: Instances,
}

/// The result for the rows of one batch.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// One value for each row.
    pub result: ArrayRef,
    /// Rows for which the function raised; their value is NULL.
    pub failures: Failures,
}

/// Rows of the input with their result.
#[derive(Debug, Clone)]
pub struct Output {
    /// The input's columns and behind them the result's. Under the policy `skip` failed rows are left out.
    pub batch: RecordBatch,
    /// How many rows of the input these are, failed ones included.
    pub rows_in: u64,
    /// Rows for which the function raised.
    pub failures: Failures,
}

impl Task {
    pub(crate) fn new(
        place: Place,
        arguments: Vec<Argument>,
        result_name: String,
        on_error: OnError,
        instances: Instances,
    ) -> Self {
        // A function may always return None, and a failed row may become NULL, so every result is nullable.
        let result = Field::new(result_name, instances.result_type().clone(), true);
        let batch_bytes = usize::try_from(instances.limits().batch_bytes).unwrap_or(usize::MAX);
        Self { shared: Arc::new(Shared { place, arguments, result, on_error, batch_bytes, instances }) }
    }

    /// The result column.
    pub fn result_field(&self) -> &Field {
        &self.shared.result
    }

    /// How many instances may work at the same time.
    pub fn instances(&self) -> usize {
        self.shared.instances.size()
    }

    /// The schema of [`run`](Self::run)'s batches for an input of this schema.
    pub fn output_schema(&self, input: &Schema) -> SchemaRef {
        let mut fields: Vec<_> = input.fields().iter().cloned().collect();
        fields.push(Arc::new(self.shared.result.clone()));
        Arc::new(Schema::new_with_metadata(fields, input.metadata().clone()))
    }

    /// Applies the function to one batch; `first_row` is the number of its first row in the whole input, for errors.
    ///
    /// The batch may have any number of rows: it is cut into calls of at most [`CHUNK_ROWS`] rows and
    /// [`Limits::batch_bytes`](vivarium_sandbox::Limits::batch_bytes) bytes, made one after the other on one instance at a
    /// time. Call it concurrently to use several. Dropping the future stops the guest.
    ///
    /// # Errors
    /// The first failing row's under the policy `fail`; limits, values that do not convert and sandbox failures under any.
    pub async fn invoke(&self, batch: &RecordBatch, first_row: u64) -> Result<Evaluation, Error> {
        if self.shared.on_error == OnError::Skip {
            return Err(Error::SkipNeedsRun);
        }
        self.shared.evaluate(batch, first_row).await
    }

    /// Applies the function to a stream of batches, with all instances at work at the same time.
    ///
    /// Batches come out in input order; their sizes are the runtime's. The first error ends the stream, and it is that of
    /// the first row that fails. Dropping the stream stops all guests.
    pub fn run<S, E>(&self, input: S) -> impl Stream<Item = Result<Output, Error>> + Send + 'static
    where
        S: Stream<Item = Result<RecordBatch, E>> + Send + Unpin + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        let in_flight = 2 * self.shared.instances.size();
        let shared = Arc::clone(&self.shared);
        let outputs = chunks(input)
            .map(move |chunk| {
                let shared = Arc::clone(&shared);
                async move {
                    let chunk = chunk?;
                    spawn(async move { shared.output(chunk).await }).await
                }
            })
            .buffered(in_flight);
        futures::stream::try_unfold(Box::pin(outputs), |mut outputs| async move {
            Ok(outputs.next().await.transpose()?.map(|output| (output, outputs)))
        })
    }
}

impl Shared {
    async fn output(&self, Chunk { first_row, batch }: Chunk) -> Result<Output, Error> {
        let Evaluation { result, failures } = self.evaluate(&batch, first_row).await?;
        let mut columns = batch.columns().to_vec();
        columns.push(result);
        let mut fields: Vec<_> = batch.schema().fields().iter().cloned().collect();
        fields.push(Arc::new(self.result.clone()));
        let schema = Arc::new(Schema::new_with_metadata(fields, batch.schema().metadata().clone()));
        let mut output = RecordBatch::try_new(schema, columns)?;
        if self.on_error == OnError::Skip && !failures.is_empty() {
            let mut kept = vec![true; batch.num_rows()];
            for row in failures.rows() {
                kept[(row - first_row) as usize] = false;
            }
            output = filter_record_batch(&output, &BooleanArray::from(kept))?;
        }
        Ok(Output { batch: output, rows_in: batch.num_rows() as u64, failures })
    }

    async fn evaluate(&self, batch: &RecordBatch, first_row: u64) -> Result<Evaluation, Error> {
        let mut results: Vec<ArrayRef> = Vec::new();
        let mut failures = Failures::default();
        for start in (0..batch.num_rows()).step_by(CHUNK_ROWS) {
            let chunk = batch.slice(start, CHUNK_ROWS.min(batch.num_rows() - start));
            let chunk_row = first_row + start as u64;
            let columns = match self.arguments(&chunk, chunk_row) {
                Ok(columns) => columns,
                Err(error) => {
                    // Rows before the value that does not convert may fail by themselves, and then theirs is the first error.
                    if let Error::Value { row, .. } = &error
                        && *row > chunk_row
                    {
                        let before = chunk.slice(0, (row - chunk_row) as usize);
                        Box::pin(self.evaluate(&before, chunk_row)).await?;
                    }
                    return Err(error);
                }
            };
            for part in parts(&columns, chunk.num_rows(), self.batch_bytes, CHUNK_ROWS) {
                let part = part.map_err(|error| too_large(error, chunk_row))?;
                let part_row = chunk_row + part.rows.start as u64;
                let Reply { result, failures: failed } = self.instances.invoke(&part.plan, part_row).await?;
                results.push(result);
                failures.extend(failed);
            }
        }
        let result = match &results[..] {
            [] => new_empty_array(self.result.data_type()),
            [one] => Arc::clone(one),
            several => concat(&several.iter().map(|result| result.as_ref() as &dyn Array).collect::<Vec<_>>())?,
        };
        Ok(Evaluation { result, failures })
    }

    /// The argument columns of a chunk, converted to the parameters' types. The error is that of the first row.
    fn arguments(&self, chunk: &RecordBatch, first_row: u64) -> Result<Vec<ArrayRef>, Error> {
        let mut columns = Vec::with_capacity(self.arguments.len());
        let mut first_error: Option<Error> = None;
        for argument in &self.arguments {
            match (self.argument(argument, chunk, first_row), &first_error) {
                (Ok(column), _) => columns.push(column),
                (Err(Error::Value { row, .. }), Some(Error::Value { row: first, .. })) if row >= *first => {}
                (Err(error @ Error::Value { .. }), _) => first_error = Some(error),
                (Err(error), _) => return Err(error),
            }
        }
        match first_error {
            None => Ok(columns),
            Some(error) => Err(error),
        }
    }

    fn argument(&self, argument: &Argument, chunk: &RecordBatch, first_row: u64) -> Result<ArrayRef, Error> {
        let column = chunk.columns().get(argument.column).filter(|column| *column.data_type() == argument.column_type);
        let column = column.ok_or_else(|| Error::SchemaChanged {
            row: first_row,
            column: argument.column_name.clone(),
            column_type: name(&argument.column_type),
        })?;
        argument.conversion.apply(column).map_err(|error| match error {
            ConversionError::Arrow(error) => Error::Arrow(error),
            ConversionError::Inexact(inexact) => Error::Value {
                row: first_row + inexact.row as u64,
                column: argument.column_name.clone(),
                column_type: name(&argument.column_type),
                value: inexact.value,
                parameter: argument.parameter.clone(),
                parameter_type: name(&argument.data_type),
                function: self.place.clone(),
            },
        })
    }
}

fn too_large(error: ExchangeError, first_row: u64) -> Error {
    match error {
        ExchangeError::RowTooLarge { row, bytes, limit } => {
            Error::RowTooLarge { row: first_row + row as u64, bytes, limit }
        }
        error => Error::Sandbox { error: error.into(), rows: None },
    }
}

fn name(data_type: &DataType) -> String {
    types::print(data_type).unwrap_or_else(|_| data_type.to_string())
}
