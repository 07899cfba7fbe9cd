//! Files that say their columns themselves, Parquet and Arrow: what they say, and how they have to be read for it.

use std::any::Any;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::error::ArrowError;
use arrow::ipc::reader::{FileReader, StreamReader};
use arrow_schema::{Schema, SchemaRef};
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::error::{DataFusionError, Result};
use datafusion::object_store::path::Path;
use datafusion::object_store::{GetOptions, GetResultPayload, ObjectMeta, ObjectStore};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};

use super::columns::{difference, other_columns};
use crate::files::{Format, declared, int96};
use crate::sql::parquet_tables::{self, Kinds};
use crate::sql::text_files::BadFile;

/// The files of a statement, as far as they were looked at.
#[derive(Debug)]
pub struct ColumnarFiles {
    format: Format,
    known: Mutex<HashMap<Path, (ObjectMeta, Arc<Said>)>>,
}

/// What a file says.
#[derive(Debug)]
struct Said {
    columns: SchemaRef,
    /// The same with microseconds for INT96.
    in_microseconds: SchemaRef,
    /// What its INT96 times need.
    times: int96::Needs,
    /// Whether it is of Parquet and has floats.
    floats: bool,
}

impl ColumnarFiles {
    /// No files yet.
    pub fn new(format: Format) -> Self {
        Self { format, known: Mutex::default() }
    }

    /// The reader of these files, which is `own` in all but what it would change; for columns that were `declared`, if they were.
    ///
    /// # Errors
    /// When a file cannot be read, or does not have the declared columns.
    pub async fn reader(
        &self,
        own: &Arc<dyn FileFormat>,
        store: &Arc<dyn ObjectStore>,
        objects: &[ObjectMeta],
        declared: Option<&SchemaRef>,
    ) -> Result<Arc<dyn FileFormat>> {
        let mut said = Vec::with_capacity(objects.len());
        let mut times = int96::Needs::default();
        for object in objects {
            let of_file = self.said(store, object).await?;
            times = times.and(of_file.times);
            // The first file that cannot be read in one unit with those before it is the one to name.
            times.microseconds().map_err(|error| BadFile::of(&path_of(object), error))?;
            said.push(of_file);
        }
        let microseconds = times.microseconds()?;
        let mut missing: Vec<_> = declared.into_iter().flat_map(|columns| columns.fields().iter()).collect();
        for (said, object) in said.iter().zip(objects) {
            missing.retain(|field| said.columns.fields().find(field.name()).is_none());
            let columns = if microseconds { &said.in_microseconds } else { &said.columns };
            let problem = declared.and_then(|declared| match self.format {
                Format::Arrow => other_columns(columns, declared),
                _ => difference(columns, declared),
            });
            if let Some(problem) = problem {
                return Err(BadFile::error(&path_of(object), problem));
            }
        }
        if let (Some(field), Some(object)) = (missing.first(), objects.first()) {
            let problem = format!("there is no column {:?}, which the statement names", field.name());
            return Err(BadFile::error(&path_of(object), problem));
        }
        let any: &dyn Any = &**own;
        match any.downcast_ref::<ParquetFormat>() {
            Some(parquet) => {
                let kinds = Kinds { microseconds, floats: said.iter().any(|said| said.floats) };
                Ok(Arc::new(parquet_tables::reader(parquet.options().clone(), kinds)))
            }
            None => Ok(Arc::clone(own)),
        }
    }

    /// What a file says; it is looked at once, unless it has changed.
    async fn said(&self, store: &Arc<dyn ObjectStore>, object: &ObjectMeta) -> Result<Arc<Said>> {
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, said)) = known().get(&object.location).filter(|(meta, _)| meta == object) {
            return Ok(Arc::clone(said));
        }
        let (file, path) = opened(store, object).await?;
        let format = self.format;
        let said = tokio::task::spawn_blocking(move || look(&file, format).map_err(|error| BadFile::of(&path, error)));
        let said = Arc::new(said.await.map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))??);
        known().insert(object.location.clone(), (object.clone(), Arc::clone(&said)));
        Ok(said)
    }
}

/// A file of a store of files, and its path.
///
/// # Errors
/// When it cannot be opened.
pub async fn opened(store: &Arc<dyn ObjectStore>, object: &ObjectMeta) -> Result<(File, PathBuf)> {
    match store.get_opts(&object.location, GetOptions::default()).await?.payload {
        GetResultPayload::File(file, path) => Ok((file, path)),
        GetResultPayload::Stream(_) => Err(DataFusionError::Internal("a file is no file".to_owned())),
    }
}

fn path_of(object: &ObjectMeta) -> PathBuf {
    FilePath::new("/").join(object.location.as_ref())
}

fn look(file: &File, format: Format) -> Result<Said, ArrowError> {
    match declared::check(file, format)? {
        Some(metadata) => {
            let (times, old) = (int96::of_file(file, &metadata)?, int96::leaves(&metadata));
            let floats = parquet_tables::has_floats(&metadata);
            let columns = Arc::clone(ArrowReaderMetadata::try_new(metadata, ArrowReaderOptions::default())?.schema());
            Ok(Said { in_microseconds: int96::in_microseconds(&columns, &old), columns, times, floats })
        }
        None => {
            let columns = arrow_columns(file)?;
            Ok(Said { in_microseconds: Arc::clone(&columns), columns, times: int96::Needs::default(), floats: false })
        }
    }
}

/// The columns of a file of Arrow, in the format of files or of streams.
///
/// # Errors
/// When it is none.
pub fn arrow_columns(mut file: &File) -> Result<SchemaRef, ArrowError> {
    file.seek(SeekFrom::Start(0))?;
    let mut first = Vec::new();
    file.take(ARROW_FILE_MAGIC.len() as u64).read_to_end(&mut first)?;
    file.seek(SeekFrom::Start(0))?;
    let schema: Arc<Schema> = match first == ARROW_FILE_MAGIC {
        true => FileReader::try_new(BufReader::new(file), None)?.schema(),
        false => StreamReader::try_new(BufReader::new(file), None)?.schema(),
    };
    Ok(schema)
}

/// What a file in the format of files begins with.
const ARROW_FILE_MAGIC: &[u8] = b"ARROW1";
