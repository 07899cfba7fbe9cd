//! The guest's standard input.

use std::fmt;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

use crate::errno::{Errno, Result};

/// What the guest reads from descriptor 0.
#[derive(Default)]
pub enum Stdin {
    /// Nothing: end of file at once.
    #[default]
    Empty,
    /// These bytes.
    Bytes(Arc<[u8]>),
    /// Whatever this yields, for instance `tokio::io::stdin()`. The guest waits for it; a deadline of the host ends the
    /// wait.
    Reader(Box<dyn AsyncRead + Send + Unpin>),
}

impl fmt::Debug for Stdin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stdin::Empty => formatter.write_str("Empty"),
            Stdin::Bytes(bytes) => write!(formatter, "Bytes({} bytes)", bytes.len()),
            Stdin::Reader(_) => formatter.write_str("Reader"),
        }
    }
}

/// Standard input while it is read.
pub(crate) enum StdinStream {
    Bytes {
        bytes: Arc<[u8]>,
        position: usize,
    },
    Reader {
        reader: BufReader<Box<dyn AsyncRead + Send + Unpin>>,
        /// The last wait ended with nothing: the end of the input, or an error that the next read will meet again.
        ended: bool,
    },
}

impl StdinStream {
    pub fn new(stdin: Stdin) -> Self {
        match stdin {
            Stdin::Empty => StdinStream::Bytes { bytes: Arc::default(), position: 0 },
            Stdin::Bytes(bytes) => StdinStream::Bytes { bytes, position: 0 },
            Stdin::Reader(reader) => StdinStream::Reader { reader: BufReader::new(reader), ended: false },
        }
    }

    /// Waits until there is something to read and returns it; empty at the end of the input. Nothing is lost when the
    /// wait is given up.
    pub async fn wait(&mut self) -> Result<&[u8]> {
        match self {
            StdinStream::Bytes { bytes, position } => Ok(&bytes[*position..]),
            StdinStream::Reader { reader, ended } => {
                let found = reader.fill_buf().await.map(<[u8]>::len);
                *ended = !matches!(found, Ok(1..));
                found.map_err(Errno::from)?;
                Ok(reader.buffer())
            }
        }
    }

    /// What can be read without waiting, or `None` when only waiting would tell.
    pub fn available(&self) -> Option<&[u8]> {
        match self {
            StdinStream::Bytes { bytes, position } => Some(&bytes[*position..]),
            StdinStream::Reader { reader, ended } => {
                Some(reader.buffer()).filter(|buffer| *ended || !buffer.is_empty())
            }
        }
    }

    /// Takes `count` bytes of those that [`StdinStream::wait`] or [`StdinStream::available`] returned.
    pub fn consume(&mut self, count: usize) {
        match self {
            StdinStream::Bytes { bytes, position } => *position = (*position + count).min(bytes.len()),
            StdinStream::Reader { reader, .. } => reader.consume(count),
        }
    }
}
