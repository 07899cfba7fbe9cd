//! In the process sandbox a process opens no file that was not named, no socket, and starts no program.
//!
//! It is for good, so each test starts this test program again, with one function to run and nothing else.

mod common;

use std::fs::{self, File, OpenOptions};
use std::io::{Error, ErrorKind, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use arrow::datatypes::DataType;
use common::process::in_a_process;
use common::{Guest, column, config};
use vivarium_sandbox::{ProcessSandbox, ProcessSandboxError, ProcessSandboxStatus, Sandbox};

fn enforce(folder: &Path) -> ProcessSandboxStatus {
    let sandbox = ProcessSandbox::new().allow_reading(folder.join("in")).allow_writing_in(folder.join("out"));
    sandbox.enforce().unwrap()
}

#[track_caller]
fn denied<T: std::fmt::Debug>(result: Result<T, Error>) {
    assert_eq!(result.unwrap_err().kind(), ErrorKind::PermissionDenied);
}

/// What code that escaped could try first.
fn assert_confined(folder: &Path, status: ProcessSandboxStatus) {
    assert_eq!(fs::read_to_string(folder.join("in/file")).unwrap(), "in");
    let new = folder.join("out/new");
    File::create(&new).and_then(|mut file| file.write_all(b"result")).unwrap();
    fs::rename(&new, folder.join("out/file")).unwrap();
    if status.files {
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
    if status.calls {
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
        let status = enforce(folder);
        assert_confined(folder, status);
        // Nor by a thread that is started now.
        std::thread::scope(|scope| scope.spawn(|| assert_confined(folder, status)).join().unwrap());
        let again = ProcessSandbox::new().allow_reading("/").enforce();
        assert!(matches!(again, Err(ProcessSandboxError::AlreadyEnforced)), "{again:?}");
    });
}

#[test]
fn threads_that_were_there_are_confined_before_they_run_a_guest() {
    in_a_process("threads_that_were_there_are_confined_before_they_run_a_guest", |folder| {
        let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let image = Guest::default().image();
        // The worker is there, and has its own file open, before the process sandbox is.
        let mut open = executor.block_on(executor.spawn(async { File::open("/etc/passwd").unwrap() })).unwrap();
        let status = enforce(folder);
        let folder = folder.to_owned();
        let guest = executor.spawn(async move {
            let mut sandbox = Sandbox::start(&image, &config()).await.unwrap();
            let result = sandbox.invoke(1, 0, 3, &[column()], &DataType::Int64).await.unwrap();
            assert_eq!(&result.array, &column());
            assert_confined(&folder, status);
            std::io::Read::read(&mut open, &mut [0; 1]).expect("what is open stays open");
        });
        executor.block_on(guest).unwrap();
    });
}

#[test]
fn folders_are_made_only_below_those_that_may_be_written_under() {
    in_a_process("folders_are_made_only_below_those_that_may_be_written_under", |folder| {
        let out = folder.join("out");
        let sandbox =
            ProcessSandbox::new().allow_writing_in(folder.join("in")).allow_reading(&out).allow_writing_under(&out);
        let status = sandbox.enforce().unwrap();
        fs::create_dir_all(out.join("a/b")).unwrap();
        fs::write(out.join("a/b/new"), "new").unwrap();
        assert_eq!(fs::read_dir(out.join("a")).unwrap().count(), 1);
        fs::remove_dir_all(out.join("a")).unwrap();
        if status.files {
            denied(fs::create_dir(folder.join("in/a")));
            denied(fs::create_dir(folder.join("elsewhere/a")));
            denied(fs::remove_dir_all(&out));
        }
    });
}

#[test]
fn a_thread_that_cannot_be_confined_runs_no_guest() {
    in_a_process("a_thread_that_cannot_be_confined_runs_no_guest", |folder| {
        let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let image = Guest::default().image();
        let again = image.clone();
        // The worker is there before the process sandbox is.
        executor.block_on(executor.spawn(async {})).unwrap();
        if !enforce(folder).files {
            return;
        }
        let most = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        let few = rustix::process::Rlimit { current: Some(256), ..most };
        rustix::process::setrlimit(rustix::process::Resource::Nofile, few).unwrap();
        let mut open: Vec<File> = Vec::new();
        while let Ok(file) = File::open(folder.join("in/file")) {
            open.push(file);
        }
        let started =
            executor.block_on(executor.spawn(async move { Sandbox::start(&image, &config()).await.map(drop) }));
        let error = started.unwrap().expect_err("a guest ran on a thread that may open files");
        assert!(error.to_string().contains("process sandbox"), "{error}");
        drop(open);
        // With descriptors again, the thread restricts itself and is refused everything.
        let started = executor.spawn(async move {
            Sandbox::start(&again, &config()).await.map(drop).unwrap();
            denied(File::open("/etc/passwd"));
        });
        executor.block_on(started).unwrap();
    });
}

#[test]
fn a_path_that_is_not_there_is_an_error() {
    in_a_process("a_path_that_is_not_there_is_an_error", |folder| {
        let error = ProcessSandbox::new().allow_reading(folder.join("missing")).enforce().unwrap_err();
        assert!(error.to_string().contains("missing"), "{error}");
        File::open("/etc/passwd").expect("nothing was enforced");
    });
}

/// Makes a call of the system fail with an error, for this thread and those that it starts.
fn fails(number: libc::c_long, errno: libc::c_int) {
    let filter = seccompiler::SeccompFilter::new(
        std::collections::BTreeMap::from([(number, Vec::new())]),
        seccompiler::SeccompAction::Allow,
        seccompiler::SeccompAction::Errno(errno as u32),
        std::env::consts::ARCH.try_into().unwrap(),
    );
    let program = seccompiler::BpfProgram::try_from(filter.unwrap()).unwrap();
    seccompiler::apply_filter(&program).unwrap();
}

#[test]
fn a_kernel_without_landlock_is_told_and_enough_only_where_the_wall_is_not_required() {
    in_a_process("a_kernel_without_landlock_is_told_and_enough_only_where_the_wall_is_not_required", |_| {
        for errno in [libc::ENOSYS, libc::EOPNOTSUPP] {
            std::thread::spawn(move || {
                fails(libc::SYS_landlock_create_ruleset, errno);
                let refused = ProcessSandbox::new().require().enforce();
                assert_eq!(refused, Err(ProcessSandboxError::Missing("Landlock")));
            })
            .join()
            .unwrap();
        }
        fails(libc::SYS_landlock_create_ruleset, libc::ENOSYS);
        assert!(!ProcessSandbox::new().enforce().unwrap().files);
    });
}

#[test]
fn a_kernel_that_does_not_say_whether_it_has_landlock_runs_nothing() {
    in_a_process("a_kernel_that_does_not_say_whether_it_has_landlock_runs_nothing", |_| {
        for errno in [libc::EPERM, libc::EMFILE, libc::ENOMEM] {
            std::thread::spawn(move || {
                fails(libc::SYS_landlock_create_ruleset, errno);
                let refused = ProcessSandbox::new().enforce();
                assert!(
                    matches!(&refused, Err(ProcessSandboxError::Refused(reason)) if reason.contains("Landlock")),
                    "{refused:?}"
                );
            })
            .join()
            .unwrap();
        }
        assert!(File::open("/etc/passwd").is_ok(), "nothing was enforced");
    });
}

#[test]
fn a_wall_that_is_required_is_there() {
    in_a_process("a_wall_that_is_required_is_there", |folder| {
        match ProcessSandbox::new()
            .allow_reading(folder.join("in"))
            .allow_writing_in(folder.join("out"))
            .require()
            .enforce()
        {
            Ok(status) => {
                assert!(status.files && status.calls);
                assert_confined(folder, status);
            }
            Err(error) => assert!(matches!(error, ProcessSandboxError::Missing(_)), "{error}"),
        }
    });
}
