//! Machine code on disk: made once, checked each time.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::fs::{FlockOperation, OFlags, flock};
use serde::{Deserialize, Serialize};
use wasmtime::{Engine, Module, ModuleVersionStrategy};

use super::{CompileEvent, ImageError, trust};

/// Loads the module of the image in `directory`, compiling it if there is no usable machine code. Returns it with the
/// hash of its source.
pub(super) fn open(
    engine: &Engine,
    directory: &Path,
    progress: &mut dyn FnMut(CompileEvent),
) -> Result<(Module, blake3::Hash), ImageError> {
    let directory = trust::check_directory(directory)?;
    let guest = GuestFile::open(&directory)?;
    let code = CompiledFile::new(engine, &directory);
    // Two hashes of tens of megabytes, on two cores.
    let (guest_hash, code_file) = std::thread::scope(|scope| {
        let code_file = scope.spawn(|| code.open());
        (guest.hash(), code_file.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let guest_hash = guest_hash?;
    if let Some(module) = code.load(engine, code_file?, guest_hash)? {
        return Ok((module, guest_hash));
    }

    let _lock = code.lock(progress)?;
    // Whoever held the lock before may have done the work.
    if let Some(module) = code.load(engine, code.open()?, guest_hash)? {
        return Ok((module, guest_hash));
    }
    code.compile(engine, &guest, progress)?;
    match code.load(engine, code.open()?, guest_hash)? {
        Some(module) => Ok((module, guest_hash)),
        None => {
            let changed = io::Error::other("it changed while it was compiled");
            Err(ImageError::io("use", &guest.path)(changed))
        }
    }
}

/// `guest.wasm`, the source.
struct GuestFile {
    path: PathBuf,
}

impl GuestFile {
    fn open(directory: &Path) -> Result<Self, ImageError> {
        let path = directory.join("guest.wasm");
        let file = File::open(&path).map_err(ImageError::io("open", &path))?;
        trust::check_file(&file, &path)?;
        Ok(Self { path })
    }

    fn hash(&self) -> Result<blake3::Hash, ImageError> {
        let file = File::open(&self.path).map_err(ImageError::io("open", &self.path))?;
        hash(file).map_err(ImageError::io("read", &self.path))
    }
}

/// What is recorded about a file of machine code.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
struct Record {
    /// BLAKE3 of the module it was compiled from, in hex.
    guest: String,
    /// BLAKE3 of the machine code, in hex.
    code: String,
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

    /// The machine code and the hash of what it was compiled from, if there is any and both are as recorded.
    fn open(&self) -> Result<Option<(File, String)>, ImageError> {
        if !self.folder.exists() {
            return Ok(None);
        }
        trust::check_directory(&self.folder)?;
        let (Some(mut record), Some(code)) = (open_trusted(&self.record)?, open_trusted(&self.code)?) else {
            return Ok(None);
        };
        let mut text = Vec::new();
        record.read_to_end(&mut text).map_err(ImageError::io("read", &self.record))?;
        let hash = code.try_clone().and_then(hash).map_err(ImageError::io("read", &self.code))?;
        match serde_json::from_slice::<Record>(&text) {
            Ok(record) if record.code == hash.to_hex().as_str() => Ok(Some((code, record.guest))),
            _ => {
                let path = self.code.display();
                tracing::warn!(%path, "the compiled guest does not have its recorded hash; compiling it again");
                Ok(None)
            }
        }
    }

    /// The module, if the machine code was compiled from the source with this hash.
    #[allow(unsafe_code, reason = "deserialising machine code is this file's job")]
    fn load(
        &self,
        engine: &Engine,
        code: Option<(File, String)>,
        guest_hash: blake3::Hash,
    ) -> Result<Option<Module>, ImageError> {
        let Some((file, compiled_from)) = code else { return Ok(None) };
        if compiled_from != guest_hash.to_hex().as_str() {
            return Ok(None);
        }
        // SAFETY: the file must be an unmodified result of `Engine::precompile_module` and must not change while mapped.
        // `open` checked that only this user or root can have written it or any directory above it, and that its content
        // has the hash that `compile` recorded. `compile` never writes to an existing file but renames new ones into
        // place, so the content behind this descriptor stays what it is. The engine checks version and configuration.
        let module = unsafe { Module::deserialize_open_file(engine, file) };
        module.map(Some).map_err(|source| ImageError::Load { path: self.code.clone(), source })
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

    fn compile(
        &self,
        engine: &Engine,
        guest: &GuestFile,
        progress: &mut dyn FnMut(CompileEvent),
    ) -> Result<(), ImageError> {
        let wasm = fs::read(&guest.path).map_err(ImageError::io("read", &guest.path))?;
        progress(CompileEvent::Compiling { bytes: wasm.len() as u64 });
        let start = Instant::now();
        let code = engine.precompile_module(&wasm).map_err(ImageError::Compile)?;
        let record =
            Record { guest: blake3::hash(&wasm).to_hex().to_string(), code: blake3::hash(&code).to_hex().to_string() };
        // The record last: code without a matching record is compiled again.
        self.replace(&self.code, &code)?;
        let record =
            serde_json::to_vec(&record).map_err(|error| ImageError::io("write", &self.record)(error.into()))?;
        self.replace(&self.record, &record)?;
        progress(CompileEvent::Compiled { bytes: code.len() as u64, elapsed: start.elapsed() });
        Ok(())
    }

    /// Writes a new file and renames it into place, so that nobody ever sees half of it. The lock is held.
    fn replace(&self, path: &Path, content: &[u8]) -> Result<(), ImageError> {
        let partial = self.folder.join("partial");
        match fs::remove_file(&partial) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(ImageError::io("remove", &partial)(error));
            }
            _ => {}
        }
        let write = || {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial)?;
            file.write_all(content)?;
            file.sync_all()
        };
        write().map_err(ImageError::io("write", &partial))?;
        fs::rename(&partial, path).map_err(ImageError::io("write", path))
    }
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

/// Opens a file of the compiled folder, which was checked, if it is there and only this user or root can write it.
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
