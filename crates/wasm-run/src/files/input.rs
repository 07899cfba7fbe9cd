//! Reading tables.
//!
//! Arrow's and Parquet's own readers are blocking, so each input is read by a thread of its own, a few batches ahead of
//! those who use them.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchReader};
use arrow::csv::reader::Format as CsvFormat;
use arrow::error::ArrowError;
use arrow_schema::{DataType, Schema, SchemaRef};
use futures::future::ready;
use futures::stream::{self, BoxStream, StreamExt};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tokio::sync::mpsc;

use super::recorded::Recorded;
use super::{Format, Location};
use crate::failure::Failure;

/// Rows of a batch as it is read: those of the chunks that functions get, so that none is copied to make one.
const BATCH_ROWS: usize = vivarium::CHUNK_ROWS;

/// How many rows (or objects) of a text file tell its columns' types.
const INFERRED_ROWS: usize = 10_000;

/// Batches read ahead.
const READ_AHEAD: usize = 4;

/// What an Arrow IPC file begins with; a stream does not.
const ARROW_FILE_MAGIC: &[u8] = b"ARROW1";

/// A table that is being read.
pub struct Input {
    /// Its columns.
    pub schema: SchemaRef,
    /// How many rows it has, where the file says so.
    pub rows: Option<u64>,
    /// Its batches, in order.
    pub batches: BoxStream<'static, Result<RecordBatch, ReadError>>,
}

/// Why the rest of a table cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{location}: {error}")]
pub struct ReadError {
    location: String,
    error: ArrowError,
}

impl Input {
    /// The first rows of the table.
    pub fn limit(self, rows: u64) -> Self {
        let batches = self.batches.scan(rows, |left, batch| {
            let taken = match batch {
                _ if *left == 0 => None,
                Err(error) => Some(Err(error)),
                Ok(batch) => {
                    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(batch.num_rows());
                    *left -= count as u64;
                    Some(Ok(batch.slice(0, count)))
                }
            };
            ready(taken)
        });
        Self { rows: self.rows.map(|all| all.min(rows)), batches: batches.boxed(), ..self }
    }
}

/// Opens a table and begins to read it.
///
/// # Errors
/// An input [`Failure`] when it is missing, not ours to read, or not of the format.
pub async fn open(location: Location, format: Format) -> Result<Input, Failure> {
    let name = location.to_string();
    // Standard input may keep its reader waiting.
    let opened = tokio::task::spawn_blocking(move || open_blocking(&location, format)).await;
    let opened = opened.map_err(Failure::internal)?;
    let (reader, rows) = opened.map_err(|error| Failure::data(format!("{name} cannot be read"), error))?;
    let schema = reader.schema();
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    tokio::task::spawn_blocking(move || {
        for batch in reader {
            let batch = batch.map_err(|error| ReadError { location: name.clone(), error });
            let last = batch.is_err();
            // No receiver means that nobody wants the rest.
            if sender.blocking_send(batch).is_err() || last {
                break;
            }
        }
    });
    let batches =
        stream::unfold(receiver, |mut receiver| async move { receiver.recv().await.map(|batch| (batch, receiver)) });
    Ok(Input { schema, rows, batches: batches.boxed() })
}

type Opened = (Box<dyn RecordBatchReader + Send>, Option<u64>);

fn open_blocking(location: &Location, format: Format) -> Result<Opened, ArrowError> {
    match format {
        Format::Csv => Ok((csv(bytes(location)?)?, None)),
        Format::Json => Ok((json(bytes(location)?)?, None)),
        Format::Arrow => Ok((arrow(location)?, None)),
        Format::Parquet => {
            let builder = ParquetRecordBatchReaderBuilder::try_new(seekable(location)?)?;
            let rows = builder.metadata().file_metadata().num_rows();
            let reader = builder.with_batch_size(BATCH_ROWS).build()?;
            Ok((Box::new(reader), u64::try_from(rows).ok()))
        }
    }
}

type Bytes = Box<dyn Read + Send>;

fn bytes(location: &Location) -> io::Result<Bytes> {
    Ok(match location {
        Location::Standard => Box::new(io::stdin()),
        Location::File(path) => Box::new(open_file(path)?),
    })
}

fn open_file(path: &std::path::Path) -> io::Result<File> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Ok(file)
}

/// The file, or a temporary copy of standard input: some formats have their table of contents at the end.
fn seekable(location: &Location) -> io::Result<File> {
    match location {
        Location::File(path) => open_file(path),
        Location::Standard => spool(io::stdin()),
    }
}

fn spool(mut bytes: impl Read) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    io::copy(&mut bytes, &mut file)?;
    file.flush()?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

fn csv(bytes: Bytes) -> Result<Box<dyn RecordBatchReader + Send>, ArrowError> {
    let format = CsvFormat::default().with_header(true);
    let mut recorded = Recorded::new(bytes);
    let (schema, rows) = format.infer_schema(&mut recorded, Some(INFERRED_ROWS))?;
    if schema.fields().is_empty() {
        return Err(ArrowError::CsvError("there is no header line with the columns' names".to_owned()));
    }
    // Without a row there is no value that a column could be wrong about: it goes with any parameter.
    let schema = if rows == 0 { schema } else { strings_for_nulls(&schema) };
    let builder = arrow::csv::ReaderBuilder::new(Arc::new(schema)).with_format(format).with_batch_size(BATCH_ROWS);
    Ok(Box::new(builder.build(recorded.rewound())?))
}

fn json(bytes: Bytes) -> Result<Box<dyn RecordBatchReader + Send>, ArrowError> {
    let mut recorded = BufReader::new(Recorded::new(bytes));
    let (schema, _) = arrow::json::reader::infer_json_schema(&mut recorded, Some(INFERRED_ROWS))?;
    let builder = arrow::json::ReaderBuilder::new(Arc::new(strings_for_nulls(&schema))).with_batch_size(BATCH_ROWS);
    Ok(Box::new(builder.build(BufReader::new(recorded.into_inner().rewound()))?))
}

/// A column of which nothing but NULL has been seen could hold anything: text holds anything.
fn strings_for_nulls(schema: &Schema) -> Schema {
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Null => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8)),
        _ => Arc::clone(field),
    });
    Schema::new(fields.collect::<Vec<_>>())
}

fn arrow(location: &Location) -> Result<Box<dyn RecordBatchReader + Send>, ArrowError> {
    let mut recorded = Recorded::new(BufReader::new(bytes(location)?));
    let mut magic = Vec::new();
    recorded.by_ref().take(ARROW_FILE_MAGIC.len() as u64).read_to_end(&mut magic)?;
    let rewound = recorded.rewound();
    if magic == ARROW_FILE_MAGIC {
        let file = match location {
            Location::File(path) => open_file(path)?,
            Location::Standard => spool(rewound)?,
        };
        Ok(Box::new(arrow::ipc::reader::FileReader::try_new(BufReader::new(file), None)?))
    } else {
        Ok(Box::new(arrow::ipc::reader::StreamReader::try_new(rewound, None)?))
    }
}
