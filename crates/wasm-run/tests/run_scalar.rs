//! `run` applies a function to every row and adds its result as a column.

mod support;

use std::sync::Arc;

use arrow::array::{AsArray, Int64Array};
use arrow::datatypes::Int64Type;
use support::{Folder, batch, read_parquet, write_parquet};

const FUNCTIONS: &str = r#"
from vivarium import udf

@udf
def add_one(x: int) -> int:
    return x + 1

@udf
def greet(name: str, x: int | None) -> str:
    return f"{name}:{x}"

@udf(name="renamed")
def original(x: int) -> int | None:
    return None if x > 1 else x

def plain(x: int, name: str = "default") -> str:
    return name * x

def helper(x):
    return x
"#;

const TABLE: &str = "x,name\n1,a\n2,b\n,c\n3,\n";

fn run(arguments: &[&str]) -> support::Ended {
    let folder = Folder::with(&[("f.py", FUNCTIONS), ("t.csv", TABLE)]);
    let base = ["run", "--input", "t.csv", "--output", "-", "--quiet"];
    folder.run(&[&base[..], arguments].concat())
}

#[test]
fn the_result_is_a_column_behind_the_others() {
    assert_eq!(run(&["f.py::add_one"]).ok().stdout, "x,name,add_one\n1,a,2\n2,b,3\n,c,\n3,,4\n");
}

#[test]
fn null_handling_follows_the_annotation() {
    assert_eq!(run(&["f.py::greet"]).ok().stdout, "x,name,greet\n1,a,a:1\n2,b,b:2\n,c,c:None\n3,,\n");
}

#[test]
fn the_registered_name_names_function_and_column() {
    assert_eq!(run(&["f.py::renamed"]).ok().stdout, "x,name,renamed\n1,a,1\n2,b,\n,c,\n3,,\n");
}

#[test]
fn a_plain_function_runs_when_it_is_named() {
    assert_eq!(run(&["f.py::plain"]).ok().stdout, "x,name,plain\n1,a,a\n2,b,bb\n,c,\n3,,\n");
    assert_eq!(run(&["f.py::plain", "--args", "x"]).ok().stdout.lines().nth(1), Some("1,a,default"));
}

#[test]
fn columns_can_be_chosen_and_the_result_named() {
    assert_eq!(run(&["f.py::greet", "--args", "name,x", "--as", "g"]).ok().stdout.lines().next(), Some("x,name,g"));
    let folder = Folder::with(&[("f.py", FUNCTIONS), ("t.csv", "Total,X\n5,6\n")]);
    let run = |arguments: &[&str]| {
        folder.run(&[&["run", "f.py::add_one", "-i", "t.csv", "-o", "-"], arguments].concat()).ok()
    };
    assert_eq!(run(&["--args", "Total"]).stdout, "Total,X,add_one\n5,6,6\n");
    assert_eq!(run(&[]).stdout, "Total,X,add_one\n5,6,7\n");
}

#[test]
fn the_only_function_needs_no_name() {
    // Declared, or the only one with annotations.
    for (helper, decorator) in
        [("def helper(x: int) -> int:\n    return x\n", "@udf\n"), ("def helper(x):\n    return x\n", "")]
    {
        let source = format!(
            "from vivarium import udf\n{helper}{decorator}def twice(x: int) -> int:\n    return 2 * helper(x)\n"
        );
        let folder = Folder::with(&[("f.py", &source)]);
        let ended = folder.run_with_input(&["run", "f.py", "--input", "-", "--output", "-"], "x\n4\n");
        assert_eq!(ended.ok().stdout, "x,twice\n4,8\n");
    }
}

#[test]
fn without_an_output_the_table_is_printed() {
    let folder = Folder::with(&[("f.py", FUNCTIONS), ("t.csv", TABLE)]);
    let ended = folder.run(&["run", "f.py::add_one", "--input", "t.csv"]).ok();
    let table = "    x | name | add_one\n------+------+---------\n    1 | a    |       2\n    2 | b    |       3\n NULL | c    |    NULL\n    \
                 3 | NULL |       4\n(4 rows)\n";
    assert_eq!(ended.stdout, table);
    let ended = folder.run(&["run", "f.py::add_one", "--input", "t.csv", "--limit", "1", "--json"]).ok();
    assert_eq!(ended.stdout, "{\"x\":1,\"name\":\"a\",\"add_one\":2}\n");
    assert!(ended.stderr.starts_with("{\"summary\":{"), "{ended}");
}

#[test]
fn an_empty_table_gives_an_empty_table() {
    let folder = Folder::with(&[("f.py", FUNCTIONS)]);
    let empty = batch(&[("x", Arc::new(Int64Array::from(Vec::<i64>::new())))]);
    write_parquet(&folder.path("empty.parquet"), &empty);
    folder.run(&["run", "f.py::add_one", "--input", "empty.parquet", "--output", "out.parquet"]).ok();
    let result = read_parquet(&folder.path("out.parquet"));
    assert_eq!((result.num_rows(), result.schema().field(1).name().as_str()), (0, "add_one"));
}

#[test]
fn rows_keep_their_order_whatever_the_number_of_instances() {
    const ROWS: i64 = 100_000;
    let folder = Folder::with(&[("f.py", FUNCTIONS)]);
    let input = batch(&[("x", Arc::new(Int64Array::from_iter_values(0..ROWS)))]);
    write_parquet(&folder.path("in.parquet"), &input);
    for instances in ["1", "2", "5"] {
        folder.run(&["run", "f.py::add_one", "-i", "in.parquet", "-o", "out.parquet", "--instances", instances]).ok();
        let result = read_parquet(&folder.path("out.parquet"));
        assert_eq!(result.column(0), input.column(0));
        assert!(
            result.column(1).as_primitive::<Int64Type>().values().iter().copied().eq(1..=ROWS),
            "{instances} instances"
        );
    }
}

#[test]
fn what_a_function_prints_is_shown_with_its_name() {
    let source = "def f(x: int) -> int:\n    print('seen', x)\n    return x\n";
    let folder = Folder::with(&[("f.py", source), ("t.csv", "x\n1\n")]);
    let ended = folder.run(&["run", "f.py::f", "-i", "t.csv", "-o", "o.csv"]).ok();
    assert!(ended.stderr.contains("[f] seen 1\n"), "{ended}");
    assert_eq!(folder.run(&["run", "f.py::f", "-i", "t.csv", "-o", "o.csv", "--quiet"]).ok().stderr, "");
}

#[test]
fn variables_are_those_that_were_given() {
    let source =
        "import os\ndef f(x: int) -> str:\n    return ' '.join(f'{k}={v}' for k, v in sorted(os.environ.items()))\n";
    let folder = Folder::with(&[("f.py", source), ("t.csv", "x\n1\n")]);
    let ended = folder.run(&["run", "f.py::f", "-i", "t.csv", "-o", "-", "--env", "B=2=3", "--env", "A="]).ok();
    assert_eq!(ended.stdout, "x,f\n1,A= B=2=3\n");
}
