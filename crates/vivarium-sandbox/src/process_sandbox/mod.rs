//! A sandbox of the kernel's around the whole process: defence in depth, for the case that code escapes from WebAssembly all the same.
//!
//! The first boundary is WebAssembly: guests reach nothing but their memory and our own WASI. If a defect of the compiler or of a
//! host function let code out of it, that code would have what this process has. In the process sandbox that is little:
//!
//! ```text
//!   files     Landlock: files and folders that were named may be opened, nothing else of the file system; no TCP
//!   calls     seccomp:  the calls of a list may be made, no others: no new sockets, no programs, no processes, no new machine code
//! ```
//!
//! It is enforced ([`ProcessSandbox::enforce`]) once in a process, after what needs more rights and before guests run, and for good.
//! The filter of calls holds for all threads at once. Landlock holds for the calling thread: so every thread restricts
//! itself before it runs a guest for the first time (`enter_thread`), and threads that it starts are restricted
//! from their beginning. Threads that never run guests and were there before keep their files; code that escaped and then
//! takes one of those over meets the filter only.
//!
//! So a process enforces it when its sockets are connected and its images are open: machine code cannot be mapped afterwards.

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

use crate::error::{Error, ProcessSandboxError};

/// What the process may still reach in its sandbox. Everything that is open stays open.
///
/// ```no_run
/// use vivarium_sandbox::ProcessSandbox;
///
/// # fn main() -> Result<(), vivarium_sandbox::ProcessSandboxError> {
/// let status = ProcessSandbox::new().allow_reading("input.parquet").allow_writing_in("results").enforce()?;
/// if !status.files || !status.calls {
///     tracing::warn!(?status, "this kernel lacks Landlock or seccomp");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
#[must_use = "without `enforce` nothing is restricted"]
pub struct ProcessSandbox {
    reading: Vec<PathBuf>,
    reading_open: Vec<OwnedFd>,
    writing_in: Vec<PathBuf>,
    writing_under: Vec<PathBuf>,
    writing_to: Vec<PathBuf>,
    accepting: bool,
    required: bool,
}

/// Which parts of the process sandbox are in force: those that this kernel has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessSandboxStatus {
    /// Landlock restricts files.
    pub files: bool,
    /// seccomp restricts calls.
    pub calls: bool,
}

/// What threads restrict themselves with; nothing inside when the kernel has no Landlock.
#[cfg(target_os = "linux")]
static RULES: OnceLock<Option<files::Rules>> = OnceLock::new();
#[cfg(not(target_os = "linux"))]
static RULES: OnceLock<Option<()>> = OnceLock::new();

impl ProcessSandbox {
    /// A sandbox in which no file can be opened.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes it an error when the kernel lacks Landlock or seccomp. Without this, what there is is enforced, and the caller is
    /// [told](ProcessSandboxStatus).
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

    /// Restricts the process, for good: at once for all calls and for the files of this thread, and for the files of every other
    /// thread before it runs a guest.
    ///
    /// # Errors
    /// [`ProcessSandboxError`]. Where the kernel has one part only, or none, that is told by the result and no error.
    #[cfg(target_os = "linux")]
    pub fn enforce(self) -> Result<ProcessSandboxStatus, ProcessSandboxError> {
        // In the process sandbox nothing below is allowed any more.
        if RULES.get().is_some() {
            return Err(ProcessSandboxError::AlreadyEnforced);
        }
        let rules = files::Rules::new(&self)?;
        let files = rules.is_some();
        if self.required && !files {
            return Err(ProcessSandboxError::Missing("Landlock"));
        }
        RULES.set(rules).map_err(|_| ProcessSandboxError::AlreadyEnforced)?;
        // First the files: the filter of calls allows none of Landlock's less.
        restrict_thread()?;
        let calls = calls::restrict_process(self.accepting)?;
        if self.required && !calls {
            return Err(ProcessSandboxError::Missing("seccomp"));
        }
        Ok(ProcessSandboxStatus { files, calls })
    }

    /// This system has neither Landlock nor seccomp.
    ///
    /// # Errors
    /// When it was asked for before.
    #[cfg(not(target_os = "linux"))]
    pub fn enforce(self) -> Result<ProcessSandboxStatus, ProcessSandboxError> {
        if self.required {
            return Err(ProcessSandboxError::Missing("Landlock and seccomp"));
        }
        RULES.set(None).map_err(|_| ProcessSandboxError::AlreadyEnforced)?;
        Ok(ProcessSandboxStatus { files: false, calls: false })
    }
}

thread_local! {
    /// Whether this thread is restricted, if the process is to be.
    static RESTRICTED: Cell<bool> = const { Cell::new(false) };
}

/// Restricts this thread, if the process is to be. Called before each poll of a guest; costs nothing after the first.
pub(crate) fn enter_thread() -> Result<(), Error> {
    if RULES.get().is_none() || RESTRICTED.get() {
        return Ok(());
    }
    restrict_thread().map_err(Error::from)
}

fn restrict_thread() -> Result<(), ProcessSandboxError> {
    #[cfg(target_os = "linux")]
    if let Some(Some(rules)) = RULES.get() {
        rules.restrict_thread()?;
    }
    RESTRICTED.set(true);
    Ok(())
}
