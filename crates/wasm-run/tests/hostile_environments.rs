//! What a job ships attacks: `wasm-run` refuses it with status 4 and a message that names archive and entry, writes nothing
//! outside, and leaves nothing behind. Each kind of attack has its own test in `vivarium-env`; here each goes the whole way.

#[path = "../../vivarium-env/tests/support/mod.rs"]
mod fixtures;
mod support;

use std::fs::File;
use std::io::Write;
use std::path::Path;

use fixtures::archives::{SYMLINK, Tar, ZipEntry, pax, zip};
use fixtures::wheels::Wheel;
use support::{Ended, Folder};

/// A folder with a file that no attack may touch.
fn folder() -> Folder {
    Folder::with(&[("secret", "untouched"), ("fine.py", "")])
}

/// Runs a command whose environment must be refused.
fn refused(folder: &Folder, options: &[&str], expected: &[&str]) -> Ended {
    let before = folder.files();
    let own = ["exec", "--env-store", "store", "--offline"];
    std::fs::create_dir_all(folder.path("tmp")).unwrap();
    let command = folder
        .command(&[&own[..], options, &["-c", "print('ran')"]].concat())
        .env("TMPDIR", folder.path("tmp"))
        .output();
    let output = command.unwrap();
    let ended = Ended {
        status: output.status.code().expect("ended by a signal"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    };
    assert_eq!((ended.status, ended.stdout.as_str()), (4, ""), "{options:?}: {ended}");
    for piece in expected {
        assert!(ended.stderr.contains(piece), "'{piece}' is not in: {ended}");
    }
    assert!(!ended.stderr.trim_end().chars().any(|one| one.is_control() && one != '\n'), "{ended}");
    let left: Vec<_> = folder.files().into_iter().filter(|file| !before.contains(file)).collect();
    assert!(left.iter().all(|file| file == "store" || file == "tmp"), "{left:?} is new");
    assert_eq!(std::fs::read_dir(folder.path("tmp")).unwrap().count(), 0, "{options:?} left something in tmp");
    assert_eq!(kept(&folder.path("store")), 0, "{options:?} left something in the store");
    assert_eq!(folder.read("secret"), "untouched");
    ended
}

/// Environments in a store, finished or not.
fn kept(store: &Path) -> usize {
    let Ok(tenants) = std::fs::read_dir(store.join("v1")) else { return 0 };
    let count = |part: &Path| std::fs::read_dir(part).unwrap().count();
    tenants
        .map(|tenant| tenant.unwrap().path())
        .map(|tenant| count(&tenant.join("entries")) + count(&tenant.join("making")))
        .sum()
}

#[test]
fn archives() {
    let zeros = vec![0; 30 << 20];
    let long = "c".repeat(256);
    let bomb = ZipEntry { deflate: true, ..ZipEntry::file("zeros", &zeros) };
    let first = ZipEntry::file("f", vec![7; 1000]);
    let overlapping = [first.clone(), ZipEntry { shares: Some(0), ..first }];
    let fine = ZipEntry::file("fine", "");
    let sparse = [pax("GNU.sparse.major", "1"), pax("GNU.sparse.realsize", "1099511627776")].concat();
    let zips: [(Vec<ZipEntry>, &[&str]); 9] = [
        (vec![fine.clone(), ZipEntry::file("../../../secret", "x")], &["would create a file outside of", "secret"]),
        (vec![ZipEntry::file("/etc/passwd", "x")], &["'/etc/passwd'", "absolute"]),
        (vec![ZipEntry::file("..\\secret", "x")], &["backslash"]),
        (vec![ZipEntry { flags: 0, ..ZipEntry::file(b"a\xffb", "x") }], &["not valid UTF-8"]),
        (vec![ZipEntry::file("a\0b", "x")], &["NUL"]),
        (vec![ZipEntry::file(&long, "x")], &["component of 256 bytes"]),
        (vec![ZipEntry::new("link", SYMLINK | 0o777, "../../../secret")], &["'link'", "leaves the directory"]),
        (vec![fine.clone(), bomb], &["'zeros'", "decompression bomb"]),
        (overlapping.into(), &["shares bytes"]),
    ];
    let folder = folder();
    for (entries, expected) in zips {
        std::fs::write(folder.path("a.zip"), zip(&entries)).unwrap();
        refused(&folder, &["-pyfs", "fine.py", "-pyarch", "a.zip#t"], &[expected, &["a.zip"]].concat());
        // The same in python files.
        refused(&folder, &["-pyfs", "fine.py,a.zip"], &[expected, &["a.zip"]].concat());
    }
    let tars: [(Tar, &[&str]); 5] = [
        (Tar::default().file("../../../secret", b"x"), &["would create a file outside of", "secret"]),
        (Tar::default().entry(b'1', "hard", 0o644, "later", b"").file("later", b"x"), &["'hard'", "later"]),
        (Tar::default().entry(b'6', "fifo", 0o644, "", b""), &["'fifo'"]),
        (Tar::default().entry(b'x', "p", 0, "", &sparse).file("s", b""), &["sparse"]),
        (Tar::default().file("zeros", &zeros), &["'zeros'", "decompression bomb"]),
    ];
    for (tar, expected) in tars {
        std::fs::write(folder.path("a.tgz"), tar.gzip()).unwrap();
        refused(&folder, &["-pyarch", "a.tgz#t"], &[expected, &["a.tgz"]].concat());
    }
    let cases = [ZipEntry::file("share/A", "upper"), ZipEntry::file("share/a", "lower")];
    std::fs::write(folder.path("a.zip"), zip(&cases)).unwrap();
    refused(&folder, &["-pyarch", "a.zip"], &["a.zip", "only in the case"]);
    let code = "print(open('t/share/A').read(), open('t/share/a').read())";
    let allowed = ["exec", "--env-store", "other", "--allow-case-collisions", "-pyarch", "a.zip#t", "-c", code];
    assert_eq!(folder.run(&allowed).ok().stdout, "upper lower\n");
    std::fs::write(folder.path("a.zip"), "no zip file").unwrap();
    refused(&folder, &["-pyarch", "a.zip"], &["Error reading Zip content from a.zip"]);
    std::fs::write(folder.path("a.zip"), zip(&[fine])).unwrap();
    for target in ["../../escape", "/abs", "a/../b", ""] {
        refused(&folder, &["-pyarch", &format!("a.zip#{target}")], &["the target", "a.zip"]);
    }
    refused(&folder, &["-pyarch", "missing.zip"], &["missing.zip' does not exist"]);
    refused(&folder, &["-pyarch", "a.zip#x", "-pyexec", "x/python"], &["does not contain a '/bin/' path component"]);
}

/// A zip file with a million entries and nothing in them, written by another implementation than the one that reads it.
fn million(path: &Path) {
    let mut archive = zip::ZipWriter::new(std::io::BufWriter::new(File::create(path).unwrap()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for index in 0..1_000_000 {
        archive.start_file(format!("{index}"), options).unwrap();
    }
    archive.finish().unwrap().flush().unwrap();
}

#[test]
fn a_million_entries_take_no_memory() {
    let folder = folder();
    million(&folder.path("a.zip"));
    std::fs::create_dir(folder.path("tmp")).unwrap();
    // Memory is measured by the system: the command may have 200 MB of it.
    let build = format!(
        "ulimit -d 200000; exec {} env build --env-store store -pyarch a.zip#x",
        env!("CARGO_BIN_EXE_wasm-run")
    );
    let mut command = std::process::Command::new("sh");
    let output = command.args(["-c", &build]).current_dir(folder.path("")).env("TMPDIR", folder.path("tmp")).output();
    let output = output.unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{message}");
    assert!(message.contains("a.zip") && message.contains("more than 200000 entries"), "{message}");
    assert_eq!(kept(&folder.path("store")), 0);
    assert_eq!(std::fs::read_dir(folder.path("tmp")).unwrap().count(), 0);
}

#[test]
fn nested_bombs_and_quines_stay_closed() {
    let folder = folder();
    let inner = zip(&[ZipEntry { deflate: true, ..ZipEntry::file("zeros", vec![0; 15 << 20]) }]);
    let middle = zip(&[ZipEntry::file("inner.zip", &inner)]);
    std::fs::write(folder.path("a.zip"), zip(&[ZipEntry::file("middle.zip", middle)])).unwrap();
    let code = "import os; print([(d, f) for d, _, f in os.walk('.')])";
    let ended = folder.run(&["exec", "--env-store", "store", "-pyarch", "a.zip", "-c", code]).ok();
    assert_eq!(ended.stdout, "[('.', []), ('./a.zip', ['middle.zip'])]\n");
}

#[test]
fn requirements() {
    let folder = folder();
    Wheel::new("fine", "1.0").write(&folder.path("wheels"));
    let witness = folder.path("witness").display().to_string();
    for (line, reason) in [
        ("-e .", "options are not allowed here"),
        ("--index-url https://evil/simple", "the operator decides where packages come from"),
        ("--find-links /etc", "the operator decides"),
        ("-r /etc/passwd", "options are not allowed here"),
        ("-c constraints.txt", "options are not allowed here"),
        ("--config-settings x=y", "options are not allowed here"),
        ("fine --global-option=build", "only --hash=sha256"),
        ("./local", "it is a path or a URL"),
        ("fine @ file:///tmp/fine.whl", "URLs are not allowed here"),
        ("git+https://evil/x.git", "it is a path or a URL"),
        ("fine==${HOME}", "environment variables are not expanded"),
        ("fine; os_name == __import__('os').system('touch witness')", "is not an environment marker"),
    ] {
        folder.write("requirements.txt", &format!("fine\n{line}\n"));
        refused(&folder, &["-pyreq", "requirements.txt#wheels"], &["line 2 of the requirements", reason]);
    }
    let setup = format!("open({witness:?}, 'w')\n");
    let source = Tar::default().file("evil-1/setup.py", setup.as_bytes());
    std::fs::write(
        folder.path("wheels/evil-1.tar.gz"),
        source.file("evil-1/PKG-INFO", b"Name: evil\nVersion: 1\n").gzip(),
    )
    .unwrap();
    folder.write("requirements.txt", "evil\n");
    refused(&folder, &["-pyreq", "requirements.txt#wheels"], &["evil: only a source distribution exists"]);
    Wheel::new("native", "1.0").tag("cp313-cp313-manylinux_2_17_x86_64").write(&folder.path("wheels"));
    folder.write("requirements.txt", "native\nfine>=2\nnumpy<1\n");
    let expected = [
        "native: only native wheels",
        "fine>=2: no such version (there are 1.0)",
        "numpy<1: the sandbox bundles version",
    ];
    refused(&folder, &["-pyreq", "requirements.txt#wheels"], &expected);
    assert!(!folder.path("witness").exists(), "a package's code ran");
    refused(&folder, &["-pyreq", "missing.txt"], &["requirements file 'missing.txt' does not exist"]);
    folder.write("requirements.txt", "fine\n");
    refused(&folder, &["-pyreq", "requirements.txt"], &["packages from an index, which is switched off"]);
    refused(
        &folder,
        &["-pyreq", "requirements.txt#nowhere"],
        &["requirements cache directory 'nowhere' does not exist"],
    );
    let without_pip = ["-pyreq", "requirements.txt#wheels", "--pip-python", "/nonexistent/python3"];
    refused(&folder, &without_pip, &["'/nonexistent/python3'", "was not found"]);
}

#[test]
fn a_directory_with_links_and_special_files() {
    let folder = folder();
    for (name, target) in [("d1", "/etc/passwd"), ("d2", "../secret")] {
        std::fs::create_dir(folder.path(name)).unwrap();
        std::os::unix::fs::symlink(target, folder.path(name).join("link")).unwrap();
        refused(&folder, &["-pyfs", name], &[name, "'link'", "leaves the directory"]);
    }
    std::fs::create_dir(folder.path("d3")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, folder.path("d3/fifo"), rustix::fs::Mode::RWXU).unwrap();
    refused(&folder, &["-pyfs", "d3"], &["d3", "'fifo'"]);
    std::os::unix::fs::symlink("/dev/zero", folder.path("zero.py")).unwrap();
    refused(&folder, &["-pyfs", "zero.py"], &["zero.py' is not a regular file"]);
}

#[test]
fn failures_are_json_for_machines() {
    let folder = folder();
    let ended = folder.run(&["exec", "--env-store", "store", "-pyfs", "missing.py", "--json", "-c", "pass"]);
    let error: serde_json::Value = serde_json::from_str(&ended.stderr).unwrap();
    assert_eq!((ended.status, &error["error"]["class"]), (4, &serde_json::json!("environment")));
    assert_eq!(error["error"]["message"], "python file 'missing.py' does not exist");
    // A store that others can write is not used.
    std::fs::create_dir(folder.path("open")).unwrap();
    std::fs::set_permissions(folder.path("open"), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let ended = folder.run(&["exec", "--env-store", "open", "-pyfs", "fine.py", "-c", "pass"]);
    assert!(ended.status == 4 && ended.stderr.contains("may be written by other users"), "{ended}");
}
