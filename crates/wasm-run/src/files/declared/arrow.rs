//! Arrow IPC: the header of every message, and of a file the table of contents at its end.
//!
//! ```text
//!   stream    message, message, ..., end mark                 message: FFFFFFFF, length, header, body
//!   file      ARROW1, padding, a stream, footer, its length, ARROW1
//! ```
//!
//! Source: <https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc>

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::os::unix::fs::FileExt;

use arrow::ipc::{self, Block, Message, MessageHeader, RecordBatch};

use super::Misdeclared;

pub const MAGIC: &[u8; 6] = b"ARROW1";

/// The magic number with its padding.
const HEAD: u64 = 8;
/// The footer's length and the magic number.
const TAIL: u64 = 10;
/// The largest header of a message, and the largest footer.
const HEADER_BYTES: u64 = 256 << 20;
/// Rows of a batch: more than any column with values can have.
const ROWS: i64 = i32::MAX as i64;
/// How many times larger than its compressed form a buffer may be. Runs of equal bytes reach some 32,000 with Zstandard.
const RATIO: i64 = 1 << 16;
const CONTINUATION: [u8; 4] = [0xff; 4];

/// Checks a file in the file format or in the stream format.
pub fn check(file: &File) -> Result<(), Misdeclared> {
    let size = file.metadata()?.len();
    let mut magic = [0; MAGIC.len()];
    if size >= HEAD + TAIL {
        file.read_exact_at(&mut magic, 0)?;
    }
    if magic != *MAGIC {
        let Walked { end, ended, .. } = walk(file, 0, size)?;
        return match (ended, end == size) {
            (true, true) => Ok(()),
            (true, false) => Err(Misdeclared::new(format!("there are {} bytes behind its end", size - end))),
            (false, _) => Err(cut()),
        };
    }
    let mut tail = [0; TAIL as usize];
    file.read_exact_at(&mut tail, size - TAIL)?;
    let length = ipc::reader::read_footer_length(tail).map_err(|_| cut())? as u64;
    if length > size - HEAD - TAIL || length > HEADER_BYTES {
        return Err(Misdeclared::new(format!("it declares a footer of {length} bytes, and has {size} bytes in all")));
    }
    let end = size - TAIL - length;
    let mut footer = vec![0; length as usize];
    file.read_exact_at(&mut footer, end)?;
    let footer =
        ipc::root_as_footer(&footer).map_err(|error| Misdeclared::new(format!("its footer is not valid: {error}")))?;
    let walked = walk(file, behind_padding(file, end)?, end)?;
    let found = |kind| walked.messages.iter().filter(move |message| message.kind == kind).map(Found::place);
    let listed: Vec<_> = footer.recordBatches().into_iter().flatten().map(place).collect();
    let dictionaries: BTreeSet<_> = footer.dictionaries().into_iter().flatten().map(place).collect();
    // The order of batches is that of the footer, in which every one of them is once.
    let batches: BTreeSet<_> = listed.iter().copied().collect();
    if batches.len() != listed.len()
        || batches != found(MessageHeader::RecordBatch).collect()
        || dictionaries != found(MessageHeader::DictionaryBatch).collect()
    {
        return Err(Misdeclared::new(format!(
            "its footer lists {} batches and {} dictionaries, which are not the {} and {} that it has",
            listed.len(),
            dictionaries.len(),
            found(MessageHeader::RecordBatch).count(),
            found(MessageHeader::DictionaryBatch).count()
        )));
    }
    Ok(())
}

fn cut() -> Misdeclared {
    Misdeclared::new("it has no end: it may have been cut")
}

/// Where the first message begins: writers pad the magic number to boundaries of 8 or 64 bytes.
fn behind_padding(file: &File, end: u64) -> Result<u64, Misdeclared> {
    let mut offset = HEAD;
    while offset < end.min(1 << 12) {
        let mut word = [0; 8];
        file.read_exact_at(&mut word, offset)?;
        if word != [0; 8] {
            break;
        }
        offset += word.len() as u64;
    }
    Ok(offset)
}

/// The messages of a part of a file.
struct Walked {
    messages: Vec<Found>,
    /// Where they end.
    end: u64,
    /// With an end mark.
    ended: bool,
}

struct Found {
    kind: MessageHeader,
    offset: i64,
    /// With what stands before it.
    header: i64,
    body: i64,
}

impl Found {
    fn place(&self) -> (i64, i64, i64) {
        (self.offset, self.header, self.body)
    }
}

/// Where the footer says that a message is: its place, and the lengths of header and body.
fn place(block: &Block) -> (i64, i64, i64) {
    (block.offset(), block.metaDataLength().into(), block.bodyLength())
}

fn walk(file: &File, start: u64, end: u64) -> Result<Walked, Misdeclared> {
    let mut messages = Vec::new();
    let mut offset = start;
    while offset < end {
        let mut source = At { file, offset, end };
        let Some(Framed { header, prefix }) = Framed::read(&mut source, Some(end - offset))? else {
            return Ok(Walked { messages, end: source.offset, ended: true });
        };
        let body = source.offset;
        let message = parse(&header)?;
        let length = body_length(&message, Some(end - body))?;
        check_message(&message, |at| {
            let mut bytes = [0; 8];
            file.read_exact_at(&mut bytes, body + at)?;
            Ok(bytes)
        })?;
        messages.push(Found {
            kind: message.header_type(),
            offset: offset as i64,
            header: (prefix + header.len()) as i64,
            body: length as i64,
        });
        offset = body + length;
    }
    Ok(Walked { messages, end: offset, ended: false })
}

/// A file, read from a place on.
struct At<'a> {
    file: &'a File,
    offset: u64,
    end: u64,
}

impl Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.offset).unwrap_or(usize::MAX);
        let most = buffer.len().min(left);
        let read = self.file.read_at(&mut buffer[..most], self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

/// What stands before a message's body.
struct Framed {
    header: Vec<u8>,
    /// Bytes before the header.
    prefix: usize,
}

impl Framed {
    /// Reads a message's header; `None` at the mark of the end. `left` is how many bytes there are, where that is known.
    fn read(source: &mut impl Read, left: Option<u64>) -> Result<Option<Self>, Misdeclared> {
        let mut word = [0; 4];
        // Nothing at all stands where a message or the mark of the end should.
        if source.read(&mut word[..1])? == 0 {
            return Err(cut());
        }
        source.read_exact(&mut word[1..])?;
        let mut prefix = word.len();
        if word == CONTINUATION {
            source.read_exact(&mut word)?;
            prefix += word.len();
        }
        let length = u64::from(u32::from_le_bytes(word));
        if length == 0 {
            return Ok(None);
        }
        if length > HEADER_BYTES || left.is_some_and(|left| length > left) {
            return Err(Misdeclared::new(format!("a message declares a header of {length} bytes")));
        }
        let header = read_exactly(source, length)?;
        Ok(Some(Self { header, prefix }))
    }
}

/// As many bytes as declared. Memory is taken as they come, and not before.
fn read_exactly(source: &mut impl Read, length: u64) -> Result<Vec<u8>, Misdeclared> {
    let mut bytes = Vec::new();
    source.take(length).read_to_end(&mut bytes)?;
    match bytes.len() as u64 == length {
        true => Ok(bytes),
        false => Err(Misdeclared::new(format!("a message declares {length} bytes, and {} are left", bytes.len()))),
    }
}

fn parse(header: &[u8]) -> Result<Message<'_>, Misdeclared> {
    ipc::root_as_message(header)
        .map_err(|error| Misdeclared::new(format!("the header of a message is not valid: {error}")))
}

fn body_length(message: &Message<'_>, left: Option<u64>) -> Result<u64, Misdeclared> {
    let length = u64::try_from(message.bodyLength()).ok().filter(|length| left.is_none_or(|left| *length <= left));
    length.ok_or_else(|| Misdeclared::new(format!("a message declares a body of {} bytes", message.bodyLength())))
}

/// Checks what a message says of its body, of which `word` gives eight bytes at a place.
fn check_message(message: &Message<'_>, word: impl Fn(u64) -> io::Result<[u8; 8]>) -> Result<(), Misdeclared> {
    match message.header_type() {
        MessageHeader::RecordBatch => {
            message.header_as_record_batch().map_or(Ok(()), |batch| check_batch(&batch, message.bodyLength(), word))
        }
        MessageHeader::DictionaryBatch => {
            match message.header_as_dictionary_batch().and_then(|dictionary| dictionary.data()) {
                Some(batch) => check_batch(&batch, message.bodyLength(), word),
                None => Err(Misdeclared::new("a dictionary without values")),
            }
        }
        _ => Ok(()),
    }
}

fn check_batch(
    batch: &RecordBatch<'_>,
    body: i64,
    word: impl Fn(u64) -> io::Result<[u8; 8]>,
) -> Result<(), Misdeclared> {
    if !(0..=ROWS).contains(&batch.length()) {
        return Err(Misdeclared::new(format!("a batch declares {} rows", batch.length())));
    }
    for node in batch.nodes().into_iter().flatten() {
        if node.length() < 0 || !(0..=node.length()).contains(&node.null_count()) {
            return Err(Misdeclared::new(format!(
                "an array declares {} values, {} of them NULL",
                node.length(),
                node.null_count()
            )));
        }
    }
    let buffers = batch.buffers();
    let count = buffers.map_or(0, |buffers| buffers.len()) as i64;
    for views in batch.variadicBufferCounts().into_iter().flatten() {
        if !(0..=count).contains(&views) {
            return Err(Misdeclared::new(format!("an array declares {views} buffers, and its batch has {count}")));
        }
    }
    for buffer in buffers.into_iter().flatten() {
        let end = buffer.offset().checked_add(buffer.length()).filter(|end| *end <= body);
        if buffer.offset() < 0 || buffer.length() < 0 || end.is_none() {
            return Err(Misdeclared::new(format!(
                "a buffer of {} bytes is declared at byte {} of a body of {body}",
                buffer.length(),
                buffer.offset()
            )));
        }
        if batch.compression().is_some() && buffer.length() > 0 {
            let declared = match buffer.length() {
                8.. => i64::from_le_bytes(word(buffer.offset() as u64)?),
                _ => i64::MIN,
            };
            if declared < -1 || declared / RATIO > buffer.length() {
                return Err(Misdeclared::new(format!(
                    "a compressed buffer of {} bytes declares {declared} bytes",
                    buffer.length()
                )));
            }
        }
    }
    Ok(())
}

/// A stream, each message of which is checked before anything of it is passed on.
pub struct CheckedStream<R> {
    source: R,
    /// The message that is passed on now.
    message: Cursor<Vec<u8>>,
    ended: bool,
}

impl<R: Read> CheckedStream<R> {
    pub fn new(source: R) -> Self {
        Self { source, message: Cursor::default(), ended: false }
    }

    /// The next message, or the mark of the end, as bytes.
    fn next(&mut self) -> Result<Vec<u8>, Misdeclared> {
        let Some(Framed { header, .. }) = Framed::read(&mut self.source, None)? else {
            self.ended = true;
            let mut more = [0];
            return match self.source.read(&mut more)? {
                0 => Ok([CONTINUATION, [0; 4]].concat()),
                _ => Err(Misdeclared::new("there are bytes behind its end")),
            };
        };
        let message = parse(&header)?;
        let body = read_exactly(&mut self.source, body_length(&message, None)?)?;
        check_message(&message, |at| {
            let word = body.get(at as usize..).and_then(|rest| rest.first_chunk());
            word.copied().ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
        })?;
        let length = u32::try_from(header.len()).unwrap_or(u32::MAX).to_le_bytes();
        Ok([&CONTINUATION[..], &length, &header, &body].concat())
    }
}

impl<R: Read> Read for CheckedStream<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let passed = self.message.read(buffer)?;
        if passed > 0 || buffer.is_empty() || self.ended {
            return Ok(passed);
        }
        let next = self.next().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        self.message = Cursor::new(next);
        self.message.read(buffer)
    }
}
