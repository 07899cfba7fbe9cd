//! `CREATE EXTERNAL TABLE ... STORED AS CSV` (or JSON): the files are read as those of `--table` are, and written by DataFusion.

use std::any::Any;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::error::ArrowError;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::config::CsvOptions;
use datafusion::common::parsers::CompressionTypeVariant;
use datafusion::common::{GetExt, Statistics};
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::file_format::json::JsonFormat;
use datafusion::datasource::file_format::{FileFormat, FileFormatFactory};
use datafusion::datasource::physical_plan::{FileScanConfig, FileSinkConfig, FileSource};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::session_state::SessionState;
use datafusion::object_store::{GetOptions, GetResultPayload, ObjectMeta, ObjectStore};
use datafusion::physical_expr::LexRequirement;
use datafusion::physical_plan::ExecutionPlan;
use vivarium_textfiles::TextFormat;

use super::text_files::{TextFiles, text_files, text_files_of};
use crate::files::{Format, declared};

/// Makes the tables of text that statements create be read as those of the command line, whose options hold where a statement has none.
///
/// # Errors
/// When the session has no such formats.
pub fn read_text_as_tables(state: &mut SessionState, text: &TextFormat) -> Result<()> {
    for (extension, format) in [("csv", Format::Csv), ("json", Format::Json)] {
        let own = state.get_file_format_factory(extension);
        let own = own.ok_or_else(|| DataFusionError::Internal(format!("the session has no {extension}")))?;
        state.register_file_format(Arc::new(StatementFiles { format, text: text.clone(), own }), true)?;
    }
    Ok(())
}

/// The files of one format.
#[derive(Debug)]
struct StatementFiles {
    format: Format,
    text: TextFormat,
    /// DataFusion's own, which knows the options and writes.
    own: Arc<dyn FileFormatFactory>,
}

impl GetExt for StatementFiles {
    fn get_ext(&self) -> String {
        self.own.get_ext()
    }
}

impl FileFormatFactory for StatementFiles {
    fn create(&self, state: &dyn Session, options: &HashMap<String, String>) -> Result<Arc<dyn FileFormat>> {
        let own = self.own.create(state, options)?;
        let said = |option: &str| options.keys().any(|key| key.rsplit('.').next() == Some(option));
        let any: &dyn Any = &*own;
        let (text, unread) = match (any.downcast_ref::<CsvFormat>(), any.downcast_ref::<JsonFormat>()) {
            (Some(csv), _) => read_csv(csv.options(), &self.text, said),
            (_, Some(json)) if !json.options().newline_delimited => (self.text.clone(), Some("newline_delimited")),
            _ => (self.text.clone(), None),
        };
        Ok(Arc::new(StatementFormat { format: self.format, text, unread, own, found: Mutex::default() }))
    }

    fn default(&self) -> Arc<dyn FileFormat> {
        self.own.default()
    }
}

/// How a CSV file is read by the options of a statement, and one that changes what is read and is not known here.
fn read_csv(
    options: &CsvOptions,
    text: &TextFormat,
    said: impl Fn(&str) -> bool,
) -> (TextFormat, Option<&'static str>) {
    let mut text = text.clone();
    if let Some(header) = options.has_header {
        text.header = header;
    }
    if said("delimiter") {
        text.delimiter = options.delimiter;
    }
    if said("quote") {
        text.quote = Some(options.quote);
    }
    text.nulls.extend(options.null_value.clone());
    let unread = [
        ("escape", options.escape.is_some()),
        ("terminator", options.terminator.is_some()),
        ("comment", options.comment.is_some()),
        ("null_regex", options.null_regex.is_some()),
        ("double_quote", options.double_quote == Some(false)),
        ("truncated_rows", options.truncated_rows == Some(true)),
        ("ignore_leading_whitespace", options.ignore_leading_whitespace == Some(true)),
        ("ignore_trailing_whitespace", options.ignore_trailing_whitespace == Some(true)),
        ("compression", matches!(options.compression, CompressionTypeVariant::BZIP2 | CompressionTypeVariant::XZ)),
    ];
    (text, unread.into_iter().find(|(_, is_set)| *is_set).map(|(option, _)| option))
}

/// The files of one statement.
#[derive(Debug)]
struct StatementFormat {
    format: Format,
    text: TextFormat,
    /// An option for which files cannot be read.
    unread: Option<&'static str>,
    own: Arc<dyn FileFormat>,
    /// The files whose columns were looked at, and how they are read.
    found: Mutex<Found>,
}

#[derive(Debug, Default)]
struct Found {
    files: Vec<PathBuf>,
    reader: Option<Arc<dyn FileFormat>>,
}

impl StatementFormat {
    fn check(&self) -> Result<()> {
        match self.unread {
            Some(option) => Err(DataFusionError::Plan(format!(
                "files are not read with the option {option}; leave it out, or convert the file"
            ))),
            None => Ok(()),
        }
    }

    /// The reader of files with these columns.
    fn reader(&self, schema: &SchemaRef) -> Result<Arc<dyn FileFormat>> {
        self.check()?;
        match &self.found.lock().unwrap_or_else(PoisonError::into_inner).reader {
            Some(reader) => Ok(Arc::clone(reader)),
            None => text_files_of(self.format, &self.text, schema),
        }
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
        _: &dyn Session,
        store: &Arc<dyn ObjectStore>,
        objects: &[ObjectMeta],
    ) -> Result<SchemaRef> {
        self.check()?;
        let mut files = Vec::with_capacity(objects.len());
        for object in objects {
            let found = store.get_opts(&object.location, GetOptions::default()).await?;
            let GetResultPayload::File(_, path) = found.payload else {
                return Err(DataFusionError::Internal("a file of text is no file".to_owned()));
            };
            files.push(path);
        }
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        // Those of several places have types together.
        found.files.extend(files);
        let TextFiles { format, schema } = text_files(&found.files, self.format, &self.text)?;
        declared::check_schema(&schema).map_err(ArrowError::from)?;
        found.reader = Some(format);
        Ok(schema)
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

    async fn create_physical_plan(&self, state: &dyn Session, conf: FileScanConfig) -> Result<Arc<dyn ExecutionPlan>> {
        self.reader(conf.file_schema())?.create_physical_plan(state, conf).await
    }

    async fn create_writer_physical_plan(
        &self,
        input: Arc<dyn ExecutionPlan>,
        state: &dyn Session,
        conf: FileSinkConfig,
        order: Option<LexRequirement>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.own.create_writer_physical_plan(input, state, conf, order).await
    }

    fn file_source(&self, table_schema: TableSchema) -> Arc<dyn FileSource> {
        match self.reader(table_schema.file_schema()) {
            Ok(reader) => reader.file_source(table_schema),
            // The plan says why, before anything is read.
            Err(_) => self.own.file_source(table_schema),
        }
    }
}
