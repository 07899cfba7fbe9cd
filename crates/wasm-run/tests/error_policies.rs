//! Rows for which a function raises end the run, become NULL or are left out, whatever the batches and instances.

mod support;

use std::sync::Arc;

use arrow::array::{Array, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{Int64Type, UInt64Type};
use support::{Folder, batch, read_parquet, write_parquet};

const ROWS: i64 = 50_000;
/// Fails in every 7,000th row, and the later the sooner: without an order, one of the last would be reported.
const FUNCTION: &str = r#"
def f(x: int) -> int:
    if x % 7000 == 6999:
        raise ValueError(f"no {x}")
    return sum(range(200)) * 0 + x if x < 8192 else x
"#;

fn folder() -> Folder {
    let folder = Folder::with(&[("f.py", FUNCTION)]);
    write_parquet(&folder.path("in.parquet"), &batch(&[("x", Arc::new(Int64Array::from_iter_values(0..ROWS)))]));
    folder
}

fn run(folder: &Folder, policy: &str, instances: &str) -> RecordBatch {
    folder
        .run(&[
            "run",
            "f.py::f",
            "-i",
            "in.parquet",
            "-o",
            "out.parquet",
            "--errors",
            "errors.parquet",
            "--on-error",
            policy,
            "--instances",
            instances,
        ])
        .ok();
    read_parquet(&folder.path("out.parquet"))
}

#[test]
fn fail_reports_the_first_failing_row_of_the_input() {
    let folder = folder();
    for instances in ["1", "4"] {
        let ended = folder.run(&["run", "f.py::f", "-i", "in.parquet", "-o", "out.parquet", "--instances", instances]);
        assert_eq!(ended.status, 1);
        assert!(
            ended.stderr.ends_with("wasm-run: f failed in row 6999 of the input (f.py:4): ValueError: no 6999\n"),
            "{ended}"
        );
    }
}

#[test]
fn null_keeps_the_row() {
    let folder = folder();
    for instances in ["1", "4"] {
        let result = run(&folder, "null", instances);
        let values = result.column(1).as_primitive::<Int64Type>();
        assert_eq!((result.num_rows() as i64, values.null_count()), (ROWS, 7));
        assert!((0..ROWS as usize).all(|row| values.is_null(row) == (row % 7000 == 6999)));
    }
}

#[test]
fn skip_leaves_the_row_out_and_lists_it() {
    let folder = folder();
    for instances in ["1", "4"] {
        let result = run(&folder, "skip", instances);
        let values = result.column(0).as_primitive::<Int64Type>().values();
        assert!(values.iter().copied().eq((0..ROWS).filter(|x| x % 7000 != 6999)));
        let errors = read_parquet(&folder.path("errors.parquet"));
        let rows = errors.column(0).as_primitive::<UInt64Type>().values();
        assert!(rows.iter().copied().eq((0..7).map(|n| n * 7000 + 6999)));
        assert_eq!(errors.column(3).as_string::<i32>().value(1), "no 13999");
    }
}

#[test]
fn the_table_of_errors_has_every_row_and_details_of_the_first_hundred() {
    let folder = Folder::with(&[("f.py", "def f(x: int) -> int:\n    raise ValueError(x)\n")]);
    write_parquet(&folder.path("in.parquet"), &batch(&[("x", Arc::new(Int64Array::from_iter_values(0..20_000)))]));
    let result = run(&folder, "skip", "2");
    assert_eq!(result.num_rows(), 0);
    let errors = read_parquet(&folder.path("errors.parquet"));
    let messages = errors.column(3).as_string::<i32>();
    assert_eq!((errors.num_rows(), messages.len() - messages.null_count(), messages.value(99)), (20_000, 100, "99"));
}

#[test]
fn the_declaration_chooses_unless_the_command_line_does() {
    let source = "from vivarium import udf\n@udf(on_error='null')\ndef f(x: int) -> int:\n    return 1 // x\n";
    let folder = Folder::with(&[("f.py", source), ("t.csv", "x\n0\n1\n")]);
    assert_eq!(folder.run(&["run", "f.py", "-i", "t.csv", "-o", "-"]).ok().stdout, "x,f\n0,\n1,1\n");
    let ended = folder.run(&["run", "f.py", "-i", "t.csv", "-o", "-", "--on-error", "skip"]).ok();
    assert_eq!(ended.stdout, "x,f\n1,1\n");
    assert!(
        ended.stderr.starts_with("wasm-run: 1 row failed and was left out; the first: f failed in row 0"),
        "{ended}"
    );
    assert_eq!(folder.run(&["run", "f.py", "-i", "t.csv", "-o", "-", "--on-error", "fail"]).status, 1);
}
