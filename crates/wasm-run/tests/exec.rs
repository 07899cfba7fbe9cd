//! `exec` behaves like `python`, in a sandbox.

mod support;

use std::io::Read;
use std::process::Stdio;

use support::Folder;

fn exec(arguments: &[&str], input: &str) -> support::Ended {
    let script = "import sys\nprint(sys.argv[1:])\nfor line in sys.stdin:\n    print(line.strip().upper())\nsys.exit(len(sys.argv))\n";
    let failing = "def f():\n    return 1 / 0\nf()\n";
    let folder = Folder::with(&[("script.py", script), ("failing.py", failing)]);
    folder.run_with_input(&[&["exec"], arguments].concat(), input)
}

#[test]
fn a_script_has_arguments_input_and_an_exit_status() {
    let ended = exec(&["script.py", "a", "--memory", "-c"], "one\ntwo\n");
    assert_eq!(
        (ended.status, ended.stdout.as_str(), ended.stderr.as_str()),
        (4, "['a', '--memory', '-c']\nONE\nTWO\n", "")
    );
}

#[test]
fn code_and_modules_run() {
    assert_eq!(exec(&["-c", "import sys; print(sys.argv)", "x", "-m"], "").ok().stdout, "['-c', 'x', '-m']\n");
    assert_eq!(exec(&["-m", "json.tool", "--compact"], "{\"a\": [1, 2]}").ok().stdout, "{\"a\":[1,2]}\n");
    assert_eq!(exec(&["-", "x"], "import sys\nprint(sys.argv)\n").ok().stdout, "['-', 'x']\n");
    assert_eq!(exec(&["-c", "import numpy; print(numpy.arange(4).sum())"], "").ok().stdout, "6\n");
}

#[test]
fn exit_statuses_are_those_of_python() {
    for (code, status, stderr) in [
        ("pass", 0, ""),
        ("import sys; sys.exit()", 0, ""),
        ("import sys; sys.exit(7)", 7, ""),
        ("import sys; sys.exit('text')", 1, "text\n"),
        ("import os; os._exit(9)", 9, ""),
        ("raise SystemExit(256 + 5)", 5, ""),
    ] {
        let ended = exec(&["-c", code], "");
        assert_eq!((ended.status, ended.stderr.as_str()), (status, stderr), "{code}");
    }
}

#[test]
fn a_traceback_is_pythons_own() {
    let ended = exec(&["failing.py"], "");
    assert_eq!(ended.status, 1);
    insta::assert_snapshot!(ended.stderr);
    assert_eq!(exec(&["-c", "x ="], "").status, 1);
}

#[test]
fn the_host_cannot_be_seen() {
    let code = "import os; print(sorted(os.environ), os.getcwd(), os.listdir('/tmp'), os.path.exists('/etc/passwd'))";
    assert_eq!(exec(&["-c", code], "").ok().stdout, "[] /tmp [] False\n");
    assert_eq!(exec(&["--env", "A=b", "-c", "import os; print(os.environ['A'])"], "").ok().stdout, "b\n");
    let network = "import socket\ntry:\n    socket.create_connection(('127.0.0.1', 1), 1)\nexcept Exception as e:\n    print('no')\n";
    assert_eq!(exec(&["-c", network], "").ok().stdout, "no\n");
}

#[test]
fn scratch_is_writable_within_its_limit() {
    let code = "open('a', 'w').write('text'); print(open('/tmp/a').read())";
    assert_eq!(exec(&["-c", code], "").ok().stdout, "text\n");
    let code = "f = open('a', 'wb')\nfor _ in range(64):\n    f.write(bytes(1 << 20))\n    f.flush()\n";
    let ended = exec(&["--scratch", "8MiB", "-c", code], "");
    assert_eq!(ended.status, 1);
    assert!(ended.stderr.contains("OSError"), "{ended}");
}

#[test]
fn limits_end_a_script() {
    let ended = exec(&["--timeout", "300ms", "-c", "while True: pass"], "");
    assert_eq!(ended.status, 3, "{ended}");
    assert!(ended.stderr.contains("300 ms"), "{ended}");
    let ended = exec(&["--memory", "128MiB", "-c", "x = bytes(1 << 30)"], "");
    assert!(ended.status == 1 && ended.stderr.contains("MemoryError"), "{ended}");
}

#[test]
fn large_output_arrives_whole() {
    let ended = exec(&["-c", "for i in range(200_000): print(i)"], "").ok();
    assert!(ended.stdout.lines().map(|line| line.parse::<u32>().unwrap()).eq(0..200_000));
}

#[test]
fn nothing_to_run_is_a_usage_error() {
    for arguments in [&[][..], &["-c"], &["missing.py"], &["-c", "pass", "-m", "x", "--"]] {
        let ended = exec(arguments, "");
        let expected = if arguments.len() > 3 { 0 } else { 2 };
        assert_eq!(ended.status, expected, "{arguments:?}: {ended}");
    }
}

#[test]
fn a_crash_of_the_interpreter_is_one_line() {
    let ended = exec(&["-c", "import os; os.abort()"], "");
    let message = "wasm-run: the guest crashed: wasm trap: wasm `unreachable` instruction executed\n";
    assert_eq!((ended.status, ended.stderr.as_str()), (1, message));
}

#[test]
fn a_reader_that_never_reads_does_not_make_a_script_outlive_its_deadline() {
    let folder = Folder::new();
    let endless = "import sys\nwhile True: sys.stdout.write('x' * 65536)";
    let mut child = folder
        .command(&["exec", "--timeout", "1s", "-c", endless])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The pipe stays open, and full.
    let unread = child.stdout.take().unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(3), "{said}");
    assert!(said.contains("batch_time"), "{said}");
    drop(unread);
}

#[test]
fn all_that_a_script_writes_arrives_however_slowly_it_is_read() {
    let folder = Folder::new();
    let code = "import sys\nfor n in range(200_000): print(n)\nsys.stdout.flush()\nprint('end', file=sys.stderr)";
    let mut child = folder
        .command(&["exec", "-c", code])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let (mut text, mut piece) = (Vec::new(), [0; 1000]);
    while let count @ 1.. = stdout.read(&mut piece).unwrap() {
        text.extend_from_slice(&piece[..count]);
        std::thread::yield_now();
    }
    let expected: String = (0..200_000).map(|number| format!("{number}\n")).collect();
    assert!(text == expected.as_bytes(), "{} bytes of {}", text.len(), expected.len());
    assert!(child.wait_with_output().unwrap().status.success());
}
