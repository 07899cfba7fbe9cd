//! `run` applies every kind of function: rows for rows, one row for a group, awaited and stateful ones, and PyFlink's spelling.

mod support;

use support::Folder;

const FUNCTIONS: &str = r#"
import asyncio
from typing import Iterator, NamedTuple
from vivarium import udaf, udf, udtaf, udtf

class Word(NamedTuple):
    word: str
    position: int

@udtf
def words(text: str, most: int = 10) -> Iterator[Word]:
    for position, word in enumerate(text.split()[:most]):
        yield Word(word, position)

@udaf
class total:
    def create_accumulator(self):
        return [0]
    def accumulate(self, acc, n: int):
        if n < 0:
            raise ValueError("negative")
        acc[0] += n
    def get_value(self, acc) -> int:
        return acc[0]

@udtaf
class top:
    def create_accumulator(self):
        return []
    def accumulate(self, acc, n: int):
        acc.append(n)
    def emit_value(self, acc) -> Iterator[tuple[int, int]]:
        yield from enumerate(sorted(acc)[:2])

@udf
async def later(n: int) -> int:
    await asyncio.sleep(0.001)
    return n + 1

@udf
class scaled:
    def open(self, context):
        self.factor = int(context.get_job_parameter("factor", "1"))
        self.rows = context.metrics.counter("rows")
    def eval(self, n: int) -> int:
        self.rows.inc()
        return n * self.factor
    def close(self):
        print("closed")
"#;

const PYFLINK: &str = r#"
from pyflink.common import Row
from pyflink.table import AggregateFunction, DataTypes
from pyflink.table.udf import ScalarFunction, TableFunction, udaf, udf, udtf

@udf(result_type=DataTypes.BIGINT())
def length(text):
    return -1 if text is None else len(text)

class Split(TableFunction):
    def eval(self, text):
        for part in (text or "").split():
            yield part, len(part)

split = udtf(Split(), result_types=[DataTypes.STRING(), DataTypes.INT()])

class Average(AggregateFunction):
    def create_accumulator(self):
        return Row(0, 0)
    def accumulate(self, accumulator, n):
        if n is not None:
            accumulator[0] += n
            accumulator[1] += 1
    def get_value(self, accumulator):
        return accumulator[0] / accumulator[1] if accumulator[1] else None
    def get_result_type(self):
        return DataTypes.DOUBLE()
    def get_accumulator_type(self):
        return DataTypes.ROW([DataTypes.FIELD("sum", DataTypes.BIGINT()), DataTypes.FIELD("n", DataTypes.BIGINT())])

average = udaf(Average())

@udf(result_type=DataTypes.BIGINT(), func_type="pandas")
def add(i, j):
    return i + j
"#;

const TABLE: &str = "g,text,n\na,one two,1\nb,,2\na,three,\n,four,4\nb,five six seven,5\n";

fn folder() -> Folder {
    Folder::with(&[("f.py", FUNCTIONS), ("flink.py", PYFLINK), ("t.csv", TABLE)])
}

fn run(function: &str, options: &[&str]) -> support::Ended {
    let mut arguments = vec!["run", function, "-i", "t.csv", "-o", "-", "--instances", "2"];
    arguments.extend(options);
    folder().run(&arguments)
}

#[test]
fn rows_of_a_table_function_follow_their_input_row() {
    assert_eq!(
        run("f.py::words", &["--quiet"]).ok().stdout,
        "g,text,n,word,position\na,one two,1,one,0\na,one two,1,two,1\na,three,,three,0\n,four,4,four,0\n\
         b,five six seven,5,five,0\nb,five six seven,5,six,1\nb,five six seven,5,seven,2\n"
    );
    assert_eq!(
        run("f.py::words", &["--args", "text,=1", "--as", "w,p", "--limit", "2"]).ok().stdout,
        "g,text,n,w,p\na,one two,1,one,0\n"
    );
}

#[test]
fn an_aggregate_gives_a_row_for_each_group() {
    assert_eq!(run("f.py::total", &["--group-by", "g"]).ok().stdout, "g,total\na,1\nb,7\n,4\n");
    assert_eq!(run("f.py::total", &["--as", "sum"]).ok().stdout, "sum\n12\n");
    assert_eq!(run("f.py::top", &["--group-by", "g"]).ok().stdout, "g,f0,f1\na,0,1\nb,0,2\nb,1,5\n,0,4\n");
    assert_eq!(run("f.py::total", &["--group-by", "g,n", "--limit", "2"]).ok().stdout, "g,n,total\na,1,1\nb,2,2\n");
}

#[test]
fn async_and_stateful_functions_give_a_column() {
    assert_eq!(run("f.py::later", &["--limit", "2"]).ok().stdout, "g,text,n,later\na,one two,1,2\nb,,2,3\n");
    let ended = run("f.py::scaled", &["--limit", "2", "--job-parameter", "factor=3", "--json"]).ok();
    assert_eq!(ended.stdout, "g,text,n,scaled\na,one two,1,3\nb,,2,6\n");
    assert!(ended.stderr.contains(r#""line":"closed""#), "{ended}");
    let summary = ended.stderr.lines().last().unwrap();
    let summary: serde_json::Value = serde_json::from_str(summary).unwrap();
    assert_eq!(summary["summary"]["metrics"], serde_json::json!({"rows": {"counter": 2}}));
}

#[test]
fn a_pyflink_file_runs_unchanged() {
    assert_eq!(
        run("flink.py::length", &["--args", "text"]).ok().stdout,
        "g,text,n,length\na,one two,1,7\nb,,2,-1\na,three,,5\n,four,4,4\nb,five six seven,5,14\n"
    );
    assert_eq!(
        run("flink.py::split", &["--args", "text", "--limit", "2"]).ok().stdout,
        "g,text,n,f0,f1\na,one two,1,one,3\na,one two,1,two,3\n"
    );
    assert_eq!(
        run("flink.py::average", &["--args", "n", "--group-by", "g"]).ok().stdout,
        "g,average\na,1.0\nb,3.5\n,4.0\n"
    );
    let ended = run("flink.py::add", &["--args", "n,n"]);
    assert_eq!(ended.status, 1);
    assert!(ended.stderr.contains(r#"func_type="pandas" needs an image with pandas"#), "{ended}");
}

#[test]
fn what_cannot_be_applied_says_why() {
    for (function, options, status, said) in [
        (
            "f.py::later",
            &["--group-by", "g"][..],
            2,
            "later (f.py:36) is an async function, which has no result for groups of rows",
        ),
        ("f.py::total", &["--group-by", "missing"], 5, "there is no single column \"missing\""),
        ("f.py::total", &["--group-by", "g", "--as", "g"], 2, "already has a column \"g\""),
        ("f.py::words", &["--as", "w"], 2, "1 names were given for the 2 result columns of words (f.py:11)"),
        ("f.py::words", &["--as", "w,n"], 2, "already has a column \"n\""),
        ("f.py::words", &["--args", "text,=many"], 2, "the constant many cannot be parameter \"most\""),
    ] {
        let ended = run(function, options);
        assert_eq!(ended.status, status, "{ended}");
        assert!(ended.stderr.contains(said), "{ended}");
    }
}

#[test]
fn a_failing_row_of_a_group_is_named() {
    let folder = folder();
    folder.write("t.csv", "g,n\na,1\nb,-5\na,2\n");
    let ended = folder.run(&["run", "f.py::total", "-i", "t.csv", "-o", "-", "--group-by", "g"]);
    assert_eq!(ended.status, 1);
    assert!(ended.stderr.contains("total failed in row 1 of the input (f.py:21): ValueError: negative"), "{ended}");
    let skip = ["--on-error", "skip", "--errors", "errors.csv"];
    let arguments = ["run", "f.py::total", "-i", "t.csv", "-o", "-", "--group-by", "g"];
    assert_eq!(folder.run(&[&arguments[..], &skip].concat()).ok().stdout, "g,total\na,3\nb,0\n");
    let errors = folder.read("errors.csv");
    assert!(
        errors.starts_with("row,function,type,message,traceback,arguments\n1,total,ValueError,negative,"),
        "{errors}"
    );
    assert!(errors.trim_end().ends_with(",-5"), "{errors}");
}

#[test]
fn check_shows_kinds_and_columns() {
    let ended = folder().run(&["check", "f.py"]).ok();
    let line =
        |name: &str| ended.stdout.lines().find(|line| line.starts_with(&format!(" {name} "))).unwrap().to_owned();
    for (name, said) in [
        ("words", "| table           | text: string, most: int64 = ... | table(word: string, position: int64) |"),
        ("total", "| aggregate       | n: int64 "),
        ("top", "| table aggregate | n: int64 "),
        ("later", "| async           | n: int64 "),
        ("scaled", "| scalar          | n: int64 "),
    ] {
        assert!(line(name).contains(said), "{ended}");
    }
}
