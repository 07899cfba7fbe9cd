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

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, new_empty_array};
use arrow::compute::filter_record_batch;
use arrow::error::ArrowError;
use arrow_schema::{Fields, Schema, SchemaRef};
use futures::stream::{Stream, StreamExt};
use vivarium_sandbox::{ColumnCounts, FunctionMetric, LimitError, LimitKind};

use crate::chunks::{CHUNK_ROWS, Chunk, chunks};
use crate::columns::ArgumentColumns;
use crate::error::Error;
use crate::failures::Failures;
use crate::instances::{Held, Instances, Reply};
use crate::signature::{Kind, OnError};
use crate::spawn::spawn;
use crate::tables::{self, TableRows};
use crate::together::concat_arrays;

/// A function bound to columns and ready to be applied to batches of them. Cheap to clone; clones share the instances.
#[derive(Debug, Clone)]
pub struct Task {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) columns: ArgumentColumns,
    pub(crate) kind: Kind,
    /// One result column; of a table function as many as its rows have.
    pub(crate) results: Fields,
    on_error: OnError,
    pub(crate) instances: Instances,
}

/// The result for the rows of one batch.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Evaluation {
    /// One value for each row.
    pub result: ArrayRef,
    /// Rows for which the function raised; their value is NULL.
    pub failures: Failures,
    _held: Held,
}

/// Rows of the input with their result.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Output {
    /// The input's columns and behind them the result's. Under the policy `skip` failed rows are left out.
    pub batch: RecordBatch,
    /// How many rows of the input these are, failed ones included.
    pub rows_in: u64,
    /// Rows for which the function raised.
    pub failures: Failures,
    /// Its tenant is charged for it while it waits for its reader.
    pub(crate) _held: Held,
}

impl Task {
    pub(crate) fn new(
        columns: ArgumentColumns,
        kind: Kind,
        results: Fields,
        on_error: OnError,
        instances: Instances,
    ) -> Self {
        Self { shared: Arc::new(Shared { columns, kind, results, on_error, instances }) }
    }

    /// The result columns: one, or those of a table function's rows.
    pub fn result_fields(&self) -> &Fields {
        &self.shared.results
    }

    /// What happens to rows for which the function raises.
    pub fn on_error(&self) -> OnError {
        self.shared.on_error
    }

    /// The metrics that the function keeps, over all instances: counters, gauges, distributions and meters by name.
    pub fn metrics(&self) -> BTreeMap<String, FunctionMetric> {
        self.shared.instances.metrics()
    }

    /// How rows were computed so far, over all instances: as columns, or by the interpreter. Rows of calls that failed are not counted.
    pub fn column_counts(&self) -> ColumnCounts {
        self.shared.instances.counts()
    }

    /// Ends the task: calls `close` of the function in every instance that nobody works with, ends these instances, and writes the
    /// function's metrics as events of the target `vivarium::metrics`. The task can still be used; instances start anew then.
    /// An instance that died, or was ended to make room for others, is not closed.
    ///
    /// # Errors
    /// What the first `close` raised.
    pub async fn close(&self) -> Result<(), Error> {
        let closed = self.shared.instances.close().await;
        trace_metrics(&self.shared.columns.place.function, &self.metrics());
        closed
    }

    /// How many instances may work at the same time.
    pub fn instances(&self) -> usize {
        self.shared.instances.size()
    }

    /// The schema of [`run`](Self::run)'s batches for an input of this schema.
    pub fn output_schema(&self, input: &Schema) -> SchemaRef {
        let mut fields: Vec<_> = input.fields().iter().cloned().collect();
        fields.extend(self.shared.results.iter().cloned());
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
        if self.shared.kind == Kind::Table {
            let wanted = "gives any number of rows for a row, and so no array for a batch; use `run`";
            return Err(Error::Kind { wanted, function: self.shared.columns.place.clone(), kind: self.shared.kind });
        }
        if self.shared.on_error == OnError::Skip {
            return Err(Error::SkipNeedsRun);
        }
        pin!(self.shared.evaluate(batch, first_row)).await
    }

    /// Applies a table function to one batch, without joining its rows with those of the batch; `first_row` is as in
    /// [`invoke`](Self::invoke). It is for results that are small: all of them are returned together.
    ///
    /// # Errors
    /// As [`invoke`](Self::invoke), and [`Error::Kind`] for a function of any other kind.
    pub async fn rows(&self, batch: &RecordBatch, first_row: u64) -> Result<Vec<TableRows>, Error> {
        if self.shared.kind != Kind::Table {
            let wanted = "gives one value for a row; use `invoke`";
            return Err(Error::Kind { wanted, function: self.shared.columns.place.clone(), kind: self.shared.kind });
        }
        tables::collect(&self.shared, batch, first_row).await
    }

    /// Applies the function to a stream of batches, with all instances at work at the same time.
    ///
    /// Batches come out in input order; their sizes are the runtime's. A table function's rows come with the row of the input
    /// that they were made for; a row without any is left out. A table function's stream keeps instances while its outputs wait,
    /// so several streams of one task are to be read at the same time, or one after the other. The first error ends the stream, and it is that of
    /// the first row that fails. Dropping the stream stops all guests.
    pub fn run<S, E>(&self, input: S) -> impl Stream<Item = Result<Output, Error>> + Send + 'static
    where
        S: Stream<Item = Result<RecordBatch, E>> + Send + Unpin + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        if self.shared.kind == Kind::Table {
            return tables::run(Arc::clone(&self.shared), input).left_stream();
        }
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
        .right_stream()
    }
}

impl Shared {
    async fn output(&self, Chunk { first_row, batch }: Chunk) -> Result<Output, Error> {
        let Evaluation { result, failures, _held } = pin!(self.evaluate(&batch, first_row)).await?;
        let mut columns = batch.columns().to_vec();
        columns.push(result);
        let mut fields: Vec<_> = batch.schema().fields().iter().cloned().collect();
        fields.extend(self.results.iter().cloned());
        let schema = Arc::new(Schema::new_with_metadata(fields, batch.schema().metadata().clone()));
        let mut output = RecordBatch::try_new(schema, columns)?;
        if self.on_error == OnError::Skip && !failures.is_empty() {
            let mut kept = vec![true; batch.num_rows()];
            for row in failures.rows() {
                kept[(row - first_row) as usize] = false;
            }
            output = filter_record_batch(&output, &BooleanArray::from(kept))?;
        }
        Ok(Output { batch: output, rows_in: batch.num_rows() as u64, failures, _held })
    }

    async fn evaluate(&self, batch: &RecordBatch, first_row: u64) -> Result<Evaluation, Error> {
        let (mut first, mut later): (Option<ArrayRef>, Vec<ArrayRef>) = (None, Vec::new());
        let (mut failures, mut all_held) = (Failures::default(), Held::new());
        for start in (0..batch.num_rows()).step_by(CHUNK_ROWS) {
            // Most batches are one chunk, which needs no slices.
            let chunk = match batch.num_rows() {
                rows if rows <= CHUNK_ROWS => Cow::Borrowed(batch),
                rows => Cow::Owned(batch.slice(start, CHUNK_ROWS.min(rows - start))),
            };
            let chunk_row = first_row + start as u64;
            let columns = match self.columns.of(&chunk, chunk_row) {
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
            for part in self.columns.parts(&columns, chunk.num_rows(), chunk_row) {
                let part = part?;
                let part_row = chunk_row + part.rows.start as u64;
                let reply = pin!(self.instances.invoke(&part.plan, part_row)).await?;
                let Reply { result, failures: failed, held } = reply;
                all_held.extend(held);
                failures.extend(failed);
                match first {
                    None => first = Some(result),
                    Some(_) => later.push(result),
                }
            }
        }
        let result = match first {
            None => new_empty_array(self.instances.result_type()),
            Some(only) if later.is_empty() => only,
            Some(first) => {
                later.insert(0, first);
                concat_arrays(&later).map_err(|error| match error {
                    ArrowError::OffsetOverflowError(_) => {
                        let error = LimitError::new(LimitKind::OutputItems, i32::MAX as u64);
                        Error::Limit { error, rows: Some((first_row, batch.num_rows() as u64)) }
                    }
                    error => error.into(),
                })?
            }
        };
        Ok(Evaluation { result, failures, _held: all_held })
    }
}

/// Writes metrics as events, one each.
pub(crate) fn trace_metrics(function: &str, metrics: &BTreeMap<String, FunctionMetric>) {
    for (metric, value) in metrics {
        match *value {
            FunctionMetric::Counter(count) => {
                tracing::info!(target: METRICS, function, metric, kind = "counter", count);
            }
            FunctionMetric::Meter(count) => tracing::info!(target: METRICS, function, metric, kind = "meter", count),
            FunctionMetric::Gauge(value) => tracing::info!(target: METRICS, function, metric, kind = "gauge", value),
            FunctionMetric::Distribution { count, sum, min, max } => {
                tracing::info!(target: METRICS, function, metric, kind = "distribution", count, sum, min, max);
            }
        }
    }
}

/// The target of events about metrics.
const METRICS: &str = "vivarium::metrics";
