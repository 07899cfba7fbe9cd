//! Extracting untrusted archives.
//!
//! Both extractors stream: they hold one buffer, the names seen so far and one small record per entry, never an entry's
//! content. They read an archive twice: the first time all names, kinds, links and sizes are checked and nothing is written, so
//! that a refused archive has cost time but left no file. The format is told from the name, as Flink does.

mod budget;
mod tar;
mod zip;

use std::fs::File;
use std::io::Seek;
use std::path::Path;

use crate::error::{EnvironmentError, Origin, Role};
use crate::tree::{EntryPath, InputFile, TreeWriter, private_copy};

pub(crate) use self::zip::{ZipEntries, ZipEntry, ZipKind};

/// The format of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Zip,
    Tar,
    TarGzip,
}

const EXTENSIONS: [(&str, Format); 5] = [
    (".zip", Format::Zip),
    (".jar", Format::Zip),
    (".tar.gz", Format::TarGzip),
    (".tgz", Format::TarGzip),
    (".tar", Format::Tar),
];

impl Format {
    /// The format a name's extension stands for, in any case, and the name without that extension.
    pub(crate) fn of_name(name: &str) -> Option<(Self, &str)> {
        EXTENSIONS.into_iter().find_map(|(extension, format)| {
            let split = name.len().checked_sub(extension.len())?;
            let found = name.get(split..)?.eq_ignore_ascii_case(extension);
            found.then(|| (format, &name[..split]))
        })
    }
}

/// A link that was left out instead of refused: see `is_interpreter_link`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct LeftOut {
    /// The archive's name.
    pub archive: String,
    /// The entry's name.
    pub entry: String,
}

/// Where an archive's entries go.
#[derive(Debug)]
pub(crate) struct Destination<'a, 'w> {
    pub writer: &'a mut TreeWriter<'w>,
    /// Everything goes below it.
    pub target: &'a EntryPath,
    /// Names the archive in errors.
    pub origin: &'a Origin,
    /// Takes links that mean nothing here.
    pub left_out: &'a mut Vec<LeftOut>,
}

impl Destination<'_, '_> {
    /// Extracts `source`, and returns the archive's hash.
    pub(crate) fn extract(mut self, source: &mut InputFile, format: Format) -> Result<blake3::Hash, EnvironmentError> {
        let mut hasher = blake3::Hasher::new();
        let limit = self.writer.limits().archive_bytes;
        let copy = private_copy(source, self.writer.root(), limit, &mut |piece| {
            hasher.update(piece);
        })?;
        self.writer.directory(self.target, None).map_err(|error| self.origin.failed("", error))?;
        self.dry_run(&copy, format)?;
        self.write_all(copy, format)?;
        Ok(hasher.finalize())
    }

    /// Judges all entries before the first one is written.
    fn dry_run(&mut self, archive: &File, format: Format) -> Result<(), EnvironmentError> {
        let Destination { writer, target, origin, .. } = self;
        let (target, origin) = (*target, *origin);
        let again = archive.try_clone().map_err(|error| origin.damaged(None, error))?;
        writer.dry_run(|writer| {
            Destination { writer, target, origin, left_out: &mut Vec::new() }.write_all(again, format)
        })?;
        // Both handles share one position.
        let mut archive = archive;
        archive.rewind().map_err(|error| origin.damaged(None, error))
    }

    fn write_all(&mut self, archive: File, format: Format) -> Result<(), EnvironmentError> {
        match format {
            Format::Zip => zip::extract(self, archive),
            Format::Tar => tar::extract(self, archive, false),
            Format::TarGzip => tar::extract(self, archive, true),
        }
    }

    /// Writes a symbolic link, or leaves it out.
    fn symlink(&mut self, path: &EntryPath, link: &[u8]) -> Result<(), EnvironmentError> {
        if is_interpreter_link(path, link) {
            let archive = self.origin.path().display().to_string();
            self.left_out.push(LeftOut { archive, entry: path.as_str().to_owned() });
            return Ok(());
        }
        let written = self.writer.symlink(&self.target.join(path), link, path.depth() - 1);
        written.map_err(|error| self.origin.failed(path.as_str(), error))
    }
}

/// Whether a link is a virtual environment's link to the interpreter it was made with (`bin/python3 ->
/// /usr/bin/python3`). It leaves the archive, but every packed virtual environment has it, and here it means nothing:
/// the interpreter is the guest. So it is left out and reported, where any other link to the outside is refused.
fn is_interpreter_link(path: &EntryPath, target: &[u8]) -> bool {
    let (parent, name) = path.split_last();
    let in_bin = parent.is_some_and(|parent| parent == "bin" || parent.ends_with("/bin"));
    let is_python = |name: &str| {
        name.strip_prefix("python").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'))
    };
    let target_name = target.rsplit(|&byte| byte == b'/').next().and_then(|name| str::from_utf8(name).ok());
    target.starts_with(b"/") && in_bin && is_python(name) && target_name.is_some_and(is_python)
}

/// The origin of an archive's entries.
pub(crate) fn origin(role: Role, path: &Path, target: &EntryPath) -> Origin {
    Origin::new(role, path, target.as_str())
}

#[cfg(test)]
#[allow(dead_code, reason = "each test program uses its part")]
#[path = "../../tests/support/archives.rs"]
mod archives;

#[cfg(test)]
mod tests {
    use cap_std::ambient_authority;
    use cap_std::fs::Dir;

    use super::archives::{Tar, ZipEntry, zip};
    use super::*;
    use crate::limits::MaterializeLimits;
    use crate::tree::{Input, open_input};

    /// Extracts an archive, and returns how that ended and how many files there are then.
    fn extracted(archive: &[u8], format: Format) -> (Result<(), String>, usize) {
        let place = tempfile::tempdir().unwrap();
        let (shipped, root) = (place.path().join("shipped"), place.path().join("root"));
        std::fs::write(&shipped, archive).unwrap();
        std::fs::create_dir(&root).unwrap();
        let limits = MaterializeLimits { entries: 1_000, ..MaterializeLimits::default() };
        let tree = Dir::open_ambient_dir(&root, ambient_authority()).unwrap();
        let mut writer = TreeWriter::new(&tree, &limits);
        let target = EntryPath::known("target");
        let origin = origin(Role::Archive, &shipped, &target);
        let Input::File(mut source) = open_input(Role::Archive, &shipped).unwrap() else { panic!("a file") };
        let mut left_out = Vec::new();
        let destination =
            Destination { writer: &mut writer, target: &target, origin: &origin, left_out: &mut left_out };
        let ended = destination.extract(&mut source, format).map(drop).map_err(|error| error.to_string());
        (ended, std::fs::read_dir(root.join("target")).unwrap().count())
    }

    #[test]
    fn an_archive_that_is_refused_at_its_last_entry_has_cost_no_file() {
        let many = |last: &str| {
            let names: Vec<String> = (0..900).map(|number| format!("f{number}")).chain([last.to_owned()]).collect();
            let entries: Vec<ZipEntry> = names.iter().map(|name| ZipEntry::file(name, "x")).collect();
            let tar = || names.iter().fold(Tar::default(), |tar, name| tar.file(name, b"x"));
            [(zip(&entries), Format::Zip), (tar().finish(), Format::Tar), (tar().gzip(), Format::TarGzip)]
        };
        for last in ["../up", "/up", "f7", "F7", "f7/below", "a\\b"] {
            for (archive, format) in many(last) {
                let (ended, files) = extracted(&archive, format);
                assert!(ended.is_err() && files == 0, "{last} {format:?}: {ended:?}, {files} files");
            }
        }
        for (archive, format) in many("last") {
            assert_eq!(extracted(&archive, format), (Ok(()), 901), "{format:?}");
        }
        // Cut off, or with a checksum that is wrong: known only at its end.
        let [.., (mut gzip, format)] = many("last");
        let checksum = gzip.len() - 8;
        gzip[checksum] ^= 1;
        assert_eq!(extracted(&gzip, format).1, 0);
        assert_eq!(extracted(&gzip[..gzip.len() / 2], format).1, 0);
    }
}
