//! Every limit of a sandbox can be set on the command line, by its name.

mod support;

use support::Folder;

const FUNCTION: &str = "def f(x: int) -> str:\n    return 'x' * 1000\n";

fn folder() -> Folder {
    Folder::with(&[("f.py", FUNCTION), ("in.csv", "x\n1\n2\n")])
}

fn run(limits: &[&str]) -> support::Ended {
    let options = limits.iter().flat_map(|limit| ["--sandbox-limit", limit]);
    let arguments: Vec<_> =
        ["run", "f.py::f", "--input", "in.csv", "--output", "out.csv"].into_iter().chain(options).collect();
    folder().run(&arguments)
}

#[test]
fn a_limit_by_its_name() {
    run(&["output_bytes=1MiB", "open_files=64", "cpu_time=1h", "log_bytes_per_second=none"]).ok();
    let ended = run(&["output_bytes=1KiB"]);
    assert_eq!(ended.status, 3, "{ended}");
    assert!(ended.stderr.contains("`output_bytes` of 1 KiB") && ended.stderr.contains("--sandbox-limit"), "{ended}");
    let ended = run(&["reply_bytes=10"]);
    assert_eq!(ended.status, 3, "{ended}");
}

#[test]
fn a_limit_that_is_none_is_a_mistake_of_usage() {
    for (limit, says) in [
        ("memroy=1GiB", "memroy"),
        ("output_bytes=many", "many"),
        ("open_files=4.5", "open_files"),
        ("output_bytes", "NAME=VALUE"),
        ("batch_time=none", "batch_time"),
        ("open_files=1", "standard streams"),
    ] {
        let ended = run(&[limit]);
        assert_eq!(ended.status, 2, "{limit}: {ended}");
        assert!(ended.stderr.contains(says), "{limit}: {ended}");
    }
}
