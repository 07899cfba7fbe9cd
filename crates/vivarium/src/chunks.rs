//! Cuts a stream of batches into chunks of a fixed number of rows.
//!
//! What a vectorized function sees, and which errors are reported, must not depend on how a file or an engine happened to cut
//! its batches. So the runtime cuts by itself: every chunk has exactly [`CHUNK_ROWS`] rows, the last one has the rest.

use std::collections::VecDeque;

use arrow::array::RecordBatch;
use futures::stream::{self, Stream, StreamExt};

use crate::error::Error;
use crate::together::concat_rows;

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
            _ => concat_rows(&parts[0].schema(), &parts).map_err(|error| Error::Input(error.into()))?,
        };
        Ok(Chunk { first_row, batch })
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;

    use arrow::array::{AsArray, Int64Array};
    use arrow::datatypes::Int64Type;
    use futures::executor::block_on;
    use proptest::prelude::*;

    use super::*;

    fn batch(rows: std::ops::Range<i64>) -> RecordBatch {
        RecordBatch::try_from_iter([("x", Arc::new(Int64Array::from_iter_values(rows)) as _)]).unwrap()
    }

    proptest! {
        #[test]
        fn chunks_do_not_depend_on_batches(sizes in prop::collection::vec(0_i64..30_000, 0..8)) {
            let mut next = 0;
            let batches: Vec<_> = sizes.iter().map(|size| {
                next += size;
                Ok::<_, Infallible>(batch(next - size..next))
            }).collect();
            let cut: Vec<_> = block_on(chunks(stream::iter(batches)).collect::<Vec<_>>());
            let mut expected = 0;
            for (index, chunk) in cut.iter().enumerate() {
                let Chunk { first_row, batch } = chunk.as_ref().unwrap();
                prop_assert_eq!(*first_row as i64, expected);
                prop_assert!(batch.num_rows() == CHUNK_ROWS || (index + 1 == cut.len() && batch.num_rows() > 0));
                for value in batch.column(0).as_primitive::<Int64Type>().values() {
                    prop_assert_eq!(*value, expected);
                    expected += 1;
                }
            }
            prop_assert_eq!(expected, next);
        }
    }

    #[test]
    fn rows_before_an_error_of_the_input_come_first() {
        let input = [Ok(batch(0..10_000)), Err("broken"), Ok(batch(0..5))];
        let cut: Vec<_> = block_on(chunks(stream::iter(input)).collect::<Vec<_>>());
        let rows =
            |chunk: &Result<Chunk, Error>| chunk.as_ref().map(|chunk| chunk.batch.num_rows()).map_err(Error::to_string);
        let cut: Vec<_> = cut.iter().map(rows).collect();
        assert_eq!(cut, [Ok(8192), Ok(1808), Err("the input cannot be read: broken".to_owned())]);
    }
}
