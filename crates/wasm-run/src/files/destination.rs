//! Where an output goes, opened before anything untrusted runs.
//!
//! ```text
//!   destination ── a file without a name in the target's folder (O_TMPFILE) ── written ── linked, renamed over the target
//! ```
//!
//! Until it is complete a file has no name, so that a process that dies, however it dies, leaves nothing behind. Giving it its name is all that
//! needs the folder, and a thread does it that was there before the process sandbox: in it the program can neither open nor
//! change anything in that folder. Where the file system has no files without names, it has one that begins with `.wasm-run-`.

use std::ffi::OsString;
use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use tempfile::TempPath;

use super::Location;
use super::writer::Sink;
use crate::failure::Failure;

/// Names that are tried for the moment between link and rename.
const ATTEMPTS: u32 = 64;

/// An open output.
pub struct Destination {
    location: Location,
    sink: Sink,
    unnamed: Option<Unnamed>,
}

/// A file that has not its final name yet, and a thread that gives it to it. Dropped, it is gone.
pub struct Unnamed {
    /// Told to go on, the thread gives the file its name; disconnected, it removes it.
    publish: Option<mpsc::Sender<()>>,
    publisher: Option<JoinHandle<io::Result<()>>>,
}

/// A file while it is written, where the folder can be reached until its end. Dropped, it is gone.
pub struct PartialFile {
    partial: Partial,
    folder: PathBuf,
    target: PathBuf,
}

enum Partial {
    /// It has no name.
    Nameless(Arc<File>),
    Named(TempPath),
}

impl Destination {
    /// Opens an output. Call it before the process sandbox is in force.
    ///
    /// # Errors
    /// When the folder does not exist or may not be written.
    pub fn open(location: &Location) -> Result<Self, Failure> {
        let (sink, unnamed) = open(location).map_err(|error| unwritable(location, error))?;
        Ok(Self { location: location.clone(), sink, unnamed })
    }

    /// Standard output.
    pub fn standard() -> Self {
        Self { location: Location::Standard, sink: Sink::pipe(io::stdout()), unnamed: None }
    }

    /// Writes what is no table, and gives the file its name. It blocks.
    ///
    /// # Errors
    /// What `write` returns, and when the system does not take it.
    pub fn write<T, E: Into<Failure>>(self, write: impl FnOnce(&mut Sink) -> Result<T, E>) -> Result<T, Failure> {
        let Self { location, mut sink, unnamed } = self;
        let written = write(&mut sink).map_err(Into::into)?;
        let flushed = sink.flush().and_then(|()| unnamed.map_or(Ok(()), Unnamed::publish));
        flushed.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::BrokenPipe,
            _ => unwritable(&location, error),
        })?;
        Ok(written)
    }

    pub(super) fn into_parts(self) -> (Location, Sink, Option<Unnamed>) {
        (self.location, self.sink, self.unnamed)
    }
}

/// That an output cannot be written.
pub(super) fn unwritable(location: &Location, error: impl std::fmt::Display) -> Failure {
    Failure::data(format!("the output {location} cannot be written"), error)
}

fn open(location: &Location) -> io::Result<(Sink, Option<Unnamed>)> {
    let Location::File(path) = location else { return Ok((Sink::pipe(io::stdout()), None)) };
    let target = match path.metadata() {
        Ok(metadata) if metadata.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        // A device or a named pipe: there is nothing to rename.
        Ok(metadata) if !metadata.is_file() => return Ok((Sink::pipe(File::options().write(true).open(path)?), None)),
        // What a link points to is replaced, not the link.
        Ok(_) => path.canonicalize()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.clone(),
        Err(error) => return Err(error),
    };
    let (sink, partial) = PartialFile::create(target)?;
    Ok((sink, Some(Unnamed::new(partial)?)))
}

impl PartialFile {
    /// Begins a file that will be `target`, or replace it, in a folder that there is.
    ///
    /// # Errors
    /// What the system says.
    pub fn create(target: PathBuf) -> io::Result<(Sink, Self)> {
        let folder = match target.parent() {
            Some(folder) if folder != Path::new("") => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        let (file, partial) = create_in(&folder)?;
        Ok((Sink::file(SharedFile(file)), Self { partial, folder, target }))
    }

    /// Gives the file its name. It blocks.
    ///
    /// # Errors
    /// What the system says.
    pub fn publish(self) -> io::Result<()> {
        publish_as(self.partial, &self.folder, &self.target)
    }
}

/// A file that is written here and named elsewhere, by one descriptor: there may be many files at once.
struct SharedFile(Arc<File>);

impl Write for SharedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self.0).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        (&*self.0).flush()
    }
}

fn create_in(folder: &Path) -> io::Result<(Arc<File>, Partial)> {
    // As for any new file: what the process's umask leaves of this.
    let mode = Mode::from_raw_mode(0o666);
    match rustix::fs::open(folder, OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC, mode) {
        Ok(file) => {
            let file = Arc::new(File::from(file));
            Ok((Arc::clone(&file), Partial::Nameless(file)))
        }
        // The kernel or the file system does not know them.
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR | rustix::io::Errno::INVAL) => {
            let temporary = tempfile::Builder::new()
                .prefix(".wasm-run-")
                .suffix(".partial")
                .permissions(Permissions::from_mode(mode.as_raw_mode()))
                .tempfile_in(folder)?;
            let (file, path) = temporary.into_parts();
            Ok((Arc::new(file), Partial::Named(path)))
        }
        Err(error) => Err(error.into()),
    }
}

impl Unnamed {
    fn new(partial: PartialFile) -> io::Result<Self> {
        let (publish, told) = mpsc::channel();
        let publisher = std::thread::Builder::new().name("output".to_owned()).spawn(move || match told.recv() {
            Ok(()) => partial.publish(),
            // Nobody completes it.
            Err(mpsc::RecvError) => Ok(()),
        })?;
        Ok(Self { publish: Some(publish), publisher: Some(publisher) })
    }

    /// Gives the file its name. It blocks.
    ///
    /// # Errors
    /// What the system says.
    pub fn publish(mut self) -> io::Result<()> {
        if let Some(publish) = self.publish.take() {
            // A thread that has ended already says why.
            let _ = publish.send(());
        }
        self.ended()
    }

    fn ended(&mut self) -> io::Result<()> {
        match self.publisher.take().map(JoinHandle::join) {
            Some(Ok(ended)) => ended,
            Some(Err(_)) => Err(io::Error::other("the thread that names outputs has ended")),
            None => Ok(()),
        }
    }
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        self.publish = None;
        let _ = self.ended(); // a file that cannot be removed stays
    }
}

fn publish_as(partial: Partial, folder: &Path, target: &Path) -> io::Result<()> {
    let file = match partial {
        Partial::Named(path) => return path.persist(target).map_err(|error| error.error),
        Partial::Nameless(file) => file,
    };
    // A link cannot replace a file, a rename can. The link is made to the descriptor, which has no other name.
    let descriptor = format!("/proc/self/fd/{}", file.as_raw_fd());
    for attempt in 0..ATTEMPTS {
        let mut name = OsString::from(format!(".wasm-run-{}-{attempt}-", std::process::id()));
        name.push(target.file_name().unwrap_or_default());
        let linked = folder.join(name);
        match rustix::fs::linkat(CWD, &descriptor, CWD, &linked, AtFlags::SYMLINK_FOLLOW) {
            Err(rustix::io::Errno::EXIST) => continue,
            result => result?,
        }
        let renamed = std::fs::rename(&linked, target);
        if renamed.is_err() {
            let _ = std::fs::remove_file(&linked); // the error to tell is that of the rename
        }
        return renamed;
    }
    Err(io::ErrorKind::AlreadyExists.into())
}
