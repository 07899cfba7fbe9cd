//! An output file appears under its name when it is complete, or not at all.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;

use support::Folder;

const SLOW: &str = "def f(x: int) -> int:\n    print('started', flush=True)\n    while True:\n        pass\n";
const FAST: &str = "def f(x: int) -> int:\n    return x\n";

#[test]
fn a_failed_run_leaves_the_old_file() {
    let source = "def f(x: int) -> int:\n    return 1 // (9_999 - x)\n";
    let rows: String = (0..10_000).map(|row| format!("{row}\n")).collect();
    let folder = Folder::with(&[("f.py", source), ("t.csv", &format!("x\n{rows}")), ("out.csv", "old\n")]);
    assert_eq!(folder.run(&["run", "f.py::f", "-i", "t.csv", "-o", "out.csv"]).status, 1);
    assert_eq!((folder.read("out.csv").as_str(), folder.files().len()), ("old\n", 3));
}

#[test]
fn what_a_link_points_to_is_replaced() {
    let folder = Folder::with(&[("f.py", FAST), ("t.csv", "x\n1\n"), ("real.csv", "old\n")]);
    std::os::unix::fs::symlink("real.csv", folder.path("out.csv")).unwrap();
    folder.run(&["run", "f.py::f", "-i", "t.csv", "-o", "out.csv"]).ok();
    assert_eq!(folder.read("real.csv"), "x,f\n1,1\n");
    assert!(folder.path("out.csv").is_symlink());
}

#[test]
fn an_interrupt_stops_the_guest_and_leaves_nothing_behind() {
    for (signal, status) in [(rustix::process::Signal::INT, 130), (rustix::process::Signal::TERM, 143)] {
        let folder = Folder::with(&[("f.py", SLOW), ("t.csv", "x\n1\n")]);
        let mut command = folder.command(&["run", "f.py::f", "-i", "t.csv", "-o", "out.csv", "--timeout", "none"]);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        // When the function has printed, it runs.
        let mut line = String::new();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        stderr.read_line(&mut line).unwrap();
        assert_eq!(line, "[f] started\n");
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(status));
        assert_eq!(folder.files(), ["f.py", "t.csv"]);
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_run_quietly() {
    let rows: String = (0..200_000).map(|row| format!("{row}\n")).collect();
    let folder = Folder::with(&[("f.py", FAST), ("t.csv", &format!("x\n{rows}"))]);
    for output in [&["--output", "-"][..], &["--output", "-", "--output-format", "parquet"], &[]] {
        let arguments = [&["run", "f.py::f", "--input", "t.csv"][..], output].concat();
        let mut child = folder.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = [0; 4];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        let ended = child.wait_with_output().unwrap();
        assert_eq!((ended.status.code(), String::from_utf8_lossy(&ended.stderr).as_ref()), (Some(0), ""), "{output:?}");
    }
}

#[test]
fn rows_are_written_while_others_are_read() {
    // More than one chunk goes in; the result of the first comes out while the input is still open.
    let folder = Folder::with(&[("f.py", FAST)]);
    let mut command = folder.command(&["run", "f.py::f", "-i", "-", "-o", "-", "--instances", "1"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let (first_rows_came, end_input) = std::sync::mpsc::channel();
    let writer = std::thread::spawn(move || {
        stdin.write_all(b"x\n").unwrap();
        for row in 0..200_000 {
            writeln!(stdin, "{row}").unwrap();
        }
        end_input.recv().unwrap();
    });
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "x,f");
    assert_eq!(lines.next().unwrap().unwrap(), "0,0");
    first_rows_came.send(()).unwrap();
    assert_eq!(lines.last().unwrap().unwrap(), "199999,199999");
    writer.join().unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn what_failed_does_not_look_complete_on_standard_output() {
    let source = "def f(x: int) -> int:\n    return 10 // x\n";
    let folder = Folder::with(&[("f.py", source), ("in.csv", "x\n1\n0\n")]);
    assert_eq!(
        folder.run(&["run", "f.py::f", "-i", "in.csv", "--limit", "1"]).ok().stdout.lines().last(),
        Some("(1 row)")
    );
    let ended = folder.run(&["run", "f.py::f", "-i", "in.csv"]);
    assert_eq!((ended.status, ended.stdout.as_str()), (1, ""));
    // Parquet has its schema at the end: without it, nobody takes the bytes for a table.
    let command = ["run", "f.py::f", "-i", "in.csv", "-o", "-", "--output-format", "parquet"];
    let output = folder.command(&command).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(!output.stdout.ends_with(b"PAR1") || output.stdout.len() == 4, "{:?}", output.stdout);
}

#[test]
fn a_full_disk_is_told() {
    let rows: String = (0..20_000).map(|row| format!("{row}\n")).collect();
    let folder = Folder::with(&[("f.py", FAST), ("t.csv", &format!("x\n{rows}"))]);
    for format in ["csv", "parquet", "json", "arrow"] {
        let ended = folder.run(&["run", "f.py::f", "-i", "t.csv", "-o", "/dev/full", "--output-format", format]);
        let message = "wasm-run: the output /dev/full cannot be written: No space left on device (os error 28)\n";
        assert_eq!((ended.status, ended.stderr.as_str()), (5, message), "{format}");
    }
}

#[test]
fn two_runs_into_one_file_leave_a_whole_one() {
    let rows: String = (0..20_000).map(|row| format!("{row}\n")).collect();
    let folder = Folder::with(&[("f.py", FAST), ("t.csv", &format!("x\n{rows}"))]);
    let start = || folder.command(&["run", "f.py::f", "-i", "t.csv", "-o", "out.csv", "--quiet"]).spawn().unwrap();
    for mut child in [start(), start()] {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(folder.read("out.csv").lines().count(), 20_001);
    assert_eq!(folder.files(), ["f.py", "out.csv", "t.csv"]);
}
