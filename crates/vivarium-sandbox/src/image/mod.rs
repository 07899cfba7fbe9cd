//! Images: the code every sandbox of a kind starts from.
//!
//! An image is a directory with `guest.wasm`, the snapshot that [`snapshot`](crate::snapshot()) made. Compiling it takes
//! seconds, so the machine code is kept beside it, in a folder only its owner can write:
//!
//! ```text
//!   base/guest.wasm                          the module
//!   base/manifest.json                       what is in it (for people and for `vivarium-guest`)
//!   base/compiled/48-0123456789abcdef.cwasm  machine code for this wasmtime and this engine configuration
//!   base/compiled/48-0123456789abcdef.json   hashes of module and code, and when each was last touched
//!   base/compiled/lock                       one process compiles, the others wait
//! ```
//!
//! Machine code is as powerful as this process, so it is run only when nobody else can have written it ([`trust`]) and
//! its hash is the recorded one. Otherwise it is compiled again from the module, which is sandboxed whatever it contains.
//! Nothing that a tenant supplies is ever compiled.

#![deny(unsafe_code)]

mod compiled;
mod contract;
pub(crate) mod trust;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use wasmtime::{InstancePre, Linker, Module};

use crate::error::{Error, ImageError};
use crate::host_call;
use crate::runtime::Runtime;
use crate::state::State;
use crate::wasi;

pub(crate) use contract::ABI_VERSION;

/// A compiled guest, ready to be instantiated. Cloning it is cheap and gives the same image.
#[derive(Clone)]
pub struct Image {
    shared: Arc<Shared>,
}

struct Shared {
    runtime: Runtime,
    pre: InstancePre<State>,
    hash: blake3::Hash,
}

/// How a compilation gets on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CompileEvent {
    /// Another process is compiling the same image; waiting for it.
    Waiting,
    /// Compiling a module of this many bytes. It takes about half a second per megabyte and core.
    Compiling {
        /// Size of the module.
        bytes: u64,
    },
    /// The machine code is on disk.
    Compiled {
        /// Its size in bytes.
        bytes: u64,
        /// Time it took.
        elapsed: Duration,
    },
}

/// Resolves `directory`, and refuses it unless only this user or root can write it and everything above it.
///
/// # Errors
/// [`ImageError::Untrusted`], and when it is not there.
pub fn trusted_directory(directory: &Path) -> Result<PathBuf, ImageError> {
    trust::check_directory(directory)
}

/// Copies the machine code beside an image that was installed with a program to a copy of that image, so that it need not be compiled
/// again. Machine code of another kind of processor or version of wasmtime lies there without being used.
///
/// # Errors
/// [`ImageError::Untrusted`], and when it cannot be read or written. Without machine code there is nothing to do.
pub fn copy_compiled(from: &Path, to: &Path) -> Result<(), ImageError> {
    compiled::copy(from, to)
}

impl Image {
    /// Opens the image in `directory`, compiling it first if this machine has not done so yet.
    ///
    /// Opening a compiled image takes milliseconds; compiling takes seconds and all cores, and blocks the thread:
    /// call [`compile`](Self::compile) before, where that matters.
    ///
    /// # Errors
    /// [`Error::Image`] when the directory is missing, is writable by others, or holds no usable guest.
    pub fn open(runtime: &Runtime, directory: impl AsRef<Path>) -> Result<Self, Error> {
        let (module, hash) = compiled::open(runtime.engine(), directory.as_ref(), &mut |_| {})?;
        Self::new(runtime, &module, hash)
    }

    /// Compiles the image in `directory` for this machine unless that has been done, and tells `progress` about it.
    ///
    /// Processes that compile the same image wait for one of them.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn compile(
        runtime: &Runtime,
        directory: impl AsRef<Path>,
        mut progress: impl FnMut(CompileEvent),
    ) -> Result<(), Error> {
        compiled::open(runtime.engine(), directory.as_ref(), &mut progress)?;
        Ok(())
    }

    /// An image from the bytes of a module, compiled now and kept nowhere.
    ///
    /// # Errors
    /// [`Error::Image`] when it is not a guest.
    pub fn from_wasm_bytes(runtime: &Runtime, wasm: &[u8]) -> Result<Self, Error> {
        let module = Module::new(runtime.engine(), wasm).map_err(ImageError::Compile)?;
        Self::new(runtime, &module, blake3::hash(wasm))
    }

    fn new(runtime: &Runtime, module: &Module, hash: blake3::Hash) -> Result<Self, Error> {
        contract::check(module)?;
        let mut linker = Linker::new(runtime.engine());
        wasi::add_to_linker(&mut linker, |state: &mut State| &mut state.wasi).map_err(Error::Start)?;
        host_call::add_to_linker(&mut linker, |state: &mut State| &mut state.host).map_err(Error::Start)?;
        let pre = linker.instantiate_pre(module).map_err(ImageError::Compile)?;
        // Now, and not with the first sandbox: in the process sandbox no file in memory can be made.
        module.initialize_copy_on_write_image().map_err(ImageError::Compile)?;
        Ok(Self { shared: Arc::new(Shared { runtime: runtime.clone(), pre, hash }) })
    }

    /// The runtime it was opened in.
    pub fn runtime(&self) -> &Runtime {
        &self.shared.runtime
    }

    /// BLAKE3 hash of the module's file, in hex: equal for equal images wherever they were compiled.
    pub fn hash(&self) -> String {
        self.shared.hash.to_hex().to_string()
    }

    pub(crate) fn pre(&self) -> &InstancePre<State> {
        &self.shared.pre
    }
}

impl std::fmt::Debug for Image {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Image").field("hash", &self.hash()).finish_non_exhaustive()
    }
}
