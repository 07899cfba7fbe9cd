//! Table functions at work: their rows, joined with the rows they were made from.
//!
//! ```text
//!   chunks --one after the other--> an instance, then a worker of its own --> results of the chunk, one at a time
//!                                                                              in the order of the chunks
//! ```
//!
//! A chunk may have more results than fit into memory, so a worker waits until its last result has been taken. A chunk gets its instance
//! before the next one does: the chunk whose results are being read never waits for an instance that waits for its reader.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, StructArray, UInt32Array};
use arrow::compute::take_record_batch;
use arrow_schema::{Schema, SchemaRef};
use futures::stream::{Stream, StreamExt};
use tokio::sync::mpsc;
use vivarium_sandbox::exchange::{Plan, RowsOfRows, items_within};
use vivarium_sandbox::{HostCharge, LimitError};

use crate::chunks::{CHUNK_ROWS, Chunk, chunks};
use crate::error::Error;
use crate::failures::Failures;
use crate::instances::{RowsCall, RowsReply, TimeBudget, Worker, operation};
use crate::python_error::RowNumbers;
use crate::spawn::{Spawned, spawn};
use crate::task::{Output, Shared};

/// Results of one chunk that wait for their reader.
const WAITING: usize = 1;

/// Bytes of a batch that leaves. Input columns are repeated for every row that belongs to them, so a small result may stand for a
/// large batch.
const JOINED_BYTES: usize = 64 << 20;

/// The outputs of one chunk, and the worker that makes them.
struct ChunkOutputs {
    outputs: mpsc::Receiver<Result<Output, Error>>,
    worker: Spawned<()>,
}

/// Applies a table function to a stream of batches.
pub(crate) fn run<S, E>(shared: Arc<Shared>, input: S) -> impl Stream<Item = Result<Output, Error>> + Send + 'static
where
    S: Stream<Item = Result<RecordBatch, E>> + Send + Unpin + 'static,
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    let (queue, queued) = mpsc::channel(shared.instances.size());
    let pump = spawn(async move {
        let mut chunks = Box::pin(chunks(input));
        while let Some(chunk) = chunks.next().await {
            let (sender, outputs) = mpsc::channel(WAITING);
            let started = match chunk {
                Ok(chunk) => shared.instances.worker().await.map(|worker| (worker, chunk)),
                Err(error) => Err(error),
            };
            let shared = Arc::clone(&shared);
            let last = started.is_err();
            let worker = spawn(async move {
                let outcome = match started {
                    Ok((worker, chunk)) => ChunkRun { shared, worker, outputs: sender.clone() }.apply(chunk).await,
                    Err(error) => Err(error),
                };
                if let Err(error) = outcome {
                    // Without a reader nobody wants to know.
                    let _ = sender.send(Err(error)).await;
                }
                Ok(())
            });
            if queue.send(ChunkOutputs { outputs, worker }).await.is_err() || last {
                break;
            }
        }
        Ok(())
    });
    futures::stream::try_unfold((queued, None::<ChunkOutputs>, pump), |(mut queued, mut current, pump)| async move {
        loop {
            let Some(mut chunk) = (match current.take() {
                Some(chunk) => Some(chunk),
                None => queued.recv().await,
            }) else {
                // An end without an answer must not look like the end of the rows.
                return pump.await.map(|()| None);
            };
            let output: Option<Result<Output, Error>> = chunk.outputs.recv().await;
            match output {
                Some(output) => return Ok(Some((output?, (queued, Some(chunk), pump)))),
                None => chunk.worker.await?,
            }
        }
    })
}

/// Rows that a table function gave for rows of one batch.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TableRows {
    /// For each row the row of the batch that it was made for, ascending.
    pub numbers: UInt32Array,
    /// The rows, with the function's own columns. None is NULL.
    pub rows: StructArray,
    /// Rows of the batch for which the function raised.
    pub failures: Failures,
    _held: Option<Arc<HostCharge>>,
}

/// All rows that a table function gives for one batch, in pieces that follow each other; together they may take what one
/// result may ([`Limits::output_bytes`](vivarium_sandbox::Limits::output_bytes) and `output_items`) for each chunk of the batch.
pub(crate) async fn collect(shared: &Shared, batch: &RecordBatch, first_row: u64) -> Result<Vec<TableRows>, Error> {
    let mut found = Vec::new();
    let mut worker = shared.instances.worker().await?;
    for start in (0..batch.num_rows()).step_by(CHUNK_ROWS) {
        let chunk = batch.slice(start, CHUNK_ROWS.min(batch.num_rows() - start));
        let chunk_row = first_row + start as u64;
        let columns = shared.columns.of(&chunk, chunk_row)?;
        let (mut bytes, mut items) = (0_u64, 0_u64);
        for part in shared.columns.parts(&columns, chunk.num_rows(), chunk_row) {
            let part = part?;
            let batch_rows = part.rows.len();
            let numbers = RowNumbers::From(chunk_row + part.rows.start as u64, batch_rows as u64);
            let mut budget = TimeBudget::of_call(worker.limits());
            let (mut sent, mut first) = (Some(&part.plan), 0);
            loop {
                let op = if sent.is_some() { operation::CALL } else { operation::CONTINUE };
                let (batch, columns, time) = (sent.take(), &shared.results, budget.left());
                let call = RowsCall { op, batch, batch_rows, numbers, columns, first, time };
                let returned = worker.rows(call).await.map_err(|error| budget.explain(error))?;
                let RowsReply { rows: RowsOfRows { numbers: of, rows }, failures, more, time, held } = returned;
                budget.spend(time);
                first = of.values().last().copied().unwrap_or(first);
                bytes = bytes.saturating_add(rows.get_array_memory_size() as u64);
                items = items.saturating_add(items_within(&rows));
                LimitError::check_collected(worker.limits(), bytes, items)
                    .map_err(|error| Error::Limit { error, rows: Some(numbers.range()) })?;
                let offset = (start + part.rows.start) as u32;
                found.push(TableRows { numbers: of.unary(|row| row + offset), rows, failures, _held: held });
                if !more {
                    break;
                }
            }
        }
    }
    Ok(found)
}

/// The reader of the outputs has gone away.
struct NoReader;

struct ChunkRun {
    shared: Arc<Shared>,
    worker: Worker,
    outputs: mpsc::Sender<Result<Output, Error>>,
}

impl ChunkRun {
    async fn apply(mut self, Chunk { first_row, batch }: Chunk) -> Result<(), Error> {
        match self.shared.columns.of(&batch, first_row) {
            Ok(columns) => self.rows(&columns, &batch, first_row).await,
            Err(error) => {
                // Rows before the value that does not convert go first: one of them may fail.
                if let Error::Value { row, .. } = &error
                    && *row > first_row
                {
                    let before = batch.slice(0, (row - first_row) as usize);
                    let columns = self.shared.columns.of(&before, first_row)?;
                    self.rows(&columns, &before, first_row).await?;
                }
                Err(error)
            }
        }
    }

    async fn rows(&mut self, columns: &[ArrayRef], batch: &RecordBatch, first_row: u64) -> Result<(), Error> {
        let parts: Vec<_> = self.shared.columns.parts(columns, batch.num_rows(), first_row).collect();
        for part in parts {
            let part = part?;
            let rows = batch.slice(part.rows.start, part.rows.len());
            if self.part(&part.plan, &rows, first_row + part.rows.start as u64).await?.is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Calls the function for the rows of one part, until it has no more rows for them.
    async fn part(&mut self, plan: &Plan, batch: &RecordBatch, first_row: u64) -> Result<Result<(), NoReader>, Error> {
        let shared = Arc::clone(&self.shared);
        let mut budget = TimeBudget::of_call(self.worker.limits());
        let numbers = RowNumbers::From(first_row, batch.num_rows() as u64);
        let mut sent = Some(plan);
        let (mut last, mut reported) = (0, 0);
        loop {
            let call = RowsCall {
                op: if sent.is_some() { operation::CALL } else { operation::CONTINUE },
                batch: sent.take(),
                batch_rows: batch.num_rows(),
                numbers,
                columns: &shared.results,
                first: last,
                time: budget.left(),
            };
            let RowsReply { rows, failures, more, time, held } =
                self.worker.rows(call).await.map_err(|error| budget.explain(error))?;
            budget.spend(time);
            last = rows.numbers.values().last().copied().unwrap_or(last);
            // Rows that are done with: all at the end, before that those before the last one.
            let done = if more { u64::from(last) } else { batch.num_rows() as u64 };
            let rows_in = done.saturating_sub(reported);
            reported = done.max(reported);
            if send(&self.outputs, &shared, batch, (&rows, held), (rows_in, failures)).await.is_err() {
                return Ok(Err(NoReader));
            }
            if !more {
                return Ok(Ok(()));
            }
        }
    }
}

/// Joins rows with the rows of the input and hands them on, in batches that are not too large.
async fn send(
    outputs: &mpsc::Sender<Result<Output, Error>>,
    shared: &Shared,
    batch: &RecordBatch,
    (rows, held): (&RowsOfRows, Option<Arc<HostCharge>>),
    said: (u64, Failures),
) -> Result<(), NoReader> {
    let schema = joined_schema(&batch.schema(), shared);
    let mut said = Some(said);
    for piece in pieces(batch, &rows.numbers) {
        let (rows_in, failures) = said.take().unwrap_or_default();
        let _held = held.iter().cloned().collect();
        let output = join(&schema, batch, rows, piece).map(|batch| Output { batch, rows_in, failures, _held });
        outputs.send(output).await.map_err(|_| NoReader)?;
    }
    Ok(())
}

fn joined_schema(input: &SchemaRef, shared: &Shared) -> SchemaRef {
    let mut fields: Vec<_> = input.fields().iter().cloned().collect();
    fields.extend(shared.results.iter().cloned());
    Arc::new(Schema::new_with_metadata(fields, input.metadata().clone()))
}

/// Ranges of a result that are joined at a time: one, unless rows of the input that are large are repeated often. At least one,
/// which may be empty.
fn pieces(batch: &RecordBatch, numbers: &UInt32Array) -> Vec<std::ops::Range<usize>> {
    let numbers = numbers.values();
    let all: usize = batch.columns().iter().map(bytes_of).sum();
    let most_repeats = numbers.chunk_by(|one, next| one == next).map(<[u32]>::len).max().unwrap_or(0);
    // When all of it is small enough, no row has to be looked at.
    let looked_at = if all.saturating_mul(most_repeats) <= JOINED_BYTES { &numbers[..0] } else { numbers };
    let (mut ranges, mut start, mut bytes, mut at) = (Vec::new(), 0, 0_usize, 0);
    for run in looked_at.chunk_by(|one, next| one == next) {
        let size: usize = batch.columns().iter().map(|column| bytes_of(&column.slice(run[0] as usize, 1))).sum();
        for _ in run {
            if bytes > 0 && bytes.saturating_add(size) > JOINED_BYTES {
                ranges.push(start..at);
                (start, bytes) = (at, 0);
            }
            bytes = bytes.saturating_add(size);
            at += 1;
        }
    }
    ranges.push(start..numbers.len());
    ranges
}

fn bytes_of(column: &Arc<dyn Array>) -> usize {
    // A size that cannot be told counts as the array's whole memory.
    column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_array_memory_size())
}

fn join(
    schema: &SchemaRef,
    batch: &RecordBatch,
    rows: &RowsOfRows,
    piece: std::ops::Range<usize>,
) -> Result<RecordBatch, Error> {
    let input = take_record_batch(batch, &rows.numbers.slice(piece.start, piece.len()))?;
    let mut columns = input.columns().to_vec();
    columns.extend(rows.rows.columns().iter().map(|column| column.slice(piece.start, piece.len())));
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

#[cfg(test)]
mod tests {
    use arrow::array::StringArray;

    use super::*;

    #[test]
    fn large_rows_that_are_repeated_are_joined_in_pieces() {
        let large = "x".repeat(JOINED_BYTES / 4);
        let column: Arc<dyn Array> = Arc::new(StringArray::from(vec!["a", &large, "b"]));
        let batch = RecordBatch::try_from_iter([("s", column)]).unwrap();
        let ends = |numbers: Vec<u32>| -> Vec<(usize, usize)> {
            pieces(&batch, &UInt32Array::from(numbers)).into_iter().map(|range| (range.start, range.end)).collect()
        };
        assert_eq!(ends(vec![0, 1, 2]), [(0, 3)]);
        assert_eq!(ends(vec![0, 1, 1, 1, 1, 1, 1, 1, 2]), [(0, 4), (4, 7), (7, 9)]);
        assert_eq!(ends(Vec::new()), [(0, 0)]);
    }
}
