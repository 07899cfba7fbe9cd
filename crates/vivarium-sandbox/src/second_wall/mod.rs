//! A second wall around the process, for the case that code escapes from its sandbox all the same.
//!
//! The first wall is WebAssembly: guests reach nothing but their memory and our own WASI. If a defect of the compiler or of a
//! host function let code out of it, that code would have what this process has. Behind the second wall that is little:
//!
//! ```text
//!   files     Landlock: files and folders that were named may be opened, nothing else of the file system; no TCP
//!   calls     seccomp:  the calls of a list may be made, no others: no new sockets, no programs, no processes, no new machine code
//! ```
//!
//! It is put up ([`SecondWall::raise`]) once in a process, after what needs more rights and before guests run, and never comes
//! down. The filter of calls holds for all threads at once. Landlock holds for the thread that asks: so every thread puts
//! itself behind the wall before it runs a guest for the first time (`enter_thread`), and threads that it starts are behind
//! it from their beginning. Threads that never run guests and were there before keep their files; code that escaped and then
//! takes one of those over meets the filter only.
//!
//! So a process raises it when its sockets are connected and its images are open: machine code cannot be mapped afterwards.

#[cfg(target_os = "linux")]
mod allowed;
#[cfg(target_os = "linux")]
mod calls;
#[cfg(target_os = "linux")]
mod files;

use std::cell::Cell;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::error::Error;

/// What the process may still reach behind the wall. Everything that is open stays open.
///
/// ```no_run
/// use vivarium_sandbox::SecondWall;
///
/// # fn main() -> Result<(), vivarium_sandbox::SecondWallError> {
/// let raised = SecondWall::new().allow_reading("input.parquet").allow_writing_in("results").raise()?;
/// if !raised.files || !raised.calls {
///     tracing::warn!(?raised, "this kernel has only a part of the second wall");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
#[must_use = "without `raise` there is no wall"]
pub struct SecondWall {
    reading: Vec<PathBuf>,
    reading_open: Vec<OwnedFd>,
    writing_in: Vec<PathBuf>,
    writing_under: Vec<PathBuf>,
    writing_to: Vec<PathBuf>,
    accepting: bool,
    required: bool,
}

/// Which parts of the wall this kernel has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RaisedWall {
    /// Landlock restricts files.
    pub files: bool,
    /// seccomp restricts calls.
    pub calls: bool,
}

/// Why there is no wall. What the kernel merely lacks is no error, unless it is [required](SecondWall::require): see [`RaisedWall`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecondWallError {
    /// A file or folder that should stay reachable is not there.
    #[error("{} cannot be kept reachable behind the second wall: {reason}", path.display())]
    Path {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The kernel has the means but refused them.
    #[error("the second wall cannot be put up: {0}")]
    Refused(String),
    /// All of it was required, and the kernel lacks a part.
    #[error("the second wall is required, and this kernel has no {0}; no Python runs without it")]
    Missing(&'static str),
    /// There is one already.
    #[error("the process is behind a second wall already")]
    AlreadyRaised,
}

/// What threads restrict themselves with; nothing inside when the kernel has no Landlock.
#[cfg(target_os = "linux")]
static RULES: OnceLock<Option<files::Rules>> = OnceLock::new();
#[cfg(not(target_os = "linux"))]
static RULES: OnceLock<Option<()>> = OnceLock::new();

impl SecondWall {
    /// A wall behind which no file can be opened.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes it an error when the kernel lacks a part of the wall. Without this, what there is is put up, and the caller is
    /// [told](RaisedWall).
    pub fn require(mut self) -> Self {
        self.required = true;
        self
    }

    /// Keeps a file, or a folder with all that is in it, readable.
    pub fn allow_reading(mut self, path: impl AsRef<Path>) -> Self {
        self.reading.push(path.as_ref().to_owned());
        self
    }

    /// The same for a file or folder that is open.
    ///
    /// # Errors
    /// When the descriptor cannot be duplicated.
    pub fn allow_reading_open(mut self, open: impl AsFd) -> std::io::Result<Self> {
        self.reading_open.push(open.as_fd().try_clone_to_owned()?);
        Ok(self)
    }

    /// Lets files be made, written, renamed and removed in a folder.
    pub fn allow_writing_in(mut self, folder: impl AsRef<Path>) -> Self {
        self.writing_in.push(folder.as_ref().to_owned());
        self
    }

    /// The same, and lets folders be made and removed in it. To see what is in them, [allow](Self::allow_reading) that too.
    pub fn allow_writing_under(mut self, folder: impl AsRef<Path>) -> Self {
        self.writing_under.push(folder.as_ref().to_owned());
        self
    }

    /// Keeps a file that exists, such as a device or a named pipe, writable.
    pub fn allow_writing_to(mut self, file: impl AsRef<Path>) -> Self {
        self.writing_to.push(file.as_ref().to_owned());
        self
    }

    /// Lets sockets that listen already take connections. Without this they do not.
    pub fn allow_accepting(mut self) -> Self {
        self.accepting = true;
        self
    }

    /// Puts the wall up, for good: at once for all calls and for the files of this thread, and for the files of every other
    /// thread before it runs a guest.
    ///
    /// # Errors
    /// [`SecondWallError`]. Where the kernel has one part only, or none, that is told by the result and no error.
    #[cfg(target_os = "linux")]
    pub fn raise(self) -> Result<RaisedWall, SecondWallError> {
        let rules = files::Rules::new(&self)?;
        let files = rules.is_some();
        if self.required && !files {
            return Err(SecondWallError::Missing("Landlock"));
        }
        RULES.set(rules).map_err(|_| SecondWallError::AlreadyRaised)?;
        // First the files: the filter of calls allows none of Landlock's less.
        restrict_thread()?;
        let calls = calls::restrict_process(self.accepting)?;
        if self.required && !calls {
            return Err(SecondWallError::Missing("seccomp"));
        }
        Ok(RaisedWall { files, calls })
    }

    /// On this system there is nothing to build the wall from.
    ///
    /// # Errors
    /// When it was asked for before.
    #[cfg(not(target_os = "linux"))]
    pub fn raise(self) -> Result<RaisedWall, SecondWallError> {
        if self.required {
            return Err(SecondWallError::Missing("Landlock and seccomp"));
        }
        RULES.set(None).map_err(|_| SecondWallError::AlreadyRaised)?;
        Ok(RaisedWall { files: false, calls: false })
    }
}

thread_local! {
    /// Whether this thread is behind the wall, if there is one.
    static BEHIND: Cell<bool> = const { Cell::new(false) };
}

/// Puts this thread behind the wall, if there is one. Called before each poll of a guest; costs nothing after the first.
pub(crate) fn enter_thread() -> Result<(), Error> {
    if RULES.get().is_none() || BEHIND.get() {
        return Ok(());
    }
    restrict_thread().map_err(Error::from)
}

fn restrict_thread() -> Result<(), SecondWallError> {
    #[cfg(target_os = "linux")]
    if let Some(Some(rules)) = RULES.get() {
        rules.restrict_thread()?;
    }
    BEHIND.set(true);
    Ok(())
}
