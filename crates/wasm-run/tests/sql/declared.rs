//! What a statement declares is what a call has: zones, names of parameters, functions that are there already.

use crate::support::Folder;

fn run(script: &str, options: &[&str]) -> crate::support::Ended {
    let folder = Folder::with(&[("s.sql", script), ("u.py", BOTH)]);
    folder.run(&[&["sql", "--file", "s.sql", "-o", "-"], options].concat())
}

const BOTH: &str = "\
from vivarium import udf

@udf
def good(x: int) -> int:
    return x + 1

@udf
def mean(xs: list[float]) -> float:
    return 0.0

@udf
def bad(x: int) -> set:
    return x
";

const ISO: &str = "\
CREATE FUNCTION iso(t TIMESTAMP WITH TIME ZONE) RETURNS VARCHAR LANGUAGE PYTHON AS $$
def iso(t): return t.isoformat()
$$;
";

const NOON: &str = "\
CREATE FUNCTION noon() RETURNS TIMESTAMP WITH TIME ZONE LANGUAGE PYTHON AS $$
import datetime
def noon(): return datetime.datetime(2024, 7, 1, 12, tzinfo=datetime.timezone.utc)
$$;
";

const SUB: &str = "\
CREATE FUNCTION sub(a BIGINT, b BIGINT) RETURNS BIGINT LANGUAGE PYTHON AS $$
def sub(x, y): return x - y
$$;
";

#[test]
fn a_zone_that_is_declared_is_there() {
    let query = "SELECT iso(TIMESTAMPTZ '2024-07-01 12:00:00+02:00') AS i;";
    assert_eq!(run(&format!("{ISO}{query}"), &[]).ok().stdout, "i\n2024-07-01T10:00:00+00:00\n");
    assert_eq!(run(&format!("{NOON}SELECT noon() AS n"), &[]).ok().stdout, "n\n2024-07-01T12:00:00Z\n");
    assert_eq!(run(&format!("{ISO}{NOON}SELECT iso(noon()) AS n"), &[]).ok().stdout, "n\n2024-07-01T12:00:00+00:00\n");
}

#[test]
fn now_is_a_time_that_python_has() {
    let year = "CREATE FUNCTION y(t TIMESTAMP) RETURNS INT LANGUAGE PYTHON AS $$\ndef y(t): return t.year\n$$;";
    let ended = run(&format!("{year}{ISO}SELECT y(now()) > 2000 AND iso(current_timestamp) > '2000' AS a"), &[]).ok();
    assert_eq!(ended.stdout, "a\ntrue\n");
}

#[test]
fn arguments_have_names() {
    for (call, expected) in [("sub(b => 1, a => 10)", "9"), ("sub(10, b => 1)", "9"), ("SUB(A => 1, B => 10)", "-9")] {
        let ended = run(&format!("{SUB}SELECT {call} AS r"), &[]).ok();
        assert_eq!(ended.stdout, format!("r\n{expected}\n"), "{call}");
    }
    let ended = run(&format!("{SUB}SELECT sub(a => 1, c => 2) AS r"), &[]);
    assert_eq!(ended.status, 2, "{ended}");
}

#[test]
fn a_function_that_is_there_is_left_alone() {
    let two = SUB.replace("CREATE FUNCTION", "CREATE FUNCTION IF NOT EXISTS");
    let other = two.replace("x - y", "x + y");
    assert_eq!(run(&format!("{two}{other}SELECT sub(3, 1) AS r"), &[]).ok().stdout, "r\n2\n");
    let engines =
        "CREATE FUNCTION IF NOT EXISTS abs(x BIGINT) RETURNS BIGINT LANGUAGE PYTHON AS $$\ndef abs(x): return x\n$$;";
    assert_eq!(run(engines, &[]).status, 2);
}

#[test]
fn nulls_stand_in_structs() {
    let script = "CREATE FUNCTION f(s STRUCT<a BIGINT, b VARCHAR>) RETURNS VARCHAR LANGUAGE PYTHON AS $$
def f(s): return repr(s)
$$;
SELECT f(named_struct('a', 2, 'b', NULL)) AS r;";
    assert_eq!(run(script, &[]).ok().stdout, "r\n\"{'a': 2, 'b': None}\"\n");
}

#[test]
fn one_bad_function_does_not_take_the_others_away() {
    let ended = run("SELECT good(1) AS r", &["--udf", "u.py"]).ok();
    assert_eq!(ended.stdout, "r\n2\n");
    assert!(ended.stderr.contains("bad cannot be called") && ended.stderr.contains("mean cannot be called"), "{ended}");
    // The engine has one of the name, which would be another.
    for name in ["mean", "bad"] {
        let ended = run(&format!("SELECT {name}(1) AS r"), &["--udf", "u.py", "-q"]);
        assert!(ended.status == 2 && ended.stderr.contains(&format!("the function {name} of a file")), "{ended}");
    }
}
