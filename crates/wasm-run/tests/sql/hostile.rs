//! Statements that were written to read, stop or use up the host get a sentence and a status.

use std::fmt::Write;

use crate::folder;
use crate::support::Folder;

/// S01: a setting of the environment reads what was named, and nothing else.
#[test]
fn settings_name_no_files_of_the_host() {
    let folder = folder();
    folder.write("secret.txt", "nobody reads this");
    std::fs::create_dir(folder.path("jobs")).unwrap();
    folder.write("jobs/util.py", "def three():\n    return 3\n");
    std::os::unix::fs::symlink("../secret.txt", folder.path("jobs/link.py")).unwrap();
    for setting in [
        "python.files = '/etc/passwd'",
        "python.files = 'secret.txt'",
        "python.files = 'jobs/util.py,secret.txt'",
        "python.files = 'jobs/link.py'",
        "python.files = 'jobs/../secret.txt'",
        "python.files = 'file:///etc/passwd'",
        "python.archives = '/etc/passwd#x'",
        "python.archives = 'secret.txt'",
        "python.requirements = '/etc/passwd'",
        "python.requirements = 'jobs/util.py#/etc'",
    ] {
        let ended = folder.run(&["sql", &format!("SET {setting}; SELECT 1"), "--allow", "jobs"]);
        assert!(ended.status == 2 && ended.stderr.contains("it was not named"), "{setting}: {ended}");
    }
    let create = "CREATE FUNCTION g(x INT) RETURNS INT LANGUAGE PYTHON AS $$
import util
def g(x): return util.three()
$$";
    let statements = format!("SET python.files = 'jobs/util.py'; {create}; SELECT g(1) AS g");
    assert_eq!(folder.run(&["sql", &statements, "--allow", "jobs", "-o", "-"]).ok().stdout, "g\n3\n");
}

/// S07: what is long, deep or endless.
#[test]
fn no_statement_ends_the_process() {
    let folder = folder();
    let mut sum = "SELECT 1".to_owned();
    (0..30_000).for_each(|_| sum.push_str(" + 1"));
    let mut union = "SELECT 1".to_owned();
    (0..200).for_each(|n| write!(union, " UNION ALL SELECT {n}").unwrap());
    let deep = format!("SELECT {}1{}", "(".repeat(5_000), ")".repeat(5_000));
    let nested = format!("SELECT CAST(NULL AS {}INT{})", "ARRAY<".repeat(500), ">".repeat(500));
    for statement in [
        sum,
        union,
        deep,
        nested,
        "SELECT sum(x) OVER (ORDER BY x ROWS BETWEEN 18446744073709551615 PRECEDING AND 18446744073709551615 FOLLOWING) FROM t".to_owned(),
        "SELECT approx_percentile_cont(x, 2.0) FROM t".to_owned(),
        "SELECT repeat('x', 9223372036854775807)".to_owned(),
        "SELECT array_repeat(1, 9223372036854775807)".to_owned(),
    ] {
        folder.write("q.sql", &statement);
        let ended = folder.run(&["sql", "--file", "q.sql", "-t", "t=t.csv"]);
        assert!([0, 2, 3, 5].contains(&ended.status), "{:.80}: {ended}", statement);
        assert!(!ended.stderr.contains("panicked"), "{ended}");
    }
    let words = format!("SELECT {}1", "1,".repeat(200_000));
    folder.write("q.sql", &words);
    let ended = folder.run(&["sql", "--file", "q.sql"]);
    assert!(ended.status == 2 && ended.stderr.contains("words"), "{ended}");
}

/// S08: options of the command line are the most there is.
#[test]
fn statements_lift_no_limit_of_the_command_line() {
    let folder = folder();
    for (statement, option) in [
        ("SET datafusion.runtime.memory_limit = '100G'", "--query-memory"),
        ("SET datafusion.execution.target_partitions = 1000000", "can be set from 1"),
        ("SET datafusion.execution.batch_size = 0", "can be set from 1"),
        ("SET vivarium.memory = '4GiB'", "vivarium.memory"),
        ("SET vivarium.batch_time = '1h'", "vivarium.batch_time"),
        ("SET vivarium.cpu_time = 'none'", ""),
    ] {
        let ended =
            folder.run(&["sql", statement, "--memory", "300MiB", "--timeout", "1s", "--sandbox-limit", "cpu_time=9s"]);
        assert!(ended.status == 2 && ended.stderr.contains(option), "{statement}: {ended}");
    }
    folder.run(&["sql", "SET vivarium.memory = '100MiB'; SET datafusion.execution.batch_size = 100; SELECT 1"]).ok();
}

/// S09: untrusted text controls no terminal.
#[test]
fn messages_hold_no_escapes() {
    let folder = Folder::with(&[("esc.csv", "a\u{1b}[2J,b\u{202e}y\n1,x\n")]);
    for statement in ["SELECT nocol FROM t", "SELECT CAST(\"b\u{202e}y\" AS INT) FROM t", "SELECT * FROM t"] {
        let ended = folder.run(&["sql", statement, "-t", "t=esc.csv"]);
        let text = format!("{}{}", ended.stdout, ended.stderr);
        assert!(!text.chars().any(|c| c != '\n' && vivarium_text::is_hostile(c)), "{text:?}");
    }
}

/// S15: a pipe in an allowed folder keeps nobody waiting.
#[test]
fn a_pipe_is_no_table() {
    let folder = folder();
    std::fs::create_dir(folder.path("in")).unwrap();
    for name in ["in/p.csv", "in/f.py"] {
        rustix::fs::mknodat(
            rustix::fs::CWD,
            folder.path(name),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
    }
    for statement in [
        "CREATE EXTERNAL TABLE p STORED AS CSV LOCATION 'in/p.csv'",
        "CREATE EXTERNAL TABLE p (x INT) STORED AS CSV LOCATION 'in/p.csv'; SELECT * FROM p",
        "CREATE FUNCTION f(x INT) RETURNS INT LANGUAGE PYTHON AS 'in/f.py::f'",
    ] {
        let ended = folder.run(&["sql", statement, "--allow", "in"]);
        assert!([2, 5].contains(&ended.status), "{statement}: {ended}");
    }
}

/// S11: a comment in a file builds no image.
#[test]
fn a_header_builds_no_image() {
    let header = "# /// script\n# [tool.vivarium]\n# image = \"data\"\n# ///\n";
    let folder = folder();
    folder.write("img.py", &format!("{header}from vivarium import udf\n@udf\ndef f(a: int) -> int: return a\n"));
    // A cache without that image: whether this machine has built it is no part of the promise.
    let cache = folder.path("cache");
    for arguments in [
        &["check", "img.py"][..],
        &["sql", "SELECT 1", "-u", "img.py"],
        &["sql", "SET vivarium.image = 'data'; SELECT 1"],
    ] {
        let mut command = folder.command(arguments);
        let ended = command.env("VIVARIUM_CACHE_DIR", &cache).output().unwrap();
        let stderr = String::from_utf8_lossy(&ended.stderr);
        assert!(
            ended.status.code() == Some(4) && stderr.contains("wasm-run guest build --image data"),
            "{arguments:?}: {stderr}"
        );
        assert!(!cache.join("work").exists());
    }
}
