//! Tar files, plain or gzipped.
//!
//! The `tar` crate reads headers; names that come in entries of their own (GNU long names, PAX records) are read here,
//! because they must be bounded before they are in memory. Hard links reach only files already extracted from below
//! the same target, and nothing is written through a symbolic link, so the order of entries gives no power.

use std::fs::File;
use std::io::{self, BufReader, Read};

use ::tar::{Archive, Entry, EntryType, PaxExtensions};
use flate2::read::MultiGzDecoder;

use super::Destination;
use super::budget::Budget;
use crate::error::{EnvironmentError, Refusal, WriteError};
use crate::limits::MaterializeLimits;
use crate::tree::EntryPath;

/// Bytes that PAX records of one entry may take; they carry times and attributes besides names.
const PAX_BYTES: u64 = 64 << 10;

pub(super) fn extract(
    destination: &mut Destination<'_, '_>,
    archive: File,
    gzip: bool,
) -> Result<(), EnvironmentError> {
    let origin = destination.origin;
    let size = archive.metadata().map_err(|error| origin.damaged(None, error))?.len();
    let archive = BufReader::new(archive);
    let content: Box<dyn Read> = if gzip { Box::new(MultiGzDecoder::new(archive)) } else { Box::new(archive) };
    let mut archive = Archive::new(Bounded::new(content, size, destination.writer.limits()));
    let mut entries = Entries { names: Names::default(), count: 0, destination };
    let result = entries.extract_all(&mut archive);
    // The bound lies below the tar reader, which knows only that reading failed.
    let mut content = archive.into_inner();
    match result {
        Err(error) => Err(match (content.refusal.take(), error) {
            (Some(refusal), EnvironmentError::Damaged { entry: Some(entry), .. }) => origin.refused(&entry, refusal),
            (Some(refusal), _) => origin.refused("(all)", refusal),
            (None, error) => error,
        }),
        Ok(()) => content.drain().map_err(|error| match content.refusal.take() {
            Some(refusal) => origin.refused("(all)", refusal),
            None => origin.damaged(None, error),
        }),
    }
}

struct Entries<'a, 'd, 'w> {
    names: Names,
    count: u64,
    destination: &'a mut Destination<'d, 'w>,
}

/// Names for the next entry, given by entries before it.
#[derive(Debug, Default)]
struct Names {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
}

impl Entries<'_, '_, '_> {
    fn extract_all(&mut self, archive: &mut Archive<Bounded>) -> Result<(), EnvironmentError> {
        let origin = self.destination.origin;
        let limit = self.destination.writer.limits().entries;
        for entry in archive.entries().map_err(|error| origin.damaged(None, error))?.raw(true) {
            let mut entry = entry.map_err(|error| origin.damaged(None, error))?;
            self.count += 1;
            // Each entry may have a long name, a long link name and PAX records before it.
            if self.count > limit.saturating_mul(4) {
                return Err(origin.refused("(all)", Refusal::TooManyEntries { limit }));
            }
            let kind = entry.header().entry_type();
            if !self.read_names(kind, &mut entry)? {
                self.extract_entry(kind, &mut entry)?;
            }
        }
        Ok(())
    }

    /// Takes in an entry that only describes the next one; `false` when it is a real one.
    fn read_names(&mut self, kind: EntryType, entry: &mut Entry<'_, impl Read>) -> Result<bool, EnvironmentError> {
        let origin = self.destination.origin;
        let name = entry.path_bytes().into_owned();
        let failed = |error| match error {
            WriteError::Refused(refusal) => origin.refused_bytes(&name, refusal),
            WriteError::Read(error) | WriteError::Write(error) => {
                origin.damaged(Some(&String::from_utf8_lossy(&name)), error)
            }
        };
        let name_bytes = self.destination.writer.limits().path_bytes as u64 + 1;
        match kind {
            EntryType::GNULongName => {
                self.names.path = Some(without_nul(read_small(entry, name_bytes).map_err(failed)?))
            }
            EntryType::GNULongLink => {
                self.names.link = Some(without_nul(read_small(entry, name_bytes).map_err(failed)?))
            }
            EntryType::XHeader => {
                let records = read_small(entry, PAX_BYTES).map_err(failed)?;
                self.names.read_pax(&records).map_err(failed)?;
            }
            EntryType::XGlobalHeader => {
                let records = read_small(entry, PAX_BYTES).map_err(failed)?;
                let mut names = Names::default();
                names.read_pax(&records).map_err(failed)?;
                if names.path.is_some() || names.link.is_some() || names.size.is_some() {
                    return Err(failed(Refusal::Headers("names: it gives one to all entries").into()));
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn extract_entry(&mut self, kind: EntryType, entry: &mut Entry<'_, impl Read>) -> Result<(), EnvironmentError> {
        let Destination { writer, target, origin, .. } = &mut *self.destination;
        let (target, origin) = (*target, *origin);
        let names = std::mem::take(&mut self.names);
        let name = names.path.unwrap_or_else(|| entry.path_bytes().into_owned());
        let refused = |refusal| origin.refused_bytes(&name, refusal);
        let size = entry.header().entry_size().map_err(|error| origin.damaged(None, error))?;
        if names.size.is_some_and(|pax| pax != size) {
            return Err(refused(Refusal::Headers("its size")));
        }
        // A name that leaves the target is refused whatever the entry is.
        let path = EntryPath::parse(&name, writer.limits()).map_err(refused)?;
        let link = names.link.or_else(|| entry.link_name_bytes().map(|link| link.into_owned())).unwrap_or_default();
        let mode = entry.header().mode().ok().filter(|mode| mode & 0o777 != 0);
        let Some(path) = path else {
            return if kind.is_dir() { Ok(()) } else { Err(refused(Refusal::EmptyName)) };
        };
        let place = target.join(&path);
        let failed = |error| origin.failed(path.as_str(), error);
        match kind {
            // Version 7 had no type for directories: a slash at the end of the name says it.
            EntryType::Regular if name.ends_with(b"/") => writer.directory(&place, mode).map_err(failed),
            EntryType::Regular => {
                let written = if writer.is_dry_run() {
                    writer.dry_run_file(&place, size).map_err(refused)?;
                    // The next entry lies behind it.
                    io::copy(entry, &mut io::sink()).map_err(|error| failed(WriteError::Read(error)))?
                } else {
                    writer.file(&place, mode, entry, &mut |_| {}).map_err(failed)?
                };
                let short = io::Error::new(io::ErrorKind::UnexpectedEof, "the archive ends within it");
                if written == size { Ok(()) } else { Err(origin.damaged(Some(path.as_str()), short)) }
            }
            EntryType::Directory => writer.directory(&place, mode).map_err(failed),
            EntryType::Symlink => self.destination.symlink(&path, &link),
            EntryType::Link => {
                let existing = match EntryPath::parse(&link, writer.limits()) {
                    Ok(Some(existing)) => existing,
                    _ => return Err(refused(Refusal::HardLinkTarget { target: link })),
                };
                writer.hard_link(&place, &target.join(&existing)).map_err(failed)
            }
            EntryType::GNUSparse => Err(refused(Refusal::Sparse)),
            EntryType::Char | EntryType::Block => Err(refused(Refusal::SpecialFile("device"))),
            EntryType::Fifo => Err(refused(Refusal::SpecialFile("fifo"))),
            _ => Err(refused(Refusal::SpecialFile("kind of entry that this reader does not know"))),
        }
    }
}

impl Names {
    fn read_pax(&mut self, records: &[u8]) -> Result<(), WriteError> {
        for record in PaxExtensions::new(records) {
            let record = record.map_err(WriteError::Read)?;
            match record.key_bytes() {
                b"path" => self.path = Some(record.value_bytes().to_vec()),
                b"linkpath" => self.link = Some(record.value_bytes().to_vec()),
                b"size" => {
                    let size = str::from_utf8(record.value_bytes()).ok().and_then(|size| size.parse().ok());
                    self.size = Some(size.ok_or(Refusal::Headers("its size"))?);
                }
                key if key.starts_with(b"GNU.sparse.") => return Err(Refusal::Sparse.into()),
                _ => {}
            }
        }
        Ok(())
    }
}

fn read_small(entry: &mut Entry<'_, impl Read>, limit: u64) -> Result<Vec<u8>, WriteError> {
    let size = entry.header().entry_size().map_err(WriteError::Read)?;
    if size > limit {
        return Err(Refusal::LongMetadata { limit }.into());
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(WriteError::Read)?;
    if bytes.len() as u64 != size {
        return Err(WriteError::Read(io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(bytes)
}

/// GNU tar ends long names with one NUL.
fn without_nul(mut name: Vec<u8>) -> Vec<u8> {
    if name.last() == Some(&0) {
        name.pop();
    }
    name
}

/// What comes out of the decompressor, up to the limits.
struct Bounded {
    content: Box<dyn Read>,
    budget: Budget,
    refusal: Option<Refusal>,
}

impl Bounded {
    fn new(content: Box<dyn Read>, archive_size: u64, limits: &MaterializeLimits) -> Self {
        Self { content, budget: Budget::new(archive_size, limits), refusal: None }
    }

    /// Reads on behind the last entry, so that a checksum at the end of the compressed data is checked.
    fn drain(&mut self) -> io::Result<()> {
        io::copy(self, &mut io::sink()).map(drop)
    }
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.content.read(buffer)?;
        if let Err(refusal) = self.budget.take(count as u64) {
            self.refusal = Some(refusal);
            return Err(io::Error::other("decompression limit"));
        }
        Ok(count)
    }
}
