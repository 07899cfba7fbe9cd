//! Zip and tar files made byte by byte.

use std::io::Write;

pub const FILE: u32 = 0o100_000;
pub const DIRECTORY: u32 = 0o040_000;
pub const SYMLINK: u32 = 0o120_000;

/// One entry of a zip file, with everything that can be wrong about it.
#[derive(Clone)]
pub struct ZipEntry {
    pub name: Vec<u8>,
    /// Unix type and permission bits.
    pub mode: u32,
    pub content: Vec<u8>,
    pub deflate: bool,
    /// Declared size, when it is not that of the content.
    pub declared: Option<u32>,
    /// The name in the local header, when it is another.
    pub local_name: Option<Vec<u8>>,
    pub flags: u16,
    pub method: Option<u16>,
    /// Shares the local header of the entry with this index.
    pub shares: Option<usize>,
}

impl ZipEntry {
    pub fn new(name: impl AsRef<[u8]>, mode: u32, content: impl AsRef<[u8]>) -> Self {
        Self {
            name: name.as_ref().to_vec(),
            mode,
            content: content.as_ref().to_vec(),
            deflate: false,
            declared: None,
            local_name: None,
            flags: 0x800,
            method: None,
            shares: None,
        }
    }

    pub fn file(name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Self {
        Self::new(name, FILE | 0o644, content)
    }
}

pub fn zip(entries: &[ZipEntry]) -> Vec<u8> {
    let mut archive = Vec::new();
    let mut central = Vec::new();
    let mut offsets = Vec::new();
    for entry in entries {
        let mut data = entry.content.clone();
        if entry.deflate {
            let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::new(9));
            encoder.write_all(&entry.content).unwrap();
            data = encoder.finish().unwrap();
        }
        let mut crc = flate2::Crc::new();
        crc.update(&entry.content);
        let method = entry.method.unwrap_or(if entry.deflate { 8 } else { 0 });
        let size = entry.declared.unwrap_or(entry.content.len() as u32);
        let common = |name: &[u8]| {
            let mut header = Vec::new();
            for field in [20, entry.flags, method, 0, 0x21] {
                header.extend(field.to_le_bytes());
            }
            for field in [crc.sum(), data.len() as u32, size] {
                header.extend(field.to_le_bytes());
            }
            header.extend((name.len() as u16).to_le_bytes());
            header.extend(0u16.to_le_bytes());
            header
        };
        let offset = match entry.shares {
            Some(other) => offsets[other],
            None => {
                let offset = archive.len() as u32;
                let name = entry.local_name.as_deref().unwrap_or(&entry.name);
                archive.extend(b"PK\x03\x04");
                archive.extend(common(name));
                archive.extend(name);
                archive.extend(&data);
                offset
            }
        };
        offsets.push(offset);
        central.extend(b"PK\x01\x02");
        // Made by Unix, version 2.0.
        central.extend(0x0314u16.to_le_bytes());
        central.extend(common(&entry.name));
        central.extend([0; 6]);
        central.extend((entry.mode << 16).to_le_bytes());
        central.extend(offset.to_le_bytes());
        central.extend(&entry.name);
    }
    let (start, size, count) = (archive.len() as u32, central.len() as u32, entries.len() as u16);
    archive.extend(central);
    archive.extend(b"PK\x05\x06\0\0\0\0");
    archive.extend(count.to_le_bytes());
    archive.extend(count.to_le_bytes());
    archive.extend(size.to_le_bytes());
    archive.extend(start.to_le_bytes());
    archive.extend(0u16.to_le_bytes());
    archive
}

/// A tar file in the making; names are written as bytes, unchecked.
#[derive(Default)]
pub struct Tar {
    bytes: Vec<u8>,
}

impl Tar {
    pub fn entry(mut self, kind: u8, name: impl AsRef<[u8]>, mode: u32, link: &str, content: &[u8]) -> Self {
        let mut header = tar::Header::new_gnu();
        let name = name.as_ref();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name);
        header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        header.set_entry_type(tar::EntryType::new(kind));
        header.set_cksum();
        self.bytes.extend(header.as_bytes());
        self.bytes.extend(content);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
        self
    }

    pub fn file(self, name: impl AsRef<[u8]>, content: &[u8]) -> Self {
        self.entry(b'0', name, 0o644, "", content)
    }

    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.extend([0; 1024]);
        self.bytes
    }

    pub fn gzip(self) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(9));
        encoder.write_all(&self.finish()).unwrap();
        encoder.finish().unwrap()
    }
}

/// A PAX record: its length counts itself.
pub fn pax(key: &str, value: &str) -> Vec<u8> {
    let rest = format!(" {key}={value}\n");
    let mut length = rest.len();
    while length != rest.len() + length.to_string().len() {
        length = rest.len() + length.to_string().len();
    }
    format!("{length}{rest}").into_bytes()
}
