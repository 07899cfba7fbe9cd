//! The files that statements may reach: those that the command line named.
//!
//! ```text
//!   statement -> DataFusion -> NamedFiles -> LocalFileSystem
//!                                 | a path that is neither a table's nor below a folder of --allow: an error that says so
//! ```
//!
//! A file that is read is opened here, by the path that was checked and without following another link, so that what a link leads to cannot
//! change in between. It has to be a regular file: a pipe would keep its reader waiting for ever. What it declares about itself is checked the
//! first time ([`declared`]), because the readers behind believe it.
//!
//! The process sandbox (Landlock) keeps code that escapes from a sandbox away from other files. This keeps SQL away from them,
//! with a sentence instead of `Permission denied`, and also where the kernel has no Landlock.

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use datafusion::object_store::local::LocalFileSystem;
use datafusion::object_store::path::Path;
use datafusion::object_store::{
    Attributes, CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};
use futures::StreamExt;
use futures::stream::{self, BoxStream};

use bytes::Bytes;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};

use crate::files::declared::{self, Misdeclared};

/// What errors call this.
const STORE: &str = "named files";

/// The local file system, but only what was named of it.
#[derive(Debug)]
pub struct NamedFiles {
    files: LocalFileSystem,
    names: Arc<Names>,
    checked: Arc<Mutex<HashSet<Identity>>>,
}

/// A file whose declarations were checked, as it was then.
type Identity = (u64, u64, u64, SystemTime);

/// What was named, as absolute paths.
#[derive(Debug, Default)]
pub struct Names {
    /// Files and folders that may be read.
    pub tables: Vec<PathBuf>,
    /// Folders in which files may be read and written.
    pub folders: Vec<PathBuf>,
}

/// A statement wants a file that was not named.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} may not be {} by a statement: it was not named; name {}", path.display(), intent.done(), intent.how(path)
)]
pub struct NotNamed {
    path: PathBuf,
    intent: Intent,
}

/// What a statement wants to do to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    Read,
    Write,
}

impl Intent {
    fn done(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "written",
        }
    }

    fn how(self, path: &FilePath) -> String {
        let folder = if path.is_dir() { path } else { path.parent().unwrap_or(path) }.display();
        match self {
            Self::Read => format!("it with --table NAME=FILE, or its folder with --allow {folder}"),
            Self::Write => format!("its folder with --allow {folder}, or write the query's rows with --output"),
        }
    }
}

impl Names {
    /// Whether `path` may be reached.
    ///
    /// # Errors
    /// That it was not named.
    pub fn check(&self, path: &FilePath, intent: Intent) -> std::result::Result<(), NotNamed> {
        // What a link leads to counts, so that a link in an allowed folder leads nowhere else.
        let path = resolved(path);
        let below = |named: &PathBuf| path.starts_with(named);
        let allowed = match intent {
            Intent::Read => self.tables.iter().any(below) || self.folders.iter().any(below),
            Intent::Write => self.folders.iter().any(below),
        };
        if allowed { Ok(()) } else { Err(NotNamed { path, intent }) }
    }

    /// Opens a regular file that may be read.
    fn open(&self, path: &FilePath) -> std::result::Result<File, OpenError> {
        self.check(path, Intent::Read)?;
        let path = resolved(path);
        // The path has no links, and must have none now.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let no_links = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let file =
            File::from(rustix::fs::openat2(CWD, &path, flags, Mode::empty(), no_links).map_err(io::Error::from)?);
        match file.metadata()?.is_file() {
            true => Ok(file),
            false => Err(io::Error::other(format!("{} is no regular file", path.display())).into()),
        }
    }
}

/// Why a file was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    NotNamed(#[from] NotNamed),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{}: {problem}", path.display())]
    Misdeclared { path: PathBuf, problem: Misdeclared },
}

/// Checks what a file declares, unless that was done and it is the same file still.
fn check_declarations(
    file: &File,
    path: &FilePath,
    checked: &Mutex<HashSet<Identity>>,
) -> std::result::Result<(), OpenError> {
    let metadata = file.metadata()?;
    let identity = (metadata.dev(), metadata.ino(), metadata.len(), metadata.modified()?);
    // A set that a panic left is one of files that were checked.
    let known = || checked.lock().unwrap_or_else(PoisonError::into_inner);
    if !known().contains(&identity) {
        declared::check_unknown(file, path)
            .map_err(|problem| OpenError::Misdeclared { path: path.to_owned(), problem })?;
        known().insert(identity);
    }
    Ok(())
}

/// The path without links, as far as it exists.
pub fn resolved(path: &FilePath) -> PathBuf {
    if let Ok(path) = path.canonicalize() {
        return path;
    }
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => resolved(parent).join(name),
        _ => path.to_owned(),
    }
}

impl NamedFiles {
    /// Reaches what `names` names.
    pub fn new(names: Arc<Names>) -> Self {
        Self { files: LocalFileSystem::new(), names, checked: Arc::default() }
    }

    fn check(&self, location: &Path, intent: Intent) -> Result<()> {
        let path = self.files.path_to_filesystem(location)?;
        self.names.check(&path, intent).map_err(|error| Error::Generic { store: STORE, source: Box::new(error) })
    }

    /// Opens a file for reading, away from the executor's threads; `whole`: its bytes are wanted, and not only what is known of it.
    async fn open(&self, location: &Path, whole: bool) -> Result<(File, PathBuf)> {
        let path = self.files.path_to_filesystem(location)?;
        let (names, checked, shown) = (Arc::clone(&self.names), Arc::clone(&self.checked), location.to_string());
        let opened = tokio::task::spawn_blocking(move || {
            let file = names.open(&path)?;
            if whole {
                check_declarations(&file, &path, &checked)?;
            }
            Ok::<_, OpenError>((file, path))
        });
        let opened = opened.await.map_err(|error| Error::Generic { store: STORE, source: Box::new(error) })?;
        opened.map_err(|error| match error {
            OpenError::Io(error) if error.kind() == io::ErrorKind::NotFound => {
                Error::NotFound { path: shown, source: Box::new(error) }
            }
            OpenError::NotNamed(error) => Error::Generic { store: STORE, source: Box::new(error) },
            error => Error::Generic { store: STORE, source: Box::new(error) },
        })
    }

    /// A folder may be listed when it, or all that is in it, may be read.
    fn check_listing(&self, prefix: Option<&Path>) -> Result<()> {
        self.check(prefix.unwrap_or(&Path::default()), Intent::Read)
    }
}

impl fmt::Display for NamedFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("named files")
    }
}

#[async_trait]
impl ObjectStore for NamedFiles {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.check(location, Intent::Write)?;
        self.files.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.check(location, Intent::Write)?;
        self.files.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let (file, path) = self.open(location, !options.head).await?;
        let metadata = file.metadata().map_err(|error| Error::Generic { store: STORE, source: Box::new(error) })?;
        let modified = metadata.modified().map_err(|error| Error::Generic { store: STORE, source: Box::new(error) })?;
        let meta = ObjectMeta {
            location: location.clone(),
            last_modified: modified.into(),
            size: metadata.len(),
            e_tag: None,
            version: None,
        };
        options.check_preconditions(&meta)?;
        let range = match options.range {
            Some(range) => {
                range.as_range(meta.size).map_err(|error| Error::Generic { store: STORE, source: Box::new(error) })?
            }
            None => 0..meta.size,
        };
        Ok(GetResult { payload: GetResultPayload::File(file, path), meta, range, attributes: Attributes::default() })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let (file, _) = self.open(location, true).await?;
        let ranges = ranges.to_vec();
        let read = tokio::task::spawn_blocking(move || {
            let size = file.metadata()?.len();
            let read = |range: Range<u64>| {
                let length = range.end.min(size).checked_sub(range.start).ok_or(io::ErrorKind::UnexpectedEof)?;
                let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
                file.read_exact_at(&mut bytes, range.start)?;
                Ok(Bytes::from(bytes))
            };
            ranges.into_iter().map(read).collect::<io::Result<Vec<_>>>()
        });
        let read = read.await.map_err(|error| Error::Generic { store: STORE, source: Box::new(error) })?;
        read.map_err(|error| Error::Generic { store: STORE, source: Box::new(error) })
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (names, files) = (Arc::clone(&self.names), LocalFileSystem::new());
        let checked = locations.map(move |location| {
            let location = location?;
            let path = files.path_to_filesystem(&location)?;
            names
                .check(&path, Intent::Write)
                .map_err(|error| Error::Generic { store: STORE, source: Box::new(error) })?;
            Ok(location)
        });
        self.files.delete_stream(checked.boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.check_listing(prefix) {
            Ok(()) => self.files.list(prefix),
            Err(error) => stream::once(async { Err(error) }).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.check_listing(prefix)?;
        self.files.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.check(from, Intent::Read)?;
        self.check(to, Intent::Write)?;
        self.files.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.check(from, Intent::Write)?;
        self.check(to, Intent::Write)?;
        self.files.rename_opts(from, to, options).await
    }
}
