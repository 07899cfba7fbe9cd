//! Files of text as tables of a query, read by the readers of `run` (`vivarium_textfiles`).
//!
//! DataFusion does what it does for its own formats: it lists files, adds the columns of folders, leaves out columns that a query does not
//! need, and gives the parts of large files of JSON to several tasks.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::Statistics;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileOpenFuture, FileOpener, FileScanConfig, FileSource};
use datafusion::datasource::projection::{ProjectionOpener, SplitProjection};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::{DataFusionError, Result};
use datafusion::object_store::{GetOptions, GetResultPayload, ObjectMeta, ObjectStore};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::projection::ProjectionExprs;
use futures::{StreamExt, stream};
use vivarium_textfiles::json::{JsonColumns, Range};
use vivarium_textfiles::{self as text, Inferred, TextError, TextFormat, csv, is_compressed_name, json};

use crate::files::{Format, bytes_of_text};

/// A file that is not what its table says.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", file.display())]
pub struct BadFile {
    file: PathBuf,
    problem: String,
}

impl BadFile {
    /// That a file has a problem.
    pub fn error(file: &Path, problem: impl fmt::Display) -> DataFusionError {
        DataFusionError::External(Box::new(Self { file: file.to_owned(), problem: problem.to_string() }))
    }

    /// What a reader says of a file.
    pub fn of(file: &Path, error: ArrowError) -> DataFusionError {
        match error {
            ArrowError::ExternalError(error) => Self::error(file, error),
            error => Self::error(file, error),
        }
    }
}

/// A table's files.
pub struct TextFiles {
    pub format: Arc<dyn FileFormat>,
    pub schema: SchemaRef,
}

/// How all files of a table are read.
#[derive(Debug)]
struct Text {
    format: Format,
    text: TextFormat,
    /// Where text stands for values of several kinds (JSON).
    mixed: BTreeSet<String>,
    /// Whether a file can be read from the middle.
    splittable: bool,
}

/// The columns of files of text, by the first rows of all of them together.
///
/// # Errors
/// When a file cannot be read, or is not like the others.
pub fn text_files(files: &[PathBuf], format: Format, text: &TextFormat) -> Result<TextFiles> {
    let (inferred, mixed) = match format {
        Format::Json => json_columns(files, text)?,
        _ => (csv_columns(files, text)?, BTreeSet::new()),
    };
    let compressed = |file: &PathBuf| is_compressed_name(&file.to_string_lossy()) || starts_compressed(file);
    let splittable = format == Format::Json && !files.iter().any(compressed);
    let schema = Arc::new(inferred.strings_for_nulls());
    let format = Arc::new(Text { format, text: text.clone(), mixed, splittable });
    Ok(TextFiles { format: Arc::new(TextFileFormat(format)), schema })
}

/// Files of text whose columns a statement has given.
///
/// # Errors
/// When a column has a type that text cannot be read as.
pub fn text_files_of(format: Format, text: &TextFormat, schema: &SchemaRef) -> Result<Arc<dyn FileFormat>> {
    if let Some(field) = schema.fields().iter().find(|field| !text::is_read(field.data_type())) {
        return Err(DataFusionError::Plan(format!(
            "column {:?}: text cannot be read as {}",
            field.name(),
            field.data_type()
        )));
    }
    let types = schema.fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect();
    let text = TextFormat { types, chosen: true, ..text.clone() };
    Ok(Arc::new(TextFileFormat(Arc::new(Text { format, text, mixed: BTreeSet::new(), splittable: false }))))
}

fn starts_compressed(file: &Path) -> bool {
    let mut first = [0; 2];
    let read = File::open(file).and_then(|file| file.read_exact_at(&mut first, 0));
    // Neither byte begins a line of JSON.
    read.is_ok() && matches!(first[0], 0x1f | 0x28)
}

/// How many bytes of a file's beginning are a byte order mark.
fn mark_length(file: &File) -> u64 {
    let mut first = [0; 3];
    match file.read_exact_at(&mut first, 0) {
        Ok(()) if first == *b"\xef\xbb\xbf" => 3,
        _ => 0,
    }
}

fn csv_columns(files: &[PathBuf], text: &TextFormat) -> Result<Inferred> {
    let mut left = text.infer_rows;
    let mut known: Option<csv::CsvColumns> = None;
    for file in files {
        let found = csv::infer(bytes_of_text(file)?, text, left).map_err(|error| BadFile::of(file, error))?;
        left = left.saturating_sub(found.rows());
        match &mut known {
            None => known = Some(found),
            Some(known) => {
                if !known.merge(&found) {
                    return Err(BadFile::error(file, "its columns are not those of the files before it"));
                }
            }
        }
    }
    let none = || DataFusionError::Execution("there are no files".to_owned());
    Ok(known.ok_or_else(none)?.inferred(text))
}

fn json_columns(files: &[PathBuf], text: &TextFormat) -> Result<(Inferred, BTreeSet<String>)> {
    let mut left = text.infer_rows;
    let mut known = JsonColumns::none();
    for file in files {
        let found = json::infer(bytes_of_text(file)?, text, left).map_err(|error| BadFile::of(file, error))?;
        left = left.saturating_sub(found.rows());
        json::merge(&mut known, &found).map_err(|problem| BadFile::error(file, problem))?;
    }
    Ok(known.inferred(text))
}

#[derive(Debug)]
struct TextFileFormat(Arc<Text>);

#[async_trait]
impl FileFormat for TextFileFormat {
    fn get_ext(&self) -> String {
        String::new()
    }

    fn get_ext_with_compression(&self, _: &FileCompressionType) -> Result<String> {
        Ok(String::new())
    }

    fn compression_type(&self) -> Option<FileCompressionType> {
        None
    }

    async fn infer_schema(&self, _: &dyn Session, _: &Arc<dyn ObjectStore>, _: &[ObjectMeta]) -> Result<SchemaRef> {
        // It was found before there was a query.
        Err(DataFusionError::NotImplemented("the columns of a table of text are known".to_owned()))
    }

    async fn infer_stats(
        &self,
        _: &dyn Session,
        _: &Arc<dyn ObjectStore>,
        table_schema: SchemaRef,
        _: &ObjectMeta,
    ) -> Result<Statistics> {
        Ok(Statistics::new_unknown(&table_schema))
    }

    async fn create_physical_plan(&self, _: &dyn Session, conf: FileScanConfig) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(DataSourceExec::from_data_source(conf))
    }

    fn file_source(&self, table_schema: TableSchema) -> Arc<dyn FileSource> {
        Arc::new(TextSource {
            projection: SplitProjection::unprojected(&table_schema),
            table_schema,
            text: Arc::clone(&self.0),
            batch_rows: vivarium::CHUNK_ROWS,
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }
}

#[derive(Clone)]
struct TextSource {
    text: Arc<Text>,
    table_schema: TableSchema,
    projection: SplitProjection,
    batch_rows: usize,
    metrics: ExecutionPlanMetricsSet,
}

impl FileSource for TextSource {
    fn create_file_opener(
        &self,
        store: Arc<dyn ObjectStore>,
        _: &FileScanConfig,
        _: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        let schema = self.table_schema.file_schema();
        let opener = TextOpener {
            text: Arc::clone(&self.text),
            columns: Arc::clone(schema),
            wanted: self.projection.file_indices.clone(),
            batch_rows: self.batch_rows,
            store,
        };
        ProjectionOpener::try_new(self.projection.clone(), Arc::new(opener), schema)
    }

    fn table_schema(&self) -> &TableSchema {
        &self.table_schema
    }

    fn with_batch_size(&self, batch_rows: usize) -> Arc<dyn FileSource> {
        Arc::new(Self { batch_rows, ..self.clone() })
    }

    fn try_pushdown_projection(&self, projection: &ProjectionExprs) -> Result<Option<Arc<dyn FileSource>>> {
        let projection = self.projection.source.try_merge(projection)?;
        let projection = SplitProjection::new(self.table_schema.file_schema(), &projection);
        Ok(Some(Arc::new(Self { projection, ..self.clone() })))
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        Some(&self.projection.source)
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        &self.metrics
    }

    fn file_type(&self) -> &str {
        match self.text.format {
            Format::Json => "json",
            _ => "csv",
        }
    }

    fn supports_repartitioning(&self) -> bool {
        self.text.splittable
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        datafusion::physical_plan::apply_expression_roots(self.projection.source.iter(), visit)
    }
}

/// Opens one file, or a part of one.
struct TextOpener {
    text: Arc<Text>,
    columns: SchemaRef,
    wanted: Vec<usize>,
    batch_rows: usize,
    store: Arc<dyn ObjectStore>,
}

impl FileOpener for TextOpener {
    fn open(&self, part: PartitionedFile) -> Result<FileOpenFuture> {
        let (store, text, columns) = (Arc::clone(&self.store), Arc::clone(&self.text), Arc::clone(&self.columns));
        let (wanted, batch_rows) = (self.wanted.clone(), self.batch_rows);
        Ok(Box::pin(async move {
            let found = store.get_opts(&part.object_meta.location, GetOptions::default()).await?;
            let GetResultPayload::File(file, path) = found.payload else {
                return Err(DataFusionError::Internal("a file of text is no file".to_owned()));
            };
            let range = part.range.map(|range| Range {
                start: u64::try_from(range.start).unwrap_or(0),
                end: u64::try_from(range.end).unwrap_or(u64::MAX),
            });
            let start = range.map_or(0, |range| range.start);
            let again = file.try_clone()?;
            let batches = text.read(file, &columns, wanted, range, batch_rows);
            let batches = batches.map_err(|error| BadFile::of(&path, error))?;
            let batches =
                batches.map(move |batch| batch.map_err(|error| BadFile::of(&path, placed(error, &again, start))));
            Ok(stream::iter(batches).boxed())
        }))
    }
}

type Batches = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>;

impl Text {
    fn read(
        &self,
        mut file: File,
        columns: &SchemaRef,
        wanted: Vec<usize>,
        mut range: Option<Range>,
        batch_rows: usize,
    ) -> Result<Batches, ArrowError> {
        if self.format != Format::Json {
            let bytes = text::plain(file)?;
            return Ok(Box::new(csv::Reader::new(bytes, Arc::clone(columns), wanted, self.text.clone(), batch_rows)?));
        }
        let bytes: text::Plain = match range {
            Some(Range { start: 1.., .. }) => {
                file.seek(SeekFrom::Start(range.map_or(0, |range| range.start) - 1))?;
                Box::new(file)
            }
            _ => {
                // A byte order mark is taken off, and places are counted from behind it.
                let mark = mark_length(&file);
                range = range.map(|range| Range { end: range.end.saturating_sub(mark), ..range });
                text::plain(file)?
            }
        };
        let how = (self.text.clone(), &self.mixed);
        Ok(Box::new(json::Reader::new(bytes, columns, wanted, how, range, batch_rows)?))
    }
}

/// An error of a part of a file that begins at `start`, with its line in the file.
fn placed(error: ArrowError, mut file: &File, start: u64) -> ArrowError {
    let ArrowError::ExternalError(inner) = error else { return error };
    match inner.downcast::<TextError>() {
        Ok(mut error) => {
            if start > 0 {
                // The first line of the part is the one after the first line end at or before its begin.
                error.line += 1 + line_ends(&mut file, start - 1);
            }
            (*error).into()
        }
        Err(inner) => ArrowError::ExternalError(inner),
    }
}

/// How many lines end in the first bytes of a file.
fn line_ends(file: &mut &File, bytes: u64) -> u64 {
    let mut count = 0;
    let mut buffer = vec![0; 1 << 16];
    if file.seek(SeekFrom::Start(0)).is_err() {
        return 0;
    }
    let mut rest = file.take(bytes);
    while let Ok(read @ 1..) = rest.read(&mut buffer) {
        count += memchr::memchr_iter(b'\n', &buffer[..read]).count() as u64;
    }
    count
}
