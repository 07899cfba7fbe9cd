//! Archives and directories of files.

use vivarium_env::{PythonArchive, PythonDependencyInfo, PythonFile};

use super::Shipped;
use crate::archives::{SYMLINK, Tar, ZipEntry, zip};
use crate::case::{Case, host};
use crate::world::Attempt;

/// An archive of this name, which must be refused.
fn archive(attempt: &Attempt, name: &str, content: &[u8], words: &[&str]) -> Result<(), String> {
    let shipped = Shipped::new(attempt)?;
    let path = shipped.write(name, content)?;
    let archives = vec![PythonArchive::new(path, &format!("{name}#target"))];
    shipped.refused(PythonDependencyInfo::default().with_archives(archives), words)
}

/// A directory of python files, made by `make`, which must be refused.
fn directory(
    attempt: &Attempt,
    make: impl FnOnce(&Shipped) -> std::io::Result<()>,
    words: &[&str],
) -> Result<(), String> {
    let shipped = Shipped::new(attempt)?;
    shipped.write("code/module.py", b"x = 1")?;
    make(&shipped).map_err(|error| error.to_string())?;
    let python_files = vec![PythonFile::new(shipped.path("code"), "code")];
    shipped.refused(PythonDependencyInfo::default().with_python_files(python_files), words)
}

const DRY_RUN: &str = "all names, kinds, links and sizes are judged before the first file is written";

pub const CASES: &[Case] = &[
    host("archives of more entries than allowed, hidden at the end", |attempt| {
        Box::pin(async move {
            let entries: Vec<ZipEntry> = (0..300).map(|number| ZipEntry::file(format!("d/{number}"), "")).collect();
            archive(&attempt, "many.zip", &zip(&entries), &["more than 200 entries"])?;
            let tar = (0..300).fold(Tar::default(), |tar, number| tar.file(format!("d/{number}"), b""));
            archive(&attempt, "many.tgz", &tar.gzip(), &["more than 200 entries"])
        })
    })
    .so("the environment is refused; nothing of the archive was written")
    .by(DRY_RUN),
    host("one entry of a hundred that leaves, repeats, or differs in the case of letters", |attempt| {
        Box::pin(async move {
            for (name, word) in [
                ("../../secret", "outside of"),
                ("/etc/passwd", "absolute"),
                ("d/7", "appears twice"),
                ("D/8", "only in the case of letters"),
                ("d/9/below", "not a directory"),
                ("a\\b", "backslash"),
            ] {
                let mut entries: Vec<ZipEntry> =
                    (0..100).map(|number| ZipEntry::file(format!("d/{number}"), "x")).collect();
                entries.push(ZipEntry::file(name, "x"));
                archive(&attempt, "late.zip", &zip(&entries), &[word])?;
                let tar = (0..100).fold(Tar::default(), |tar, number| tar.file(format!("d/{number}"), b"x"));
                archive(&attempt, "late.tar", &tar.file(name, b"x").finish(), &[word])?;
            }
            Ok(())
        })
    })
    .so("the environment is refused; nothing of the archive was written")
    .by(DRY_RUN),
    host("links of archives that lead out, by one step or by several", |attempt| {
        Box::pin(async move {
            for target in ["/etc/passwd", "../secret", "../../secret", "d/../../secret"] {
                let entries = [ZipEntry::file("d/f", ""), ZipEntry::new("link", SYMLINK | 0o777, target)];
                archive(&attempt, "links.zip", &zip(&entries), &["leaves the directory"])?;
            }
            let chain = Tar::default().file("d/e/f", b"").entry(b'2', "d/e/top", 0o777, "../..", b"");
            let chain = chain.entry(b'2', "d/e/out", 0o777, "top/../secret", b"");
            archive(&attempt, "chain.tar", &chain.finish(), &["leaves the directory"])?;
            let hard = Tar::default().file("f", b"").entry(b'1', "hard", 0o644, "../secret", b"");
            archive(&attempt, "hard.tar", &hard.finish(), &["not a file extracted before it"])
        })
    })
    .so("the environment is refused")
    .by("a link may only name what is in its own archive; nothing is written through one"),
    host("links flipped between their check and their use", |attempt| {
        Box::pin(async move {
            // A link, then a file below it; a file, then a link of its name: whichever comes first wins, and the other is refused.
            for (first, second) in [("link", "link/f"), ("link/f", "link")] {
                let entry = |name: &str| match name {
                    "link" => ZipEntry::new(name, SYMLINK | 0o777, "."),
                    name => ZipEntry::file(name, "x"),
                };
                archive(&attempt, "flip.zip", &zip(&[entry(first), entry(second)]), &["link"])?;
            }
            let flipped = Tar::default().entry(b'2', "link", 0o777, ".", b"").entry(b'5', "link", 0o755, "", b"");
            archive(&attempt, "flip.tar", &flipped.file("link/f", b"x").finish(), &["link"])
        })
    })
    .so("the environment is refused")
    .by("directories are reached by handles, step by step, and never through a link"),
    host("zip bombs: by ratio, by sharing, by lies about sizes", |attempt| {
        Box::pin(async move {
            let zeros = vec![0; 64 << 20];
            let flat = ZipEntry { deflate: true, ..ZipEntry::file("zeros", &zeros) };
            archive(&attempt, "flat.zip", &zip(std::slice::from_ref(&flat)), &["zeros"])?;
            let lying = ZipEntry { declared: Some(10), ..flat };
            archive(&attempt, "lying.zip", &zip(&[lying]), &["zeros"])?;
            let shared = [
                ZipEntry::file("one", "x".repeat(1000)),
                ZipEntry { shares: Some(0), ..ZipEntry::file("two", "x".repeat(1000)) },
            ];
            archive(&attempt, "shared.zip", &zip(&shared), &["shared.zip"])?;
            archive(&attempt, "zeros.tgz", &Tar::default().file("zeros", &zeros).gzip(), &["zeros"])
        })
    })
    .so("the environment is refused")
    .by("`MaterializeLimits`: declared sizes first, then what comes out"),
    host("links, fifos and endless files in a directory of python files", |attempt| {
        Box::pin(async move {
            for target in ["/etc/passwd", "../secret", "sub/../../secret"] {
                let link = |shipped: &Shipped| std::os::unix::fs::symlink(target, shipped.path("code/link"));
                directory(&attempt, link, &["leaves the directory"])?;
            }
            let fifo = |shipped: &Shipped| {
                let path = shipped.path("code/pipe.py");
                Ok(rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU)?)
            };
            directory(&attempt, fifo, &["it is a fifo"])?;
            let sparse = |shipped: &Shipped| std::fs::File::create(shipped.path("code/big"))?.set_len(1 << 42);
            directory(&attempt, sparse, &["bytes"])?;
            let many = |shipped: &Shipped| {
                (0..300).try_for_each(|number| std::fs::write(shipped.path(&format!("code/{number}.py")), ""))
            };
            directory(&attempt, many, &["entries"])
        })
    })
    .so("the environment is refused, and nothing is waited for")
    .by("links are not followed; the type of what is open is looked at; entries and sizes are counted before anything is read"),
];
