//! `wasm-run guest test` runs tests in the guest, tells what failed, and says so with its exit status.

use std::process::{Command, Output};

fn guest_test(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wasm-run")).args(["guest", "test"]).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn modules_of_both_suites_run_and_pass() {
    let output = guest_test(&["test_bool", "numpy/_core/tests/test_abc.py", "--strict"]);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{stdout}{stderr}");
    for suite in ["cpython: ", "numpy: "] {
        let line = stdout.lines().find(|line| line.starts_with(suite)).unwrap_or_else(|| panic!("{stdout}"));
        assert!(line.contains(" 0 failed unexpectedly") && !line.contains(" 0 passed"), "{line}");
    }
    assert!(stderr.contains("test_bool: "), "{stderr}");
}

#[test]
fn the_results_are_json_on_request() {
    let output = guest_test(&["test_bool", "--json"]);
    let results: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let suite = &results["suites"][0];
    assert_eq!(suite["suite"], "cpython");
    assert!(suite["counts"]["passed"].as_u64().unwrap() > 10, "{suite}");
    assert_eq!(suite["unexpected"], serde_json::json!([]));
}

#[test]
fn failures_that_nobody_expects_fail_the_command() {
    // This module needs processes, so it is on no list.
    let output = guest_test(&["test_cmd_line_script", "--timeout", "1ms"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("TIMED OUT test_cmd_line_script: "), "{}", text(&output.stdout));
}

#[test]
fn an_unknown_module_is_a_mistake_on_the_command_line() {
    for name in ["test_jsno", "numpy/tests/test_nothing.py", "../../etc/passwd"] {
        let output = guest_test(&[name]);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains(name), "{}", text(&output.stderr));
    }
}
