//! Reading tables.
//!
//! Arrow's and Parquet's own readers are blocking, so each input is read by a thread of its own, a few batches ahead of
//! those who use them. What a file declares about itself is checked first ([`super::declared`]); a reader that panics all the same is an
//! error of the file's. A table has ended when its reader says so, and in no other way.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{RecordBatch, RecordBatchReader};
use arrow::error::ArrowError;
use arrow_schema::{Schema, SchemaRef};
use futures::future::ready;
use futures::stream::{self, BoxStream, StreamExt};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use tokio::sync::mpsc;
use vivarium_textfiles::{self as text, Inferred, Plain, Reason, TextFormat, csv, json};

use super::declared::{self, CheckedStream};
use super::recorded::Recorded;
use super::{Format, Location, int96};
use crate::failure::Failure;
use crate::panics::{self, Panic};

/// Rows of a batch as it is read: those of the chunks that functions get, so that none is copied to make one.
const BATCH_ROWS: usize = vivarium::CHUNK_ROWS;

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
    /// Of text: what tells the columns' types.
    pub text: Option<TextColumns>,
    /// Its batches, in order.
    pub batches: BoxStream<'static, Result<RecordBatch, ReadError>>,
}

/// What tells the types of a text file's columns.
#[derive(Debug, Clone)]
pub struct TextColumns {
    /// For each column, in order.
    pub reasons: Vec<Reason>,
    /// How many rows were looked at.
    pub rows: u64,
    /// Whether these were all.
    pub whole: bool,
}

/// What is to be opened.
#[derive(Debug, Clone)]
pub struct Opening {
    pub location: Location,
    pub format: Format,
    pub text: TextFormat,
}

/// Why the rest of a table cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{location}: {problem}")]
pub struct ReadError {
    location: String,
    problem: Problem,
}

#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("{}", said(.0))]
    Reader(ArrowError),
    #[error("its reader gave up, so it is damaged: {0}")]
    Panic(Panic),
    #[error("it declares {declared} rows, and {read} were read")]
    Rows { declared: u64, read: u64 },
    #[error("its reader ended without saying why")]
    Lost,
}

/// What a reader says, without the name that Arrow gives to what is not its own.
fn said(error: &ArrowError) -> String {
    match error {
        ArrowError::ExternalError(error) => error.to_string(),
        error => error.to_string(),
    }
}

/// What the reading thread tells.
enum Part {
    Rows(RecordBatch),
    Failed(Problem),
    /// There are no more rows. Without it, the table is not complete.
    End,
}

/// Where standard input is kept when it has to be read from its end: a file without a name, made before the process sandbox is in force.
pub struct Spool(Option<File>);

impl Spool {
    /// A file, if `location` and `format` need one.
    ///
    /// # Errors
    /// When the folder of temporary files cannot be written.
    pub fn of(location: &Location, format: Format) -> Result<Self, Failure> {
        let needed = *location == Location::Standard && matches!(format, Format::Parquet | Format::Arrow);
        let file = needed.then(tempfile::tempfile).transpose();
        file.map(Self).map_err(|error| {
            Failure::data(format!("{} cannot hold standard input", std::env::temp_dir().display()), error)
        })
    }

    fn fill(self, mut bytes: impl Read) -> io::Result<File> {
        let mut file = self.0.ok_or_else(|| io::Error::other("there is no place for standard input"))?;
        io::copy(&mut bytes, &mut file)?;
        file.flush()?;
        file.seek(SeekFrom::Start(0))?;
        Ok(file)
    }
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
pub async fn open(opening: Opening, spool: Spool) -> Result<Input, Failure> {
    let name = opening.location.to_string();
    // Standard input may keep its reader waiting.
    let opened = tokio::task::spawn_blocking(move || panics::caught_in(|| open_blocking(&opening, spool))).await;
    let unreadable = |problem: Problem| Failure::data(format!("{name} cannot be read"), problem);
    let Opened { reader, rows, text } = match opened.map_err(Failure::internal)? {
        Ok(opened) => opened.map_err(|error| unreadable(Problem::Reader(error)))?,
        Err(panic) => return Err(unreadable(Problem::Panic(panic))),
    };
    let schema = reader.schema();
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    let declared = rows;
    tokio::task::spawn_blocking(move || {
        let read = panics::caught_in(|| read(reader, declared, &sender));
        if let Err(panic) = read {
            // No receiver means that nobody wants the rest.
            let _ = sender.blocking_send(Part::Failed(Problem::Panic(panic)));
        }
    });
    Ok(Input { schema, rows, text, batches: batches(name, receiver) })
}

/// Reads a table to its end. It stops when nobody wants the rest.
fn read(reader: Box<dyn RecordBatchReader + Send>, declared: Option<u64>, parts: &mpsc::Sender<Part>) {
    let mut rows = 0;
    for batch in reader {
        let part = match batch {
            Ok(batch) => {
                rows += batch.num_rows() as u64;
                Part::Rows(batch)
            }
            Err(error) => Part::Failed(Problem::Reader(error)),
        };
        let last = matches!(part, Part::Failed(_));
        if parts.blocking_send(part).is_err() || last {
            return;
        }
    }
    let end = match declared {
        Some(declared) if declared != rows => Part::Failed(Problem::Rows { declared, read: rows }),
        _ => Part::End,
    };
    // No receiver means that nobody wants the rest.
    let _ = parts.blocking_send(end);
}

/// What the reading thread tells, as a stream that ends when it says so. A failure is its last item.
fn batches(location: String, parts: mpsc::Receiver<Part>) -> BoxStream<'static, Result<RecordBatch, ReadError>> {
    let next = |(location, parts): (String, Option<mpsc::Receiver<Part>>)| async move {
        let mut parts = parts?;
        let problem = match parts.recv().await {
            Some(Part::Rows(batch)) => return Some((Ok(batch), (location, Some(parts)))),
            Some(Part::End) => return None,
            Some(Part::Failed(problem)) => problem,
            None => Problem::Lost,
        };
        Some((Err(ReadError { location: location.clone(), problem }), (location, None)))
    };
    stream::unfold((location, Some(parts)), next).boxed()
}

type Reader = Box<dyn RecordBatchReader + Send>;

pub(super) struct Opened {
    pub(super) reader: Reader,
    /// How many rows it will give, where the file says so.
    rows: Option<u64>,
    text: Option<TextColumns>,
}

pub(super) fn open_blocking(Opening { location, format, text }: &Opening, spool: Spool) -> Result<Opened, ArrowError> {
    let plain = |reader, rows| Opened { reader, rows, text: None };
    let opened = match format {
        Format::Csv => csv(location, text)?,
        Format::Json => json(location, text)?,
        Format::Arrow => plain(arrow(location, spool)?, None),
        Format::Parquet => {
            let (reader, rows) = parquet(seekable(location, spool)?)?;
            plain(reader, rows)
        }
    };
    declared::check_schema(&opened.reader.schema())?;
    Ok(opened)
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
fn seekable(location: &Location, spool: Spool) -> io::Result<File> {
    match location {
        Location::File(path) => open_file(path),
        Location::Standard => spool.fill(io::stdin()),
    }
}

fn parquet(file: File) -> Result<(Reader, Option<u64>), ArrowError> {
    let Some(metadata) = declared::check(&file, Format::Parquet)? else {
        return Err(ArrowError::ParquetError("the file has no footer".to_owned()));
    };
    let rows = u64::try_from(metadata.file_metadata().num_rows()).ok();
    let metadata = ArrowReaderMetadata::try_new(metadata, ArrowReaderOptions::default())?;
    let metadata = int96::exact(&file, metadata)?;
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata);
    Ok((Box::new(builder.with_batch_size(BATCH_ROWS).build()?), rows))
}

/// A text file's bytes, decompressed.
///
/// # Errors
/// When it cannot be read, or is no text.
pub fn bytes_of_text(path: &Path) -> io::Result<Plain> {
    text::plain(open_file(path)?)
}

fn csv(location: &Location, format: &TextFormat) -> Result<Opened, ArrowError> {
    let (inferred, bytes) =
        twice(location, |bytes| Ok(csv::infer(bytes, format, format.infer_rows)?.inferred(format)))?;
    if inferred.schema.fields().is_empty() {
        return Err(ArrowError::CsvError("there is no header line with the columns' names".to_owned()));
    }
    // Without a row there is no value that a column could be wrong about: it goes with any parameter.
    let schema = if inferred.rows == 0 { inferred.schema.clone() } else { inferred.strings_for_nulls() };
    let (schema, all) = checked(schema)?;
    let reader = csv::Reader::new(bytes, schema, all, format.clone(), BATCH_ROWS)?;
    Ok(Opened { reader: Box::new(reader), rows: None, text: Some(inferred.into()) })
}

fn json(location: &Location, format: &TextFormat) -> Result<Opened, ArrowError> {
    let ((inferred, mixed), bytes): ((Inferred, BTreeSet<String>), _) =
        twice(location, |bytes| Ok(json::infer(bytes, format, format.infer_rows)?.inferred(format)))?;
    let (schema, all) = checked(inferred.strings_for_nulls())?;
    let reader = json::Reader::new(bytes, &schema, all, (format.clone(), &mixed), None, BATCH_ROWS)?;
    Ok(Opened { reader: Box::new(reader), rows: None, text: Some(inferred.into()) })
}

/// The schema, which is one that may be, and the places of all columns.
fn checked(schema: Schema) -> Result<(SchemaRef, Vec<usize>), ArrowError> {
    declared::check_schema(&schema)?;
    let all = (0..schema.fields().len()).collect();
    Ok((Arc::new(schema), all))
}

impl From<Inferred> for TextColumns {
    fn from(inferred: Inferred) -> Self {
        Self { reasons: inferred.reasons, rows: inferred.rows, whole: inferred.whole }
    }
}

/// What `look` finds in the beginning of a text, and the text again. A pipe gives it once, so what was read of it is kept.
fn twice<T>(location: &Location, look: impl FnOnce(Plain) -> Result<T, ArrowError>) -> Result<(T, Plain), ArrowError> {
    if let Location::File(path) = location
        && path.metadata()?.is_file()
    {
        let found = look(bytes_of_text(path)?)?;
        return Ok((found, bytes_of_text(path)?));
    }
    let recorded = Arc::new(Mutex::new(Recorded::new(bytes(location)?)));
    let found = look(text::plain(SharedReader(Arc::clone(&recorded)))?)?;
    let lost = || io::Error::other("what was read of it is in use");
    let recorded = Arc::into_inner(recorded).ok_or_else(lost)?.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok((found, text::plain(recorded.rewound())?))
}

/// Reads from what somebody else keeps.
struct SharedReader(Arc<Mutex<Recorded<Bytes>>>);

impl Read for SharedReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).read(buffer)
    }
}

fn arrow(location: &Location, spool: Spool) -> Result<Reader, ArrowError> {
    let mut recorded = Recorded::new(BufReader::new(bytes(location)?));
    let mut magic = Vec::new();
    recorded.by_ref().take(ARROW_FILE_MAGIC.len() as u64).read_to_end(&mut magic)?;
    let rewound = recorded.rewound();
    if magic == ARROW_FILE_MAGIC {
        let file = match location {
            Location::File(path) => open_file(path)?,
            Location::Standard => spool.fill(rewound)?,
        };
        declared::check(&file, Format::Arrow)?;
        Ok(Box::new(arrow::ipc::reader::FileReader::try_new(BufReader::new(file), None)?))
    } else {
        Ok(Box::new(arrow::ipc::reader::StreamReader::try_new(CheckedStream::new(rewound), None)?))
    }
}
