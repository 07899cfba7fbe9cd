//! Reading what a job ships, which may change while it is read.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use cap_std::fs::{Dir, OpenOptions};
use rustix::fs::OFlags;

use crate::error::{EnvironmentError, Role};

/// Something a job ships, opened.
#[derive(Debug)]
pub(crate) enum Input {
    File(InputFile),
    Directory(Dir),
}

/// A shipped file, with what is needed to notice that somebody wrote to it since it was opened.
#[derive(Debug)]
pub(crate) struct InputFile {
    role: Role,
    path: PathBuf,
    file: File,
    opened: Stamp,
    /// Permission bits of the file.
    pub mode: u32,
}

#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// Opens a file or directory of the host. Never blocks on a fifo; devices, fifos and sockets are refused. What the caller named may be
/// a link; a wheel was found in a directory that the caller named, and a link there, which could lead anywhere, is no wheel.
pub(crate) fn open_input(role: Role, path: &Path) -> Result<Input, EnvironmentError> {
    let failed = |source| EnvironmentError::ReadInput { role, path: path.to_owned(), source };
    let follow = if role == Role::Wheel { OFlags::NOFOLLOW } else { OFlags::empty() };
    let flags = (OFlags::NONBLOCK | follow).bits() as i32;
    let file = match File::options().read(true).custom_flags(flags).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(EnvironmentError::MissingInput { role, path: path.to_owned() });
        }
        Err(error) if is_no_file(&error) => return Err(EnvironmentError::InputKind { role, path: path.to_owned() }),
        opened => opened.map_err(failed)?,
    };
    let metadata = file.metadata().map_err(failed)?;
    if metadata.is_dir() {
        return Ok(Input::Directory(Dir::from_std_file(file)));
    }
    InputFile::new(role, path, file).map(Input::File)
}

/// A link where none is followed, or a socket.
fn is_no_file(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(Errno::from_io_error(error), Some(Errno::LOOP | Errno::NXIO))
}

impl InputFile {
    /// Takes a file that is open already.
    pub(crate) fn new(role: Role, path: &Path, file: File) -> Result<Self, EnvironmentError> {
        let failed = |source| EnvironmentError::ReadInput { role, path: path.to_owned(), source };
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(EnvironmentError::InputKind { role, path: path.to_owned() });
        }
        let opened = Stamp::of(&metadata);
        Ok(Self { role, path: path.to_owned(), file, opened, mode: metadata.mode() & 0o777 })
    }

    /// The file, for who does not need to know whether it changes.
    pub(crate) fn into_file(self) -> File {
        self.file
    }

    /// Size in bytes when it was opened.
    pub(crate) fn size(&self) -> u64 {
        self.opened.size
    }

    /// Fails when the file is not what it was when it was opened, or when `read` bytes were not all of it.
    pub(crate) fn check_unchanged(&self, read: u64) -> Result<(), EnvironmentError> {
        let now = self.file.metadata().map_err(|source| self.failed(source))?;
        if read == self.opened.size && Stamp::of(&now) == self.opened { Ok(()) } else { Err(self.changed()) }
    }

    /// The error for content that is not what was read before.
    pub(crate) fn changed(&self) -> EnvironmentError {
        EnvironmentError::InputChanged { role: self.role, path: self.path.clone() }
    }

    /// Hashes the whole file.
    pub(crate) fn hash(&mut self) -> Result<blake3::Hash, EnvironmentError> {
        let mut hasher = blake3::Hasher::new();
        self.file.rewind().map_err(|source| self.failed(source))?;
        let read = io::copy(&mut self.file, &mut hasher).map_err(|source| self.failed(source))?;
        self.check_unchanged(read)?;
        self.file.rewind().map_err(|source| self.failed(source))?;
        Ok(hasher.finalize())
    }

    pub(crate) fn failed(&self, source: io::Error) -> EnvironmentError {
        EnvironmentError::ReadInput { role: self.role, path: self.path.clone(), source }
    }
}

impl Read for InputFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}

impl Stamp {
    fn of(metadata: &std::fs::Metadata) -> Self {
        Self {
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Copies a file to a nameless file in `scratch`, and hands every piece to `observe` (to hash it). An archive is read from such a copy, because
/// it is read more than once, and its owner must not be able to show each reading something else.
pub(crate) fn private_copy(
    source: &mut InputFile,
    scratch: &Dir,
    limit: u64,
    observe: &mut dyn FnMut(&[u8]),
) -> Result<File, EnvironmentError> {
    const NAME: &str = ".shipped-archive";
    let written = |source| EnvironmentError::Write { what: "the copy of an archive".to_owned(), source };
    if source.size() > limit {
        return Err(EnvironmentError::InputTooBig { role: source.role, path: source.path.clone(), limit });
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    let mut copy = scratch.open_with(NAME, &options).map_err(written)?.into_std();
    scratch.remove_file(NAME).map_err(written)?;

    let mut buffer = vec![0; 128 << 10];
    let mut read = 0;
    loop {
        let count = source.file.read(&mut buffer).map_err(|error| source.failed(error))?;
        if count == 0 {
            break;
        }
        read += count as u64;
        if read > source.size() {
            return Err(source.changed());
        }
        observe(&buffer[..count]);
        copy.write_all(&buffer[..count]).map_err(written)?;
    }
    source.check_unchanged(read)?;
    copy.rewind().map_err(written)?;
    Ok(copy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cap_std::ambient_authority;

    fn opened(path: &Path) -> InputFile {
        match open_input(Role::Archive, path).unwrap() {
            Input::File(source) => source,
            Input::Directory(_) => panic!("a file was opened"),
        }
    }

    #[test]
    fn a_file_that_changes_while_it_is_read() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("shipped.zip");
        let scratch = Dir::open_ambient_dir(place.path(), ambient_authority()).unwrap();
        for change in ["longer than before", "short"] {
            std::fs::write(&path, "content").unwrap();
            let mut source = opened(&path);
            std::fs::write(&path, change).unwrap();
            let error = private_copy(&mut source, &scratch, 1 << 20, &mut |_| {}).unwrap_err();
            assert!(matches!(&error, EnvironmentError::InputChanged { .. }), "{change}: {error}");
            assert!(error.to_string().contains("shipped.zip' changed while it was read"), "{error}");
        }
        std::fs::write(&path, "content").unwrap();
        let mut seen = Vec::new();
        private_copy(&mut opened(&path), &scratch, 1 << 20, &mut |piece| seen.extend_from_slice(piece)).unwrap();
        assert_eq!(seen, b"content");
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1, "the copy has no name");
    }

    #[test]
    fn a_fifo_does_not_block() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).unwrap();
        assert!(matches!(open_input(Role::PythonFile, &path), Err(EnvironmentError::InputKind { .. })));
    }
}
