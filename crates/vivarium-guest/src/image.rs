//! An image on disk: `guest.wasm` and the manifest that says what is in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Where an image lies. `vivarium_sandbox::Image::open` takes [`ImageLocation::directory`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageLocation {
    /// Folder of the image: `guest.wasm.gz`, `manifest.json` and the compiled code.
    pub directory: PathBuf,
}

impl ImageLocation {
    /// The initialised WebAssembly module, compressed.
    pub fn module(&self) -> PathBuf {
        self.directory.join("guest.wasm.gz")
    }

    /// Reads the manifest.
    ///
    /// # Errors
    /// When the file cannot be read or is of another format.
    pub fn manifest(&self) -> Result<Manifest, Error> {
        Manifest::read(&self.directory.join("manifest.json"))
    }
}

/// What an image was built from and contains.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Manifest {
    /// Version of this file's format.
    pub format: u32,
    /// Name of the image, for example `base`.
    pub name: String,
    /// Version of CPython.
    pub python: String,
    /// Bundled packages and their versions. A job's requirements count them as installed.
    pub packages: BTreeMap<String, String>,
    /// Top-level modules and packages besides the standard library. A job's own modules of these names are never found.
    #[serde(default)]
    pub modules: Vec<String>,
    /// Every input and its sha256.
    pub inputs: BTreeMap<String, String>,
    /// sha256 of the linked module before it was initialised.
    pub guest_sha256: String,
    /// sha256 over the tree that was read into memory while initialising.
    pub home_sha256: String,
    /// Functions of CPython and of the C shim that are in the profile the guest was optimised by, and have changed since it was made.
    #[serde(default)]
    pub profile_changed: Vec<String>,
    /// A native CPython of the same version, with NumPy where the image has it, for comparisons.
    pub native_python: PathBuf,
    /// Seconds that each step of the build took when it last ran.
    #[serde(default)]
    pub seconds: BTreeMap<String, f64>,
    /// sha256 of the module in this folder, before it is compressed; absent in what the build script writes.
    #[serde(default)]
    pub image_sha256: Option<String>,
}

impl Manifest {
    /// The format that this version writes.
    pub const FORMAT: u32 = 1;

    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read(path).map_err(Error::io("read", path))?;
        Self::parse(&text).map_err(|reason| Error::Manifest { path: path.to_owned(), reason })
    }

    /// The manifest in a text, or why there is none.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, String> {
        let manifest: Self = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        match manifest.format {
            Self::FORMAT => Ok(manifest),
            format => Err(format!("format {format} instead of {}", Self::FORMAT)),
        }
    }

    /// Without what is only true of the machine that built the image.
    pub(crate) fn of_any_machine(self) -> Self {
        Self { native_python: PathBuf::new(), seconds: BTreeMap::new(), ..self }
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), Error> {
        let text = serde_json::to_vec_pretty(self).map_err(|error| Error::Io {
            action: "serialise",
            path: path.to_owned(),
            source: error.into(),
        })?;
        std::fs::write(path, text).map_err(Error::io("write", path))
    }
}

/// What `wasm-run guest info` shows.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ImageInfo {
    /// Folder of the image.
    pub directory: PathBuf,
    /// Hash of the recipe it was built from.
    pub recipe: String,
    /// Its manifest.
    #[serde(flatten)]
    pub manifest: Manifest,
    /// Size of the compressed module in bytes.
    pub module_bytes: u64,
    /// Size of the compiled code in bytes, one entry per file; empty before the first use.
    pub compiled_bytes: BTreeMap<String, u64>,
}
