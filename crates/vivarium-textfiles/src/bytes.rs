//! The bytes of a text file: decompressed when they are compressed, and without the byte order mark that some editors write.

use std::io::{self, Cursor, Read};

/// Bytes of text.
pub type Plain = Box<dyn Read + Send>;

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const BZIP2: &[u8] = b"BZh";
const UTF8_MARK: &[u8] = &[0xef, 0xbb, 0xbf];

/// Whether a file is compressed, by its name. Its bytes decide when it is read.
pub fn is_compressed_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [".gz", ".zst", ".zstd"].iter().any(|extension| name.ends_with(extension))
}

/// The text in `bytes`: what it begins with says whether it is compressed.
///
/// # Errors
/// When it cannot be read, is compressed in a way that is not read, or is no UTF-8 by its first bytes.
pub fn plain(bytes: impl Read + Send + 'static) -> io::Result<Plain> {
    let (first, bytes) = beginning(bytes)?;
    let text: Plain = if first.starts_with(GZIP) {
        Box::new(flate2::read::MultiGzDecoder::new(bytes))
    } else if first.starts_with(ZSTD) {
        Box::new(zstd::stream::read::Decoder::new(bytes)?)
    } else if first.starts_with(BZIP2) {
        return Err(io::Error::other(
            "it is compressed by bzip2, which is not read; give it as `bunzip2 -c FILE |` and --input -",
        ));
    } else {
        return unmarked(first, bytes);
    };
    let (first, text) = beginning(text)?;
    unmarked(first, text)
}

/// The first four bytes, and a reader of all.
fn beginning(mut bytes: impl Read + Send + 'static) -> io::Result<(Vec<u8>, impl Read + Send + 'static)> {
    let mut first = Vec::new();
    bytes.by_ref().take(4).read_to_end(&mut first)?;
    Ok((first.clone(), Cursor::new(first).chain(bytes)))
}

fn unmarked(first: Vec<u8>, mut bytes: impl Read + Send + 'static) -> io::Result<Plain> {
    if first.starts_with(UTF8_MARK) {
        bytes.read_exact(&mut [0; UTF8_MARK.len()])?;
    } else if matches!(first[..], [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) {
        return Err(io::Error::other(
            "line 1: it is UTF-16, and UTF-8 is expected; convert it: iconv -f UTF-16 -t UTF-8",
        ));
    }
    Ok(Box::new(bytes))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read(bytes: Vec<u8>) -> io::Result<String> {
        io::read_to_string(plain(Cursor::new(bytes))?)
    }

    #[test]
    fn text_is_found_in_what_compresses_it() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"\xef\xbb\xbfa\n1\n").unwrap();
        let mut two = gzip.finish().unwrap();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"2\n").unwrap();
        two.extend(gzip.finish().unwrap());
        assert_eq!(read(two.clone()).unwrap(), "a\n1\n2\n");
        assert_eq!(read(zstd::encode_all(&b"a\n1\n"[..], 1).unwrap()).unwrap(), "a\n1\n");
        assert_eq!(read(b"\xef\xbb\xbfa".to_vec()).unwrap(), "a");
        assert_eq!(read(Vec::new()).unwrap(), "");
        two.pop();
        for refused in [two, b"BZh91".to_vec(), vec![0xff, 0xfe, b'a', 0]] {
            assert!(read(refused).is_err());
        }
    }
}
