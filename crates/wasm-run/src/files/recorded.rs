//! A reader whose beginning can be read twice, so that a schema can be inferred from a pipe.

use std::io::{self, Chain, Cursor, Read};

/// Reads through to `inner` and keeps what it read.
pub struct Recorded<R> {
    inner: R,
    read: Vec<u8>,
}

impl<R: Read> Recorded<R> {
    pub fn new(inner: R) -> Self {
        Self { inner, read: Vec::new() }
    }

    /// The whole input again, from its beginning.
    pub fn rewound(self) -> Chain<Cursor<Vec<u8>>, R> {
        Cursor::new(self.read).chain(self.inner)
    }
}

impl<R: Read> Read for Recorded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read.extend_from_slice(&buffer[..count]);
        Ok(count)
    }
}
