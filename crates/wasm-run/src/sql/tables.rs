//! Tables of `--table NAME=FILE`: which files they are, and how a session comes to know them.
//!
//! Files are found, and their columns looked at, before the process sandbox is in force; what a pattern or a folder holds later does not
//! change the table.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use arrow_schema::Schema;
use datafusion::catalog::MemTable;
use datafusion::common::TableReference;
use datafusion::common::config::TableParquetOptions;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::arrow::ArrowFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::error::DataFusionError;
use datafusion::object_store::ObjectStoreExt;
use datafusion::prelude::SessionContext;
use futures::TryStreamExt;
use vivarium_textfiles::TextFormat;

use super::named_files::resolved;
use super::parquet_tables::{self, Kinds, ParquetTable};
use super::statement_files::{arrow_columns, other_columns};
use super::text_files::{BadFile, TextFiles, text_files};
use crate::failure::Failure;
use crate::files::{self, Format, Location, Opening, Spool, declared, int96};
use crate::options::TextOptions;
use crate::panics;
use crate::supervisor::{Doing, doing};

/// `NAME=FILE`, as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedTable {
    name: String,
    files: String,
}

impl FromStr for NamedTable {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, files)) if !name.is_empty() && !files.is_empty() => {
                Ok(Self { name: name.to_owned(), files: files.to_owned() })
            }
            _ => Err("write NAME=FILE, for example orders=data/orders.parquet".to_owned()),
        }
    }
}

/// A table whose files are known.
#[derive(Debug)]
pub struct FoundTable {
    given: NamedTable,
    format: Format,
    text: TextFormat,
    source: TableSource,
}

#[derive(Debug, PartialEq, Eq)]
enum TableSource {
    Standard,
    /// What can be read once, such as a named pipe or a shell's `<(...)`.
    Stream(PathBuf),
    /// Files, sorted.
    Files(Vec<PathBuf>),
    /// A folder, the extension of its files, and those, sorted.
    Folder {
        folder: PathBuf,
        extension: String,
        files: Vec<PathBuf>,
    },
}

impl FoundTable {
    /// Finds the files of a table.
    ///
    /// # Errors
    /// When there are none, or their format is not known or not one.
    pub fn find(given: &NamedTable, input_format: Option<Format>, text: &TextOptions) -> Result<Self, Failure> {
        let source = TableSource::find(&given.files).map_err(|error| given.unreadable(error))?;
        let example = match &source {
            TableSource::Standard => Location::Standard,
            TableSource::Stream(path) => Location::File(path.clone()),
            TableSource::Files(files) => Location::File(files.first().cloned().unwrap_or_default()),
            TableSource::Folder { files, .. } => Location::File(files.first().cloned().unwrap_or_default()),
        };
        let format = |location: &Location| {
            Format::of_input(location, None, "--input-format")
                .or_else(|error| input_format.ok_or(error))
                .map_err(Failure::usage)
        };
        // What is piped in has the format that is asked for; a name's extension counts more than the option.
        let first = match &source {
            TableSource::Standard => input_format.unwrap_or(Format::Csv),
            _ => format(&example)?,
        };
        if let TableSource::Files(files) = &source {
            for file in files {
                let other = format(&Location::File(file.clone()))?;
                if other != first {
                    let error = format!("its files are of several formats, such as {example} and {}", file.display());
                    return Err(given.unreadable(error));
                }
            }
        }
        Ok(Self { given: given.clone(), format: first, text: text.format_of(&given.name), source })
    }

    /// The files and folders that a session reads, as absolute paths.
    pub fn paths(&self) -> Vec<PathBuf> {
        match &self.source {
            // They have been read when statements run.
            TableSource::Standard | TableSource::Stream(_) => Vec::new(),
            TableSource::Files(files) => files.iter().map(|file| resolved(file)).collect(),
            TableSource::Folder { folder, .. } => vec![resolved(folder)],
        }
    }

    /// Whether the table comes from standard input.
    pub fn is_standard_input(&self) -> bool {
        self.source == TableSource::Standard
    }

    /// Makes the table known to a session.
    ///
    /// # Errors
    /// When it cannot be read, or the name is taken or none.
    pub async fn register(&self, session: &SessionContext) -> Result<(), Failure> {
        doing(Doing::Reading, &format!("table \"{}\": {}", self.given.name, self.given.files));
        match panics::caught(self.register_caught(session)).await {
            Ok(registered) => registered,
            Err(panic) => Err(self.given.unreadable(format!("its reader gave up, so it is damaged: {panic}"))),
        }
    }

    async fn register_caught(&self, session: &SessionContext) -> Result<(), Failure> {
        let name = TableReference::parse_str(&self.given.name);
        if session.table_exist(name.clone()).unwrap_or(false) {
            return Err(Failure::usage(format!("there are two tables \"{name}\"; give one another name")));
        }
        let unreadable = |error| self.given.unreadable_by(&error);
        let table = match &self.source {
            TableSource::Standard => self.table_of_stream(Location::Standard).await?,
            TableSource::Stream(path) => self.table_of_stream(Location::File(path.clone())).await?,
            TableSource::Files(files) => {
                Arc::new(self.table_of_files(session, files).await.map_err(unreadable)?) as Arc<_>
            }
            TableSource::Folder { folder, extension, files } => {
                Arc::new(self.table_of_folder(session, folder, extension, files).await.map_err(unreadable)?)
            }
        };
        declared::check_schema(&table.schema()).map_err(|error| self.given.unreadable(error))?;
        if self.format == Format::Arrow {
            self.check_arrow(&table.schema()).map_err(unreadable)?;
        }
        if table.schema().fields().is_empty() {
            return Err(self.given.unreadable("it has no columns; a table needs at least a header or a row"));
        }
        session
            .register_table(name, table)
            .map_err(|error| Failure::usage(format!("--table {}: {}", self.given.name, error.strip_backtrace())))?;
        Ok(())
    }

    /// A table of all that can be read there, which is read now.
    async fn table_of_stream(
        &self,
        location: Location,
    ) -> Result<Arc<dyn datafusion::catalog::TableProvider>, Failure> {
        let spool = Spool::of(&location, self.format)?;
        let input = files::open(Opening { location, format: self.format, text: self.text.clone() }, spool).await?;
        let batches: Vec<_> = input.batches.try_collect().await.map_err(|error| self.given.unreadable(error))?;
        let table = MemTable::try_new(input.schema, vec![batches]).map_err(|error| self.given.unreadable_by(&error))?;
        Ok(Arc::new(table))
    }

    async fn table_of_files(
        &self,
        session: &SessionContext,
        files: &[PathBuf],
    ) -> Result<ListingTable, DataFusionError> {
        let urls: Vec<_> = files.iter().map(|file| url(file, false)).collect::<Result<_, _>>()?;
        let (format, schema) = match self.text_files(files)? {
            Some(TextFiles { format, schema }) => (format, schema),
            None => {
                let format = reader(self.format, files)?;
                let mut objects = Vec::with_capacity(urls.len());
                let mut schema = Arc::new(Schema::empty());
                for url in &urls {
                    objects.push(session.runtime_env().object_store(url)?.head(url.prefix()).await?);
                }
                if let Some(url) = urls.first() {
                    let store = session.runtime_env().object_store(url)?;
                    schema = format.infer_schema(&session.state(), &store, &objects).await?;
                }
                (format, schema)
            }
        };
        let options = ListingOptions::new(format).with_file_extension("");
        ListingTable::try_new(
            ListingTableConfig::new_with_multi_paths(urls).with_listing_options(options).with_schema(schema),
        )
    }

    async fn table_of_folder(
        &self,
        session: &SessionContext,
        folder: &Path,
        extension: &str,
        files: &[PathBuf],
    ) -> Result<ListingTable, DataFusionError> {
        let state = session.state();
        let text = self.text_files(files)?;
        let format = match &text {
            Some(text) => Arc::clone(&text.format),
            None => reader(self.format, files)?,
        };
        let options = ListingOptions::new(format).with_file_extension(format!(".{extension}"));
        let config = ListingTableConfig::new(url(folder, true)?).with_listing_options(options);
        // Folders such as `year=2024` are columns.
        let config = config.infer_partitions_from_path(&state).await?;
        let schema = match text {
            Some(text) => text.schema,
            None => config.clone().infer_schema(&state).await?.file_schema.unwrap_or_else(|| Arc::new(Schema::empty())),
        };
        ListingTable::try_new(config.with_schema(schema))
    }

    /// Arrow's files have the table's columns, in its order: they are read by their places.
    fn check_arrow(&self, schema: &Schema) -> Result<(), DataFusionError> {
        let (TableSource::Files(files) | TableSource::Folder { files, .. }) = &self.source else { return Ok(()) };
        for file in files {
            let columns = arrow_columns(&File::open(file)?).map_err(|error| BadFile::of(file, error))?;
            // Behind them are those of the folders.
            let own: Vec<_> = (0..columns.fields().len().min(schema.fields().len())).collect();
            if let Some(problem) = other_columns(&columns, &schema.project(&own)?) {
                return Err(BadFile::error(file, problem));
            }
        }
        Ok(())
    }

    /// The files as tables of text, if they are of text.
    fn text_files(&self, files: &[PathBuf]) -> Result<Option<TextFiles>, DataFusionError> {
        self.format.is_text().then(|| text_files(files, self.format, &self.text)).transpose()
    }
}

impl NamedTable {
    fn unreadable(&self, error: impl std::fmt::Display) -> Failure {
        Failure::data(format!("table \"{}\": {} cannot be read", self.name, self.files), error)
    }

    fn unreadable_by(&self, error: &DataFusionError) -> Failure {
        self.unreadable(super::failure::plain_message(error))
    }
}

impl TableSource {
    fn find(files: &str) -> Result<Self, String> {
        if files == "-" {
            return Ok(Self::Standard);
        }
        let path = Path::new(files);
        if path.is_dir() {
            let mut found = Vec::new();
            collect_tables(path, &mut found)?;
            found.sort();
            let extension = |file: &PathBuf| file.extension().unwrap_or_default().to_string_lossy().into_owned();
            let extensions: BTreeSet<_> = found.iter().map(extension).collect();
            let extensions: Vec<_> = extensions.into_iter().collect();
            return match &extensions[..] {
                [] => Err("the folder has no .parquet, .csv, .json, .ndjson or .arrow file".to_owned()),
                [extension] => Ok(Self::Folder { folder: path.to_owned(), extension: extension.clone(), files: found }),
                several => Err(format!(
                    "the folder has files of several kinds: .{}; choose one by a pattern such as {}/*.{}",
                    several.join(", ."),
                    files.trim_end_matches('/'),
                    several[0],
                )),
            };
        }
        if path.exists() || !files.contains(['*', '?', '[']) {
            let metadata = path.metadata().map_err(|error| error.to_string())?;
            return Ok(match metadata.is_file() {
                true => Self::Files(vec![path.to_owned()]),
                false => Self::Stream(path.to_owned()),
            });
        }
        let mut found = Vec::new();
        for path in glob::glob(files).map_err(|error| format!("the pattern is not valid: {error}"))? {
            let path = path.map_err(|error| error.to_string())?;
            if path.is_file() {
                found.push(path);
            }
        }
        if found.is_empty() {
            return Err("no file matches the pattern".to_owned());
        }
        Ok(Self::Files(found))
    }
}

/// The files of tables in a folder, and in its folders of partitions (`NAME=VALUE`).
fn collect_tables(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), String> {
    let said = |error: std::io::Error| error.to_string();
    for entry in folder.read_dir().map_err(said)? {
        let path = entry.map_err(said)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && name.contains('=') {
            collect_tables(&path, found)?;
        } else if path.is_file() && Format::of_input(&Location::File(path.clone()), None, "").is_ok() {
            found.push(path);
        }
    }
    Ok(())
}

/// The reader of a format whose files say their columns themselves.
fn reader(format: Format, files: &[PathBuf]) -> Result<Arc<dyn FileFormat>, DataFusionError> {
    if format == Format::Arrow {
        return Ok(Arc::new(ArrowFormat));
    }
    let mut times = int96::Needs::default();
    let mut kinds = Kinds::default();
    for file in files {
        let opened = File::open(file)?;
        // What is wrong with a file is told by its reader.
        if let Ok(Some(metadata)) = declared::check(&opened, format) {
            times = times.and(int96::of_file(&opened, &metadata)?);
            kinds.floats |= parquet_tables::has_floats(&metadata);
        }
    }
    kinds.microseconds = times.microseconds()?;
    Ok(Arc::new(ParquetTable(parquet_tables::reader(TableParquetOptions::default(), kinds))))
}

/// The URL of a file or folder, whatever characters its name has.
fn url(path: &Path, folder: bool) -> Result<ListingTableUrl, DataFusionError> {
    let path = resolved(path);
    let url = if folder { url::Url::from_directory_path(&path) } else { url::Url::from_file_path(&path) };
    let url = url.map_err(|()| DataFusionError::Execution(format!("{} is no path", path.display())))?;
    ListingTableUrl::try_new(url, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_a_name_and_files() {
        let table: NamedTable = "t=a=b.csv".parse().unwrap();
        assert_eq!((table.name.as_str(), table.files.as_str()), ("t", "a=b.csv"));
        for wrong in ["t", "=a.csv", "t=", ""] {
            assert!(wrong.parse::<NamedTable>().is_err(), "{wrong}");
        }
    }
}
