//! A vectorized function sees whole columns as NumPy arrays, the same ones however the input was cut.

mod support;

use support::Folder;

const FUNCTIONS: &str = r#"
import numpy as np
from vivarium import udf

@udf(vectorized=True)
def add(a: float, b: float) -> float:
    return a + b

@udf(vectorized=True)
def upper(s: str) -> str:
    return np.array([value.upper() for value in s], dtype=object)

@udf(vectorized="arrow")
def digits(s: str) -> int:
    from vivarium.arrow import Column
    return Column.from_numpy(s.sum_within((s.data >= 48) & (s.data <= 57)), "int64", s.valid())

@udf(vectorized="arrow", input_types=["string"], result_type="string", null_handling="call")
def replaced(s):
    from vivarium.arrow import Column
    return Column.from_strings(np.strings.replace(s.strings(), "a", "ä"))

@udf(vectorized="arrow")
def broken(s: str) -> str:
    from vivarium.arrow import Column
    return Column.from_offsets("string", [0, 1, 2], b"\xff\xfe")

@udf(vectorized=True)
def batch_size(a: int) -> int:
    return np.full(len(a), len(a))

@udf(vectorized=True)
def short(a: int) -> int:
    return a[1:]

@udf(vectorized=True)
def filled(a: int | None) -> int:
    return np.ma.filled(a, -1)
"#;

fn run(function: &str, table: &str) -> support::Ended {
    let folder = Folder::with(&[("f.py", FUNCTIONS), ("t.csv", table)]);
    folder.run(&["run", function, "-i", "t.csv", "-o", "-", "--quiet", "--instances", "2"])
}

#[test]
fn columns_are_arrays() {
    assert_eq!(run("f.py::add", "a,b\n1.5,2\n3.5,4\n").ok().stdout, "a,b,add\n1.5,2,3.5\n3.5,4,7.5\n");
    assert_eq!(run("f.py::upper", "s\nab\nçd\n").ok().stdout, "s,upper\nab,AB\nçd,ÇD\n");
}

#[test]
fn rows_with_null_are_left_out_or_masked() {
    assert_eq!(run("f.py::add", "a,b\n1.5,2\n,4\n2.5,\n").ok().stdout, "a,b,add\n1.5,2,3.5\n,4,\n2.5,,\n");
    assert_eq!(run("f.py::filled", "a,b\n1,\n,\n").ok().stdout, "a,b,filled\n1,,1\n,,-1\n");
}

#[test]
fn columns_come_as_they_are() {
    assert_eq!(run("f.py::digits", "s\na1b2\n\"\"\n33\n").ok().stdout, "s,digits\na1b2,2\n\"\",0\n33,2\n");
    assert_eq!(run("f.py::replaced", "s\nab\nçd\n").ok().stdout, "s,replaced\nab,äb\nçd,çd\n");
}

#[test]
fn a_column_that_is_malformed_does_not_reach_the_host() {
    let ended = run("f.py::broken", "s\nab\nc\n");
    assert_eq!((ended.status, ended.stdout.as_str()), (1, "s,broken\n"), "{ended}");
    assert!(ended.stderr.contains("UTF-8"), "{ended}");
}

#[test]
fn functions_over_series_need_another_image() {
    let series = "from vivarium import udf\n@udf(vectorized='pandas')\ndef f(x: int) -> int:\n    return x\n";
    let ended = Folder::with(&[("f.py", series), ("t.csv", "x\n1\n")]).run(&["run", "f.py", "-i", "t.csv"]);
    assert_eq!(ended.status, 1, "{ended}");
    assert!(ended.stderr.contains(r#"vectorized="pandas" needs an image with pandas"#), "{ended}");
    assert!(ended.stderr.contains("--image data"), "{ended}");
}

#[test]
fn calls_have_8192_rows_and_the_last_one_the_rest() {
    let table: String = std::iter::once("a\n".to_owned()).chain((0..10_000).map(|row| format!("{row}\n"))).collect();
    let ended = run("f.py::batch_size", &table).ok();
    let sizes: Vec<&str> = ended.stdout.lines().skip(1).map(|line| line.split(',').nth(1).unwrap()).collect();
    assert!(sizes[..8192].iter().all(|size| *size == "8192"));
    assert!(sizes[8192..].iter().all(|size| *size == "1808"));
}

#[test]
fn a_wrong_number_of_values_is_an_error() {
    let ended = run("f.py::short", "a\n1\n2\n3\n");
    assert_eq!(ended.status, 1);
    assert!(ended.stderr.contains("short failed in rows 0 to 2 of the input"), "{ended}");
    assert!(ended.stderr.contains('2') && ended.stderr.contains('3'), "{ended}");
}
