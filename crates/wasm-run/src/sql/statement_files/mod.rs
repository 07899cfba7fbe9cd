//! The files of statements: those of `CREATE EXTERNAL TABLE`, `INSERT INTO` and `COPY ... TO` are read as those of `--table` are, and written
//! as that of `--output` is.
//!
//! ```text
//!   options ─ what a statement says of its files
//!   text_files (CSV and JSON), columnar (Parquet and Arrow) ── columns ─ those that a statement declares       sink ─ writing
//! ```
//!
//! DataFusion lists files, plans and cuts into partitions; its own readers and writers of text, and its writers of all formats, are not used: they
//! change values (a NULL and an empty string are one in CSV, a NaN is NULL in JSON, a second is a plain number in Parquet).

mod columnar;
mod columns;
mod options;
mod sink;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::error::ArrowError;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::{GetExt, Statistics};
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::file_format::{FileFormat, FileFormatFactory, FileMeta};
use datafusion::datasource::physical_plan::{FileScanConfig, FileSinkConfig, FileSource};
use datafusion::datasource::sink::DataSinkExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::dml::InsertOp;
use datafusion::object_store::{ObjectMeta, ObjectStore};
use datafusion::physical_expr::LexRequirement;
use datafusion::physical_plan::ExecutionPlan;
use vivarium_textfiles::TextFormat;

use self::columnar::ColumnarFiles;
use self::options::Said;
use self::sink::ExactSink;
use super::named_files::Names;
use super::parquet_tables::of_all_values;
use super::text_files::{TextFiles, text_files, text_files_of};
use crate::files::{Format, declared};

pub use self::columnar::arrow_columns;
pub use self::columns::other_columns;
pub use self::sink::Unwritable;

/// Makes the files of statements be read and written as those of the command line; its options of text hold where a statement has none.
///
/// # Errors
/// When the session has no such formats.
pub fn register_formats(state: &mut SessionState, text: &TextFormat, names: &Arc<Names>) -> Result<()> {
    let formats =
        [("csv", Format::Csv), ("json", Format::Json), ("parquet", Format::Parquet), ("arrow", Format::Arrow)];
    for (extension, format) in formats {
        let own = state.get_file_format_factory(extension);
        let own = own.ok_or_else(|| DataFusionError::Internal(format!("the session has no {extension}")))?;
        let files = StatementFiles { format, text: text.clone(), names: Arc::clone(names), own };
        state.register_file_format(Arc::new(files), true)?;
    }
    Ok(())
}

/// The files of one format.
#[derive(Debug)]
struct StatementFiles {
    format: Format,
    text: TextFormat,
    /// What may be written.
    names: Arc<Names>,
    /// DataFusion's own, which knows the options.
    own: Arc<dyn FileFormatFactory>,
}

impl GetExt for StatementFiles {
    fn get_ext(&self) -> String {
        self.own.get_ext()
    }
}

impl FileFormatFactory for StatementFiles {
    fn create(&self, state: &dyn Session, options: &HashMap<String, String>) -> Result<Arc<dyn FileFormat>> {
        let (said, own) = options::read(&self.text, options, |left| self.own.create(state, left))?;
        if said.has_types && !self.format.is_text() {
            return Err(DataFusionError::Plan(
                "the option types is about CSV and JSON; files of other formats say their types themselves".to_owned(),
            ));
        }
        Ok(Arc::new(StatementFormat {
            format: self.format,
            said,
            names: Arc::clone(&self.names),
            own,
            found: Mutex::default(),
            columnar: ColumnarFiles::new(self.format),
        }))
    }

    fn default(&self) -> Arc<dyn FileFormat> {
        self.own.default()
    }
}

/// The files of one statement.
#[derive(Debug)]
struct StatementFormat {
    format: Format,
    said: Said,
    names: Arc<Names>,
    own: Arc<dyn FileFormat>,
    /// Files of text whose columns were looked at, and how they are read.
    found: Mutex<Found>,
    /// What files say that say their columns themselves.
    columnar: ColumnarFiles,
}

#[derive(Debug, Default)]
struct Found {
    files: Vec<PathBuf>,
    reader: Option<Arc<dyn FileFormat>>,
}

impl StatementFormat {
    fn check(&self) -> Result<()> {
        match self.said.unread {
            Some(option) => Err(DataFusionError::Plan(format!(
                "files are not read with the option {option}; leave it out, or convert the file"
            ))),
            None => Ok(()),
        }
    }

    /// The reader of files of text with these columns.
    fn text_reader(&self, schema: &SchemaRef) -> Result<Arc<dyn FileFormat>> {
        self.check()?;
        match &self.found.lock().unwrap_or_else(PoisonError::into_inner).reader {
            Some(reader) => Ok(Arc::clone(reader)),
            None if self.said.has_types => Err(DataFusionError::Plan(
                "the statement says the columns' types twice; leave out the option types, or the columns".to_owned(),
            )),
            None => text_files_of(self.format, &self.said.text, schema),
        }
    }

    /// The columns of files of text, by all of them together.
    async fn infer_text(&self, store: &Arc<dyn ObjectStore>, objects: &[ObjectMeta]) -> Result<SchemaRef> {
        let mut files = Vec::with_capacity(objects.len());
        for object in objects {
            files.push(columnar::opened(store, object).await?.1);
        }
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        // Those of several places have types together.
        found.files.extend(files);
        let TextFiles { format, schema } = text_files(&found.files, self.format, &self.said.text)?;
        found.reader = Some(format);
        Ok(schema)
    }
}

#[async_trait]
impl FileFormat for StatementFormat {
    fn get_ext(&self) -> String {
        self.own.get_ext()
    }

    fn get_ext_with_compression(&self, compression: &FileCompressionType) -> Result<String> {
        self.own.get_ext_with_compression(compression)
    }

    fn compression_type(&self) -> Option<FileCompressionType> {
        self.own.compression_type()
    }

    async fn infer_schema(
        &self,
        state: &dyn Session,
        store: &Arc<dyn ObjectStore>,
        objects: &[ObjectMeta],
    ) -> Result<SchemaRef> {
        self.check()?;
        let schema = match self.format.is_text() {
            true => self.infer_text(store, objects).await?,
            false => {
                let reader = self.columnar.reader(&self.own, store, objects, None).await?;
                reader.infer_schema(state, store, objects).await?
            }
        };
        declared::check_schema(&schema).map_err(ArrowError::from)?;
        Ok(schema)
    }

    async fn infer_stats(
        &self,
        state: &dyn Session,
        store: &Arc<dyn ObjectStore>,
        table_schema: SchemaRef,
        object: &ObjectMeta,
    ) -> Result<Statistics> {
        match self.format.is_text() {
            true => Ok(Statistics::new_unknown(&table_schema)),
            false => {
                let statistics = self.own.infer_stats(state, store, Arc::clone(&table_schema), object).await?;
                Ok(of_all_values(statistics, &table_schema))
            }
        }
    }

    async fn infer_stats_and_ordering(
        &self,
        state: &dyn Session,
        store: &Arc<dyn ObjectStore>,
        table_schema: SchemaRef,
        object: &ObjectMeta,
    ) -> Result<FileMeta> {
        match self.format.is_text() {
            true => Ok(FileMeta::new(Statistics::new_unknown(&table_schema))),
            false => {
                let FileMeta { statistics, ordering, .. } =
                    self.own.infer_stats_and_ordering(state, store, Arc::clone(&table_schema), object).await?;
                Ok(FileMeta::new(of_all_values(statistics, &table_schema)).with_ordering(ordering))
            }
        }
    }

    async fn create_physical_plan(&self, state: &dyn Session, conf: FileScanConfig) -> Result<Arc<dyn ExecutionPlan>> {
        if self.format.is_text() {
            return self.text_reader(conf.file_schema())?.create_physical_plan(state, conf).await;
        }
        self.check()?;
        let store = state.runtime_env().object_store(&conf.object_store_url)?;
        let files = conf.file_groups.iter().flat_map(|group| group.iter().map(|file| file.object_meta.clone()));
        let objects: Vec<_> = files.collect();
        let reader = self.columnar.reader(&self.own, &store, &objects, Some(conf.file_schema())).await?;
        reader.create_physical_plan(state, conf).await
    }

    async fn create_writer_physical_plan(
        &self,
        input: Arc<dyn ExecutionPlan>,
        _: &dyn Session,
        conf: FileSinkConfig,
        order: Option<LexRequirement>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if let Some(option) = self.said.unwritten {
            return Err(DataFusionError::Plan(format!("files are not written with the option {option}; leave it out")));
        }
        if conf.insert_op != InsertOp::Append {
            return Err(DataFusionError::NotImplemented(
                "files are added to a table, and not replaced; write INSERT INTO, or COPY to another place".to_owned(),
            ));
        }
        // Only COPY has a place of its own. Files of a table are written as its files are read.
        let style = if conf.original_url.is_empty() { self.said.as_read() } else { self.said.style.clone() };
        let sink = ExactSink::new(conf, self.format, style, Arc::clone(&self.names))?;
        Ok(Arc::new(DataSinkExec::new(input, Arc::new(sink), order)))
    }

    fn file_source(&self, table_schema: TableSchema) -> Arc<dyn FileSource> {
        if !self.format.is_text() {
            return self.own.file_source(table_schema);
        }
        match self.text_reader(table_schema.file_schema()) {
            Ok(reader) => reader.file_source(table_schema),
            // The plan says why, before anything is read.
            Err(_) => self.own.file_source(table_schema),
        }
    }
}
