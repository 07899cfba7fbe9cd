//! Behind the second wall a process opens no file that was not named, no socket, and starts no program.
//!
//! A wall never comes down, so each test starts this test program again, with one function to run and nothing else.

mod common;

use std::fs::{self, File, OpenOptions};
use std::io::{Error, ErrorKind, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use arrow::datatypes::DataType;
use common::{Guest, column, config};
use vivarium_sandbox::{RaisedWall, Sandbox, SecondWall, SecondWallError};

/// The variable that names the function for the child, and the one with its folder.
const INSIDE: &str = "VIVARIUM_TEST_INSIDE";
const FOLDER: &str = "VIVARIUM_TEST_FOLDER";

/// Runs the test `name` in a process of its own and shows what it says when it fails. In that process, does `inside`.
fn in_a_process(name: &str, inside: impl FnOnce(&Path)) {
    if std::env::var(INSIDE).as_deref() == Ok(name) {
        return inside(Path::new(&std::env::var_os(FOLDER).unwrap()));
    }
    let folder = tempfile::tempdir().unwrap();
    for part in ["in", "out", "elsewhere"] {
        fs::create_dir(folder.path().join(part)).unwrap();
        fs::write(folder.path().join(part).join("file"), part).unwrap();
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env(INSIDE, name)
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

fn wall(folder: &Path) -> RaisedWall {
    let wall = SecondWall::new().allow_reading(folder.join("in")).allow_writing_in(folder.join("out"));
    wall.raise().unwrap()
}

#[track_caller]
fn denied<T: std::fmt::Debug>(result: Result<T, Error>) {
    assert_eq!(result.unwrap_err().kind(), ErrorKind::PermissionDenied);
}

/// What code that escaped could try first.
fn assert_confined(folder: &Path, raised: RaisedWall) {
    assert_eq!(fs::read_to_string(folder.join("in/file")).unwrap(), "in");
    let new = folder.join("out/new");
    File::create(&new).and_then(|mut file| file.write_all(b"result")).unwrap();
    fs::rename(&new, folder.join("out/file")).unwrap();
    if raised.files {
        denied(fs::read("/etc/passwd"));
        denied(fs::read("/proc/self/environ"));
        denied(fs::read_dir("/"));
        denied(fs::read(folder.join("elsewhere/file")));
        denied(OpenOptions::new().write(true).open(folder.join("in/file")));
        denied(File::create(folder.join("in/new")));
        denied(File::create(folder.join("elsewhere/new")));
        denied(fs::remove_file(folder.join("elsewhere/file")));
        assert!(fs::rename(folder.join("out/file"), folder.join("elsewhere/moved")).is_err());
        assert!(fs::hard_link(folder.join("elsewhere/file"), folder.join("out/link")).is_err());
        denied(std::os::unix::fs::symlink("/etc", folder.join("out/link")));
    }
    if raised.calls {
        denied(TcpStream::connect("127.0.0.1:1"));
        denied(UnixStream::connect("/run/systemd/journal/socket"));
        denied(std::net::UdpSocket::bind("127.0.0.1:0"));
        denied(Command::new("/bin/true").status());
        denied(fs::set_permissions(
            folder.join("out/file"),
            fs::metadata(folder.join("out/file")).unwrap().permissions(),
        ));
    }
}

#[test]
fn nothing_that_was_not_named_can_be_reached() {
    in_a_process("nothing_that_was_not_named_can_be_reached", |folder| {
        let raised = wall(folder);
        assert_confined(folder, raised);
        // Nor by a thread that is started now.
        std::thread::scope(|scope| scope.spawn(|| assert_confined(folder, raised)).join().unwrap());
        let again = SecondWall::new().allow_reading("/").raise();
        assert!(matches!(again, Err(SecondWallError::AlreadyRaised)), "{again:?}");
    });
}

#[test]
fn threads_that_were_there_are_confined_before_they_run_a_guest() {
    in_a_process("threads_that_were_there_are_confined_before_they_run_a_guest", |folder| {
        let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let image = Guest::default().image();
        // The worker is there, and has its own file open, before the wall is.
        let mut open = executor.block_on(executor.spawn(async { File::open("/etc/passwd").unwrap() })).unwrap();
        let raised = wall(folder);
        let folder = folder.to_owned();
        let guest = executor.spawn(async move {
            let mut sandbox = Sandbox::start(&image, &config()).await.unwrap();
            let result = sandbox.invoke(1, 0, 3, &[column()], &DataType::Int64).await.unwrap();
            assert_eq!(&result.array, &column());
            assert_confined(&folder, raised);
            std::io::Read::read(&mut open, &mut [0; 1]).expect("what is open stays open");
        });
        executor.block_on(guest).unwrap();
    });
}

#[test]
fn folders_are_made_only_below_those_that_may_be_written_under() {
    in_a_process("folders_are_made_only_below_those_that_may_be_written_under", |folder| {
        let out = folder.join("out");
        let wall = SecondWall::new().allow_writing_in(folder.join("in")).allow_reading(&out).allow_writing_under(&out);
        let raised = wall.raise().unwrap();
        fs::create_dir_all(out.join("a/b")).unwrap();
        fs::write(out.join("a/b/new"), "new").unwrap();
        assert_eq!(fs::read_dir(out.join("a")).unwrap().count(), 1);
        fs::remove_dir_all(out.join("a")).unwrap();
        if raised.files {
            denied(fs::create_dir(folder.join("in/a")));
            denied(fs::create_dir(folder.join("elsewhere/a")));
            denied(fs::remove_dir_all(&out));
        }
    });
}

#[test]
fn a_path_that_is_not_there_is_an_error() {
    in_a_process("a_path_that_is_not_there_is_an_error", |folder| {
        let error = SecondWall::new().allow_reading(folder.join("missing")).raise().unwrap_err();
        assert!(error.to_string().contains("missing"), "{error}");
        File::open("/etc/passwd").expect("no wall was put up");
    });
}
