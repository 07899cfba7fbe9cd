//! Random operations on the scratch file system and on a real directory: both must answer the same.
//!
//! The real directory is reached through cap-std, so that it has the same rules about leaving it.

use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions as HostOptions};
use proptest::prelude::*;

use super::scratch_files::Files;
use crate::abi::FileType;
use crate::errno::{Errno, Result};
use crate::scratch::{OpenOptions, ScratchLimits};

#[derive(Clone, Debug)]
enum Operation {
    Write { path: String, offset: u16, length: u16, exclusive: bool },
    Truncate { path: String, size: u16 },
    Read { path: String },
    Mkdir { path: String },
    Rmdir { path: String },
    Unlink { path: String },
    Rename { from: String, to: String },
    Link { from: String, to: String },
    Symlink { text: String, path: String },
    Readlink { path: String },
    Stat { path: String, follow: bool },
    List { path: String },
}

/// What an operation tells: enough to see any difference.
#[derive(Debug, PartialEq)]
enum Answer {
    Done,
    Content(Vec<u8>),
    Text(String),
    Stat(FileType, u64, u64),
    Names(Vec<String>),
}

fn paths() -> impl Strategy<Value = String> {
    let component = prop_oneof![8 => "[abc]", 1 => Just("..".to_owned()), 1 => Just(".".to_owned())];
    // `.` and `..` at the end are left to tests of their own: cap-std and the kernel differ about which error comes
    // first.
    (prop::collection::vec(component, 0..3), "[abc]").prop_map(|(mut path, last)| {
        path.push(last);
        path.join("/")
    })
}

fn operations() -> impl Strategy<Value = Operation> {
    use Operation::*;
    prop_oneof![
        3 => (paths(), 0u16..20_000, 0u16..10_000, prop::bool::weighted(0.2))
            .prop_map(|(path, offset, length, exclusive)| Write { path, offset, length, exclusive }),
        1 => (paths(), 0u16..20_000).prop_map(|(path, size)| Truncate { path, size }),
        2 => paths().prop_map(|path| Read { path }),
        3 => paths().prop_map(|path| Mkdir { path }),
        1 => paths().prop_map(|path| Rmdir { path }),
        2 => paths().prop_map(|path| Unlink { path }),
        3 => (paths(), paths()).prop_map(|(from, to)| Rename { from, to }),
        2 => (paths(), paths()).prop_map(|(from, to)| Link { from, to }),
        2 => (paths(), paths()).prop_map(|(text, path)| Symlink { text, path }),
        1 => paths().prop_map(|path| Readlink { path }),
        2 => (paths(), any::<bool>()).prop_map(|(path, follow)| Stat { path, follow }),
        1 => paths().prop_map(|path| List { path }),
    ]
}

fn content(length: u16) -> Vec<u8> {
    (0..length).map(|index| (index % 251) as u8 + 1).collect()
}

fn on_scratch(files: &mut Files, operation: &Operation) -> Result<Answer> {
    match operation {
        Operation::Write { path, offset, length, exclusive } => {
            let options = OpenOptions {
                create: true,
                exclusive: *exclusive,
                write: true,
                follow: true,
                ..OpenOptions::default()
            };
            let file = files.open(path, options)?;
            let result = files.0.write(file, u64::from(*offset), &content(*length), 0);
            files.0.close(file);
            result.map(|_| Answer::Done)
        }
        Operation::Truncate { path, size } => {
            let file = files.open(path, OpenOptions { write: true, follow: true, ..OpenOptions::default() })?;
            let result = files.0.set_size(file, u64::from(*size), 0);
            files.0.close(file);
            result.map(|()| Answer::Done)
        }
        Operation::Read { path } => files.get(path).map(Answer::Content),
        Operation::Mkdir { path } => files.mkdir(path).map(|()| Answer::Done),
        Operation::Rmdir { path } => files.rmdir(path).map(|()| Answer::Done),
        Operation::Unlink { path } => files.unlink(path).map(|()| Answer::Done),
        Operation::Rename { from, to } => files.rename(from, to).map(|()| Answer::Done),
        Operation::Link { from, to } => files.link(from, to).map(|()| Answer::Done),
        Operation::Symlink { text, path } => files.symlink(text, path).map(|()| Answer::Done),
        Operation::Readlink { path } => files.readlink(path).map(Answer::Text),
        Operation::Stat { path, follow } => {
            files.stat(path, *follow).map(|(kind, size, links)| Answer::Stat(kind, size, links))
        }
        Operation::List { path } => files.list(path).map(Answer::Names),
    }
}

fn on_host(directory: &Dir, operation: &Operation) -> std::io::Result<Answer> {
    use cap_std::fs::MetadataExt;
    match operation {
        Operation::Write { path, offset, length, exclusive } => {
            let mut options = HostOptions::new();
            options.write(true);
            if *exclusive {
                options.create_new(true)
            } else {
                options.create(true)
            };
            let file = directory.open_with(path, &options)?.into_std();
            file.write_all_at(&content(*length), u64::from(*offset))?;
            Ok(Answer::Done)
        }
        Operation::Truncate { path, size } => {
            directory.open_with(path, HostOptions::new().write(true))?.set_len(u64::from(*size))?;
            Ok(Answer::Done)
        }
        Operation::Read { path } => {
            let mut content = Vec::new();
            directory.open(path)?.read_to_end(&mut content)?;
            Ok(Answer::Content(content))
        }
        Operation::Mkdir { path } => directory.create_dir(path).map(|()| Answer::Done),
        Operation::Rmdir { path } => directory.remove_dir(path).map(|()| Answer::Done),
        Operation::Unlink { path } => directory.remove_file(path).map(|()| Answer::Done),
        Operation::Rename { from, to } => directory.rename(from, directory, to).map(|()| Answer::Done),
        Operation::Link { from, to } => directory.hard_link(from, directory, to).map(|()| Answer::Done),
        Operation::Symlink { text, path } => directory.symlink(text, path).map(|()| Answer::Done),
        Operation::Readlink { path } => {
            let text = directory.read_link(path)?;
            Ok(Answer::Text(text.to_str().expect("the test writes UTF-8").to_owned()))
        }
        Operation::Stat { path, follow } => {
            let metadata = if *follow { directory.metadata(path)? } else { directory.symlink_metadata(path)? };
            let (kind, size, links) = if metadata.is_dir() {
                (FileType::Directory, 0, 1)
            } else if metadata.is_symlink() {
                (FileType::SymbolicLink, metadata.len(), metadata.nlink())
            } else {
                (FileType::RegularFile, metadata.len(), metadata.nlink())
            };
            Ok(Answer::Stat(kind, size, links))
        }
        Operation::List { path } => {
            let mut names = Vec::new();
            for entry in directory.read_dir(path)? {
                names.push(entry?.file_name().into_string().expect("the test writes UTF-8"));
            }
            names.sort();
            Ok(Answer::Names(names))
        }
    }
}

proptest! {
    #[test]
    fn answers_as_a_real_directory(operations in prop::collection::vec(operations(), 1..60)) {
        let host = tempfile::tempdir().unwrap();
        let directory = Dir::open_ambient_dir(host.path(), ambient_authority()).unwrap();
        let mut files = Files::new(ScratchLimits::default());
        for operation in &operations {
            let ours = on_scratch(&mut files, operation);
            let theirs = on_host(&directory, operation).map_err(Errno::from);
            // Of two bad paths cap-std reports one, and the kernel, which we follow, may report the other.
            if matches!(operation, Operation::Link { .. }) && ours.is_err() && theirs.is_err() {
                continue;
            }
            prop_assert_eq!(ours, theirs, "{:?}", operation);
        }
    }

    #[test]
    fn a_file_is_what_was_written_to_it(
        writes in prop::collection::vec(
            (0u64..50_000, prop::collection::vec(any::<u8>(), 0..9000), prop::option::of(0u64..60_000)),
            1..20,
        )
    ) {
        let mut files = Files::new(ScratchLimits::default());
        let file = files.create("f").unwrap();
        let mut model = std::io::Cursor::new(Vec::new());
        for (offset, data, size) in writes {
            files.0.write(file, offset, &data, 0).unwrap();
            if !data.is_empty() {
                model.seek(SeekFrom::Start(offset)).unwrap();
                model.write_all(&data).unwrap();
            }
            if let Some(size) = size {
                files.0.set_size(file, size, 0).unwrap();
                model.get_mut().resize(size as usize, 0);
            }
            prop_assert_eq!(&files.get("f").unwrap(), model.get_ref());
        }
        files.0.close(file);
        files.unlink("f").unwrap();
        prop_assert_eq!(files.0.usage().bytes, 0);
    }
}
