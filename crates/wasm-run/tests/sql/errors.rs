//! An error says what is wrong, and where in the SQL text or in the Python file.

use crate::folder;
use crate::support::Folder;

/// Outcomes of statements over `t`, each under what it shows.
fn outcomes(folder: &Folder, cases: &[(&str, &str)]) -> String {
    let outcome = |(title, statements): &(&str, &str)| {
        let ended = folder.run(&["sql", statements, "--udf", "f.py", "--table", "t=t.csv"]);
        format!("== {title}\n{statements}\n-- {ended}")
    };
    cases.iter().map(outcome).collect::<Vec<_>>().join("\n\n")
}

#[test]
fn a_mistake_in_sql_is_shown_where_it_is() {
    insta::assert_snapshot!(outcomes(
        &folder(),
        &[
            ("a word that does not belong there", "SELECT x\nFORM t"),
            ("a string without an end", "SELECT x,\n       'one FROM t"),
            ("two statements without a separator", "SELECT 1 SELECT 2"),
            ("an unknown column", "SELECT x,\n       nome\nFROM t"),
            ("an unknown table", "SELECT 1;\nSELECT * FROM orders"),
            ("an unknown function", "SELECT twise(x) FROM t"),
            ("a column that is not grouped", "SELECT name, count(*) FROM t GROUP BY x"),
            ("a type without the operation", "SELECT -name FROM t"),
            ("an unknown setting", "SET vivarium.memery = '1MiB'"),
            ("nesting without an end", &format!("SELECT {}1", "(".repeat(300))),
        ]
    ));
}

#[test]
fn a_mistake_about_a_function_is_shown_where_it_is() {
    insta::assert_snapshot!(outcomes(
        &folder(),
        &[
            ("too many arguments", "SELECT x,\n       twice(x, x) FROM t"),
            ("an argument of another type", "SELECT twice(name) FROM t"),
            (
                "Python that is none",
                "CREATE FUNCTION f(x BIGINT) RETURNS BIGINT LANGUAGE PYTHON AS $$\ndef f(x: int) -> int:\n    return x +\n$$"
            ),
        ]
    ));
}

#[test]
fn an_exception_has_a_row_a_line_of_python_and_a_place_in_sql() {
    let folder = folder();
    folder.write(
        "boom.py",
        "def boom(x: int) -> int:\n    if x == 70_000:\n        raise ValueError('row is bad')\n    return x\n",
    );
    folder.write("rows.csv", &format!("x\n{}", (0..100_000).map(|row| format!("{row}\n")).collect::<String>()));
    let query = "SELECT count(*)\nFROM r\nWHERE boom(x) > 5";
    let arguments = ["sql", query, "-u", "boom.py::boom", "-t", "r=rows.csv", "--partitions", "1"];
    let ended = folder.run(&arguments);
    insta::assert_snapshot!(ended);
    let ended = folder.run(&[&arguments[..], &["--json"]].concat());
    let error: serde_json::Value = serde_json::from_str(ended.stderr.lines().last().unwrap()).unwrap();
    assert_eq!(error["error"]["sql"], serde_json::json!({"file": null, "line": 3, "column": 7}));
    assert_eq!((&error["error"]["class"], &error["error"]["status"]), (&"python".into(), &1.into()));
}

#[test]
fn a_script_is_named_with_its_line() {
    let folder = folder();
    folder.write("report.sql", "-- A report.\nSELECT twice(x) FROM t;\n\nSELECT\n\ttwice(y)\nFROM t;\n");
    let ended = folder.run(&["sql", "--file", "report.sql", "-u", "f.py", "-t", "t=t.csv"]);
    assert_eq!(ended.status, 2);
    // The first statement has run.
    assert!(ended.stdout.ends_with("(3 rows)\n"), "{ended}");
    assert!(ended.stderr.contains("\n  at report.sql:5:8:\n     twice(y)\n           ^\n"), "{ended}");
}

#[test]
fn mistakes_in_the_syntax_show_before_anything_runs() {
    let folder = folder();
    let ended = folder.run(&["sql", "SELECT 1; SELEC 2"]);
    assert_eq!((ended.status, ended.stdout.as_str()), (2, ""));
}

#[test]
fn the_status_says_whose_part_it_is() {
    let folder = folder();
    folder.write("bad.py", "def bad(x: int) -> int:\n    return 1 // 0\n");
    folder.write("endless.py", "def endless(x: int) -> int:\n    while True:\n        pass\n");
    folder.write("hungry.py", "def hungry(x: int) -> int:\n    return len(bytearray(1 << 30))\n");
    folder.write("wrong.csv", &format!("x\n{}word\n", "1\n".repeat(10_000)));
    let table = ["-t", "t=t.csv"];
    let cases: [(&[&str], i32); 8] = [
        (&["SELECT bad(x) FROM t", "-u", "bad.py::bad"], 1),
        (&["SELEC 1"], 2),
        (&["SELECT 1", "-u", "missing.py"], 2),
        (&["SELECT endless(x) FROM t", "-u", "endless.py::endless", "--timeout", "500ms"], 3),
        (&["SELECT hungry(x) FROM t", "-u", "hungry.py::hungry"], 3),
        (&["SELECT 1", "-pyreq", "missing.txt"], 4),
        (&["SELECT sum(x) FROM w", "-t", "w=wrong.csv", "--infer-rows", "10000"], 5),
        (&["SELECT 1 / 0"], 5),
    ];
    for (arguments, status) in cases {
        let ended = folder.run(&[&["sql"], arguments, &table].concat());
        assert_eq!(ended.status, status, "{arguments:?}: {ended}");
    }
}

#[test]
fn a_query_that_needs_too_much_memory_is_told_so() {
    let folder = folder();
    // The rows in front of an offset are kept in memory.
    let query = "SELECT value FROM range(0, 3000000) ORDER BY value DESC LIMIT 1 OFFSET 2999999";
    let ended = folder.run(&["sql", query, "--query-memory", "8MiB"]);
    assert!(ended.status == 3 && ended.stderr.contains("memory pool"), "{ended}");
}
