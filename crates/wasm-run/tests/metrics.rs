//! What operators watch: a file, and an address, also in the process sandbox.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;

use support::Folder;

#[test]
fn a_file_has_the_last_metrics_of_a_command() {
    let folder = Folder::with(&[("f.py", "def f(x: int) -> int:\n    return x + 1\n"), ("in.csv", "x\n1\n2\n")]);
    std::fs::create_dir(folder.path("metrics")).unwrap();
    let run = |output: &str| {
        folder.run(&["run", "f.py::f", "-i", "in.csv", "-o", output, "--metrics", "metrics/vivarium.prom"]).ok();
        folder.read("metrics/vivarium.prom")
    };
    let text = run("out.csv");
    for line in [
        "vivarium_rows_total{tenant=\"local\"} 2",
        "vivarium_instances{tenant=\"local\"} 0",
        "vivarium_slots_used 0",
        "vivarium_pip_running 0",
    ] {
        assert!(text.lines().any(|each| each == line), "{line}\n{text}");
    }
    // It is replaced, and nothing else is left beside it.
    assert!(run("again.csv").contains("vivarium_rows_total{tenant=\"local\"} 2\n"));
    assert_eq!(std::fs::read_dir(folder.path("metrics")).unwrap().count(), 1);
    let ended = folder.run(&["run", "f.py::f", "-i", "in.csv", "--metrics", "missing/vivarium.prom"]);
    assert!(ended.status == 2 && ended.stderr.contains("missing/vivarium.prom"), "{ended}");
}

#[test]
fn an_address_is_served_while_python_runs() {
    let folder = Folder::new();
    // A port that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let code = "print('running', flush=True); input()";
    let mut command = folder.command(&["exec", "--metrics-listen", &address.to_string(), "-c", code]);
    command.env("VIVARIUM_PROCESS_SANDBOX", "require").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "running\n");
    for _ in 0..2 {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("\nvivarium_instances{tenant=\"local\"} 1\n"), "{answer}");
    }
    // It is taken, and a second command says so.
    let taken = folder.run(&["exec", "--metrics-listen", &address.to_string(), "-c", "pass"]);
    assert!(taken.status == 2 && taken.stderr.contains(&address.to_string()), "{taken}");
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    assert!(child.wait().unwrap().success());
}
