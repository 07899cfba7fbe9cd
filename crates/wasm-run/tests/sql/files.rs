//! SQL reaches the files that were named, and no others; and while it runs, the program is in the process sandbox.

use std::process::Stdio;

use crate::folder;
use crate::support::Folder;

fn with_folders() -> Folder {
    let folder = folder();
    for name in ["out", "other"] {
        std::fs::create_dir(folder.path(name)).unwrap();
    }
    folder.write("other/secret.csv", "x\nsecret\n");
    folder
}

/// What the command says, without the name of the folder that it runs in.
fn said(folder: &Folder, arguments: &[&str]) -> String {
    let here = folder.path("").canonicalize().unwrap();
    folder.run(&[&["sql"], arguments].concat()).to_string().replace(here.to_str().unwrap(), "FOLDER")
}

#[test]
fn a_file_that_was_not_named_is_refused_with_what_to_do() {
    let folder = with_folders();
    let table = "CREATE EXTERNAL TABLE s STORED AS CSV LOCATION";
    let statements = [
        format!("{table} 'other/secret.csv'"),
        format!("{table} 'other/'"),
        format!("{table} 'other/*.csv'"),
        format!("{table} 'file:///etc/passwd'"),
        format!("{table} 'https://example.org/a.csv'"),
        "COPY (SELECT 1 AS x) TO 'other/new.csv'".to_owned(),
        "SELECT * FROM 'other/secret.csv'".to_owned(),
    ];
    let outcomes = statements.map(|statement| format!("{statement}\n-- {}", said(&folder, &[&statement])));
    insta::assert_snapshot!(outcomes.join("\n\n"));
    assert_eq!(folder.read("other/secret.csv"), "x\nsecret\n");
}

#[test]
fn files_in_an_allowed_folder_are_read_and_written() {
    let folder = with_folders();
    let allow = ["--allow", "out", "--table", "t=t.csv"];
    let copy = "COPY (SELECT * FROM t) TO 'out/t.parquet'; COPY t TO 'out/parts/' STORED AS CSV PARTITIONED BY (name)";
    folder.run(&[&["sql", copy], &allow[..]].concat()).ok();
    let read = "CREATE EXTERNAL TABLE u STORED AS PARQUET LOCATION 'out/t.parquet'; SELECT sum(x) AS s FROM u";
    assert_eq!(folder.run(&[&["sql", read, "-o", "-"], &allow[..]].concat()).ok().stdout, "s\n4\n");
    assert!(folder.path("out/parts/name=one").is_dir());
    // A link in the folder leads out of it.
    std::os::unix::fs::symlink("../other", folder.path("out/link")).unwrap();
    let ended = folder
        .run(&[&["sql", "CREATE EXTERNAL TABLE l STORED AS CSV LOCATION 'out/link/secret.csv'"], &allow[..]].concat());
    assert!(ended.status == 2 && ended.stderr.contains("it was not named"), "{ended}");
    let ended = folder.run(&["sql", "SELECT 1", "--allow", "missing"]);
    assert!(ended.status == 2 && ended.stderr.contains("there is no such folder"), "{ended}");
}

#[test]
fn text_of_a_statement_is_read_as_that_of_an_option() {
    let folder = with_folders();
    folder.write("out/t.csv", "zip,v\n007,1\n\"\",2\n,3\n");
    folder.write("out/s.csv", "1;'a;b'\n2;c\n");
    folder.write("out/t.json", &format!("{}{{\"b\": \"x\", \"a\": 2.9}}\n", "{\"a\": 1}\n".repeat(20)));
    let read = |columns: &str, files: &str, query: &str| {
        let create = format!("CREATE EXTERNAL TABLE u {columns} STORED AS {files}; {query}");
        folder.run(&["sql", &create, "--allow", "out", "-o", "-", "--infer-rows", "5"])
    };
    let codes = read("", "CSV LOCATION 'out/t.csv'", "SELECT zip, v FROM u").ok();
    assert_eq!(codes.stdout, "zip,v\n007,1\n\"\",2\n,3\n");
    let options = "OPTIONS ('format.delimiter' ';', 'format.quote' '''', 'format.has_header' 'false')";
    let others = read("", &format!("CSV LOCATION 'out/s.csv' {options}"), "SELECT column_1, column_2 FROM u").ok();
    assert_eq!(others.stdout, "column_1,column_2\n1,a;b\n2,c\n");
    let late = read("", "JSON LOCATION 'out/t.json'", "SELECT sum(a) AS s FROM u");
    assert!(late.status == 5 && late.stderr.contains("line 21, column"), "{late}");
    // The columns are chosen, so another key is none of them.
    let chosen = read("(a DOUBLE)", "JSON LOCATION 'out/t.json'", "SELECT sum(a) AS s FROM u").ok();
    assert_eq!(chosen.stdout, "s\n22.9\n");
    let wrong = read("(a INT)", "JSON LOCATION 'out/t.json'", "SELECT sum(a) AS s FROM u");
    assert!(wrong.status == 5 && wrong.stderr.contains("\"2.9\" is no int32"), "{wrong}");
    let unread = read("", "CSV LOCATION 'out/t.csv' OPTIONS ('format.escape' '\\')", "SELECT zip FROM u");
    assert!(unread.status == 2 && unread.stderr.contains("not read with the option escape"), "{unread}");
}

#[test]
fn a_missing_file_is_no_empty_table() {
    let folder = with_folders();
    let statement = "CREATE EXTERNAL TABLE m STORED AS CSV LOCATION 'out/missing.csv'";
    let ended = folder.run(&["sql", statement, "--allow", "out"]);
    assert!(ended.status == 5 && ended.stderr.contains("there is no file or folder out/missing.csv"), "{ended}");
}

#[test]
fn a_table_that_was_named_is_not_written() {
    let folder = with_folders();
    let ended = folder.run(&["sql", "INSERT INTO t VALUES (5, 'five')", "--table", "t=t.csv"]);
    assert_ne!(ended.status, 0, "{ended}");
    assert_eq!(folder.read("t.csv"), crate::CSV);
}

#[test]
fn every_thread_is_in_the_process_sandbox() {
    use std::io::{BufRead, BufReader};

    let folder = folder();
    folder.write(
        "slow.py",
        "def slow(x: int) -> int:\n    print('started', flush=True)\n    while True:\n        pass\n",
    );
    let arguments = ["sql", "SELECT slow(x) FROM t", "-t", "t=t.csv", "-u", "slow.py::slow", "--timeout", "none"];
    let mut child = folder.command(&arguments).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let status = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("status")).unwrap_or_default();
    // The process that was started waits for the one that works.
    let workers = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).unwrap();
    let tasks = std::fs::read_dir(format!("/proc/{}/task", workers.trim())).unwrap();
    let threads: Vec<_> = tasks.map(|task| status(task.unwrap())).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(line, "[slow] started\n");
    assert!(threads.len() > 1 && threads.iter().all(|status| status.is_empty() || status.contains("Seccomp:\t2")));
}

#[test]
fn temporary_files_are_gone_at_the_end() {
    let folder = folder();
    std::fs::create_dir(folder.path("tmp")).unwrap();
    // 24 MB to sort in 8 MB.
    let query = "SELECT max(x) AS x FROM (SELECT value AS x, row_number() OVER (ORDER BY value DESC) AS r FROM range(0, 3000000)) \
                 WHERE r >= 3000000";
    let mut command = folder.command(&["sql", query, "--query-memory", "8MiB", "--partitions", "1", "-o", "-", "-q"]);
    let output = command.env("TMPDIR", folder.path("tmp")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "x\n0\n", "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(std::fs::read_dir(folder.path("tmp")).unwrap().count(), 0);
}
