//! Why there is no image.

use std::path::{Path, PathBuf};

/// Why an image cannot be built, found or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no directory to keep images in.
    #[error("no directory for the guest image: set VIVARIUM_CACHE_DIR, XDG_CACHE_HOME or HOME")]
    NoCacheDirectory,
    /// There is no description of an image of that name.
    #[error("there is no image `{name}`; there are {known}")]
    UnknownImage {
        /// What was asked for.
        name: String,
        /// Those there are.
        known: String,
    },
    /// A program that the build needs is not installed.
    #[error(
        "the guest build needs `{program}`, which cannot be started: {source}; on Debian: apt-get install {package}"
    )]
    Program {
        /// The program.
        program: &'static str,
        /// The Debian package that has it.
        package: &'static str,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A step of the build failed.
    #[error("step `{step}` of the guest build failed: {reason}\n{tail}\nThe whole output is in {}", .log.display())]
    Step {
        /// Name of the step.
        step: String,
        /// What went wrong.
        reason: String,
        /// Output of its compilers.
        log: PathBuf,
        /// Last lines of the log.
        tail: String,
    },
    /// The build script ended without saying which step failed.
    #[error("the guest build ended with {status}:\n{stderr}")]
    Script {
        /// How it ended.
        status: std::process::ExitStatus,
        /// The end of what it wrote.
        stderr: String,
    },
    /// The built module cannot be initialised.
    #[error("the built guest cannot be initialised: {0}")]
    Snapshot(#[source] vivarium_sandbox::Error),
    /// Others could write to the cache directory, so that no image in it would be used.
    #[error("no image is built in the cache directory: {0}; VIVARIUM_CACHE_DIR names another one")]
    Cache(#[source] vivarium_sandbox::ImageError),
    /// The image that came with the program is in a folder that others could write.
    #[error("the image that was installed with this program is not used: {0}")]
    Installed(#[source] vivarium_sandbox::ImageError),
    /// The module of the image that came with the program does not have its recorded hash.
    #[error("{} is damaged: it does not have the hash that its manifest records; install the program again", .path.display())]
    Damaged {
        /// The module.
        path: PathBuf,
    },
    /// The manifest is not what this version writes.
    #[error("{} is not a manifest that this version understands ({reason}); remove its folder and run `wasm-run guest build`", .path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// An archive is not one of an image of this version.
    #[error(
        "this is no archive of an image that this version has: {reason}; `wasm-run guest export` of the same version writes them"
    )]
    Archive {
        /// What is wrong with it.
        reason: String,
    },
    /// An archive cannot be read or written.
    #[error("the archive of an image cannot be {action}: {source}")]
    ArchiveIo {
        /// `read` or `written`.
        action: &'static str,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// No image has been built yet.
    #[error("there is no guest image `{name}` in {} yet; `wasm-run guest build --image {name}` makes it", .root.display())]
    Missing {
        /// Which one.
        name: crate::ImageName,
        /// The cache directory.
        root: PathBuf,
    },
    /// A file operation failed.
    #[error("cannot {action} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::Io { action, path, source }
    }
}
