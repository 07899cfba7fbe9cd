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

#[test]
fn a_missing_file_is_a_usage_error() {
    assert_eq!(Folder::new().run(&["check", "missing.py"]).status, 2);
}
