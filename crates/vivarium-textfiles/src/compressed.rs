//! Text that is compressed while it is written.

use std::io::{self, Write};

use flate2::write::GzEncoder;
use zstd::stream::write::Encoder as ZstdEncoder;

/// How a text file is compressed; the number is the level, and without one it is that of the method.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip: 0 to 9.
    Gzip(Option<u32>),
    /// zstd: 1 to 22.
    Zstd(Option<u32>),
}

/// Writes to `W` what is compressed. It has to be [finished](Self::finish): what is dropped before is no whole file.
pub enum Compressed<W: Write> {
    /// Not compressed.
    Plain(W),
    /// By gzip.
    Gzip(GzEncoder<W>),
    /// By zstd.
    Zstd(ZstdEncoder<'static, W>),
}

impl<W: Write> Compressed<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// When the method has no such level.
    pub fn new(out: W, compression: Compression) -> io::Result<Self> {
        let refused =
            |level: u32, levels: &str| io::Error::other(format!("there is no level {level}; there are {levels}"));
        Ok(match compression {
            Compression::None => Self::Plain(out),
            Compression::Gzip(Some(level @ 10..)) => return Err(refused(level, "0 to 9")),
            Compression::Gzip(level) => Self::Gzip(GzEncoder::new(
                out,
                level.map_or_else(flate2::Compression::default, flate2::Compression::new),
            )),
            Compression::Zstd(Some(level @ (0 | 23..))) => return Err(refused(level, "1 to 22")),
            Compression::Zstd(level) => {
                let level =
                    level.and_then(|level| i32::try_from(level).ok()).unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL);
                Self::Zstd(ZstdEncoder::new(out, level)?)
            }
        })
    }

    /// Completes the file.
    ///
    /// # Errors
    /// When its end cannot be written.
    pub fn finish(self) -> io::Result<W> {
        match self {
            Self::Plain(out) => Ok(out),
            Self::Gzip(encoder) => encoder.finish(),
            Self::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Compressed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(out) => out.write(bytes),
            Self::Gzip(encoder) => encoder.write(bytes),
            Self::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(out) => out.flush(),
            Self::Gzip(encoder) => encoder.flush(),
            Self::Zstd(encoder) => encoder.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compressed_is_read_again() {
        for compression in
            [Compression::None, Compression::Gzip(None), Compression::Gzip(Some(0)), Compression::Zstd(Some(1))]
        {
            let mut file = Compressed::new(Vec::new(), compression).unwrap();
            file.write_all(b"a\n1\n").unwrap();
            file.flush().unwrap();
            file.write_all(b"2\n").unwrap();
            let bytes = file.finish().unwrap();
            let text = io::read_to_string(crate::plain(io::Cursor::new(bytes)).unwrap()).unwrap();
            assert_eq!(text, "a\n1\n2\n", "{compression:?}");
        }
        for refused in [Compression::Gzip(Some(10)), Compression::Zstd(Some(0)), Compression::Zstd(Some(23))] {
            assert!(Compressed::new(Vec::new(), refused).is_err(), "{refused:?}");
        }
    }
}
