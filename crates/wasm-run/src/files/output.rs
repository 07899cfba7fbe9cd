//! Writing tables.
//!
//! Whatever goes wrong, the final name of a file holds the old file, the whole new file, or nothing ([`super::Destination`]). Devices and
//! pipes are written as they are.

use std::thread::JoinHandle;

use arrow::array::RecordBatch;
use arrow_schema::SchemaRef;
use tokio::sync::mpsc;

use super::destination::{Unnamed, unwritable};
use super::writer::{WriteError, Writer};
use super::{Destination, Format, Location};
use crate::failure::Failure;
use crate::panics::{self, Panic};

/// Batches that wait to be written before the functions have to wait.
const WRITE_BEHIND: usize = 4;

/// A table that is being written, by a thread of its own: Arrow's and Parquet's own writers are blocking.
///
/// Dropped before it is [finished](Self::finish), it leaves nothing behind; what went into a pipe by then has no end, so that
/// its reader cannot take it for the whole table.
pub struct TableOutput {
    location: Location,
    parts: mpsc::Sender<Part>,
    writer: JoinHandle<Result<Ended, WriteError>>,
    unnamed: Option<Unnamed>,
}

/// What the writing thread is told.
enum Part {
    Rows(RecordBatch),
    /// There are no more rows. Without it, the table is not complete.
    End,
}

/// How the writing thread ended without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Complete,
    /// Nobody told it the end.
    Abandoned,
}

impl TableOutput {
    /// Begins to write.
    ///
    /// # Errors
    /// When the format cannot hold a column's type.
    pub fn create(destination: Destination, format: Format, schema: SchemaRef) -> Result<Self, Failure> {
        let (location, sink, unnamed) = destination.into_parts();
        let writer =
            panics::caught_in(|| Writer::new(format, sink, &schema)).map_err(|panic| unwritable(&location, panic))?;
        let writer = writer.map_err(|error| unwritable(&location, error))?;
        Ok(Self::start(location, writer, unnamed))
    }

    /// Begins to write a table for reading to standard output.
    pub fn table(schema: &SchemaRef) -> Self {
        let (location, sink, unnamed) = Destination::standard().into_parts();
        Self::start(location, Writer::table(sink, schema), unnamed)
    }

    fn start(location: Location, mut writer: Writer, unnamed: Option<Unnamed>) -> Self {
        let (parts, mut receiver) = mpsc::channel(WRITE_BEHIND);
        let writer = std::thread::spawn(move || {
            while let Some(part) = receiver.blocking_recv() {
                match part {
                    Part::Rows(batch) => writer.write(&batch)?,
                    Part::End => return writer.finish().map(|()| Ended::Complete),
                }
            }
            Ok(Ended::Abandoned)
        });
        Self { location, parts, writer, unnamed }
    }

    /// Writes a batch. When the answer is `false` the writing has ended, and [`finish`](Self::finish) knows why.
    pub async fn write(&self, batch: RecordBatch) -> bool {
        self.parts.send(Part::Rows(batch)).await.is_ok()
    }

    /// Completes the table and gives it its final name.
    ///
    /// # Errors
    /// Whatever ended the writing.
    pub async fn finish(self) -> Result<(), Failure> {
        let Self { location, parts, writer, unnamed } = self;
        // When the writing has ended already, the thread says why.
        let _ = parts.send(Part::End).await;
        let joined = tokio::task::spawn_blocking(move || writer.join()).await.map_err(Failure::internal)?;
        let written = joined.map_err(|payload| unwritable(&location, Panic::of(&*payload)))?;
        let ended = written.map_err(|error| match error {
            WriteError::BrokenPipe => Failure::BrokenPipe,
            error => unwritable(&location, error),
        })?;
        match (ended, unnamed) {
            (Ended::Abandoned, _) => Err(Failure::internal("an output was not told its end")),
            (Ended::Complete, None) => Ok(()),
            (Ended::Complete, Some(unnamed)) => {
                let named = tokio::task::spawn_blocking(move || unnamed.publish()).await.map_err(Failure::internal)?;
                named.map_err(|error| unwritable(&location, error))
            }
        }
    }
}
