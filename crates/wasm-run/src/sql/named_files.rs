//! The files that statements may reach: those that the command line named.
//!
//! ```text
//!   statement -> DataFusion -> NamedFiles -> LocalFileSystem
//!                                 | a path that is neither a table's nor below a folder of --allow: an error that says so
//! ```
//!
//! The second wall (Landlock) keeps code that escapes from a sandbox away from other files. This keeps SQL away from them,
//! with a sentence instead of `Permission denied`, and also where the kernel has no Landlock.

use std::fmt;
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::object_store::local::LocalFileSystem;
use datafusion::object_store::path::Path;
use datafusion::object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};
use futures::StreamExt;
use futures::stream::{self, BoxStream};

use bytes::Bytes;

/// The local file system, but only what was named of it.
#[derive(Debug)]
pub struct NamedFiles {
    files: LocalFileSystem,
    names: Arc<Names>,
}

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
        Self { files: LocalFileSystem::new(), names }
    }

    fn check(&self, location: &Path, intent: Intent) -> Result<()> {
        let path = self.files.path_to_filesystem(location)?;
        self.names
            .check(&path, intent)
            .map_err(|error| Error::Generic { store: "named files", source: Box::new(error) })
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
        self.check(location, Intent::Read)?;
        self.files.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.check(location, Intent::Read)?;
        self.files.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (names, files) = (Arc::clone(&self.names), LocalFileSystem::new());
        let checked = locations.map(move |location| {
            let location = location?;
            let path = files.path_to_filesystem(&location)?;
            names
                .check(&path, Intent::Write)
                .map_err(|error| Error::Generic { store: "named files", source: Box::new(error) })?;
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
