//! Zip files: archives, python files and wheels.
//!
//! The central directory is read twice, an entry at a time. The first reading judges the archive as a whole: number
//! of entries, declared sizes, and whether two entries share bytes (which is how a small file holds a petabyte). The
//! second extracts. Each entry's local header must agree with the central directory, and its content with its declared
//! size and checksum, so no two readers can see two different archives.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use ::zip::read::{Config, ZipFileEntry};
use ::zip::result::ZipError;
use ::zip::unstable::read::ZipIterable;
use ::zip::{CompressionMethod, System, ZipReadOptions};

use super::Destination;
use super::budget::Budget;
use crate::error::{EnvironmentError, Origin, Refusal, WriteError};
use crate::limits::MaterializeLimits;
use crate::tree::EntryPath;

const TYPE_MASK: u32 = 0o170_000;
/// Size of a local file header without name and extra field.
const LOCAL_HEADER: u64 = 30;

/// An opened zip file whose directory was judged.
pub(crate) struct ZipEntries<'a> {
    archive: ZipIterable<BufReader<Positioned>>,
    content: BufReader<Positioned>,
    size: u64,
    origin: &'a Origin,
    limits: &'a MaterializeLimits,
}

/// What an entry is, by its Unix mode or its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ZipKind {
    Directory,
    File,
    Symlink,
}

/// One entry of a zip file.
pub(crate) struct ZipEntry<'a> {
    /// Where it goes, below the target.
    pub path: EntryPath,
    pub kind: ZipKind,
    /// Permission bits, when the archive has any for it.
    pub mode: Option<u32>,
    /// Declared size of the content in bytes, which [`ZipContent`] enforces.
    pub size: u64,
    entry: ZipFileEntry<'static>,
    content: &'a mut BufReader<Positioned>,
}

pub(super) fn extract(destination: &mut Destination<'_, '_>, archive: File) -> Result<(), EnvironmentError> {
    let (origin, limits) = (destination.origin, destination.writer.limits());
    let mut entries = ZipEntries::open(archive, limits, origin)?;
    let mut budget = Budget::new(entries.size, limits);
    entries.each(&mut |entry| {
        let (path, place) = (entry.path.clone(), destination.target.join(&entry.path));
        budget.take(entry.size).map_err(|refusal| origin.refused(path.as_str(), refusal))?;
        match entry.kind {
            ZipKind::Directory => destination.writer.directory(&place, entry.mode),
            ZipKind::File if destination.writer.is_dry_run() => {
                destination.writer.dry_run_file(&place, entry.size).map_err(WriteError::Refused)
            }
            ZipKind::File => {
                let (mode, mut content) = (entry.mode, entry.content(origin)?);
                let written = destination.writer.file(&place, mode, &mut content, &mut |_| {});
                written.and_then(|_| content.check().map_err(WriteError::Refused))
            }
            ZipKind::Symlink => {
                let link = entry.content(origin)?.read_small(limits.path_bytes as u64);
                let link = link.map_err(|error| origin.failed(path.as_str(), error))?;
                return destination.symlink(&path, &link);
            }
        }
        .map_err(|error| origin.failed(path.as_str(), error))
    })
}

impl<'a> ZipEntries<'a> {
    pub(crate) fn open(
        archive: File,
        limits: &'a MaterializeLimits,
        origin: &'a Origin,
    ) -> Result<Self, EnvironmentError> {
        let damaged = |error| origin.damaged(None, error);
        let content = Positioned::open(&archive).map_err(damaged)?;
        let size = content.get_ref().size;
        let mut archive = ZipIterable::try_new(Positioned::open(&archive).map_err(damaged)?, Config::default())
            .map_err(|error| EnvironmentError::NotZip { path: origin.path().to_owned(), source: error.into() })?
            .enforce_header_consistency(true);
        judge(&mut archive, size, limits, origin)?;
        Ok(Self { archive, content, size, origin, limits })
    }

    /// Hands every entry to `visit`, in the order of the central directory.
    pub(crate) fn each(
        &mut self,
        visit: &mut dyn FnMut(ZipEntry<'_>) -> Result<(), EnvironmentError>,
    ) -> Result<(), EnvironmentError> {
        let origin = self.origin;
        for entry in self.archive.files().map_err(|error| origin.damaged(None, error.into()))? {
            let entry = entry.map_err(|error| zip_error(origin, None, error))?;
            let name = entry.name_raw().to_vec();
            let refused = |refusal| origin.refused_bytes(&name, refusal);
            let Some(path) = EntryPath::parse(&name, self.limits).map_err(refused)? else { continue };
            let kind = kind_of(&entry).map_err(refused)?;
            let size = if kind == ZipKind::Directory { 0 } else { entry.size() };
            let mode = unix_mode(&entry).map(|mode| mode & 0o777).filter(|&mode| mode != 0);
            visit(ZipEntry { path, kind, mode, size, entry, content: &mut self.content })?;
        }
        Ok(())
    }
}

impl<'a> ZipEntry<'a> {
    /// Opens the entry's content.
    pub(crate) fn content(self, origin: &Origin) -> Result<ZipContent<'a>, EnvironmentError> {
        let declared = self.size;
        let path = self.path;
        let reader = self
            .entry
            .with_reader(self.content, ZipReadOptions::new())
            .map_err(|error| zip_error(origin, Some(path.as_str()), error))?;
        Ok(ZipContent { reader: Box::new(reader), declared, actual: 0 })
    }
}

/// An entry's content: never more than a byte beyond its declared size.
pub(crate) struct ZipContent<'a> {
    reader: Box<dyn Read + 'a>,
    declared: u64,
    actual: u64,
}

impl ZipContent<'_> {
    /// Whether all of the content came, to be asked at its end.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        if self.actual == self.declared {
            Ok(())
        } else {
            Err(Refusal::Size { declared: self.declared, actual: self.actual })
        }
    }

    /// The whole content, when it has at most `limit` bytes.
    pub(crate) fn read_small(mut self, limit: u64) -> Result<Vec<u8>, WriteError> {
        if self.declared > limit {
            return Err(Refusal::FileTooBig { limit }.into());
        }
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes).map_err(WriteError::Read)?;
        self.check()?;
        Ok(bytes)
    }
}

impl Read for ZipContent<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.actual > self.declared {
            return Ok(0);
        }
        let count = self.reader.read(buffer)?;
        self.actual += count as u64;
        if self.actual > self.declared {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it holds more than its declared size"));
        }
        Ok(count)
    }
}

/// Refuses an archive by what its directory says, before anything of it is written.
fn judge(
    archive: &mut ZipIterable<BufReader<Positioned>>,
    archive_size: u64,
    limits: &MaterializeLimits,
    origin: &Origin,
) -> Result<(), EnvironmentError> {
    let whole = |refusal| origin.refused("(all)", refusal);
    if archive.len() as u64 > limits.entries {
        return Err(whole(Refusal::TooManyEntries { limit: limits.entries }));
    }
    let mut budget = Budget::new(archive_size, limits);
    let mut total = 0u64;
    let mut extents = Vec::new();
    for entry in archive.files().map_err(|error| origin.damaged(None, error.into()))? {
        let entry = entry.map_err(|error| zip_error(origin, None, error))?;
        let refused = |refusal| origin.refused_bytes(entry.name_raw(), refusal);
        if entry.encrypted() {
            return Err(refused(Refusal::Encrypted));
        }
        if !matches!(entry.compression(), CompressionMethod::Stored | CompressionMethod::Deflated) {
            return Err(refused(Refusal::CompressionMethod));
        }
        if entry.size() > limits.file_bytes {
            return Err(refused(Refusal::FileTooBig { limit: limits.file_bytes }));
        }
        total = total.saturating_add(entry.size());
        if total > limits.total_bytes {
            return Err(refused(Refusal::TooManyBytes { limit: limits.total_bytes }));
        }
        budget.take(entry.size()).map_err(refused)?;
        let end = (entry.header_start() + LOCAL_HEADER)
            .saturating_add(entry.name_raw().len() as u64)
            .saturating_add(entry.compressed_size());
        extents.push((entry.header_start(), end, entry.central_header_start()));
    }
    extents.sort_unstable();
    let overlap = extents.windows(2).find(|pair| pair[0].1 > pair[1].0).map(|pair| pair[1].2);
    let Some(position) = overlap else { return Ok(()) };
    for entry in archive.files().map_err(|error| origin.damaged(None, error.into()))? {
        let entry = entry.map_err(|error| zip_error(origin, None, error))?;
        if entry.central_header_start() == position {
            return Err(origin.refused_bytes(entry.name_raw(), Refusal::Overlap));
        }
    }
    Err(whole(Refusal::Overlap))
}

/// Mode and type bits as Unix wrote them; `None` when another system made the archive.
fn unix_mode(entry: &ZipFileEntry<'_>) -> Option<u32> {
    matches!(entry.system(), System::Unix | System::OsDarwin).then(|| entry.external_attributes() >> 16)
}

fn kind_of(entry: &ZipFileEntry<'_>) -> Result<ZipKind, Refusal> {
    let is_directory = entry.name_raw().ends_with(b"/");
    match unix_mode(entry).unwrap_or(0) & TYPE_MASK {
        0 if is_directory => Ok(ZipKind::Directory),
        0 => Ok(ZipKind::File),
        0o040_000 => Ok(ZipKind::Directory),
        0o100_000 if is_directory => Err(Refusal::Headers("whether it is a directory")),
        0o100_000 => Ok(ZipKind::File),
        0o120_000 => Ok(ZipKind::Symlink),
        0o010_000 => Err(Refusal::SpecialFile("fifo")),
        0o140_000 => Err(Refusal::SpecialFile("socket")),
        _ => Err(Refusal::SpecialFile("device")),
    }
}

fn zip_error(origin: &Origin, entry: Option<&str>, error: ZipError) -> EnvironmentError {
    origin.damaged(entry, error.into())
}

/// A file with a position of its own: the directory and the contents are read in turn, and two clones of a handle would
/// share one position.
#[derive(Debug)]
struct Positioned {
    file: File,
    position: u64,
    size: u64,
}

impl Positioned {
    fn open(file: &File) -> io::Result<BufReader<Self>> {
        let file = file.try_clone()?;
        let size = file.metadata()?.len();
        Ok(BufReader::new(Self { file, position: 0, size }))
    }
}

impl Read for Positioned {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Positioned {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.size.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
