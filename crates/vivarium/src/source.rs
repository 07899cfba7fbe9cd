//! Where functions come from.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// The largest function file read, in bytes. Functions are source code; data belongs in the environment.
pub const MAX_SOURCE_BYTES: u64 = 16 * 1024 * 1024;

/// Python source code, or the name of a module in the environment, that declares functions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionSource(Code);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Code {
    Text { filename: String, text: String },
    Module { name: String },
}

/// Why a function file cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The file is missing, or is not ours to read.
    #[error("the Python file {} cannot be read: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The file is larger than `MAX_SOURCE_BYTES`.
    #[error("the Python file {} has {size} bytes, more than the {MAX_SOURCE_BYTES} allowed; is it a Python file?", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
    },
    /// The file is not UTF-8.
    #[error("the Python file {} is not UTF-8 at byte {position}; save it as UTF-8", path.display())]
    Encoding {
        /// The file.
        path: PathBuf,
        /// Offset of the first byte that is not UTF-8.
        position: usize,
    },
}

impl FunctionSource {
    /// Reads a Python file. Tracebacks name it as `path` is spelled.
    ///
    /// # Errors
    /// [`SourceError`] when the file is missing, too large or not UTF-8.
    pub fn file(path: impl AsRef<Path>) -> Result<Self, SourceError> {
        let path = path.as_ref();
        Ok(Self(Code::Text { filename: path.display().to_string(), text: Self::read(path)? }))
    }

    /// Reads the text of a Python file.
    ///
    /// # Errors
    /// As [`file`](Self::file).
    pub fn read(path: impl AsRef<Path>) -> Result<String, SourceError> {
        let path = path.as_ref();
        let unreadable = |error| SourceError::Read { path: path.to_owned(), error };
        let size = std::fs::metadata(path).map_err(unreadable)?.len();
        if size > MAX_SOURCE_BYTES {
            return Err(SourceError::TooLarge { path: path.to_owned(), size });
        }
        let bytes = std::fs::read(path).map_err(unreadable)?;
        String::from_utf8(bytes).map_err(|error| SourceError::Encoding {
            path: path.to_owned(),
            position: error.utf8_error().valid_up_to(),
        })
    }

    /// Python source code in memory; `filename` is what tracebacks call it.
    pub fn inline(filename: impl Into<String>, text: impl Into<String>) -> Self {
        Self(Code::Text { filename: filename.into(), text: text.into() })
    }

    /// A module that the environment holds, by its dotted name.
    pub fn module(name: impl Into<String>) -> Self {
        Self(Code::Module { name: name.into() })
    }

    /// The file name or module name, for messages.
    pub fn name(&self) -> &str {
        match &self.0 {
            Code::Text { filename, .. } => filename,
            Code::Module { name } => name,
        }
    }

    /// The source code; `None` for a module of the environment. A `# /// script` header in it can be read with
    /// `vivarium_env::ScriptMetadata`.
    pub fn text(&self) -> Option<&str> {
        match &self.0 {
            Code::Text { text, .. } => Some(text),
            Code::Module { .. } => None,
        }
    }

    /// The control request that makes a guest load this source.
    pub(crate) fn load_request(&self) -> Value {
        match &self.0 {
            Code::Text { filename, text } => json!({"op": "load", "source": text, "filename": filename}),
            Code::Module { name } => json!({"op": "load", "module": name}),
        }
    }
}
