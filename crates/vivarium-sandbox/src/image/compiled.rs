//! Machine code on disk: made once, checked each time.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::fs::{FlockOperation, OFlags, flock};
use serde::{Deserialize, Serialize};
use vivarium_text::OneLine;
use wasmtime::{Engine, Module, ModuleVersionStrategy};

use super::{CompileEvent, ImageError, trust};
use crate::partial;

/// What a compressed module may have: ten times what the largest image has.
const MAX_MODULE_BYTES: u64 = 1 << 30;

/// Loads the module of the image in `directory`, compiling it if there is no usable machine code. Returns it with the
/// hash of its source.
pub(super) fn open(
    engine: &Engine,
    directory: &Path,
    progress: &mut dyn FnMut(CompileEvent),
) -> Result<(Module, blake3::Hash), ImageError> {
    let directory = trust::check_directory(directory)?;
    let guest = source_of(&directory);
    let compiled = CompiledFile::new(engine, &directory);
    if let Some(loaded) = compiled.load(engine, &guest)? {
        return Ok(loaded);
    }
    let _lock = compiled.lock(progress)?;
    // Whoever held the lock before may have done the work.
    if let Some(loaded) = compiled.load(engine, &guest)? {
        return Ok(loaded);
    }
    compiled.compile(engine, &guest, progress)?;
    compiled.load(engine, &guest)?.ok_or_else(|| {
        let changed = io::Error::other("it changed while it was compiled");
        ImageError::io("use", &guest)(changed)
    })
}

/// Copies the machine code that lies beside an image in `from`, and its records, to the image in `to`. Whether it is used is decided
/// when that is opened: only with the recorded hashes, and for the same engine.
pub(super) fn copy(from: &Path, to: &Path) -> Result<(), ImageError> {
    let (from, to) = (from.join("compiled"), to.join("compiled"));
    if !from.exists() {
        return Ok(());
    }
    let from = trust::check_directory(&from)?;
    DirBuilder::new().mode(0o700).create(&to).map_err(ImageError::io("create", &to))?;
    for entry in fs::read_dir(&from).map_err(ImageError::io("list", &from))? {
        let name = entry.map_err(ImageError::io("list", &from))?.file_name();
        let (source, target) = (from.join(&name), to.join(&name));
        if !source.extension().is_some_and(|extension| extension == "cwasm" || extension == "json") {
            continue;
        }
        let Some(mut source) = open_trusted(&source)? else { continue };
        let options = OpenOptions::new().write(true).create_new(true).mode(0o600).clone();
        let copied = options.open(&target).and_then(|mut target| {
            io::copy(&mut source, &mut target)?;
            target.sync_all()
        });
        copied.map_err(ImageError::io("write", &target))?;
    }
    Ok(())
}

/// What is recorded about a file: its hash, and by what to tell that it has not been touched since.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
struct FileRecord {
    /// BLAKE3 of the content, in hex.
    blake3: String,
    /// Size in bytes.
    size: u64,
    /// Device and inode.
    inode: (u64, u64),
    changed: Changed,
}

impl FileRecord {
    fn new(file: &File, hash: blake3::Hash) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self {
            blake3: hash.to_hex().to_string(),
            size: metadata.len(),
            inode: (metadata.dev(), metadata.ino()),
            changed: changed(&metadata),
        })
    }

    /// The record of what the file is now. A file that has not been touched since `self` was recorded, at the time
    /// `recorded`, is not read again: hashing a hundred megabytes takes longer than everything else that starts a process.
    fn renew(&self, file: &File, recorded: Changed) -> io::Result<Self> {
        let unread = Self::new(file, blake3::Hash::from_bytes([0; 32]))?;
        let untouched = (unread.size, unread.inode, unread.changed) == (self.size, self.inode, self.changed);
        if untouched && self.is_settled(recorded) {
            return Ok(Self { blake3: self.blake3.clone(), ..unread });
        }
        Self::new(file, hash(file.try_clone()?)?)
    }

    /// Whether the file was last changed well before it was recorded. Otherwise a change just after could bear the same
    /// time: kernels before 6.13 advance the clock of files only every few milliseconds.
    fn is_settled(&self, recorded: Changed) -> bool {
        const CLOCK_STEP: i64 = 100_000_000;
        let nanoseconds =
            |(seconds, nanoseconds): Changed| i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
        nanoseconds(self.changed) + i128::from(CLOCK_STEP) < nanoseconds(recorded)
    }
}

/// When a file was last changed in any way, in seconds and nanoseconds. The kernel sets it; no program can.
type Changed = (i64, i64);

fn changed(metadata: &Metadata) -> Changed {
    (metadata.ctime(), metadata.ctime_nsec())
}

/// What is recorded about machine code and its source.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
struct Record {
    guest: FileRecord,
    code: FileRecord,
}

/// A `.cwasm` and its record, for one engine configuration.
struct CompiledFile {
    folder: PathBuf,
    code: PathBuf,
    record: PathBuf,
}

impl CompiledFile {
    fn new(engine: &Engine, directory: &Path) -> Self {
        let folder = directory.join("compiled");
        let stem = file_stem(engine);
        Self { code: folder.join(format!("{stem}.cwasm")), record: folder.join(format!("{stem}.json")), folder }
    }

    /// The module and the hash of its source, if there is machine code, it is as recorded, and it was compiled from the
    /// source as it is now.
    #[allow(unsafe_code, reason = "deserialising machine code is this file's job")]
    fn load(&self, engine: &Engine, guest: &Path) -> Result<Option<(Module, blake3::Hash)>, ImageError> {
        let source = open_trusted(guest)?.ok_or_else(|| missing(guest))?;
        if !self.folder.exists() {
            return Ok(None);
        }
        trust::check_directory(&self.folder)?;
        let (Some(mut record_file), Some(code)) = (open_trusted(&self.record)?, open_trusted(&self.code)?) else {
            return Ok(None);
        };
        let mut text = Vec::new();
        record_file.read_to_end(&mut text).map_err(ImageError::io("read", &self.record))?;
        let Ok(record) = serde_json::from_slice::<Record>(&text) else { return Ok(None) };
        let recorded = record_file.metadata().map_err(ImageError::io("inspect", &self.record))?;
        let recorded = changed(&recorded);
        let now = Record {
            guest: record.guest.renew(&source, recorded).map_err(ImageError::io("read", guest))?,
            code: record.code.renew(&code, recorded).map_err(ImageError::io("read", &self.code))?,
        };
        if now.code.blake3 != record.code.blake3 {
            let path = self.code.display();
            tracing::warn!(path = %OneLine(&path), "the compiled guest does not have its recorded hash; compiling it again");
            return Ok(None);
        }
        let Ok(hash) = blake3::Hash::from_hex(&now.guest.blake3) else { return Ok(None) };
        if now.guest.blake3 != record.guest.blake3 {
            return Ok(None);
        }
        if now != record || !(now.guest.is_settled(recorded) && now.code.is_settled(recorded)) {
            // The same files, but new, moved or copied. Only speed depends on this, so a failure is no error.
            let renewed = self.write_record(&now).is_ok();
            tracing::debug!(path = %OneLine(self.record.display()), renewed, "the hashes of a compiled guest were checked");
        }
        // SAFETY: the file must be an unmodified result of `Engine::precompile_module` and must not change while mapped.
        // It was checked that only this user or root can have written it or any directory above it, and that its content
        // has the hash that `compile` recorded, or has not been touched since that was found. `compile` never writes to
        // an existing file but renames new ones into place, so the content behind this descriptor stays what it is. The
        // engine checks version and configuration.
        let module = unsafe { Module::deserialize_open_file(engine, code) };
        module.map(|module| Some((module, hash))).map_err(|source| ImageError::Load { path: self.code.clone(), source })
    }

    /// Waits until no other process compiles this image.
    fn lock(&self, progress: &mut dyn FnMut(CompileEvent)) -> Result<File, ImageError> {
        match DirBuilder::new().mode(0o700).create(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(ImageError::io("create", &self.folder)(error));
            }
            _ => trust::check_directory(&self.folder)?,
        };
        let path = self.folder.join("lock");
        let options = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).clone();
        let lock = options.open(&path).map_err(ImageError::io("open", &path))?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            progress(CompileEvent::Waiting);
            flock(&lock, FlockOperation::LockExclusive).map_err(|error| ImageError::io("lock", &path)(error.into()))?;
        }
        Ok(lock)
    }

    fn compile(&self, engine: &Engine, guest: &Path, progress: &mut dyn FnMut(CompileEvent)) -> Result<(), ImageError> {
        let mut source = open_trusted(guest)?.ok_or_else(|| missing(guest))?;
        let mut content = Vec::new();
        source.read_to_end(&mut content).map_err(ImageError::io("read", guest))?;
        let hash = blake3::hash(&content);
        let wasm = if is_compressed(guest) { decompress(&content, guest)? } else { content };
        partial::sweep(&self.folder);
        progress(CompileEvent::Compiling { bytes: wasm.len() as u64 });
        let start = Instant::now();
        let code = engine.precompile_module(&wasm).map_err(ImageError::Compile)?;
        // The record last: code without a matching record is compiled again.
        self.replace(&self.code, &code)?;
        let file = open_trusted(&self.code)?.ok_or_else(|| missing(&self.code))?;
        self.write_record(&Record {
            guest: FileRecord::new(&source, hash).map_err(ImageError::io("inspect", guest))?,
            code: FileRecord::new(&file, blake3::hash(&code)).map_err(ImageError::io("inspect", &self.code))?,
        })?;
        progress(CompileEvent::Compiled { bytes: code.len() as u64, elapsed: start.elapsed() });
        Ok(())
    }

    fn write_record(&self, record: &Record) -> Result<(), ImageError> {
        let text = serde_json::to_vec(record).map_err(|error| ImageError::io("write", &self.record)(error.into()))?;
        self.replace(&self.record, &text)
    }

    /// Writes a new file and renames it into place, so that nobody ever sees half of it.
    fn replace(&self, path: &Path, content: &[u8]) -> Result<(), ImageError> {
        // A name of its own for each writer: a renewed record is written without the lock.
        let partial = self.folder.join(partial::name().map_err(ImageError::io("write", path))?);
        let write = || {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial)?;
            file.write_all(content)?;
            file.sync_all()?;
            fs::rename(&partial, path)
        };
        write().map_err(|error| {
            let _ = fs::remove_file(&partial);
            ImageError::io("write", path)(error)
        })
    }
}

/// The module of the image in `directory`: `guest.wasm`, or `guest.wasm.gz`. It is read to be compiled and never again, so it is
/// worth compressing; machine code, which is mapped, is not.
fn source_of(directory: &Path) -> PathBuf {
    let [plain, compressed] = ["guest.wasm", "guest.wasm.gz"].map(|name| directory.join(name));
    if !plain.exists() && compressed.exists() { compressed } else { plain }
}

fn is_compressed(guest: &Path) -> bool {
    guest.extension().is_some_and(|extension| extension == "gz")
}

fn decompress(content: &[u8], guest: &Path) -> Result<Vec<u8>, ImageError> {
    let mut wasm = Vec::new();
    let mut reader = flate2::read::GzDecoder::new(content).take(MAX_MODULE_BYTES + 1);
    reader.read_to_end(&mut wasm).map_err(ImageError::io("decompress", guest))?;
    if wasm.len() as u64 > MAX_MODULE_BYTES {
        let too_large = io::Error::other(format!("it is larger than {MAX_MODULE_BYTES} bytes"));
        return Err(ImageError::io("decompress", guest)(too_large));
    }
    Ok(wasm)
}

/// Names what machine code depends on besides its source: wasmtime's version and the engine's configuration.
fn file_stem(engine: &Engine) -> String {
    let mut hasher = StableHasher(blake3::Hasher::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{}-{:016x}", ModuleVersionStrategy::WasmtimeVersion.as_str(), hasher.finish())
}

/// A hasher whose result is the same in every process and version of Rust, which the standard library's is not.
struct StableHasher(blake3::Hasher);

impl Hasher for StableHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let hash = self.0.finalize();
        hash.as_bytes()[..8].iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
    }
}

fn missing(path: &Path) -> ImageError {
    ImageError::io("open", path)(io::ErrorKind::NotFound.into())
}

/// Opens a file in a directory that was checked, if it is there and only this user or root can write it.
fn open_trusted(path: &Path) -> Result<Option<File>, ImageError> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(OFlags::NOFOLLOW.bits() as i32);
    match options.open(path) {
        Ok(file) => trust::check_file(&file, path).map(|()| Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ImageError::io("open", path)(error)),
    }
}

fn hash(mut file: File) -> io::Result<blake3::Hash> {
    let mut hasher = blake3::Hasher::new();
    // Large enough for the processor's widest instructions, small enough to stay in its cache.
    let mut buffer = vec![0; 128 << 10];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finalize()),
            Ok(length) => {
                hasher.update(&buffer[..length]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
