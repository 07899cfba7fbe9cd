//! What a file declares about itself, checked before a reader believes it.
//!
//! The readers of Arrow and Parquet take lengths, counts and offsets as they find them: a number of eight bytes makes them ask for all
//! memory there is, or end early with fewer rows than there are. So a file is looked through first, from declaration to declaration and
//! without its data:
//!
//! ```text
//!   parquet ─ footer, schema, row groups, every page's header, page index    (thrift ─ the encoding of all of these)
//!   arrow ─── every message's header, the table of contents at the end
//!   schema ── how many columns, how deep, how large one value can be
//! ```
//!
//! What is checked: that everything lies within the file, that counts agree where a file says them twice, and that the size of what
//! is compressed is one that it can have. Data itself is not checked: that is what readers do, and where they panic instead, the panic is the
//! file's failure (`crate::panics`). What a reader allocates although the file could have that much is bounded by the command's memory
//! (`crate::supervisor::memory`).

mod arrow;
mod parquet;
mod schema;
mod thrift;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use ::parquet::file::metadata::ParquetMetaData;

use super::Format;

pub use self::arrow::CheckedStream;
pub use self::schema::check as check_schema;

/// What a file's declarations say that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Misdeclared(String);

impl Misdeclared {
    fn new(problem: impl Into<String>) -> Self {
        Self(problem.into())
    }
}

impl From<std::io::Error> for Misdeclared {
    fn from(error: std::io::Error) -> Self {
        Self(format!("it ends early, or cannot be read: {error}"))
    }
}

impl From<Misdeclared> for arrow_schema::ArrowError {
    fn from(error: Misdeclared) -> Self {
        Self::ExternalError(Box::new(error))
    }
}

/// Checks a file of a format; of Parquet, gives what its footer says.
///
/// # Errors
/// The first declaration that cannot be.
pub fn check(file: &File, format: Format) -> Result<Option<Arc<ParquetMetaData>>, Misdeclared> {
    match format {
        Format::Parquet => parquet::check(file).map(Some),
        Format::Arrow => arrow::check(file).map(|()| None),
        Format::Csv | Format::Json => Ok(None),
    }
}

/// The longer one of the magic numbers that a file can end with.
const MAGIC_BYTES: usize = arrow::MAGIC.len();

/// Checks a file whose format only its name and its bytes tell; a file of text has nothing to declare.
///
/// # Errors
/// The first declaration that cannot be.
pub fn check_unknown(file: &File, path: &Path) -> Result<(), Misdeclared> {
    let size = file.metadata()?.len();
    let mut first = [0; 8];
    let mut last = [0; MAGIC_BYTES];
    if size < first.len() as u64 {
        return Ok(());
    }
    file.read_exact_at(&mut first, 0)?;
    file.read_exact_at(&mut last, size - MAGIC_BYTES as u64)?;
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_ascii_lowercase();
    let is_parquet = extension == "parquet" || first.starts_with(parquet::MAGIC) || last.ends_with(parquet::MAGIC);
    let is_arrow = extension == "arrow" || first.starts_with(arrow::MAGIC) || last == *arrow::MAGIC;
    match (is_parquet, is_arrow) {
        (true, _) => check(file, Format::Parquet).map(|_| ()),
        (_, true) => check(file, Format::Arrow).map(|_| ()),
        _ => Ok(()),
    }
}
