//! The scratch file system as a file system: what Linux would do.

use crate::abi::FileType;
use crate::errno::{Errno, Result};
use crate::path::{GuestPath, link_text};
use crate::scratch::{InodeId, OpenOptions, Scratch, ScratchLimits, SharedAccounts};

/// A file system addressed by text, from its root.
pub struct Files(pub Scratch);

const PATH_LIMIT: u32 = 4096;

pub fn path(text: &str) -> Result<GuestPath> {
    GuestPath::new(text.as_bytes(), PATH_LIMIT)
}

impl Files {
    pub fn new(limits: ScratchLimits) -> Self {
        Files(Scratch::new(limits, SharedAccounts::default(), 0).unwrap())
    }

    pub fn open(&mut self, text: &str, options: OpenOptions) -> Result<InodeId> {
        let root = self.0.root();
        self.0.open(root, &path(text)?, options, 0).map(|(inode, _)| inode)
    }

    /// Opens for writing, creating the file if need be.
    pub fn create(&mut self, text: &str) -> Result<InodeId> {
        self.open(text, OpenOptions { create: true, write: true, follow: true, ..OpenOptions::default() })
    }

    /// Makes a file with this content.
    pub fn put(&mut self, text: &str, content: &[u8]) -> Result<()> {
        let inode = self.create(text)?;
        let result = self.0.write(inode, 0, content, 0);
        self.0.close(inode);
        result.map(drop)
    }

    /// The content of a file, up to 1 MiB.
    pub fn get(&mut self, text: &str) -> Result<Vec<u8>> {
        let inode = self.open(text, OpenOptions { follow: true, ..OpenOptions::default() })?;
        let mut content = vec![0; 1 << 20];
        let result = self.0.read(inode, 0, &mut content);
        self.0.close(inode);
        content.truncate(result?);
        Ok(content)
    }

    pub fn mkdir(&mut self, text: &str) -> Result<()> {
        self.0.create_directory(self.0.root(), &path(text)?, 0)
    }

    pub fn rmdir(&mut self, text: &str) -> Result<()> {
        self.0.remove_directory(self.0.root(), &path(text)?, 0)
    }

    pub fn unlink(&mut self, text: &str) -> Result<()> {
        self.0.unlink(self.0.root(), &path(text)?, 0)
    }

    pub fn rename(&mut self, from: &str, to: &str) -> Result<()> {
        let root = self.0.root();
        self.0.rename(root, &path(from)?, root, &path(to)?, 0)
    }

    pub fn link(&mut self, from: &str, to: &str) -> Result<()> {
        let root = self.0.root();
        self.0.link(root, &path(from)?, false, root, &path(to)?, 0)
    }

    pub fn symlink(&mut self, text: &str, at: &str) -> Result<()> {
        let text = link_text(text.as_bytes(), PATH_LIMIT)?;
        self.0.symlink(text, self.0.root(), &path(at)?, 0)
    }

    pub fn readlink(&self, text: &str) -> Result<String> {
        self.0.read_link(self.0.root(), &path(text)?).map(Into::into)
    }

    /// Type, size and number of names of what a path leads to.
    pub fn stat(&self, text: &str, follow: bool) -> Result<(FileType, u64, u64)> {
        let stat = self.0.stat(self.0.lookup(self.0.root(), &path(text)?, follow)?)?;
        Ok((stat.kind, stat.size, stat.links))
    }

    /// Names in a directory without `.` and `..`, sorted.
    pub fn list(&self, text: &str) -> Result<Vec<String>> {
        let mut names = Vec::new();
        let inode = self.0.lookup(self.0.root(), &path(text)?, true)?;
        self.0.list(inode, 2, |entry| {
            names.push(entry.name.to_owned());
            Ok(true)
        })?;
        names.sort();
        Ok(names)
    }
}

fn files() -> Files {
    Files::new(ScratchLimits::default())
}

#[test]
fn holes_read_as_zeros_and_truncation_forgets() {
    let mut files = files();
    let file = files.create("f").unwrap();
    assert_eq!(files.0.write(file, 10_000, b"end", 0), Ok(3));
    let mut buffer = [7; 8];
    assert_eq!(files.0.read(file, 9_998, &mut buffer), Ok(5));
    assert_eq!(&buffer[..5], b"\0\0end");
    files.0.set_size(file, 10_001, 0).unwrap();
    files.0.set_size(file, 20_000, 0).unwrap();
    assert_eq!(files.0.read(file, 10_000, &mut buffer), Ok(8));
    assert_eq!(&buffer, b"e\0\0\0\0\0\0\0");
    assert_eq!(files.0.read(file, u64::MAX, &mut buffer), Ok(0));
    assert_eq!(files.0.write(file, u64::MAX, b"x", 0), Err(Errno::Fbig));
}

#[test]
fn nothing_leads_out() {
    let mut files = files();
    files.mkdir("d").unwrap();
    files.put("d/f", b"inside").unwrap();
    for out in ["..", "../x", "d/../..", "d/../../tmp", "./../d"] {
        assert_eq!(files.stat(out, true), Err(Errno::Perm), "{out}");
        assert_eq!(files.put(out, b""), Err(Errno::Perm), "{out}");
        assert_eq!(files.mkdir(out), Err(Errno::Perm), "{out}");
        files.symlink(out, "link").unwrap();
        assert_eq!(files.stat("link", true), Err(Errno::Perm), "{out}");
        files.unlink("link").unwrap();
    }
    for absolute in ["/", "/etc/passwd", "/tmpx", "/env/x"] {
        assert_eq!(path(absolute).unwrap_err(), Errno::Perm);
        files.symlink(absolute, "link").unwrap();
        assert_eq!(files.stat("link", true), Err(Errno::Perm), "{absolute}");
        assert_eq!(files.readlink("link").as_deref(), Ok(absolute));
        files.unlink("link").unwrap();
    }
    // A descriptor on a directory does not reach its parent, not even through a link to an absolute path.
    let (directory, _) = files.0.open(files.0.root(), &path("d").unwrap(), OpenOptions::default(), 0).unwrap();
    assert_eq!(files.0.lookup(directory, &path("../d").unwrap(), true), Err(Errno::Perm));
    files.symlink("/tmp/d/f", "d/absolute").unwrap();
    assert_eq!(files.0.lookup(directory, &path("absolute").unwrap(), true), Err(Errno::Perm));
    assert_eq!(files.get("d/absolute").as_deref(), Ok(&b"inside"[..]));
}

#[test]
fn links_are_followed_to_a_limit() {
    let mut files = files();
    files.symlink("loop", "loop").unwrap();
    assert_eq!(files.stat("loop", true), Err(Errno::Loop));
    assert_eq!(files.stat("loop", false).unwrap().0, FileType::SymbolicLink);
    assert_eq!(files.open("loop", OpenOptions::default()), Err(Errno::Loop));
    files.put("0", b"target").unwrap();
    for depth in 1..=41 {
        files.symlink(&format!("./{}", depth - 1), &depth.to_string()).unwrap();
    }
    assert_eq!(files.get("40").as_deref(), Ok(&b"target"[..]));
    assert_eq!(files.get("41"), Err(Errno::Loop));
    files.symlink("missing", "dangling").unwrap();
    assert_eq!(files.get("dangling"), Err(Errno::Noent));
    files.put("dangling", b"made").unwrap();
    assert_eq!(files.get("missing").as_deref(), Ok(&b"made"[..]));
}

#[test]
fn a_directory_cannot_move_into_itself() {
    let mut files = files();
    files.mkdir("a").unwrap();
    files.mkdir("a/b").unwrap();
    assert_eq!(files.rename("a", "a/b/c"), Err(Errno::Inval));
    assert_eq!(files.rename("a", "a/b"), Err(Errno::Inval));
    assert_eq!(files.rename("a/b", "a"), Err(Errno::Notempty));
    assert_eq!(files.rename("a", "a"), Ok(()));
    assert_eq!(files.rename(".", "x"), Err(Errno::Busy));
    files.rename("a/b", "b").unwrap();
    files.rename("a", "b/a").unwrap();
    assert_eq!(files.list("b"), Ok(vec!["a".to_owned()]));
}

#[test]
fn a_removed_directory_takes_nothing_new() {
    let mut files = files();
    files.mkdir("d").unwrap();
    files.put("f", b"").unwrap();
    let root = files.0.root();
    let (directory, _) = files.0.open(root, &path("d").unwrap(), OpenOptions::default(), 0).unwrap();
    files.rmdir("d").unwrap();
    let name = path("x").unwrap();
    assert_eq!(files.0.create_directory(directory, &name, 0), Err(Errno::Noent));
    assert_eq!(files.0.rename(root, &path("f").unwrap(), directory, &name, 0), Err(Errno::Noent));
    assert_eq!(files.0.link(root, &path("f").unwrap(), false, directory, &name, 0), Err(Errno::Noent));
    let mut entries = 0;
    files
        .0
        .list(directory, 0, |_| {
            Ok({
                entries += 1;
                true
            })
        })
        .unwrap();
    assert_eq!(entries, 2);
    files.0.close(directory);
    assert_eq!(files.0.usage().files, 1);
}

#[test]
fn a_listing_goes_on_while_names_come_and_go() {
    let mut files = files();
    for name in ["a", "b", "c", "d"] {
        files.put(name, b"").unwrap();
    }
    let root = files.0.root();
    let mut seen = Vec::new();
    let mut cookie = 0;
    loop {
        let mut next = None;
        files
            .0
            .list(root, cookie, |entry| {
                next = Some((entry.next, entry.name.to_owned()));
                Ok(false)
            })
            .unwrap();
        let Some((after, name)) = next else { break };
        if name == "a" {
            files.unlink("a").unwrap();
            files.unlink("b").unwrap();
            files.put("e", b"").unwrap();
        }
        seen.push(name);
        cookie = after;
    }
    assert_eq!(seen, [".", "..", "a", "c", "d", "e"]);
}

#[test]
fn names_are_bounded_and_clean() {
    let mut files = files();
    let longest = "x".repeat(255);
    files.put(&longest, b"").unwrap();
    for (bad, errno) in [
        ("x".repeat(256), Errno::Nametoolong),
        ("d/".repeat(2049), Errno::Nametoolong),
        (String::new(), Errno::Noent),
        ("nul\0byte".to_owned(), Errno::Inval),
        ("/absolute".to_owned(), Errno::Perm),
    ] {
        assert_eq!(files.put(&bad, b""), Err(errno));
        assert_eq!(files.mkdir(&bad), Err(errno));
    }
    assert_eq!(GuestPath::new(b"\xff", PATH_LIMIT).unwrap_err(), Errno::Ilseq);
    assert_eq!(link_text(b"a\0b", PATH_LIMIT), Err(Errno::Inval));
    assert_eq!(link_text(b"", PATH_LIMIT), Err(Errno::Noent));
    assert_eq!(link_text(&[b'x'; 4097], PATH_LIMIT), Err(Errno::Nametoolong));
    assert_eq!(files.list("."), Ok(vec![longest]));
}

#[test]
fn a_call_about_a_name_takes_a_link_for_what_has_it() {
    let mut files = files();
    files.mkdir("d").unwrap();
    files.symlink("d", "to-d").unwrap();
    files.symlink("nothing", "dangling").unwrap();
    for link in ["to-d/", "dangling/"] {
        assert_eq!(files.mkdir(link), Err(Errno::Exist), "{link}");
        assert_eq!(files.rmdir(link), Err(Errno::Notdir), "{link}");
        assert_eq!(files.unlink(link), Err(Errno::Notdir), "{link}");
        assert_eq!(files.rename(link, "new"), Err(Errno::Notdir), "{link}");
        assert_eq!(files.rename("d", link), Err(Errno::Notdir), "{link}");
        assert_eq!(files.symlink("x", link), Err(Errno::Exist), "{link}");
        assert_eq!(files.link("dangling", link), Err(Errno::Exist), "{link}");
    }
    assert_eq!(files.list("."), Ok(vec!["d".to_owned(), "dangling".to_owned(), "to-d".to_owned()]));
    // A slash behind a name that is looked up says that a directory is meant.
    assert_eq!(files.stat("to-d/", false).map(|stat| stat.0), Ok(FileType::Directory));
    files.put("f", b"").unwrap();
    assert_eq!(files.mkdir("f/"), Err(Errno::Exist));
    assert_eq!(files.unlink("f/"), Err(Errno::Notdir));
}

#[test]
fn opening_makes_no_file_before_a_slash() {
    let mut files = files();
    files.mkdir("d").unwrap();
    files.put("f", b"").unwrap();
    for path in ["d/", "f/", "new/", "d/new/"] {
        assert_eq!(files.create(path), Err(Errno::Isdir), "{path}");
    }
    assert_eq!(files.create("f/new/"), Err(Errno::Notdir));
    assert_eq!(files.create("nothing/new/"), Err(Errno::Noent));
}

#[test]
fn a_link_leads_to_no_name_that_is_too_long() {
    let mut files = files();
    files.symlink(&"n".repeat(255), "longest").unwrap();
    files.create("longest").unwrap();
    for text in ["n".repeat(256), format!("{}/x", "n".repeat(256))] {
        files.symlink(&text, "longer").unwrap();
        assert_eq!(files.create("longer"), Err(Errno::Nametoolong));
        assert_eq!(files.stat("longer", true), Err(Errno::Nametoolong));
        files.unlink("longer").unwrap();
    }
}
