//! However a command ends, it ends with a documented status, soon after it was told to, and leaves nothing behind.

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use support::Folder;

const SLOW: &str = "def f(x: int) -> int:\n    print('started', flush=True)\n    while True:\n        pass\n";

/// The processes that a process has made.
fn children(process: u32) -> Vec<i32> {
    let path = format!("/proc/{process}/task/{process}/children");
    std::fs::read_to_string(path).unwrap().split_whitespace().map(|child| child.parse().unwrap()).collect()
}

fn started(folder: &Folder) -> Child {
    let mut command = folder.command(&["run", "f.py::f", "-i", "t.csv", "-o", "out.csv", "--timeout", "none"]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "[f] started\n");
    child
}

#[test]
fn a_hang_up_leaves_nothing_behind() {
    let folder = Folder::with(&[("f.py", SLOW), ("t.csv", "x\n1\n")]);
    let mut child = started(&folder);
    kill_process(Pid::from_child(&child), Signal::HUP).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(129));
    assert_eq!(folder.files(), ["f.py", "t.csv"]);
}

/// Not even a process that is killed leaves a part of its output, and the one that works ends with it.
#[test]
fn a_kill_leaves_nothing_behind() {
    let folder = Folder::with(&[("f.py", SLOW), ("t.csv", "x\n1\n")]);
    let mut child = started(&folder);
    let [worker] = children(child.id())[..] else { panic!("there is one worker") };
    child.kill().unwrap();
    child.wait().unwrap();
    let worker = Pid::from_raw(worker).unwrap();
    // It is gone as soon as the system has cleared it away.
    let deadline = Instant::now() + Duration::from_secs(60);
    while rustix::process::test_kill_process(worker).is_ok() && Instant::now() < deadline {
        std::thread::yield_now();
    }
    assert!(rustix::process::test_kill_process(worker).is_err());
    assert_eq!(folder.files(), ["f.py", "t.csv"]);
}

/// The one that works is lost: the command says so and has a status.
#[test]
fn a_worker_that_dies_is_reported() {
    for (signal, status, says) in [(Signal::KILL, 3, "was killed"), (Signal::ABORT, 5, "t.csv cannot be read")] {
        let folder = Folder::with(&[("f.py", SLOW), ("t.csv", "x\n1\n")]);
        let child = started(&folder);
        let [worker] = children(child.id())[..] else { panic!("there is one worker") };
        kill_process(Pid::from_raw(worker).unwrap(), signal).unwrap();
        let ended = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(ended.stderr).unwrap();
        assert!(ended.status.code() == Some(status) && stderr.contains(says), "{:?}: {stderr}", ended.status);
    }
}

/// A plan that takes hours does not listen to anything; the command ends all the same.
#[test]
fn an_interrupt_ends_a_command_that_does_not_listen() {
    let folder = Folder::new();
    let doubled: Vec<_> =
        (1..40).map(|n| format!("t{n} AS (SELECT * FROM t{} a NATURAL JOIN t{} b)", n - 1, n - 1)).collect();
    folder.write("q.sql", &format!("SELECT 1;\nWITH t0 AS (SELECT 1 AS x), {} SELECT * FROM t39", doubled.join(", ")));
    let mut command = folder.command(&["sql", "--file", "q.sql"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    // When the first statement has answered, the second one is planned.
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn memory_that_a_statement_asks_for_is_bounded() {
    let folder = Folder::new();
    let ended = folder.run(&["sql", "SELECT length(repeat('x', 2000000000))"]);
    assert!(ended.status == 3 && ended.stderr.contains("--host-memory"), "{ended}");
    std::fs::create_dir(folder.path("tmp")).unwrap();
    let mut command = folder.command(&["sql", "SELECT length(repeat('x', 200000000))", "--host-memory", "64MiB"]);
    let ended = command.env("TMPDIR", folder.path("tmp")).output().unwrap();
    let stderr = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.code() == Some(3) && stderr.contains("more than 64 MiB"), "{stderr}");
    assert_eq!(std::fs::read_dir(folder.path("tmp")).unwrap().count(), 0);
    folder.run(&["sql", "SELECT length(repeat('x', 2000000))", "--host-memory", "64MiB"]).ok();
}
