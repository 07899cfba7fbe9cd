//! Writing tables.
//!
//! A file is written under another name beside its final one and renamed when it is complete: whatever goes wrong, the
//! final name holds the old file, the whole new file, or nothing. Devices and pipes are written as they are.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use arrow::array::RecordBatch;
use arrow_schema::SchemaRef;
use tempfile::TempPath;
use tokio::sync::mpsc;

use super::writer::{Sink, WriteError, Writer};
use super::{Format, Location};
use crate::failure::Failure;

/// Batches that wait to be written before the functions have to wait.
const WRITE_BEHIND: usize = 4;

/// A table that is being written, by a thread of its own: Arrow's and Parquet's own writers are blocking.
///
/// Dropped before it is [finished](Self::finish), it leaves nothing behind; what went into a pipe by then has no end, so that
/// its reader cannot take it for the whole table.
pub struct Output {
    location: Location,
    parts: mpsc::Sender<Part>,
    writer: JoinHandle<Result<(), WriteError>>,
    temporary: Option<Temporary>,
}

/// What the writing thread is told.
enum Part {
    Rows(RecordBatch),
    /// There are no more rows. Without it, the table is not complete.
    End,
}

/// A file that has not its final name yet. Dropped, it is removed.
struct Temporary {
    path: TempPath,
    target: PathBuf,
}

impl Output {
    /// Makes the output's temporary file and begins to write.
    ///
    /// # Errors
    /// When the folder does not exist or may not be written, or the format cannot hold a column's type.
    pub fn create(location: &Location, format: Format, schema: SchemaRef) -> Result<Self, Failure> {
        let (sink, temporary) = create(location).map_err(|error| unwritable(location, error))?;
        let writer = Writer::new(format, sink, schema).map_err(|error| unwritable(location, error))?;
        Ok(Self::start(location.clone(), writer, temporary))
    }

    /// Begins to write a table for reading to standard output.
    pub fn table(schema: &SchemaRef) -> Self {
        Self::start(Location::Standard, Writer::table(Sink::pipe(io::stdout()), schema), None)
    }

    fn start(location: Location, mut writer: Writer, temporary: Option<Temporary>) -> Self {
        let (parts, mut receiver) = mpsc::channel(WRITE_BEHIND);
        let writer = std::thread::spawn(move || {
            while let Some(part) = receiver.blocking_recv() {
                match part {
                    Part::Rows(batch) => writer.write(&batch)?,
                    Part::End => return writer.finish(),
                }
            }
            Ok(())
        });
        Self { location, parts, writer, temporary }
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
        let Self { location, parts, writer, temporary } = self;
        // When the writing has ended already, the thread says why.
        let _ = parts.send(Part::End).await;
        let joined = tokio::task::spawn_blocking(move || writer.join()).await.map_err(Failure::internal)?;
        let written = joined.map_err(|_| Failure::internal("the writer of the output ended without an answer"))?;
        written.map_err(|error| match error {
            WriteError::BrokenPipe => Failure::BrokenPipe,
            error => unwritable(&location, error),
        })?;
        match temporary {
            None => Ok(()),
            Some(Temporary { path, target }) => {
                path.persist(target).map_err(|error| unwritable(&location, error.error))
            }
        }
    }
}

fn unwritable(location: &Location, error: impl std::fmt::Display) -> Failure {
    Failure::data(format!("the output {location} cannot be written"), error)
}

fn create(location: &Location) -> io::Result<(Sink, Option<Temporary>)> {
    let Location::File(path) = location else { return Ok((Sink::pipe(io::stdout()), None)) };
    let target = match path.metadata() {
        Ok(metadata) if metadata.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        // A device or a named pipe: there is nothing to rename.
        Ok(metadata) if !metadata.is_file() => return Ok((Sink::pipe(File::options().write(true).open(path)?), None)),
        // What a link points to is replaced, not the link.
        Ok(_) => path.canonicalize()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.clone(),
        Err(error) => return Err(error),
    };
    let folder = match target.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let temporary = tempfile::Builder::new()
        .prefix(".wasm-run-")
        .suffix(".partial")
        // As for any new file: what the process's umask leaves of this.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)?;
    let (file, path) = temporary.into_parts();
    Ok((Sink::file(file), Some(Temporary { path, target })))
}
