//! `check` shows what a file declares and everything that is wrong with it, without data.

mod support;

use support::Folder;

const GOOD: &str = r#"
import datetime
from vivarium import udf

@udf
def price(net: float, count: int = 1) -> float:
    """What it costs."""
    return net * count

@udf(vectorized=True, result_type="int32", null_handling="call")
def length(s: str):
    return [len(x) for x in s]

def plain(d: datetime.date | None) -> datetime.date | None:
    return d

def helper(x):
    return x
"#;

const BAD: &str = r#"
from vivarium import udf

@udf
def first(x: complex) -> int:
    return 1

@udf(result_type="no_such_type")
def second(x: int):
    return 1

@udf
def third(x: int) -> int:
    return x
"#;

#[test]
fn functions_are_listed() {
    let folder = Folder::with(&[("good.py", GOOD)]);
    insta::assert_snapshot!(folder.run(&["check", "good.py"]).ok());
    let report: serde_json::Value =
        serde_json::from_str(&folder.run(&["check", "good.py", "--json"]).ok().stdout).unwrap();
    let names: Vec<_> = report["functions"].as_array().unwrap().iter().map(|f| f["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["price", "length", "plain", "helper"]);
    assert_eq!(report["functions"][0]["parameters"][1]["type"], "int64");
    assert_eq!(report["problems"], serde_json::json!([]));
}

#[test]
fn all_problems_are_listed_with_their_lines() {
    let folder = Folder::with(&[("bad.py", BAD), ("syntax.py", "def f(:\n"), ("raises.py", "import os\n1 / 0\n")]);
    let outcomes = ["bad.py", "syntax.py", "raises.py"].map(|file| {
        let ended = folder.run(&["check", file]);
        assert_eq!(ended.status, 1, "{ended}");
        ended.to_string()
    });
    insta::assert_snapshot!(outcomes.join("\n\n"));
}

const COLUMNS: &str = r#"
import time
from vivarium import udaf, udf

RATES = {"AIR": 1.5, "RAIL": 2.0}

def half(x: int) -> int:
    return x // 2 if x > 0 else int(time.time())

@udf
def freight(quantity: int, mode: str | None) -> float:
    if mode is None:
        return 0.0
    return RATES[mode.upper()] * half(quantity)

@udf
def shown(x: int) -> int:
    print(x)
    return x

@udf(columns=False)
def kept(x: int) -> int:
    return x

@udf(vectorized=True)
def whole(x: int) -> int:
    return x

@udf
class Opened:
    def open(self, context):
        raise OSError("no\x1b[31m tariff")

    def eval(self, x: int) -> int:
        return x
"#;

#[test]
fn columns_are_explained_by_line() {
    let folder = Folder::with(&[("columns.py", COLUMNS)]);
    insta::assert_snapshot!(folder.run(&["check", "columns.py", "--explain"]).ok());
    let report: serde_json::Value =
        serde_json::from_str(&folder.run(&["check", "columns.py", "--explain", "--json"]).ok().stdout).unwrap();
    let columns = report["columns"].as_array().unwrap();
    let freight = columns.iter().find(|one| one["function"] == "freight").unwrap();
    assert_eq!(freight["columns"], true);
    assert_eq!(freight["lines"][0]["function"], "half");
    assert_eq!(freight["lines"][1]["line"], 14);
    let without = folder.run(&["check", "columns.py", "--json"]).ok();
    assert!(serde_json::from_str::<serde_json::Value>(&without.stdout).unwrap().get("columns").is_none());
}

#[test]
fn types_that_only_columns_have_are_said_to_be_missing() {
    let source = "from pyflink.table import DataTypes\nfrom pyflink.table.udf import udf\n\n@udf(result_type=DataTypes.BIGINT())\n\
                  def untyped(a, b):\n    return a\n\n@udf(result_type=DataTypes.BIGINT(), input_types=[DataTypes.BIGINT()])\n\
                  def typed(a):\n    return a + 1\n";
    let folder = Folder::with(&[("flink.py", source)]);
    let ended = folder.run(&["check", "flink.py", "--explain"]).ok();
    assert!(
        ended.stdout.contains("untyped may run as columns: it depends on the columns: the type of a, b"),
        "{ended}"
    );
    // PyFlink's functions are called with None.
    assert!(ended.stdout.contains("\ntyped runs as columns\n") && ended.stdout.contains("line 10: None\n"), "{ended}");
}

#[test]
fn a_missing_file_is_a_usage_error() {
    assert_eq!(Folder::new().run(&["check", "missing.py"]).status, 2);
}
