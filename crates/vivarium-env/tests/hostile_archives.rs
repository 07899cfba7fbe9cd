//! Archives that attack: each test is named after the attack. Every one must end with a message that names the archive
//! and the entry, and leave nothing behind (`Place::refusal` looks).

mod support;

use std::sync::Arc;

use support::archives::{DIRECTORY, FILE, SYMLINK, Tar, ZipEntry, pax, zip};
use support::{Place, listing};
use vivarium_env::{MaterializeLimits, PythonArchive, PythonDependencyInfo, PythonEnvironmentManager, PythonFile};

/// Refuses `archive` and looks for every piece of `expected` in the message.
fn refused(name: &str, archive: &[u8], expected: &[&str]) {
    refused_within(MaterializeLimits::default(), name, archive, expected);
}

fn refused_within(limits: MaterializeLimits, name: &str, archive: &[u8], expected: &[&str]) {
    let place = Place::new();
    let secret = place.write("secret", "untouched");
    let settings = place.settings().with_limits(limits);
    let message = place.refusal_with(settings, name, archive);
    for piece in expected.iter().chain(&[name]) {
        assert!(message.contains(piece), "'{piece}' is not in: {message}");
    }
    assert_eq!(std::fs::read(secret).unwrap(), b"untouched");
}

fn accepted(name: &str, archive: &[u8]) -> Vec<String> {
    let place = Place::new();
    let path = place.write(name, archive);
    let info = PythonDependencyInfo::default().with_archives(vec![PythonArchive::new(path, &format!("{name}#x"))]);
    let mut manager = place.manager(info);
    manager.open().unwrap_or_else(|error| panic!("{}", support::with_causes(&error)));
    listing(&manager.create_environment().unwrap().host_path().join("python-archives/x"))
}

fn small() -> MaterializeLimits {
    MaterializeLimits::default()
        .with_entries(20)
        .with_total_bytes(10_000)
        .with_file_bytes(5_000)
        .with_compression_ratio_floor(20_000)
}

#[test]
fn names_that_leave_the_target() {
    for (name, message) in [
        ("../../../secret", "would create a file outside of"),
        ("a/../../../secret", "would create a file outside of"),
        ("a/../b", "contains a '..' component"),
        ("/etc/passwd", "absolute"),
        ("..\\secret", "backslash"),
        ("C:\\secret", "backslash"),
    ] {
        refused("a.zip", &zip(&[ZipEntry::file("ok", ""), ZipEntry::file(name, "x")]), &[name, message]);
        refused("a.tar", &Tar::default().file("ok", b"").file(name, b"x").finish(), &[name, message]);
    }
}

#[test]
fn long_and_malformed_names() {
    let component = "c".repeat(256);
    let long = "d/".repeat(700);
    let deep = format!("{}f", "d/".repeat(70));
    for (name, message) in [
        (component.as_bytes(), "component of 256 bytes"),
        (long.as_bytes(), "bytes long, more than 1024"),
        (deep.as_bytes(), "71 directories deep"),
        (b"a\xffb", "not valid UTF-8"),
        (b"a\0b", "NUL"),
    ] {
        refused("a.zip", &zip(&[ZipEntry { flags: 0, ..ZipEntry::file(name, "x") }]), &[message]);
        let by_gnu_name = Tar::default().entry(b'L', "././@LongLink", 0, "", name).file("cut", b"x");
        // A GNU name may end with a NUL, and longer ones are refused before they are read.
        refused("a.tgz", &by_gnu_name.gzip(), &[if name.len() > 1025 { "metadata takes more" } else { message }]);
    }
    let records = [pax("path", "../../up"), pax("comment", "x")].concat();
    refused("a.tar", &Tar::default().entry(b'x', "pax", 0, "", &records).file("cut", b"").finish(), &["../../up"]);
}

#[test]
fn metadata_bomb() {
    let name = vec![b'a'; 4 << 20];
    refused("a.tgz", &Tar::default().entry(b'L', "l", 0, "", &name).gzip(), &["metadata takes more than"]);
    refused("a.tgz", &Tar::default().entry(b'x', "x", 0, "", &name).gzip(), &["metadata takes more than"]);
    let global = Tar::default().entry(b'g', "g", 0, "", &pax("path", "all")).file("a", b"");
    refused("a.tar", &global.finish(), &["gives one to all entries"]);
}

#[test]
fn symlinks_that_leave_the_target() {
    for target in ["/etc/passwd", "../secret", "d/../../secret", "../../..", "", "..\\x"] {
        let entries = [ZipEntry::file("d/f", ""), ZipEntry::new("link", SYMLINK | 0o777, target)];
        refused("a.zip", &zip(&entries), &["link", "leaves the directory"]);
        let tar = Tar::default().file("d/f", b"").entry(b'2', "link", 0o777, target, b"");
        refused("a.tar", &tar.finish(), &["link", "leaves the directory"]);
    }
}

#[test]
fn symlink_chain_that_climbs() {
    // d/e/top is the root itself; through it, `..` would leave.
    let tar = Tar::default().file("d/e/f", b"").entry(b'2', "d/e/top", 0o777, "../..", b"").entry(
        b'2',
        "d/e/out",
        0o777,
        "top/../secret",
        b"",
    );
    refused("a.tar", &tar.finish(), &["d/e/out", "leaves the directory"]);
}

#[test]
fn entry_below_a_symlink() {
    let entries = [
        ZipEntry::file("d/f", ""),
        ZipEntry::new("link", SYMLINK | 0o777, "d"),
        ZipEntry::file("link/g", "through the link"),
    ];
    refused("a.zip", &zip(&entries), &["link/g", "link' in its path is not a directory"]);
    let tar = Tar::default().file("d/f", b"").entry(b'2', "link", 0o777, "d", b"").file("link/g", b"x");
    refused("a.tar", &tar.finish(), &["link/g", "not a directory"]);
    // A link that an earlier archive of the same target made counts as well.
    let place = Place::new();
    let first = place.write("1.tar", Tar::default().entry(b'2', "x", 0o777, "nowhere", b"").finish());
    let second = place.write("2.tar", Tar::default().file("f", b"").finish());
    let archives = vec![PythonArchive::new(first, "1.tar#t"), PythonArchive::new(second, "2.tar#t/x")];
    let error = place.manager(PythonDependencyInfo::default().with_archives(archives)).open().unwrap_err();
    assert!(error.to_string().contains("2.tar"), "{error}");
    assert!(place.leftovers().is_empty());
}

#[test]
fn hard_links_that_leave_the_target_or_point_ahead() {
    for target in ["/etc/passwd", "../secret", "later", "link", "d"] {
        let tar = Tar::default()
            .entry(b'5', "d", 0o755, "", b"")
            .entry(b'2', "link", 0o777, "d", b"")
            .entry(b'1', "hard", 0o644, target, b"")
            .file("later", b"x");
        refused("a.tar", &tar.finish(), &["'hard'", target, "not a file extracted before it"]);
    }
    let fine = Tar::default().file("first", b"x").entry(b'1', "d/second", 0o644, "first", b"");
    assert_eq!(accepted("a.tar", &fine.finish()), ["d/ 755", "d/second 644 \"x\"", "first 644 \"x\""]);
}

#[test]
fn devices_fifos_and_sockets() {
    for (kind, message) in [(b'3', "device"), (b'4', "device"), (b'6', "fifo"), (b'Z', "does not know")] {
        refused("a.tar", &Tar::default().entry(kind, "special", 0o644, "", b"").finish(), &["special", message]);
    }
    for (kind, message) in [(0o020_000, "device"), (0o060_000, "device"), (0o010_000, "fifo"), (0o140_000, "socket")] {
        refused("a.zip", &zip(&[ZipEntry::new("special", kind | 0o644, "")]), &["special", message]);
    }
}

#[test]
fn sparse_entries() {
    refused("a.tar", &Tar::default().entry(b'S', "sparse", 0o644, "", b"").finish(), &["sparse", "sparse file"]);
    let records = [pax("GNU.sparse.major", "1"), pax("GNU.sparse.realsize", "1099511627776")].concat();
    refused("a.tar", &Tar::default().entry(b'x', "p", 0, "", &records).file("s", b"").finish(), &["sparse file"]);
    let records = pax("size", "1099511627776");
    refused("a.tar", &Tar::default().entry(b'x', "p", 0, "", &records).file("s", b"x").finish(), &["disagree"]);
}

#[test]
fn duplicates_and_names_that_differ_in_case() {
    for (first, second, message) in [
        ("a", "a", "appears twice"),
        ("a/b", "./a//b", "appears twice"),
        ("README", "readme", "README' only in the case"),
        ("straße/f", "STRASSE/g", "only in the case"),
        ("a", "a/b", "a' in its path is not a directory"),
        ("a/b", "a", "appears twice"),
    ] {
        refused("a.zip", &zip(&[ZipEntry::file(first, "1"), ZipEntry::file(second, "2")]), &[message]);
        refused("a.tar", &Tar::default().file(first, b"1").file(second, b"2").finish(), &[message]);
    }
}

#[test]
fn case_is_kept_apart_where_the_operator_says_so() {
    let place = Place::new();
    let path = place.write("a.zip", zip(&[ZipEntry::file("A", "1"), ZipEntry::file("a", "2")]));
    let limits = MaterializeLimits::default().with_refuse_case_collisions(false);
    let settings = place.settings().with_limits(limits);
    let info = PythonDependencyInfo::default().with_archives(vec![PythonArchive::new(path, "a.zip")]);
    PythonEnvironmentManager::new(info, Arc::new(settings), place.job()).open().unwrap();
}

#[test]
fn decompression_bomb() {
    let zeros = vec![0; 30 << 20];
    let entry = ZipEntry { deflate: true, ..ZipEntry::file("zeros", &zeros) };
    refused("a.zip", &zip(std::slice::from_ref(&entry)), &["zeros", "decompression bomb"]);
    refused("a.tgz", &Tar::default().file("zeros", &zeros).gzip(), &["zeros", "decompression bomb"]);
    // Without a file to name it: nothing but padding behind the last entry.
    let mut padding = Tar::default().file("a", b"").finish();
    padding.resize(30 << 20, 0);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(9));
    std::io::Write::write_all(&mut encoder, &padding).unwrap();
    refused("a.tgz", &encoder.finish().unwrap(), &["decompression bomb"]);
}

#[test]
fn bomb_that_lies_about_its_size() {
    let lying = ZipEntry { deflate: true, declared: Some(10), ..ZipEntry::file("zeros", vec![0; 100_000]) };
    refused("a.zip", &zip(&[lying]), &["zeros"]);
    let short = ZipEntry { declared: Some(4_000), ..ZipEntry::file("short", "x") };
    refused("a.zip", &zip(&[short]), &["short"]);
}

#[test]
fn overlapping_entries() {
    let content = vec![7; 1000];
    let bomb: Vec<ZipEntry> = (0..10)
        .map(|index| ZipEntry {
            shares: (index > 0).then_some(0),
            local_name: Some("f0".into()),
            ..ZipEntry::file(format!("f{index}"), &content)
        })
        .collect();
    let message = Place::new().refusal("a.zip", &zip(&bomb));
    assert!(message.contains("a.zip") && message.contains("f"), "{message}");
    // The same name in both headers, so that nothing but the overlap is wrong.
    let twins = [ZipEntry::file("f", &content), ZipEntry { shares: Some(0), ..ZipEntry::file("f", &content) }];
    refused("a.zip", &zip(&twins), &["f", "shares bytes"]);
}

#[test]
fn nested_bomb_and_quine_stay_closed() {
    // Archives within archives are files like any other.
    let inner = zip(&[ZipEntry { deflate: true, ..ZipEntry::file("zeros", vec![0; 15 << 20]) }]);
    let outer = zip(&[ZipEntry::file("inner.zip", &inner)]);
    let listed = accepted("a.zip", &outer);
    assert_eq!(listed.len(), 1);
    assert!(listed[0].starts_with("inner.zip 644"));
}

#[test]
fn a_million_entries() {
    let many: Vec<ZipEntry> = (0..21).map(|index| ZipEntry::file(format!("f{index}"), "")).collect();
    refused_within(small(), "a.zip", &zip(&many), &["more than 20 entries"]);
    let tar = (0..21).fold(Tar::default(), |tar, index| tar.file(format!("f{index}"), b""));
    refused_within(small(), "a.tar", &tar.finish(), &["f18", "more than 20 entries"]);
    let empty = (0..2000).fold(Tar::default(), |tar, _| tar.entry(b'5', "./", 0o755, "", b""));
    refused_within(small(), "a.tar", &empty.finish(), &["more than 20 entries"]);
    // The directory of a zip file may promise more than is there.
    let mut lying = zip(&[ZipEntry::file("f", "")]);
    let end = lying.len() - 22;
    lying[end + 8..end + 12].copy_from_slice(&[0xff, 0xfe, 0xff, 0xfe]);
    refused("a.zip", &lying, &["a.zip"]);
}

#[test]
fn too_many_bytes() {
    refused_within(small(), "a.zip", &zip(&[ZipEntry::file("big", vec![1; 5_001])]), &["big", "more than 5000 bytes"]);
    refused_within(small(), "a.tar", &Tar::default().file("big", &[1; 5_001]).finish(), &["big", "more than 5000"]);
    let three = [1, 2, 3].map(|index| ZipEntry::file(format!("f{index}"), vec![1; 4_000]));
    refused_within(small(), "a.zip", &zip(&three), &["f3", "more than 10000 bytes"]);
    let names = MaterializeLimits::default().with_name_bytes(100);
    let long = [ZipEntry::file("n".repeat(60), ""), ZipEntry::file("m".repeat(60), "")];
    refused_within(names, "a.zip", &zip(&long), &["names of all entries"]);
    let archive = MaterializeLimits::default().with_archive_bytes(100);
    refused_within(archive, "a.zip", &zip(&[ZipEntry::file("f", vec![1; 100])]), &["bigger than 100 bytes"]);
}

#[test]
fn headers_that_disagree() {
    let cloaked = ZipEntry { local_name: Some("other".into()), ..ZipEntry::file("shown", "x") };
    refused("a.zip", &zip(&[cloaked]), &["a.zip"]);
    let mut corrupt = zip(&[ZipEntry::file("f", "content")]);
    let position = corrupt.windows(7).position(|window| window == b"content").unwrap();
    corrupt[position] = b'C';
    refused("a.zip", &corrupt, &["damaged in its entry 'f'"]);
    let directory = ZipEntry::new("d/", FILE | 0o644, "x");
    refused("a.zip", &zip(&[directory]), &["disagree about whether it is a directory"]);
}

#[test]
fn encrypted_or_strangely_compressed() {
    refused("a.zip", &zip(&[ZipEntry { flags: 0x801, ..ZipEntry::file("f", "x") }]), &["'f'", "encrypted"]);
    refused("a.zip", &zip(&[ZipEntry { method: Some(12), ..ZipEntry::file("f", "x") }]), &["'f'", "compressed with"]);
}

#[test]
fn truncated() {
    let whole = Tar::default().file("f", &[1; 2000]).finish();
    refused("a.tar", &whole[..1500], &["'f'", "damaged"]);
    let packed = Tar::default().file("f", &[1; 2000]).gzip();
    refused("a.tgz", &packed[..packed.len() - 4], &["damaged"]);
    refused("a.tar", b"not a tar file, and longer than one block would have to be...", &["damaged"]);
}

#[test]
fn targets_outside_the_working_directory() {
    let place = Place::new();
    let path = place.write("x.zip", zip(&[ZipEntry::file("f", "")]));
    for target in ["../../escape", "/abs", "a/../b", "", ".", "a\\b", "a\0b"] {
        let info =
            PythonDependencyInfo::default().with_archives(vec![PythonArchive::new(&path, &format!("x.zip#{target}"))]);
        let error = place.manager(info).open().unwrap_err().to_string();
        assert!(error.contains("the target") && error.contains("x.zip"), "{error}");
        assert!(place.leftovers().is_empty());
    }
}

#[test]
fn python_files_that_do_not_fit() {
    let place = Place::new();
    let file = place.write("f.py", "");
    let other = place.write("other/f.py", "");
    let open = |python_files| place.manager(PythonDependencyInfo::default().with_python_files(python_files)).open();
    let error = open(vec![PythonFile::new(&file, "f.py"), PythonFile::new(&other, "f.py")]).unwrap_err().to_string();
    assert!(error.contains("would both be placed in python-files/f.py"), "{error}");
    for name in ["../f.py", "a/b.py", "", "..", ".zip", "a\0.py"] {
        let error = open(vec![PythonFile::new(&file, name)]).unwrap_err().to_string();
        assert!(error.contains("f.py") && error.contains("cannot be placed"), "{name}: {error}");
    }
    let error = open(vec![PythonFile::new(place.path("missing"), "m.py")]).unwrap_err().to_string();
    assert!(error.contains("missing' does not exist"), "{error}");
    std::os::unix::fs::symlink("/dev/zero", place.path("zero")).unwrap();
    let error = open(vec![PythonFile::new(place.path("zero"), "z.py")]).unwrap_err().to_string();
    assert!(error.contains("not a regular file"), "{error}");
    for (name, target) in [("d1", "/etc/passwd"), ("d2", "../secret")] {
        std::fs::create_dir(place.path(name)).unwrap();
        std::os::unix::fs::symlink(target, place.path(name).join("link")).unwrap();
        let error = open(vec![PythonFile::new(place.path(name), "d")]).unwrap_err().to_string();
        assert!(error.contains("entry 'link'") && error.contains("leaves the directory"), "{error}");
    }
    place.write("d3/f", "");
    rustix::fs::mkfifoat(rustix::fs::CWD, place.path("d3/fifo"), rustix::fs::Mode::RWXU).unwrap();
    let error = open(vec![PythonFile::new(place.path("d3"), "d")]).unwrap_err().to_string();
    assert!(error.contains("entry 'fifo'") && error.contains("it is a fifo"), "{error}");
    assert!(place.leftovers().is_empty());
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    let message = Place::new().refusal("a.zip", &zip(&[ZipEntry::file("../\u{1b}[2J\n", "x")]));
    assert!(!message.chars().any(char::is_control), "{message:?}");
}

#[test]
fn links_to_the_host_interpreter_are_left_out() {
    let tar = Tar::default()
        .entry(b'2', "bin/python3", 0o777, "/usr/bin/python3.13", b"")
        .entry(b'2', "bin/python", 0o777, "python3", b"")
        .file("lib/python3.13/site-packages/m.py", b"")
        .entry(b'2', "lib64", 0o777, "lib", b"");
    assert!(accepted("venv.tgz", &tar.gzip()).contains(&"bin/python -> python3".to_owned()));
    let other = Tar::default().entry(b'2', "bin/sh", 0o777, "/bin/sh", b"");
    refused("a.tar", &other.finish(), &["bin/sh"]);
    let data = Tar::default().entry(b'2', "bin/python", 0o777, "/etc/passwd", b"");
    refused("a.tar", &data.finish(), &["bin/python"]);
}

#[test]
fn unreadable_directories_are_removed_again() {
    // What is below an unwritable directory must go as well when the environment is closed.
    let entries = [
        ZipEntry::new("d/", DIRECTORY | 0o555, ""),
        ZipEntry::new("d/e/", DIRECTORY | 0o311, ""),
        ZipEntry::file("d/e/f", ""),
    ];
    let place = Place::new();
    let path = place.write("a.zip", zip(&entries));
    let archives = vec![PythonArchive::new(path, "a.zip")];
    let mut manager = place.manager(PythonDependencyInfo::default().with_archives(archives));
    manager.open().unwrap();
    manager.close();
    assert!(place.leftovers().is_empty());
}
