//! The folder for what a query cannot keep in memory.
//!
//! It is made before the process sandbox is in force, and the query may write anything below it. Removing it takes access to its parent,
//! the shared folder of temporary files; so a thread that was started before the process sandbox removes it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;

/// What the names of a process's folders begin with.
fn prefix(process: u32) -> String {
    format!("wasm-run-sql-{process}-")
}

/// Removes the folders of a process that has ended without doing so.
pub fn remove_left_by(process: u32) {
    let prefix = prefix(process);
    // What cannot be listed or removed stays: there is nobody left to tell.
    for entry in std::fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// A folder that is removed when this is dropped.
pub struct TemporaryFolder {
    path: PathBuf,
    /// Disconnected to have the folder removed.
    keep: Option<mpsc::Sender<()>>,
    remover: Option<JoinHandle<()>>,
}

impl TemporaryFolder {
    /// Makes a folder. Call it before the process sandbox is in force.
    ///
    /// # Errors
    /// What the system says.
    pub fn new() -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix(&prefix(std::process::id())).tempdir()?;
        let path = folder.path().to_owned();
        let (keep, kept) = mpsc::channel();
        let remover = std::thread::spawn(move || {
            // Nothing is ever sent.
            let _ = kept.recv();
            drop(folder);
        });
        Ok(Self { path, keep: Some(keep), remover: Some(remover) })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        self.keep = None;
        if let Some(remover) = self.remover.take() {
            // A panic there leaves the folder behind, which is no reason for another.
            let _ = remover.join();
        }
    }
}
