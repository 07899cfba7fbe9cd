//! Where lines typed at the prompt are kept, as the XDG base directory specification wants it: in the user's state.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The folder of this program in the user's folder of state.
const FOLDER: &str = "wasm-run";
/// The file in it.
const FILE: &str = "sql_history";

/// A file of lines, in a folder that exists.
#[derive(Debug, Clone)]
pub struct History {
    folder: PathBuf,
}

impl History {
    /// The user's history. `None` when there is no place for one; the prompt then begins without.
    pub fn find() -> Option<Self> {
        let variable = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let state = variable("XDG_STATE_HOME").or_else(|| Some(variable("HOME")?.join(".local/state")))?;
        let folder = state.join(FOLDER);
        // Statements may hold what is nobody else's business.
        match DirBuilder::new().recursive(true).mode(0o700).create(&folder) {
            Ok(()) => Some(Self { folder }),
            Err(error) => {
                tracing::warn!(folder = %folder.display(), %error, "there is no place for a history");
                None
            }
        }
    }

    /// The folder, in which the file is replaced.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file, which may not be there yet.
    pub fn file(&self) -> PathBuf {
        self.folder.join(FILE)
    }
}
