//! Wheels.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::archives::{ZipEntry, zip};

/// A wheel in the making.
pub struct Wheel {
    pub name: String,
    pub version: String,
    pub tag: String,
    pub requires: Vec<String>,
    pub files: Vec<(String, Vec<u8>)>,
    /// Replaces the RECORD.
    pub record: Option<String>,
}

impl Wheel {
    /// A pure Python wheel with one module of the same name.
    pub fn new(name: &str, version: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            tag: "py3-none-any".to_owned(),
            requires: Vec::new(),
            files: vec![(format!("{name}/__init__.py"), format!("VERSION = '{version}'\n").into_bytes())],
            record: None,
        }
    }

    pub fn requires(mut self, requirement: &str) -> Self {
        self.requires.push(requirement.to_owned());
        self
    }

    pub fn file(mut self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.files.push((path.to_owned(), content.as_ref().to_vec()));
        self
    }

    pub fn tag(mut self, tag: &str) -> Self {
        self.tag = tag.to_owned();
        self
    }

    pub fn file_name(&self) -> String {
        format!("{}-{}-{}.whl", self.name, self.version, self.tag)
    }

    pub fn bytes(&self) -> Vec<u8> {
        let info = format!("{}-{}.dist-info", self.name, self.version);
        let requires: String = self.requires.iter().map(|one| format!("Requires-Dist: {one}\n")).collect();
        let metadata = format!("Metadata-Version: 2.1\nName: {}\nVersion: {}\n{requires}\n", self.name, self.version);
        let wheel = format!("Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {}\n", self.tag);
        let mut files = self.files.clone();
        files.push((format!("{info}/METADATA"), metadata.into_bytes()));
        files.push((format!("{info}/WHEEL"), wheel.into_bytes()));
        let record: String = files
            .iter()
            .map(|(path, content)| format!("{path},sha256={},{}\n", base64(&Sha256::digest(content)), content.len()))
            .collect();
        let record = self.record.clone().unwrap_or(format!("{record}{info}/RECORD,,\n"));
        files.push((format!("{info}/RECORD"), record.into_bytes()));
        let entries: Vec<ZipEntry> =
            files.iter().map(|(path, content)| ZipEntry { deflate: true, ..ZipEntry::file(path, content) }).collect();
        zip(&entries)
    }

    pub fn write(&self, directory: &Path) -> PathBuf {
        std::fs::create_dir_all(directory).unwrap();
        let path = directory.join(self.file_name());
        std::fs::write(&path, self.bytes()).unwrap();
        path
    }

    pub fn sha256(&self) -> String {
        Sha256::digest(self.bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    let bits: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
    for start in (0..bits.len()).step_by(6) {
        let piece = format!("{:0<6}", &bits[start..bits.len().min(start + 6)]);
        text.push(char::from(ALPHABET[usize::from_str_radix(&piece, 2).unwrap()]));
    }
    text
}
