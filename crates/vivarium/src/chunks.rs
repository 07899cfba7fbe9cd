//! Cuts a stream of batches into chunks of a fixed number of rows.
//!
//! What a vectorized function sees, and which errors are reported, must not depend on how a file or an engine happened to cut
//! its batches. So the runtime cuts by itself: every chunk has exactly [`CHUNK_ROWS`] rows, the last one has the rest.

use std::collections::VecDeque;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use futures::stream::{self, Stream, StreamExt};

use crate::error::Error;

/// Rows of one chunk: DataFusion's own batch size, at which crossing into the guest costs a few nanoseconds per row.
pub const CHUNK_ROWS: usize = 8_192;

/// Consecutive rows of the input.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// Number of the first row in the whole input, from 0.
    pub first_row: u64,
    /// The rows: at least one.
    pub batch: RecordBatch,
}

/// Cuts `input` into chunks; the first error ends the stream.
pub(crate) fn chunks<S, E>(input: S) -> impl Stream<Item = Result<Chunk, Error>> + Send
where
    S: Stream<Item = Result<RecordBatch, E>> + Send + Unpin + 'static,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let cutter = Cutter { input: Some(input), pending: VecDeque::new(), pending_rows: 0, next_row: 0, failure: None };
    stream::unfold(cutter, |mut cutter| async move { cutter.next().await.map(|chunk| (chunk, cutter)) })
}

struct Cutter<S> {
    /// `None` after its end or an error.
    input: Option<S>,
    /// Batches, and what is left of them, that no chunk holds yet.
    pending: VecDeque<RecordBatch>,
    pending_rows: usize,
    next_row: u64,
    /// The input's error. The rows before it go first: one of them may fail, and then theirs is the first error.
    failure: Option<Error>,
}

impl<S, E> Cutter<S>
where
    S: Stream<Item = Result<RecordBatch, E>> + Unpin,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    async fn next(&mut self) -> Option<Result<Chunk, Error>> {
        while self.pending_rows < CHUNK_ROWS
            && let Some(input) = &mut self.input
        {
            match input.next().await {
                Some(Ok(batch)) => {
                    if batch.num_rows() > 0 {
                        self.pending_rows += batch.num_rows();
                        self.pending.push_back(batch);
                    }
                }
                Some(Err(error)) => {
                    self.input = None;
                    self.failure = Some(Error::Input(error.into()));
                }
                None => self.input = None,
            }
        }
        if self.pending_rows > 0 {
            return Some(self.cut());
        }
        self.failure.take().map(Err)
    }

    /// Takes the next chunk off the pending rows.
    fn cut(&mut self) -> Result<Chunk, Error> {
        let mut parts = Vec::new();
        let mut missing = CHUNK_ROWS;
        while missing > 0
            && let Some(batch) = self.pending.pop_front()
        {
            let taken = batch.num_rows().min(missing);
            if taken < batch.num_rows() {
                self.pending.push_front(batch.slice(taken, batch.num_rows() - taken));
            }
            parts.push(batch.slice(0, taken));
            missing -= taken;
        }
        let rows = CHUNK_ROWS - missing;
        self.pending_rows -= rows;
        let first_row = self.next_row;
        self.next_row += rows as u64;
        let batch = match &parts[..] {
            [one] => one.clone(),
            _ => concat_batches(&parts[0].schema(), &parts).map_err(|error| Error::Input(error.into()))?,
        };
        Ok(Chunk { first_row, batch })
    }
}
