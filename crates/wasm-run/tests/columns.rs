//! Functions of rows run as columns: what is told about it, and how it is switched off.

mod support;

use serde_json::Value;
use support::{Ended, Folder};

const SOURCE: &str = "
from vivarium import udaf, udf

@udf
def twice(x: int) -> int:
    return x + x

@udf
def inverse(x: int) -> float:
    return 1 / (x % 2)

@udaf
class total:
    def create_accumulator(self): return [0]
    def accumulate(self, acc, x: int): acc[0] += x
    def get_value(self, acc) -> int: return acc[0]
";

fn folder(rows: u64) -> Folder {
    let table: String = std::iter::once("x\n".to_owned()).chain((0..rows).map(|row| format!("{row}\n"))).collect();
    Folder::with(&[("f.py", SOURCE), ("t.csv", &table)])
}

/// Runs a function of the file over the table.
fn run(folder: &Folder, function: &str, options: &[&str], variable: Option<&str>) -> Ended {
    let function = format!("f.py::{function}");
    let arguments = [&["run", function.as_str(), "-i", "t.csv", "-o", "out.csv", "--instances", "1"], options].concat();
    let mut command = folder.command(&arguments);
    command.env_remove("VIVARIUM_COLUMNS").envs(variable.map(|value| ("VIVARIUM_COLUMNS", value)));
    let output = command.output().unwrap();
    Ended {
        status: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Rows as columns, rows of the interpreter, programs that were dropped.
fn counts(folder: &Folder, function: &str, options: &[&str], variable: Option<&str>) -> [u64; 3] {
    let ended = run(folder, function, &[options, &["--json"]].concat(), variable).ok();
    let summary: Value = serde_json::from_str(ended.stderr.lines().last().unwrap()).unwrap();
    ["rows_as_columns", "rows_interpreted", "programs_dropped"]
        .map(|name| summary["summary"]["columns"][name].as_u64().unwrap())
}

#[test]
fn the_summary_counts_rows_by_how_they_ran() {
    let folder = folder(40_000);
    let [as_columns, interpreted, dropped] = counts(&folder, "twice", &[], None);
    assert_eq!((as_columns + interpreted, dropped), (40_000, 0));
    assert!(as_columns > 30_000, "{as_columns}");
    let ended = run(&folder, "twice", &[], None).ok();
    assert!(ended.stderr.contains(" % as columns -> out.csv"), "{ended}");
    // Half of these rows raise, and are the interpreter's, until the program is given up.
    let [as_columns, interpreted, dropped] = counts(&folder, "inverse", &["--on-error", "null"], None);
    assert_eq!((as_columns + interpreted, dropped), (40_000, 1));
    assert!(as_columns > 1000 && interpreted > 30_000, "{as_columns} {interpreted}");
    assert_eq!(counts(&folder, "total", &[], None), [0, 40_000, 0]);
}

#[test]
fn an_option_and_a_variable_switch_it_off() {
    let folder = folder(100);
    for (options, variable, as_columns) in [
        (&[][..], None, 0),
        (&["--columns", "force"], None, 100),
        (&["--columns", "shadow"], None, 100),
        (&["--columns", "off"], None, 0),
        (&[], Some("force"), 100),
        (&[], Some(""), 0),
        (&["--columns", "off"], Some("force"), 0),
        // A variable of the guest's, which a file can set too, switches off and forces nothing.
        (&["--env", "VIVARIUM_COLUMNS=force"], None, 0),
        (&["--columns", "force", "--env", "VIVARIUM_COLUMNS=off"], None, 0),
    ] {
        let found = counts(&folder, "twice", options, variable);
        assert_eq!(found, [as_columns, 100 - as_columns, 0], "{options:?} {variable:?}");
    }
    let ended = run(&folder, "twice", &[], Some("on"));
    assert_eq!(ended.status, 2, "{ended}");
    assert!(ended.stderr.contains("VIVARIUM_COLUMNS is auto, off, force or shadow, and not \"on\""), "{ended}");
}

#[test]
fn results_do_not_depend_on_it() {
    let folder = folder(20_000);
    let mut results = ["off", "auto", "force", "shadow"].map(|mode| {
        run(&folder, "inverse", &["--on-error", "null", "--columns", mode], None).ok();
        folder.read("out.csv")
    });
    assert!(results[0].contains(",1.0\n"));
    results.sort();
    assert_eq!(results[0], results[3]);
}
