//! Where rows of `COPY ... TO` and `INSERT INTO` go: files written as that of `--output` is.
//!
//! ```text
//!   rows ── no NULL where a folder's name is the value ── DataFusion: which row goes to which file ── a writer for each file
//!                                                                                                       | all of them are complete
//!                                                                                                       v
//!                                                                                                     their names
//! ```
//!
//! No file of a statement has a name before all of its files are complete, so that one that fails leaves nothing behind.

use std::fmt;
use std::io;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use datafusion::common::config::TableParquetOptions;
use datafusion::common::file_options::parquet_writer::ParquetWriterOptions;
use datafusion::common::runtime::{JoinSet, SpawnedTask};
use datafusion::datasource::file_format::write::demux::DemuxedStreamReceiver;
use datafusion::datasource::file_format::write::get_writer_schema;
use datafusion::datasource::physical_plan::{FileSink, FileSinkConfig};
use datafusion::datasource::sink::DataSink;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::object_store::ObjectStore;
use datafusion::object_store::local::LocalFileSystem;
use datafusion::object_store::path::Path;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType};
use futures::StreamExt;
use tokio::sync::mpsc::Receiver;

use super::options::WritingStyle;
use crate::files::{Format, PartialFile, Sink, Style, Writer};
use crate::sql::named_files::{Intent, Names};
use crate::sql::results::twice_named;

/// A file that cannot hold its rows, or cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be written: {problem}", file.display())]
pub struct Unwritable {
    file: PathBuf,
    problem: String,
}

impl Unwritable {
    fn error(file: &FilePath, problem: impl fmt::Display) -> DataFusionError {
        DataFusionError::External(Box::new(Self { file: file.to_owned(), problem: problem.to_string() }))
    }
}

/// Writes the rows of one statement.
pub struct ExactSink {
    config: FileSinkConfig,
    format: Format,
    style: Style,
    names: Arc<Names>,
    /// The columns of each file: without those that its folders say.
    schema: SchemaRef,
}

impl ExactSink {
    /// Rows for the place that `config` says.
    ///
    /// # Errors
    /// When the format cannot hold the columns.
    pub fn new(config: FileSinkConfig, format: Format, style: WritingStyle, names: Arc<Names>) -> Result<Self> {
        let schema = get_writer_schema(&config);
        let place = config.table_paths.first().map(|url| path_of(url.prefix())).transpose()?.unwrap_or_default();
        let refused = |problem: String| Unwritable::error(&place, problem);
        if format != Format::Csv
            && let Some(name) = twice_named(&schema)
        {
            return Err(DataFusionError::Plan(format!(
                "the query has two columns named \"{name}\"; give one of them another name with AS"
            )));
        }
        let style = style.of(format, &schema)?;
        // The beginning of a file is written to nowhere: what cannot be written is refused before anything runs.
        Writer::with_style(format, style.clone(), Sink::file(io::sink()), &schema)
            .map_err(|error| refused(error.to_string()))?;
        Ok(Self { config, format, style, names, schema })
    }

    /// Begins a file.
    fn begin(&self, location: &Path, folders: &mut NewFolders) -> Result<PathBuf> {
        let path = path_of(location)?;
        self.names.check(&path, Intent::Write).map_err(|error| DataFusionError::External(Box::new(error)))?;
        if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
            return Err(Unwritable::error(&path, "it is there, and is no regular file"));
        }
        if let Some(folder) = path.parent() {
            folders.make(folder).map_err(|error| Unwritable::error(folder, error))?;
        }
        // What a link points to is replaced, not the link.
        Ok(path.canonicalize().unwrap_or(path))
    }
}

/// The path of a file.
fn path_of(location: &Path) -> Result<PathBuf> {
    Ok(LocalFileSystem::new().path_to_filesystem(location)?)
}

impl WritingStyle {
    /// How files of these columns are written.
    fn of(self, format: Format, schema: &SchemaRef) -> Result<Style> {
        let default = Style { csv: self.csv, compression: self.compression, ..Style::default() };
        match (format, self.parquet) {
            (Format::Parquet, Some(mut options)) => {
                let arrow_types = !options.global.skip_arrow_metadata;
                if let Some(field) = schema.fields().iter().find(|field| !arrow_types && needs_arrow(field.data_type()))
                {
                    return Err(DataFusionError::Plan(format!(
                        "column {:?} is a plain number in a Parquet file with the option skip_arrow_metadata; leave it out",
                        field.name()
                    )));
                }
                // The writer says the columns' types in the file; DataFusion asks for it here.
                TableParquetOptions::arrow_schema(&mut options, schema);
                let parquet = ParquetWriterOptions::try_from(&options)?.writer_options;
                Ok(Style { parquet, arrow_types, ..default })
            }
            _ => Ok(default),
        }
    }
}

/// Whether a column of the type, or a part of one, is another one in a Parquet file that does not say which types of Arrow it has.
fn needs_arrow(data_type: &arrow_schema::DataType) -> bool {
    use arrow_schema::DataType;
    match data_type {
        DataType::Duration(_) | DataType::Interval(_) => true,
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::Map(item, _)
        | DataType::RunEndEncoded(_, item) => needs_arrow(item.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| needs_arrow(field.data_type())),
        DataType::Dictionary(_, values) => needs_arrow(values),
        _ => false,
    }
}

#[async_trait]
impl DataSink for ExactSink {
    fn schema(&self) -> &SchemaRef {
        self.config.output_schema()
    }

    async fn write_all(&self, rows: SendableRecordBatchStream, context: &Arc<TaskContext>) -> Result<u64> {
        let names: Vec<_> = self.config.table_partition_cols.iter().map(|(name, _)| name.clone()).collect();
        if names.is_empty() {
            return FileSink::write_all(self, rows, context).await;
        }
        let schema = rows.schema();
        let place = PathBuf::from(&self.config.original_url);
        let checked = rows.map(move |batch| batch.and_then(|batch| check_folders(batch, &names, &place)));
        FileSink::write_all(self, Box::pin(RecordBatchStreamAdapter::new(schema, checked)), context).await
    }
}

/// The value of a column by which rows are put into folders is the folder's name, and NULL has none.
fn check_folders(batch: RecordBatch, names: &[String], place: &FilePath) -> Result<RecordBatch> {
    let has_null = |name: &&String| batch.column_by_name(name).is_some_and(|column| column.logical_null_count() > 0);
    match names.iter().find(has_null) {
        Some(name) => Err(Unwritable::error(
            place,
            format!(
                "the column {name:?} is NULL in a row, and no folder has a name for that; write coalesce({name}, ...)"
            ),
        )),
        None => Ok(batch),
    }
}

#[async_trait]
impl FileSink for ExactSink {
    fn config(&self) -> &FileSinkConfig {
        &self.config
    }

    async fn spawn_writer_tasks_and_join(
        &self,
        _: &Arc<TaskContext>,
        demultiplexer: SpawnedTask<Result<()>>,
        mut files: DemuxedStreamReceiver,
        _: Arc<dyn ObjectStore>,
    ) -> Result<u64> {
        let mut folders = NewFolders::default();
        let mut writing = JoinSet::new();
        while let Some((location, batches)) = files.recv().await {
            let path = self.begin(&location, &mut folders)?;
            let schema = Arc::clone(&self.schema);
            writing.spawn(write(path, self.format, self.style.clone(), schema, batches));
        }
        // When a file fails, those who send it rows know no more than that it does not take them.
        let mut complete = Vec::with_capacity(writing.len());
        let mut failed = None;
        while let Some(ended) = writing.join_next().await {
            match ended {
                Ok(Ok(file)) => complete.push(file),
                Ok(Err(error)) => failed = failed.or(Some(error)),
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(error) => return Err(DataFusionError::ExecutionJoin(Box::new(error))),
            }
        }
        let sent =
            demultiplexer.join_unwind().await.map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))?;
        failed.map_or(sent, Err)?;
        let rows = complete.iter().map(|file| file.rows).sum();
        let named = tokio::task::spawn_blocking(move || {
            for CompleteFile { file, path, .. } in complete {
                file.publish().map_err(|error| Unwritable::error(&path, error))?;
            }
            folders.keep();
            Ok(rows)
        });
        named.await.map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))?
    }
}

/// A file with all of its rows, and without its name.
struct CompleteFile {
    file: PartialFile,
    path: PathBuf,
    rows: u64,
}

/// Writes the rows of a file, on threads for what takes a disk.
async fn write(
    path: PathBuf,
    format: Format,
    style: Style,
    schema: SchemaRef,
    mut batches: Receiver<RecordBatch>,
) -> Result<CompleteFile> {
    let target = path.clone();
    let mut begun = blocking(move || {
        let failed = |problem: String| Unwritable::error(&target, problem);
        let (sink, file) = PartialFile::create(target.clone()).map_err(|error| failed(error.to_string()))?;
        let writer = Writer::with_style(format, style, sink, &schema).map_err(|error| failed(error.to_string()))?;
        Ok((writer, CompleteFile { file, path: target, rows: 0 }))
    })
    .await?;
    while let Some(batch) = batches.recv().await {
        begun = blocking(move || {
            let (mut writer, mut file) = begun;
            writer.write(&batch).map_err(|error| Unwritable::error(&file.path, error))?;
            file.rows += batch.num_rows() as u64;
            Ok((writer, file))
        })
        .await?;
    }
    blocking(move || {
        let (writer, file) = begun;
        writer.finish().map_err(|error| Unwritable::error(&path, error))?;
        Ok(file)
    })
    .await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match SpawnedTask::spawn_blocking(work).join_unwind().await {
        Ok(done) => done,
        Err(error) => Err(DataFusionError::ExecutionJoin(Box::new(error))),
    }
}

/// Folders that were made for files. Dropped, those without a file are gone.
#[derive(Default)]
struct NewFolders(Vec<PathBuf>);

impl NewFolders {
    fn make(&mut self, folder: &FilePath) -> io::Result<()> {
        let missing: Vec<_> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
        for folder in missing.into_iter().rev() {
            std::fs::create_dir(folder)?;
            self.0.push(folder.to_owned());
        }
        Ok(())
    }

    fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for NewFolders {
    fn drop(&mut self) {
        for folder in self.0.iter().rev() {
            // What is not empty stays.
            let _ = std::fs::remove_dir(folder);
        }
    }
}

impl fmt::Debug for ExactSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExactSink").field("format", &self.format).finish_non_exhaustive()
    }
}

impl DisplayAs for ExactSink {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExactSink(format={:?})", self.format)
    }
}
