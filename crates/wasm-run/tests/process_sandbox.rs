//! While Python runs, the whole program is in the process sandbox.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use support::Folder;

/// The value of a field in every thread's status.
fn of_all_threads(process: u32, field: &str) -> Vec<String> {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let mut values = Vec::new();
    for thread in threads {
        // A thread may have ended meanwhile.
        let Ok(status) = std::fs::read_to_string(thread.unwrap().path().join("status")) else { continue };
        let line =
            status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_else(|| panic!("{field}: {status}"));
        values.push(line.trim_start_matches(':').trim().to_owned());
    }
    values
}

#[test]
fn every_thread_is_filtered_while_python_runs() {
    let folder = Folder::new();
    let mut command = folder.command(&["exec", "-c", "print('running', flush=True); input()"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "running\n");
    // The process that was started waits for the one that works.
    let workers = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).unwrap();
    let worker: u32 = workers.trim().parse().unwrap();
    let (filters, privileges) = (of_all_threads(worker, "Seccomp"), of_all_threads(worker, "NoNewPrivs"));
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    assert!(child.wait().unwrap().success());
    // 2: a filter.
    assert!(filters.len() > 1 && filters.iter().all(|value| value == "2"), "{filters:?}");
    assert!(privileges.iter().all(|value| value == "1"), "{privileges:?}");
}

/// Everything that a command opens after Python has run is in the folders that were named.
#[test]
fn a_run_still_reads_and_writes_its_files() {
    let folder = Folder::with(&[("f.py", "def f(x: int) -> int:\n    return 1 // x\n"), ("in.csv", "x\n1\n0\n")]);
    for part in ["results", "errors"] {
        std::fs::create_dir(folder.path(part)).unwrap();
    }
    let arguments = [
        "run",
        "f.py::f",
        "--input",
        "in.csv",
        "--output",
        "results/out.csv",
        "--on-error",
        "null",
        "--errors",
        "errors/failed.csv",
    ];
    folder.run(&arguments).ok();
    assert_eq!(folder.read("results/out.csv"), "x,f\n1,1\n0,\n");
    assert!(folder.read("errors/failed.csv").contains("ZeroDivisionError"));
    // A device is written as it is.
    folder
        .run(&[
            "run",
            "f.py::f",
            "--input",
            "in.csv",
            "--output",
            "/dev/null",
            "--output-format",
            "csv",
            "--limit",
            "1",
        ])
        .ok();
}

#[test]
fn an_operator_may_require_the_process_sandbox() {
    let folder = Folder::new();
    let run = |policy: &str| {
        folder.command(&["exec", "-c", "print('ran')"]).env("VIVARIUM_PROCESS_SANDBOX", policy).output().unwrap()
    };
    let required = run("require");
    assert_eq!(String::from_utf8_lossy(&required.stdout), "ran\n", "{}", String::from_utf8_lossy(&required.stderr));
    let misspelt = run("requred");
    let said = String::from_utf8_lossy(&misspelt.stderr);
    assert_eq!(misspelt.status.code(), Some(2), "{said}");
    assert!(misspelt.stdout.is_empty() && said.contains("VIVARIUM_PROCESS_SANDBOX"), "{said}");
}
