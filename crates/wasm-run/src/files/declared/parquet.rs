//! Parquet: the footer, the row groups in it, the header of every page, and the page index.
//!
//! ```text
//!   PAR1 │ column chunk: page header, page, page header, page, ... │ ... │ page index │ footer │ its length │ PAR1
//! ```
//!
//! Source: <https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift>

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::file::metadata::{
    ColumnChunkMetaData, FooterTail, ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData,
};

use super::Misdeclared;
use super::thrift::{I32, I64, LIST, Reader, STRUCT, Stop};

pub const MAGIC: &[u8] = b"PAR1";

/// The length of the footer and the magic number behind it.
const TAIL: u64 = 8;
/// The largest footer that is read.
const FOOTER_BYTES: u64 = 256 << 20;
/// How deep groups of columns nest.
const SCHEMA_DEPTH: usize = 64;
/// How many columns and groups there are.
const SCHEMA_ELEMENTS: usize = 100_000;
/// Bytes of one value of a type of fixed size.
const VALUE_BYTES: i64 = 1 << 20;
/// What is read first of a page's header, and at most: statistics in it can be long.
const HEADER_BYTES: usize = 256;
const HEADER_BYTES_MOST: usize = 16 << 20;
/// How many times larger than its compressed form a page may be. Runs of equal bytes reach some 32,000 with Zstandard.
const RATIO: i64 = 1 << 16;

/// Checks a file and gives what its footer says.
pub fn check(file: &File) -> Result<Arc<ParquetMetaData>, Misdeclared> {
    let size = file.metadata()?.len();
    if size < TAIL + MAGIC.len() as u64 {
        return Err(Misdeclared::new("it is too short for a Parquet file"));
    }
    let mut tail = [0; TAIL as usize];
    file.read_exact_at(&mut tail, size - TAIL)?;
    let tail = FooterTail::try_new(&tail).map_err(said)?;
    let length = tail.metadata_length() as u64;
    if length > size - TAIL - MAGIC.len() as u64 || length > FOOTER_BYTES {
        return Err(Misdeclared::new(format!("it declares a footer of {length} bytes, and has {size} bytes in all")));
    }
    let end = size - TAIL - length;
    let mut footer = vec![0; length as usize];
    file.read_exact_at(&mut footer, end)?;
    check_structure(&footer)?;
    let metadata = ParquetMetaDataReader::decode_metadata(&footer).map_err(said)?;
    let rows = metadata.row_groups().iter().try_fold(0_i64, |sum, group| {
        let rows = Some(group.num_rows()).filter(|rows| *rows >= 0)?;
        sum.checked_add(rows)
    });
    if rows != Some(metadata.file_metadata().num_rows()) {
        return Err(Misdeclared::new(format!(
            "it declares {} rows, and its row groups declare others",
            metadata.file_metadata().num_rows()
        )));
    }
    let checked = Checked { file, size, end };
    for (index, group) in metadata.row_groups().iter().enumerate() {
        checked.group(index, group)?;
    }
    Ok(Arc::new(metadata))
}

fn said(error: impl std::fmt::Display) -> Misdeclared {
    Misdeclared::new(error.to_string())
}

/// Checks that the footer is a structure, and that the tree of columns in it is neither deep nor large.
fn check_structure(footer: &[u8]) -> Result<(), Misdeclared> {
    let mut schema = Schema::default();
    Reader::new(footer).structure(|reader, number, kind| match (number, kind) {
        (2, LIST) => {
            reader.list(|reader, kind| {
                if kind == STRUCT { schema.element(reader) } else { Err(Stop::Wrong("a schema without elements")) }
            })?;
            Ok(true)
        }
        _ => Ok(false),
    })?;
    Ok(())
}

/// The tree of columns, which is written in the order of a walk: each group says how many children follow.
#[derive(Default)]
struct Schema {
    elements: usize,
    /// How many children are still to come, of each group that is not complete.
    open: Vec<i64>,
}

impl Schema {
    fn element(&mut self, reader: &mut Reader<'_>) -> Result<(), Stop> {
        let (mut children, mut width) = (0, 0);
        reader.structure(|reader, number, kind| {
            match (number, kind) {
                (2, I32) => width = reader.integer()?,
                (5, I32) => children = reader.integer()?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        if !(0..=VALUE_BYTES).contains(&width) {
            return Err(Stop::Wrong("a value of fixed size of more than 1 MiB, or less than none"));
        }
        if children < 0 {
            return Err(Stop::Wrong("a group with less than no columns"));
        }
        self.elements += 1;
        if self.elements > SCHEMA_ELEMENTS {
            return Err(Stop::Wrong("more than 100,000 columns and groups"));
        }
        if let Some(left) = self.open.last_mut() {
            *left -= 1;
        }
        if children > 0 {
            self.open.push(children);
        }
        if self.open.len() > SCHEMA_DEPTH {
            return Err(Stop::Wrong("columns are nested more than 64 levels deep"));
        }
        while self.open.last() == Some(&0) {
            self.open.pop();
        }
        Ok(())
    }
}

/// A file whose footer was read.
struct Checked<'a> {
    file: &'a File,
    size: u64,
    /// Where the footer begins, which no page reaches.
    end: u64,
}

/// A page, as its header declares it.
struct Page {
    offset: u64,
    /// With its header.
    bytes: u64,
    /// Of a page of data.
    data: Option<Data>,
}

struct Data {
    values: i64,
    /// Where the header says it.
    rows: Option<i64>,
}

impl Checked<'_> {
    fn group(&self, index: usize, group: &RowGroupMetaData) -> Result<(), Misdeclared> {
        for chunk in group.columns() {
            self.chunk(group, chunk).map_err(|problem| {
                Misdeclared::new(format!("row group {index}, column {}: {problem}", chunk.column_path()))
            })?;
        }
        Ok(())
    }

    fn chunk(&self, group: &RowGroupMetaData, chunk: &ColumnChunkMetaData) -> Result<(), Misdeclared> {
        let start = chunk.dictionary_page_offset().unwrap_or_else(|| chunk.data_page_offset());
        let range = u64::try_from(start).ok().zip(u64::try_from(chunk.compressed_size()).ok());
        let range = range.and_then(|(start, length)| Some((start, start.checked_add(length)?)));
        let Some((start, end)) = range.filter(|(_, end)| *end <= self.end) else {
            return Err(Misdeclared::new(format!(
                "its pages are declared to be {} bytes from byte {start} on, and the file has {} before its footer",
                chunk.compressed_size(),
                self.end
            )));
        };
        let pages = self.pages(start, end, chunk.compression())?;
        let data = || pages.iter().filter_map(|page| page.data.as_ref());
        let values: i64 = data().map(|data| data.values).fold(0, i64::saturating_add);
        let flat = chunk.column_descr().max_rep_level() == 0;
        let rows: Option<i64> = data().map(|data| data.rows).sum();
        if values != chunk.num_values()
            || (flat && values != group.num_rows())
            || (values > 0 && rows.is_some_and(|rows| rows != group.num_rows()))
        {
            return Err(Misdeclared::new(format!(
                "its pages have {values} values, the column declares {} and the row group {} rows",
                chunk.num_values(),
                group.num_rows()
            )));
        }
        self.page_index(group, chunk, &pages, flat)?;
        let bloom = chunk.bloom_filter_offset().zip(chunk.bloom_filter_length());
        match bloom {
            Some((offset, length)) => self.range(offset, length).map(|_| ()),
            None => Ok(()),
        }
    }

    /// The pages between two places.
    fn pages(&self, start: u64, end: u64, compression: Compression) -> Result<Vec<Page>, Misdeclared> {
        let mut pages = Vec::new();
        let mut offset = start;
        while offset < end {
            let header = self.header(offset, end)?;
            let bytes = header.length as u64 + u64::try_from(header.compressed).unwrap_or(u64::MAX);
            let next = offset.checked_add(bytes).filter(|next| *next <= end);
            let Some(next) = next.filter(|_| header.compressed >= 0 && header.uncompressed >= 0) else {
                return Err(Misdeclared::new(format!(
                    "the page at byte {offset} declares {} bytes, and {} are left",
                    header.compressed,
                    end - offset
                )));
            };
            let plausible = match compression {
                Compression::UNCOMPRESSED => header.uncompressed == header.compressed,
                // Nothing bounds what Brotli makes of a few bytes.
                Compression::BROTLI(_) => true,
                _ => header.uncompressed / RATIO <= header.compressed,
            };
            if !plausible {
                return Err(Misdeclared::new(format!(
                    "the page at byte {offset} declares {} bytes, which cannot be in the {} that it has",
                    header.uncompressed, header.compressed
                )));
            }
            // Every entry of a dictionary takes a byte at least, but for values of no width.
            if header.entries > header.uncompressed.max(1).saturating_mul(8) || header.entries < 0 {
                return Err(Misdeclared::new(format!(
                    "the dictionary at byte {offset} declares {} entries in {} bytes",
                    header.entries, header.uncompressed
                )));
            }
            pages.push(Page { offset, bytes, data: header.data });
            offset = next;
        }
        Ok(pages)
    }

    fn header(&self, offset: u64, end: u64) -> Result<Header, Misdeclared> {
        let mut length = HEADER_BYTES;
        loop {
            let available = usize::try_from(end - offset).unwrap_or(usize::MAX).min(length);
            let mut bytes = vec![0; available];
            self.file.read_exact_at(&mut bytes, offset)?;
            match Header::read(&bytes) {
                Ok(header) => return Ok(header),
                Err(Stop::End) if available == length && length < HEADER_BYTES_MOST => length *= 8,
                Err(stop) => {
                    let problem = Misdeclared::from(stop);
                    return Err(Misdeclared::new(format!("the header of the page at byte {offset}: {problem}")));
                }
            }
        }
    }

    /// The page index repeats what pages declare, and readers that use it do not look at the pages again.
    fn page_index(
        &self,
        group: &RowGroupMetaData,
        chunk: &ColumnChunkMetaData,
        pages: &[Page],
        flat: bool,
    ) -> Result<(), Misdeclared> {
        let data: Vec<_> = pages.iter().filter(|page| page.data.is_some()).collect();
        if let Some((offset, length)) = chunk.offset_index_offset().zip(chunk.offset_index_length()) {
            let bytes = self.within(offset, length)?;
            let locations = locations(&bytes)?;
            let mut row = 0;
            let mut agree = locations.len() == data.len();
            for (location, page) in locations.iter().zip(&data) {
                let rows = page.data.as_ref().and_then(|data| data.rows.or(flat.then_some(data.values)));
                agree &= u64::try_from(location.offset) == Ok(page.offset)
                    && u64::try_from(location.bytes) == Ok(page.bytes)
                    && (location.first_row == row || rows.is_none())
                    && (0..=group.num_rows()).contains(&location.first_row);
                row += rows.unwrap_or(0);
            }
            if !agree {
                return Err(Misdeclared::new("its page index is not that of its pages"));
            }
        }
        if let Some((offset, length)) = chunk.column_index_offset().zip(chunk.column_index_length()) {
            let bytes = self.within(offset, length)?;
            let mut counts = Vec::new();
            Reader::new(&bytes).structure(|reader, number, kind| match (number, kind) {
                // Whether pages have only NULLs, their least and greatest values.
                (1..=3, LIST) => {
                    let mut count = 0;
                    reader.list(|reader, kind| {
                        count += 1;
                        reader.skip(kind, false)
                    })?;
                    counts.push(count);
                    Ok(true)
                }
                _ => Ok(false),
            })?;
            if counts.iter().any(|count| *count != data.len()) {
                return Err(Misdeclared::new("its page index is not that of its pages"));
            }
        }
        Ok(())
    }

    /// Bytes that the footer says are somewhere.
    fn within(&self, offset: i64, length: i32) -> Result<Vec<u8>, Misdeclared> {
        let (offset, length) = self.range(offset, length)?;
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    /// A place in the file, and a length from there on.
    fn range(&self, offset: i64, length: i32) -> Result<(u64, usize), Misdeclared> {
        let range = u64::try_from(offset).ok().zip(usize::try_from(length).ok());
        let within =
            |(offset, length): &(u64, usize)| offset.checked_add(*length as u64).is_some_and(|end| end <= self.size);
        range.filter(within).ok_or_else(|| {
            Misdeclared::new(format!(
                "{length} bytes are declared at byte {offset}, and the file has {} in all",
                self.size
            ))
        })
    }
}

/// The header of a page.
#[derive(Default)]
struct Header {
    /// Of the header itself.
    length: usize,
    compressed: i64,
    uncompressed: i64,
    /// Of a dictionary.
    entries: i64,
    data: Option<Data>,
}

impl Header {
    fn read(bytes: &[u8]) -> Result<Self, Stop> {
        let mut reader = Reader::new(bytes);
        let mut header = Self::default();
        reader.structure(|reader, number, kind| {
            match (number, kind) {
                (2, I32) => header.uncompressed = reader.integer()?,
                (3, I32) => header.compressed = reader.integer()?,
                (5, STRUCT) => header.data = Some(Data { values: counts(reader)?[0], rows: None }),
                (7, STRUCT) => header.entries = counts(reader)?[0],
                (8, STRUCT) => {
                    let [values, _, rows] = counts(reader)?;
                    header.data = Some(Data { values, rows: Some(rows) });
                }
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        if header.data.as_ref().is_some_and(|data| data.values < 0 || data.rows.is_some_and(|rows| rows < 0)) {
            return Err(Stop::Wrong("a page with less than no values"));
        }
        header.length = reader.position();
        Ok(header)
    }
}

/// The first three fields of a structure.
fn counts(reader: &mut Reader<'_>) -> Result<[i64; 3], Stop> {
    let mut counts = [0; 3];
    reader.structure(|reader, number, kind| match (number, kind) {
        (1..=3, I32) => {
            counts[number as usize - 1] = reader.integer()?;
            Ok(true)
        }
        _ => Ok(false),
    })?;
    Ok(counts)
}

/// A page, as the page index has it.
struct Location {
    offset: i64,
    bytes: i64,
    first_row: i64,
}

fn locations(bytes: &[u8]) -> Result<Vec<Location>, Stop> {
    let mut locations = Vec::new();
    Reader::new(bytes).structure(|reader, number, kind| {
        if (number, kind) != (1, LIST) {
            return Ok(false);
        }
        reader.list(|reader, _| {
            let mut location = Location { offset: -1, bytes: -1, first_row: -1 };
            reader.structure(|reader, number, kind| {
                match (number, kind) {
                    (1, I64) => location.offset = reader.integer()?,
                    (2, I32) => location.bytes = reader.integer()?,
                    (3, I64) => location.first_row = reader.integer()?,
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
            locations.push(location);
            Ok(())
        })?;
        Ok(true)
    })?;
    Ok(locations)
}
