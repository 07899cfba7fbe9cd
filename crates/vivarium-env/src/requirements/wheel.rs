//! Wheels: their names, and unpacking them (the binary distribution format, PEP 427).
//!
//! Only what goes to `site-packages` is unpacked: a wheel's scripts, headers and data files are left out. Every file
//! must have the hash that the wheel's RECORD gives for it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;

use super::normalize_name;
use crate::archive::{ZipEntries, ZipEntry, ZipKind};
use crate::distributed::hex;
use crate::error::{EnvironmentError, Origin, Refusal, RequirementsError, Role, WriteError};
use crate::guest::BundledPackage;
use crate::limits::MaterializeLimits;
use crate::tree::{EntryPath, Input, TreeWriter, open_input, private_copy};

/// Bytes of a RECORD; 100,000 files take about 10 MB.
const RECORD_BYTES: u64 = 32 << 20;

/// Bytes of a wheel's METADATA, which holds the package's whole description; the longest of well-known packages take 200 KB.
const METADATA_BYTES: u64 = 4 << 20;

/// A wheel on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WheelFile {
    pub path: PathBuf,
    /// Normalised (PEP 503).
    pub name: String,
    pub version: String,
    /// In hexadecimal; empty until it was read.
    pub sha256: String,
}

impl WheelFile {
    /// Takes a wheel's name apart; refuses one that is not pure Python.
    pub(crate) fn parse(path: PathBuf) -> Result<Self, RequirementsError> {
        let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let refused = |reason: &str| RequirementsError::Wheel { file: file.clone(), reason: reason.to_owned() };
        let stem = file.strip_suffix(".whl").ok_or_else(|| refused("its name does not end with .whl"))?;
        let parts: Vec<&str> = stem.split('-').collect();
        let (&[name, version, python, abi, platform] | &[name, version, _, python, abi, platform]) = parts.as_slice()
        else {
            return Err(refused("its name is not name-version-python-abi-platform.whl"));
        };
        let has = |tags: &str, wanted: &dyn Fn(&str) -> bool| tags.split('.').any(wanted);
        let is_python_3 =
            |tag: &str| tag.strip_prefix("py3").is_some_and(|minor| minor.bytes().all(|byte| byte.is_ascii_digit()));
        if !(has(abi, &|tag| tag == "none") && has(platform, &|tag| tag == "any") && has(python, &is_python_3)) {
            return Err(refused("it is not pure Python (py3-none-any)"));
        }
        let (name, version) = (normalize_name(name), version.to_owned());
        Ok(Self { path, name, version, sha256: String::new() })
    }
}

/// Unpacks a wheel below `site`.
pub(crate) fn install_wheel(
    writer: &mut TreeWriter<'_>,
    site: &EntryPath,
    wheel: &WheelFile,
) -> Result<(), EnvironmentError> {
    let origin = Origin::new(Role::Wheel, &wheel.path, site.as_str());
    let Input::File(mut source) = open_input(Role::Wheel, &wheel.path)? else {
        return Err(EnvironmentError::InputKind { role: Role::Wheel, path: wheel.path.clone() });
    };
    let mut hasher = Sha256::new();
    let limit = writer.limits().archive_bytes;
    let copy = private_copy(&mut source, writer.root(), limit, &mut |piece| hasher.update(piece))?;
    if hex(&hasher.finalize()) != wheel.sha256 {
        return Err(source.changed());
    }
    let record = Record::read(&copy, wheel, writer, &origin)?;
    let mut entries = ZipEntries::open(copy, writer.limits(), &origin)?;
    writer.dry_run(|writer| entries.each(&mut |entry| record.install(writer, site, entry, &origin)))?;
    entries.each(&mut |entry| record.install(writer, site, entry, &origin))
}

/// Judges a wheel before pip reads it: pip takes whatever a wheel's directory declares into memory. Only what the directory says is
/// looked at, so many wheels cost little.
pub(super) fn judge_wheel(path: &Path, limits: &MaterializeLimits) -> Result<(), EnvironmentError> {
    let origin = Origin::new(Role::Wheel, path, "site-packages");
    let Input::File(source) = open_input(Role::Wheel, path)? else {
        return Err(EnvironmentError::InputKind { role: Role::Wheel, path: path.to_owned() });
    };
    if source.size() > limits.archive_bytes {
        let limit = limits.archive_bytes;
        return Err(EnvironmentError::InputTooBig { role: Role::Wheel, path: path.to_owned(), limit });
    }
    ZipEntries::open(source.into_file(), limits, &origin)?.each(&mut |entry| {
        let Some((_, file)) = entry.path.as_str().split_once(".dist-info/") else { return Ok(()) };
        let limit = if file == "RECORD" { RECORD_BYTES } else { METADATA_BYTES };
        // Licences and whatever else is there are not read by pip.
        let is_read = matches!(file, "METADATA" | "WHEEL" | "RECORD" | "entry_points.txt" | "top_level.txt");
        match is_read && entry.size > limit {
            true => Err(origin.refused(entry.path.as_str(), Refusal::LongMetadata { limit })),
            false => Ok(()),
        }
    })
}

/// A wheel's list of its files and their hashes.
struct Record {
    /// Unpadded URL-safe base64 of SHA-256, by path.
    hashes: HashMap<String, String>,
    path: String,
    /// The directory of files that do not simply go to `site-packages`.
    data: String,
}

impl Record {
    fn read(
        copy: &File,
        wheel: &WheelFile,
        writer: &TreeWriter<'_>,
        origin: &Origin,
    ) -> Result<Self, EnvironmentError> {
        let refused = |reason: &str| RequirementsError::Wheel {
            file: wheel.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            reason: reason.to_owned(),
        };
        let copy = copy.try_clone().map_err(|error| origin.damaged(None, error))?;
        let mut found = None;
        ZipEntries::open(copy, writer.limits(), origin)?.each(&mut |entry| {
            let path = entry.path.as_str().to_owned();
            let Some(stem) = path.strip_suffix(".dist-info/RECORD").filter(|stem| !stem.contains('/')) else {
                return Ok(());
            };
            let name = stem.rsplit_once('-').map_or(stem, |(name, _)| name);
            if normalize_name(name) != wheel.name {
                return Err(refused("its metadata are those of another package").into());
            }
            let data = format!("{stem}.data/");
            let failed = |error| origin.failed(&path, error);
            let text = entry.content(origin)?.read_small(RECORD_BYTES).map_err(failed)?;
            found = Some((data, path, text));
            Ok(())
        })?;
        let (data, path, text) = found.ok_or_else(|| refused("it has no RECORD of its files"))?;
        let text = String::from_utf8(text).map_err(|_| refused("its RECORD is not valid UTF-8"))?;
        Ok(Self { hashes: parse_record(&text), path, data })
    }

    fn install(
        &self,
        writer: &mut TreeWriter<'_>,
        site: &EntryPath,
        entry: ZipEntry<'_>,
        origin: &Origin,
    ) -> Result<(), EnvironmentError> {
        let path = entry.path.as_str().to_owned();
        let refused = |refusal| origin.refused(&path, refusal);
        let failed = |error| origin.failed(&path, error);
        let Some(place) = self.place(&path, writer).map_err(refused)? else { return Ok(()) };
        let place = site.join(&place);
        match entry.kind {
            ZipKind::Directory => return writer.directory(&place, None).map_err(failed),
            ZipKind::Symlink => return Err(refused(Refusal::SpecialFile("symbolic link"))),
            ZipKind::File => {}
        }
        let is_unhashed =
            path == self.path || path == format!("{}.jws", self.path) || path == format!("{}.p7s", self.path);
        let expected = match self.hashes.get(&path) {
            _ if is_unhashed || writer.is_dry_run() => None,
            Some(hash) => Some(hash),
            None => return Err(refused(Refusal::NotInRecord)),
        };
        if writer.is_dry_run() {
            // One that is there already may be the same; then it is not written again.
            return if writer.holds_file(&place) {
                Ok(())
            } else {
                writer.dry_run_file(&place, entry.size).map_err(refused)
            };
        }
        let mode = entry.mode;
        let mut content = entry.content(origin)?;
        let mut hasher = Sha256::new();
        // Two wheels may both bring a file of a namespace package; it must be the same one.
        if let Some(expected) = expected
            && writer.holds_file(&place)
            && is_file_with_hash(writer.root(), &place, expected).map_err(|error| failed(WriteError::Write(error)))?
        {
            return Ok(());
        }
        writer.file(&place, mode, &mut content, &mut |piece| hasher.update(piece)).map_err(failed)?;
        content.check().map_err(refused)?;
        match expected {
            Some(expected) if *expected != base64_url(&hasher.finalize()) => Err(refused(Refusal::RecordHash)),
            _ => Ok(()),
        }
    }

    /// Where a file goes below `site-packages`; `None` for what is not unpacked.
    fn place(&self, path: &str, writer: &TreeWriter<'_>) -> Result<Option<EntryPath>, Refusal> {
        let path = match path.strip_prefix(&self.data) {
            None => path,
            Some(rest) => match rest.split_once('/') {
                Some(("purelib" | "platlib", rest)) => rest,
                _ => return Ok(None),
            },
        };
        // `*.data` itself is left out too.
        if format!("{path}/") == self.data {
            return Ok(None);
        }
        EntryPath::parse(path.as_bytes(), writer.limits())
    }
}

/// Reads `path,sha256=...,size` lines; paths with commas are quoted.
fn parse_record(text: &str) -> HashMap<String, String> {
    let mut hashes = HashMap::new();
    for line in text.lines() {
        let (path, rest) = match line.strip_prefix('"').and_then(|line| line.split_once("\",")) {
            Some((path, rest)) => (path.replace("\"\"", "\""), rest),
            None => match line.split_once(',') {
                Some((path, rest)) => (path.to_owned(), rest),
                None => continue,
            },
        };
        if let Some(hash) = rest.split(',').next().and_then(|hash| hash.strip_prefix("sha256=")) {
            hashes.insert(path, hash.trim_end_matches('=').to_owned());
        }
    }
    hashes
}

fn is_file_with_hash(root: &Dir, path: &EntryPath, expected: &str) -> io::Result<bool> {
    let mut file = root.open(path.as_str())?;
    let mut hasher = Sha256::new();
    let mut buffer = [0; 8 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(base64_url(&hasher.finalize()) == expected),
            count => hasher.update(&buffer[..count]),
        }
    }
}

/// Unpadded URL-safe base64 (RFC 4648, section 5).
fn base64_url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - chunk.len()));
        for index in 0..=chunk.len() {
            text.push(char::from(ALPHABET[(bits >> (18 - 6 * index) & 63) as usize]));
        }
    }
    text
}

/// Writes a wheel without content that stands for a package the guest bundles, so that pip counts it in.
pub(super) fn write_placeholder(scratch: &Dir, directory: &str, package: &BundledPackage) -> io::Result<()> {
    let name = normalize_name(&package.name).replace('-', "_");
    let stem = format!("{name}-{}", package.version);
    let info = format!("{stem}.dist-info");
    let file = scratch.open_dir(directory)?.create(format!("{stem}-py3-none-any.whl"))?.into_std();
    let mut archive = zip::ZipWriter::new(file);
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (entry, text) in [
        ("METADATA", format!("Metadata-Version: 2.1\nName: {}\nVersion: {}\n", package.name, package.version)),
        ("WHEEL", "Wheel-Version: 1.0\nGenerator: vivarium\nRoot-Is-Purelib: true\nTag: py3-none-any\n".to_owned()),
        ("RECORD", format!("{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")),
    ] {
        archive.start_file(format!("{info}/{entry}"), options)?;
        archive.write_all(text.as_bytes())?;
    }
    archive.finish()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pure_python_wheels_are_taken() {
        let parse = |name: &str| WheelFile::parse(PathBuf::from(name)).map(|wheel| (wheel.name, wheel.version));
        assert_eq!(parse("six-1.17.0-py2.py3-none-any.whl").unwrap(), ("six".into(), "1.17.0".into()));
        assert_eq!(parse("Jaraco.Text-4-1-py3-none-any.whl").unwrap(), ("jaraco-text".into(), "4".into()));
        for name in [
            "numpy-2.0-cp313-cp313-manylinux_2_17_x86_64.whl",
            "x-1-py3-none-win32.whl",
            "x-1-cp313-abi3-any.whl",
            "x-1-py2-none-any.whl",
            "x.whl",
            "x-1.tar.gz",
        ] {
            assert!(parse(name).is_err(), "{name}");
        }
    }

    #[test]
    fn base64_matches_the_standards_examples() {
        for (bytes, text) in [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg")] {
            assert_eq!(base64_url(bytes.as_bytes()), text);
        }
        assert_eq!(base64_url(&[0xfb, 0xff]), "-_8");
    }

    #[test]
    fn records_may_quote_paths() {
        let record = parse_record("a.py,sha256=abc,1\n\"b,\"\"c\"\".py\",sha256=def=,2\nRECORD,,\n");
        assert_eq!(record.get("a.py").map(String::as_str), Some("abc"));
        assert_eq!(record.get("b,\"c\".py").map(String::as_str), Some("def"));
        assert_eq!(record.get("RECORD"), None);
    }
}
