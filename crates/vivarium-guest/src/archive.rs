//! An image as one file, so that a cluster builds it once: a tar archive of `NAME-KEY/manifest.json` and `NAME-KEY/guest.wasm.gz`.
//!
//! One image always gives the same bytes, whose sha256 tells that they arrived. Machine code is deliberately not among them: it is trusted as
//! the program is, so each machine compiles its own. What an archive says is a stranger's: sizes are bounded, names are exactly those
//! two, and nothing in its manifest is a path that would be opened or text that a terminal would obey.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};
use tar::{Archive, Builder, Entry, EntryType, Header};

use crate::description::{ImageName, images};
use crate::error::Error;
use crate::image::{ImageLocation, Manifest};
use crate::{build, installed, recipe};

const MANIFEST: &str = "manifest.json";
const MODULE: &str = "guest.wasm.gz";

/// Of the largest image some 2 kB.
const MAX_MANIFEST: u64 = 1 << 20;
/// Of the compressed module; of the largest image some 50 MB.
const MAX_MODULE: u64 = 1 << 30;
/// Headers, padding and the end.
const MAX_ARCHIVE: u64 = MAX_MANIFEST + MAX_MODULE + (64 << 10);

/// An archive that was written or read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageArchive {
    /// Which image is in it.
    pub image: ImageName,
    /// Its length in bytes.
    pub bytes: u64,
    /// sha256 of its bytes, in hexadecimal digits.
    pub sha256: String,
}

/// Writes the image in `location`.
pub(crate) fn write(image: &ImageName, location: &ImageLocation, to: impl Write) -> Result<ImageArchive, Error> {
    let manifest =
        serde_json::to_vec_pretty(&location.manifest()?.of_any_machine()).map_err(|error| unwritten(error.into()))?;
    let module = File::open(location.module()).map_err(Error::io("open", &location.module()))?;
    let length = module.metadata().map_err(Error::io("read the size of", &location.module()))?.len();
    let folder = build::versioned_name(image.description());
    let mut hashed = Hashed::new(to);
    let mut builder = Builder::new(&mut hashed);
    let mut append = |name: &str, length: u64, content: &mut dyn Read| {
        let mut header = Header::new_ustar();
        header.set_size(length);
        header.set_mode(0o644);
        builder.append_data(&mut header, format!("{folder}/{name}"), content).map_err(unwritten)
    };
    append(MANIFEST, manifest.len() as u64, &mut manifest.as_slice())?;
    append(MODULE, length, &mut module.take(length))?;
    builder.into_inner().and_then(Write::flush).map_err(unwritten)?;
    Ok(hashed.finish(image.clone()))
}

/// Reads an archive into `folder`, which is new.
///
/// # Errors
/// [`Error::Archive`] when it is not one of an image of this version or has another hash than `expected`, and when it cannot be read or
/// the image not be written.
pub(crate) fn read(from: impl Read, expected: Option<&str>, folder: &Path) -> Result<ImageArchive, Error> {
    let mut archive = Archive::new(Hashed::new(from.take(MAX_ARCHIVE)));
    let (image, manifest) = unpack(&mut archive, folder)?;
    let mut rest = archive.into_inner();
    io::copy(&mut rest, &mut io::sink()).map_err(unread)?;
    if rest.inner.limit() == 0 {
        return Err(refused(format!("it has more than {MAX_ARCHIVE} bytes")));
    }
    let read = rest.finish(image);
    if let Some(expected) = expected
        && !expected.eq_ignore_ascii_case(&read.sha256)
    {
        return Err(refused(format!(
            "its sha256 is {}, and {} is expected",
            read.sha256,
            vivarium_text::line(expected, 64)
        )));
    }
    let path = folder.join(MODULE);
    let module = File::open(&path).map_err(Error::io("open", &path))?;
    if manifest.image_sha256.is_none() || manifest.image_sha256 != installed::sha256(module) {
        return Err(refused("its module does not have the hash that its manifest records"));
    }
    manifest.write(&folder.join(MANIFEST))?;
    Ok(read)
}

/// Writes the module, and returns what the manifest says.
fn unpack(archive: &mut Archive<impl Read>, folder: &Path) -> Result<(ImageName, Manifest), Error> {
    // Raw: no entry is a long name or an extension of another one, which would be read whole.
    let mut entries = archive.entries().map_err(unread)?.raw(true);
    let mut next = || entries.next().transpose().map_err(unread);

    let mut entry = next()?.ok_or_else(|| refused("it is empty"))?;
    let image = image_of(&entry)?;
    expect_file(&entry, &image, MANIFEST, MAX_MANIFEST)?;
    let mut text = Vec::new();
    entry.read_to_end(&mut text).map_err(unread)?;
    let manifest = checked(&text, &image)?;

    let mut entry = next()?.ok_or_else(|| refused("it has no module"))?;
    expect_file(&entry, &image, MODULE, MAX_MODULE)?;
    let (path, length) = (folder.join(MODULE), entry.size());
    let mut file = File::create(&path).map_err(Error::io("create", &path))?;
    // The entry of an archive that was cut ends early, without an error.
    if io::copy(&mut entry, &mut file).map_err(Error::io("write", &path))? != length {
        return Err(refused("it ends in the middle of the module"));
    }
    file.sync_all().map_err(Error::io("write", &path))?;
    match next()? {
        Some(_) => Err(refused("there is more in it than an image")),
        None => Ok((image, manifest)),
    }
}

/// The image of this version that an archive begins with.
fn image_of(first: &Entry<'_, impl Read>) -> Result<ImageName, Error> {
    let path = first.path_bytes();
    let folder = path.strip_suffix(format!("/{MANIFEST}").as_bytes());
    let folder = folder.ok_or_else(|| refused("it does not begin with a manifest"))?;
    let found = images().iter().find(|image| build::versioned_name(image).as_bytes() == folder);
    found.map(|image| image.name.clone()).ok_or_else(|| {
        let known: Vec<_> = images().iter().map(build::versioned_name).collect();
        let folder = vivarium_text::line(&String::from_utf8_lossy(folder), 64);
        refused(format!("it has the image {folder}, and this version's images are {}", known.join(", ")))
    })
}

fn expect_file(entry: &Entry<'_, impl Read>, image: &ImageName, name: &str, most: u64) -> Result<(), Error> {
    let path = format!("{}/{name}", build::versioned_name(image.description()));
    if entry.path_bytes() != path.as_bytes() || entry.header().entry_type() != EntryType::Regular {
        return Err(refused(format!("{path} is not where it should be")));
    }
    if entry.size() > most {
        return Err(refused(format!("{path} has more than {most} bytes")));
    }
    Ok(())
}

/// A manifest, without what would only be true where it was written.
fn checked(text: &[u8], image: &ImageName) -> Result<Manifest, Error> {
    let manifest = Manifest::parse(text).map_err(|reason| refused(format!("its manifest: {reason}")))?;
    if manifest.name != image.as_str() {
        return Err(refused("its manifest is that of another image"));
    }
    let manifest = manifest.of_any_machine();
    // No text of a manifest needs an escape in JSON; what does, or does more in a terminal than show itself, is none.
    let shown = serde_json::to_string(&manifest).unwrap_or_default();
    if shown.is_empty() || shown.contains('\\') || shown.contains(vivarium_text::is_hostile) {
        return Err(refused("its manifest has characters that no manifest has"));
    }
    Ok(manifest)
}

fn refused(reason: impl Into<String>) -> Error {
    Error::Archive { reason: reason.into() }
}

fn unwritten(source: io::Error) -> Error {
    Error::ArchiveIo { action: "written", source }
}

/// What the operating system did not say is said of the archive itself.
fn unread(source: io::Error) -> Error {
    match source.raw_os_error() {
        Some(_) => Error::ArchiveIo { action: "read", source },
        None => refused(source.to_string()),
    }
}

/// Counts and hashes what passes.
struct Hashed<T> {
    inner: T,
    bytes: u64,
    hash: Sha256,
}

impl<T> Hashed<T> {
    fn new(inner: T) -> Self {
        Self { inner, bytes: 0, hash: Sha256::new() }
    }

    fn passed(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.hash.update(bytes);
    }

    fn finish(self, image: ImageName) -> ImageArchive {
        ImageArchive { image, bytes: self.bytes, sha256: recipe::hex(&self.hash.finalize()) }
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.passed(&buffer[..read]);
        Ok(read)
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.passed(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::ImageStore;
    use crate::progress::Event;

    /// A store with the default image, made of this module.
    fn store(module: &[u8]) -> (tempfile::TempDir, ImageStore) {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("images").join(build::versioned_name(&images()[0]));
        std::fs::create_dir_all(&folder).unwrap();
        build::write_compressed(&folder.join(MODULE), module).unwrap();
        std::fs::write(folder.join(MANIFEST), manifest(module).to_string()).unwrap();
        let store = ImageStore::at(root.path().to_owned());
        (root, store)
    }

    fn manifest(module: &[u8]) -> serde_json::Value {
        serde_json::json!({
            "format": 1, "name": "base", "python": "3.13.5", "packages": {"numpy": "2.2.6"}, "inputs": {}, "guest_sha256": "",
            "home_sha256": "", "native_python": "/bin/sh", "seconds": {"link": 1.5},
            "image_sha256": recipe::hex(&Sha256::digest(module)),
        })
    }

    fn exported(store: &ImageStore) -> (ImageArchive, Vec<u8>) {
        let mut bytes = Vec::new();
        let archive = store.export(&mut bytes).unwrap();
        (archive, bytes)
    }

    fn import(store: &ImageStore, bytes: &[u8], sha256: Option<&str>) -> Result<ImageArchive, Error> {
        store.import(bytes, sha256, &mut |event| assert!(!matches!(event, Event::Waiting { .. })))
    }

    fn empty() -> (tempfile::TempDir, ImageStore) {
        let root = tempfile::tempdir().unwrap();
        let store = ImageStore::at(root.path().join("cache"));
        (root, store)
    }

    /// Why an archive is refused, and that it leaves nothing.
    fn refusal(bytes: &[u8], sha256: Option<&str>) -> String {
        let (_root, store) = empty();
        let error = import(&store, bytes, sha256).unwrap_err().to_string();
        assert!(store.locate().is_err());
        let left: Vec<_> = std::fs::read_dir(store.root().join("images")).unwrap().map(|file| file.unwrap()).collect();
        assert!(left.iter().all(|file| file.file_name() == "build.lock"), "{left:?}");
        error
    }

    /// An archive of these files, as an attacker would pack one.
    fn packed(files: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for (path, kind, content) in files {
            let mut header = Header::new_ustar();
            header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
            header.set_entry_type(*kind);
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            builder.append(&header, *content).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn compressed(module: &[u8]) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        build::write_compressed(&folder.path().join("module"), module).unwrap();
        std::fs::read(folder.path().join("module")).unwrap()
    }

    #[test]
    fn an_image_is_the_same_on_another_machine() {
        let (_root, here) = store(b"module");
        let (archive, bytes) = exported(&here);
        assert_eq!((archive.bytes, archive.image.as_str()), (bytes.len() as u64, "base"));
        assert_eq!(archive.sha256, recipe::hex(&Sha256::digest(&bytes)));
        assert_eq!(exported(&here), (archive.clone(), bytes.clone()));

        let (_root, there) = empty();
        assert_eq!(import(&there, &bytes, Some(&archive.sha256.to_uppercase())).unwrap(), archive);
        let (location, manifest) = (there.locate().unwrap(), there.info().unwrap().manifest);
        assert_eq!(std::fs::read(location.module()).unwrap(), std::fs::read(here.locate().unwrap().module()).unwrap());
        // What is only true of the machine that built it does not travel.
        assert_eq!((manifest.native_python, manifest.seconds.len()), (PathBuf::new(), 0));
        // And from there to the next one.
        assert_eq!(exported(&there), (archive, bytes));
    }

    #[test]
    fn an_image_that_is_there_is_replaced_by_a_whole_one_only() {
        let ((_here, one), (_there, other)) = (store(b"one"), store(b"other"));
        let (_, bytes) = exported(&one);
        let before = other.info().unwrap();
        assert!(import(&other, &bytes[..bytes.len() / 2], None).is_err());
        assert_eq!(other.info().unwrap().manifest, before.manifest);
        import(&other, &bytes, None).unwrap();
        assert_eq!(other.info().unwrap().manifest.image_sha256, one.info().unwrap().manifest.image_sha256);
    }

    #[test]
    fn damage_is_noticed() {
        let (_root, here) = store(b"module");
        let (archive, bytes) = exported(&here);
        for length in (0..bytes.len()).step_by(97) {
            refusal(&bytes[..length], Some(&archive.sha256));
        }
        for place in (0..bytes.len()).step_by(41) {
            let mut damaged = bytes.clone();
            damaged[place] ^= 0x11;
            refusal(&damaged, Some(&archive.sha256));
        }
        let longer = [bytes.as_slice(), &[0; 512]].concat();
        assert!(refusal(&longer, Some(&archive.sha256)).contains("is expected"));
        // Of the module without being told the archive's hash.
        let module = bytes.windows(2).position(|two| two == [0x1f, 0x8b]).unwrap();
        for place in module..module + compressed(b"module").len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 0x11;
            // The header of gzip has a time and a system, which change nothing.
            let (_root, there) = empty();
            if import(&there, &damaged, None).is_ok() {
                assert!(place < module + 10, "{place} of the module's bytes");
            }
        }
    }

    #[test]
    fn what_a_stranger_packs_is_refused() {
        use EntryType as Kind;
        let folder = build::versioned_name(&images()[0]);
        let [manifest_path, module_path] = [MANIFEST, MODULE].map(|name| format!("{folder}/{name}"));
        let (good, module) = (manifest(b"module").to_string(), compressed(b"module"));
        let (good, module) = (good.as_bytes(), module.as_slice());
        let (a, b) = (manifest_path.as_str(), module_path.as_str());
        let whole = [(a, Kind::Regular, good), (b, Kind::Regular, module)];
        import(&empty().1, &packed(&whole), None).unwrap();

        let changed = |key: &str, value: serde_json::Value| {
            let mut manifest = manifest(b"module");
            manifest[key] = value;
            manifest.to_string()
        };
        let escape = changed("python", "3.13\u{1b}]0;x\u{7}".into());
        let reversed = changed("packages", serde_json::json!({"\u{202e}numpy": "1"}));
        let unsigned = changed("image_sha256", serde_json::Value::Null);
        let another = changed("name", "data".into());
        let newer = changed("format", 2.into());
        for (files, reason) in [
            (vec![], "it is empty"),
            (vec![whole[0]], "it has no module"),
            (vec![whole[1], whole[0]], "does not begin with a manifest"),
            (vec![whole[0], (a, Kind::Regular, module)], "guest.wasm.gz is not where it should be"),
            (vec![whole[0], whole[1], ("more", Kind::Regular, b"")], "more in it than an image"),
            (vec![(a, Kind::Symlink, b""), whole[1]], "manifest.json is not where it should be"),
            (vec![whole[0], (b, Kind::Link, b"")], "guest.wasm.gz is not where it should be"),
            (vec![("x/../../manifest.json", Kind::Regular, good), whole[1]], "it has the image x/../.."),
            (
                vec![("base-0123456789abcdef/manifest.json", Kind::Regular, good)],
                "base-0123456789abcdef, and this version",
            ),
            (vec![("\u{1b}[2J/manifest.json", Kind::Regular, good)], "the image \\x1b[2J"),
            (vec![("././@LongLink", Kind::GNULongName, &[b'x'; 4096]), whole[0], whole[1]], "begin with a manifest"),
            (vec![(a, Kind::Regular, b"{}"), whole[1]], "its manifest: missing field"),
            (vec![(a, Kind::Regular, &[b' '; (1 << 20) + 1]), whole[1]], "more than 1048576 bytes"),
            (vec![(a, Kind::Regular, escape.as_bytes()), whole[1]], "characters that no manifest has"),
            (vec![(a, Kind::Regular, reversed.as_bytes()), whole[1]], "characters that no manifest has"),
            (vec![(a, Kind::Regular, another.as_bytes()), whole[1]], "that of another image"),
            (vec![(a, Kind::Regular, newer.as_bytes()), whole[1]], "format 2 instead of 1"),
            (vec![(a, Kind::Regular, unsigned.as_bytes()), whole[1]], "the hash that its manifest records"),
            (vec![whole[0], (b, Kind::Regular, &compressed(b"other"))], "the hash that its manifest records"),
        ] {
            let error = refusal(&packed(&files), None);
            assert!(error.contains(reason), "{error}\ninstead of: {reason}");
        }
        assert!(refusal(b"", None).contains("it is empty"));
        for other in [b"PK\x03\x04".as_slice(), &[b'x'; 1024]] {
            assert!(refusal(other, None).contains("this is no archive of an image"));
        }
    }
}
