//! Rows go to the terminal, to machines, or to a file; and the status says how it ended.

use crate::folder;
use crate::support::read_parquet;

#[test]
fn statements_run_in_order_and_rows_are_printed() {
    let folder = folder();
    let statements = "CREATE VIEW v AS SELECT twice(x) AS y FROM t;\nSELECT * FROM v; SELECT shout('a;b') AS s -- ;";
    let ended = folder.run(&["sql", statements, "--udf", "f.py", "--table", "t=t.csv"]).ok();
    assert_eq!(ended.stdout, "    y\n------\n    2\n NULL\n    6\n(3 rows)\n s\n------\n A;B!\n(1 row)\n");
    assert_eq!(ended.stderr, "");
}

#[test]
fn statements_come_from_files_arguments_and_standard_input() {
    let folder = folder();
    folder.write("first.sql", "CREATE TABLE one AS SELECT 1 AS x; -- a comment\n");
    folder.write("second.sql", "CREATE TABLE two AS SELECT x + 1 AS x FROM one\n");
    let arguments = ["sql", "-f", "first.sql", "--file", "second.sql", "SELECT x FROM two", "-o", "-"];
    assert_eq!(folder.run(&arguments).ok().stdout, "x\n2\n");
    let ended = folder.run_with_input(&["sql", "-o", "-"], "SELECT 40 +\n2 AS x;").ok();
    assert_eq!(ended.stdout, "x\n42\n");
    let ended = folder.run_with_input(&["sql", "-f", "-", "SELECT 2", "-t", "t=-"], "x\n1\n");
    assert!(ended.status == 2 && ended.stderr.contains("standard input is used twice"), "{ended}");
    let ended = folder.run_with_input(&["sql"], " -- nothing\n");
    assert_eq!((ended.status, ended.stderr.as_str()), (2, "wasm-run: there is no statement to run\n"));
}

#[test]
fn a_query_is_written_in_every_format() {
    let folder = folder();
    let query = "SELECT twice(x) AS y FROM t WHERE x IS NOT NULL";
    for file in ["out.csv", "out.ndjson", "out.parquet", "out.arrow"] {
        let ended = folder.run(&["sql", query, "--udf", "f.py", "--table", "t=t.csv", "--output", file]).ok();
        assert_eq!(ended.stdout, "");
        assert!(
            ended.stderr.starts_with("2 rows in ") && ended.stderr.ends_with(&format!(" s -> {file}\n")),
            "{ended}"
        );
        // What was written is a table again.
        let ended = folder.run(&["sql", "SELECT sum(y) AS s FROM t", "-t", &format!("t={file}"), "-o", "-"]).ok();
        assert_eq!(ended.stdout, "s\n8\n");
    }
    assert_eq!(read_parquet(&folder.path("out.parquet")).num_rows(), 2);
}

#[test]
fn a_file_holds_the_rows_of_one_query() {
    let folder = folder();
    for (statements, message) in [
        ("SELECT 1; SELECT 2", "--output takes the rows of one query, and there are 2"),
        ("CREATE TABLE a AS SELECT 1 AS x", "--output takes the rows of a query, and no statement is one"),
    ] {
        let ended = folder.run(&["sql", statements, "--output", "out.csv"]);
        assert!(ended.status == 2 && ended.stderr.contains(message), "{ended}");
    }
    let ended =
        folder.run(&["sql", "SELECT 1 AS a, 2 AS b, * FROM (SELECT 3 AS c) x CROSS JOIN (SELECT 4 AS c) y", "--json"]);
    assert!(ended.status == 2 && ended.stderr.contains("two columns named"), "{ended}");
    assert!(!folder.files().contains(&"out.csv".to_owned()), "{:?}", folder.files());
}

#[test]
fn machines_get_json() {
    let folder = folder();
    let ended = folder
        .run(&["sql", "SELECT twice(x) AS y FROM t; SELECT 'a' AS z", "-u", "f.py", "-t", "t=t.csv", "--json"])
        .ok();
    assert_eq!(ended.stdout, "{\"y\":2}\n{}\n{\"y\":6}\n{\"z\":\"a\"}\n");
    let summaries: Vec<serde_json::Value> =
        ended.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let rows: Vec<_> = summaries.iter().map(|summary| summary["summary"]["rows_out"].as_u64()).collect();
    assert_eq!(rows, [Some(3), Some(1)]);
    let ended = folder.run(&["sql", "SELECT 1", "--json", "--quiet"]).ok();
    assert_eq!(ended.stderr, "");
}

#[test]
fn what_was_written_by_a_failed_query_is_not_there() {
    let source = "def f(x: int) -> int:\n    return 1 // (69_999 - x)\n";
    let folder = folder();
    folder.write("g.py", source);
    folder.write("rows.csv", &format!("x\n{}", (0..70_001).map(|row| format!("{row}\n")).collect::<String>()));
    let files = folder.files();
    let query = ["sql", "SELECT f(x) FROM r", "-u", "g.py::f", "-t", "r=rows.csv"];
    for format in ["csv", "parquet"] {
        let ended = folder.run(&[&query[..], &["-o", &format!("out.{format}")]].concat());
        assert!(ended.status == 1 && ended.stderr.contains("ZeroDivisionError"), "{ended}");
        assert_eq!(folder.files(), files);
    }
    let ended = folder.run(&[&query[..], &["--on-error", "null", "-o", "-", "-q"]].concat()).ok();
    assert_eq!(ended.stdout.lines().count(), 70_002);
}

#[test]
fn a_full_disk_is_told() {
    let folder = folder();
    let query = "SELECT a.value FROM range(0, 20000) a";
    for format in ["csv", "parquet", "json", "arrow"] {
        let ended = folder.run(&["sql", query, "-o", "/dev/full", "--output-format", format]);
        let message = "wasm-run: the output /dev/full cannot be written: No space left on device (os error 28)\n";
        assert_eq!((ended.status, ended.stderr.as_str()), (5, message), "{format}");
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_query_quietly() {
    use std::io::Read;
    use std::process::Stdio;

    let folder = folder();
    for output in [&[][..], &["-o", "-"], &["--json"]] {
        let arguments = [&["sql", "SELECT value FROM range(0, 2000000)"][..], output].concat();
        let mut child = folder.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = [0; 4];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        let ended = child.wait_with_output().unwrap();
        assert_eq!((ended.status.code(), String::from_utf8_lossy(&ended.stderr).as_ref()), (Some(0), ""), "{output:?}");
    }
}

#[test]
fn an_interrupt_stops_the_query() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;

    let folder = folder();
    folder.write(
        "slow.py",
        "def slow(x: int) -> int:\n    print('started', flush=True)\n    while True:\n        pass\n",
    );
    // A constant is asked for while the query is planned.
    for query in ["SELECT slow(x) FROM t", "SELECT slow(1)"] {
        let arguments = ["sql", query, "-t", "t=t.csv", "-u", "slow.py::slow", "-o", "out.csv", "--timeout", "none"];
        let mut child = folder.command(&arguments).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        stderr.read_line(&mut line).unwrap();
        assert_eq!(line, "[slow] started\n");
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{query}");
    }
    assert_eq!(folder.files(), ["f.py", "slow.py", "t.csv"]);
}

#[test]
fn messages_that_nobody_reads_are_no_failure() {
    let folder = folder();
    let run = |query: &str| {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = folder.command(&["sql", query, "-u", "f.py", "-t", "t=t.csv", "-o", "out.csv"]);
        command.stderr(writer).stdout(std::process::Stdio::null()).status().unwrap().code()
    };
    assert_eq!(run("SELECT twice(x) AS y FROM t"), Some(0));
    assert_eq!(run("SELECT nothing FROM t"), Some(2));
}
