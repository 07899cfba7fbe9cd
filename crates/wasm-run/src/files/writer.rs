//! The writers of all formats, and of tables for reading, as one.

use std::io::{self, BufWriter, Write};
use std::sync::{Arc, OnceLock};

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow_schema::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::Compression as ParquetCompression;
use parquet::file::properties::WriterProperties;
use vivarium_textfiles::{Compressed, Compression, csv};

use super::Format;
use super::exact::Written;
use crate::table::TableWriter;

/// Why a table could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The reader of a pipe has gone away.
    #[error("the reader of the pipe has gone away")]
    BrokenPipe,
    /// The system refused.
    #[error("{0}")]
    Io(String),
    /// The format cannot hold the data.
    #[error("{0}")]
    Format(ArrowError),
}

/// The system's first error while bytes were written. Some formats' own errors lose it, so it is kept beside them.
type IoFailure = Arc<OnceLock<(io::ErrorKind, String)>>;

/// Where bytes go.
pub struct Sink {
    bytes: BufWriter<Box<dyn Write + Send>>,
    /// Whether bytes are read as they come, and not only when all are there.
    pipe: bool,
    failure: IoFailure,
}

impl Sink {
    /// Bytes that become a file when they are complete.
    pub fn file(bytes: impl Write + Send + 'static) -> Self {
        Self { bytes: BufWriter::new(Box::new(bytes)), pipe: false, failure: IoFailure::default() }
    }

    /// Bytes that somebody reads as they come.
    pub fn pipe(bytes: impl Write + Send + 'static) -> Self {
        Self { pipe: true, ..Self::file(bytes) }
    }

    fn watched<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.inspect_err(|error| {
            self.failure.get_or_init(|| (error.kind(), error.to_string()));
        })
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.bytes.write(bytes);
        self.watched(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.bytes.flush();
        self.watched(result)
    }
}

/// What a format leaves to who writes it.
#[derive(Debug, Clone)]
pub struct Style {
    pub csv: csv::Style,
    /// Of CSV and JSON.
    pub compression: Compression,
    pub parquet: WriterProperties,
    /// Whether a Parquet file says which types of Arrow its columns had.
    pub arrow_types: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            csv: csv::Style::default(),
            compression: Compression::None,
            parquet: WriterProperties::builder().set_compression(ParquetCompression::SNAPPY).build(),
            arrow_types: true,
        }
    }
}

/// A writer of one of the formats.
pub struct Writer {
    encoder: Encoder,
    /// How columns have to be converted for the format; a table for reading takes them as they are.
    written: Option<Written>,
    failure: IoFailure,
}

enum Encoder {
    Parquet(Box<ArrowWriter<Sink>>),
    Csv(Box<csv::Writer<Compressed<Sink>>>),
    Json(Box<arrow::json::LineDelimitedWriter<Compressed<Sink>>>),
    ArrowFile(Box<arrow::ipc::writer::FileWriter<Sink>>),
    ArrowStream(Box<arrow::ipc::writer::StreamWriter<Sink>>),
    Table(Box<TableWriter<Sink>>),
}

impl Writer {
    /// Begins a table of this schema.
    ///
    /// # Errors
    /// When the format cannot hold one of the columns, or its beginning cannot be written.
    pub fn new(format: Format, sink: Sink, schema: &SchemaRef) -> Result<Self, WriteError> {
        Self::with_style(format, Style::default(), sink, schema)
    }

    /// Begins a table that is written in a style.
    ///
    /// # Errors
    /// As for [`new`](Self::new), and when there is no such style.
    pub fn with_style(format: Format, style: Style, sink: Sink, schema: &SchemaRef) -> Result<Self, WriteError> {
        let failure = Arc::clone(&sink.failure);
        let written = Written::new(format, sink.pipe, schema).map_err(WriteError::Format)?;
        let encoder = Encoder::new(format, style, sink, written.schema()).map_err(|error| explain(error, &failure))?;
        Ok(Self { encoder, written: Some(written), failure })
    }

    /// Begins a table for reading.
    pub fn table(sink: Sink, schema: &SchemaRef) -> Self {
        let failure = Arc::clone(&sink.failure);
        Self { encoder: Encoder::Table(Box::new(TableWriter::for_schema(sink, schema))), written: None, failure }
    }

    /// Writes the rows of a batch.
    ///
    /// # Errors
    /// When the system refuses, or the format cannot hold a value.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), WriteError> {
        let write = |encoder: &mut Encoder| match &self.written {
            Some(written) => encoder.write(&written.batch(batch)?),
            None => encoder.write(batch),
        };
        write(&mut self.encoder).map_err(|error| explain(error, &self.failure))
    }

    /// Writes what the format has at its end.
    ///
    /// # Errors
    /// As for [`write`](Self::write).
    pub fn finish(self) -> Result<(), WriteError> {
        let Self { encoder, failure, .. } = self;
        encoder.finish().map_err(|error| explain(error, &failure))
    }
}

fn explain(error: ArrowError, failure: &IoFailure) -> WriteError {
    match failure.get() {
        Some((io::ErrorKind::BrokenPipe, _)) => WriteError::BrokenPipe,
        Some((_, message)) => WriteError::Io(message.clone()),
        None => WriteError::Format(error),
    }
}

impl Encoder {
    fn new(format: Format, style: Style, sink: Sink, schema: &SchemaRef) -> Result<Self, ArrowError> {
        Ok(match format {
            Format::Parquet => {
                let options = ArrowWriterOptions::new()
                    .with_properties(style.parquet)
                    .with_skip_arrow_metadata(!style.arrow_types);
                Self::Parquet(Box::new(ArrowWriter::try_new_with_options(sink, Arc::clone(schema), options)?))
            }
            Format::Csv => {
                let out = Compressed::new(sink, style.compression)?;
                Self::Csv(Box::new(csv::Writer::with_style(out, schema, style.csv)?))
            }
            Format::Json => {
                let out = Compressed::new(sink, style.compression)?;
                Self::Json(Box::new(arrow::json::LineDelimitedWriter::new(out)))
            }
            Format::Arrow if sink.pipe => {
                Self::ArrowStream(Box::new(arrow::ipc::writer::StreamWriter::try_new(sink, schema)?))
            }
            Format::Arrow => Self::ArrowFile(Box::new(arrow::ipc::writer::FileWriter::try_new(sink, schema)?)),
        })
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        match self {
            Self::Parquet(writer) => Ok(writer.write(batch)?),
            Self::Csv(writer) => writer.write(batch),
            Self::Json(writer) => writer.write(batch),
            Self::ArrowFile(writer) => writer.write(batch),
            Self::ArrowStream(writer) => writer.write(batch),
            Self::Table(writer) => writer.batch(batch),
        }
    }

    fn finish(self) -> Result<(), ArrowError> {
        let mut sink = match self {
            Self::Parquet(writer) => writer.into_inner()?,
            Self::Csv(writer) => writer.into_inner().finish()?,
            Self::Json(mut writer) => {
                writer.finish()?;
                writer.into_inner().finish()?
            }
            Self::ArrowFile(writer) => writer.into_inner()?,
            Self::ArrowStream(writer) => writer.into_inner()?,
            Self::Table(writer) => writer.finish_counted()?,
        };
        Ok(sink.flush()?)
    }
}
