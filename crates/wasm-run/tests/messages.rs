//! Messages name what helps: the limit that was reached, the file that was not shipped, the part of a group that failed.

mod support;

use std::sync::Arc;

use arrow::array::StringArray;
use support::{Folder, batch, write_parquet};

fn folder(function: &str) -> Folder {
    Folder::with(&[("f.py", function), ("t.csv", "x\n1\n")])
}

#[test]
fn the_limit_of_a_large_row_is_named_and_the_hint_helps() {
    let folder = folder("def f(s: str) -> int:\n    return len(s)\n");
    let text = "x".repeat(20_000_000);
    write_parquet(&folder.path("t.parquet"), &batch(&[("s", Arc::new(StringArray::from(vec![text])))]));
    let ended = folder.run(&["run", "f.py", "-i", "t.parquet", "-o", "o.csv"]);
    assert!(ended.status == 3 && ended.stderr.contains("batch_bytes"), "{ended}");
    let (_, hint) = ended.stderr.trim_end().trim_end_matches(')').rsplit_once('(').unwrap();
    let hint: Vec<_> = hint.split(' ').collect();
    folder.run(&[&["run", "f.py", "-i", "t.parquet", "-o", "o.csv"], &hint[..]].concat()).ok();
    assert!(folder.read("o.csv").ends_with(",20000000\n"));
}

#[test]
fn a_file_beside_the_functions_is_named() {
    let folder = folder("import helper\ndef f(x: int) -> int:\n    return helper.h(x)\n");
    folder.write("helper.py", "def h(x):\n    return x\n");
    let ended = folder.run(&["run", "f.py::f", "-i", "t.csv"]);
    assert!(ended.stderr.contains("(helper.py lies beside f.py; ship it with -pyfs helper.py)"), "{ended}");
    folder.run(&["run", "f.py::f", "-i", "t.csv", "-pyfs", "helper.py"]).ok();
}

#[test]
fn long_messages_end() {
    let folder = folder("def f(x: int) -> int:\n    raise ValueError('y' * 80_000_000)\n");
    let ended = folder.run(&["run", "f.py::f", "-i", "t.csv"]);
    assert!(ended.status == 1 && ended.stderr.len() < 32 << 10, "{} bytes", ended.stderr.len());
    assert!(ended.stderr.contains("bytes more)"));
    let ended = folder.run(&["run", "f.py::f", "-i", "t.csv", "--json"]);
    let error: serde_json::Value = serde_json::from_str(&ended.stderr).unwrap();
    assert!(error["error"]["python"]["error"]["message"].as_str().unwrap().len() > 60_000);
}

#[test]
fn an_endless_import_ends() {
    let folder = folder("while True: pass\n");
    let ended = folder.run(&["run", "f.py::f", "-i", "t.csv", "--timeout", "2s"]);
    // The limit that ended it is the one that was given, and not what a guest has by default.
    assert!(ended.status == 3 && ended.stderr.contains("2 s"), "{ended}");
}

#[test]
fn a_function_that_fails_in_bench_ends_it_as_in_run() {
    let folder = folder("def f(x: int) -> int:\n    return 1 // (x - 1)\n");
    let ended = folder.run(&["bench", "f.py::f", "-i", "t.csv"]);
    assert!(ended.status == 1 && ended.stderr.contains("f failed in row 0 of the input (f.py:2)"), "{ended}");
}

#[test]
fn arguments_are_what_sql_would_have() {
    let folder = Folder::with(&[("f.py", "def f(x: int, s: str | None) -> str:\n    return repr(s)\n")]);
    folder.write("t.csv", "x,\"a,b\"\n1,z\n");
    for (arguments, expected) in
        [("x,=NULL", "None"), ("x,='abc'", "'abc'"), ("x,='a,b'", "\"'a,b'\""), ("x,a,b", "'z'"), ("x,\"a,b\"", "'z'")]
    {
        let ended = folder.run(&["run", "f.py::f", "-i", "t.csv", "--args", arguments, "-o", "-"]).ok();
        assert_eq!(ended.stdout, format!("x,\"a,b\",f\n1,z,{expected}\n"), "{arguments}");
    }
}
