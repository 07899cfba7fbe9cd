//! `--explain` shows how a query would run, `--analyze` how it ran.

use crate::folder;

#[test]
fn a_plan_is_shown_and_nothing_runs() {
    let folder = folder();
    folder.write("g.py", "def g(x: int) -> int:\n    raise ValueError('called')\n");
    let query = "CREATE VIEW v AS SELECT g(x) AS y FROM t; SELECT y FROM v WHERE y > 1";
    let ended = folder.run(&["sql", query, "-u", "g.py::g", "-t", "t=t.csv", "--explain"]).ok();
    assert!(ended.stdout.starts_with("logical_plan:\n  "), "{ended}");
    assert!(ended.stdout.contains("\nphysical_plan:\n  ") && ended.stdout.contains("g(t.x)"), "{ended}");
    // EXPLAIN itself is shown the same way, and machines get rows.
    let ended = folder.run(&["sql", "EXPLAIN SELECT x FROM t", "-t", "t=t.csv"]).ok();
    assert!(ended.stdout.starts_with("logical_plan:\n  "), "{ended}");
    let ended = folder.run(&["sql", "SELECT x FROM t", "-t", "t=t.csv", "--explain", "--json"]).ok();
    let plans: Vec<serde_json::Value> = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(plans[0]["plan_type"], "logical_plan");
}

#[test]
fn an_analysis_counts_rows_and_calls() {
    let folder = folder();
    let query = "SELECT twice(x) AS y FROM t";
    let ended = folder.run(&["sql", query, "-u", "f.py", "-t", "t=t.csv", "--analyze"]).ok();
    assert!(ended.stdout.starts_with("Plan with Metrics:\n"), "{ended}");
    for metric in ["twice.rows", "twice.calls", "twice.time_in_guest", "output_rows=3"] {
        assert!(ended.stdout.contains(metric), "{metric}: {ended}");
    }
}

#[test]
fn an_analysis_counts_rows_as_columns_unless_they_are_switched_off() {
    let folder = folder();
    let query = "SELECT twice(x) AS y FROM t";
    for (option, statement, expected) in [
        ("force", "", ["twice.rows_as_columns=3", "twice.rows_interpreted=0", "twice.programs_dropped=0"]),
        ("off", "", ["twice.rows_as_columns=0", "twice.rows_interpreted=3", "twice.rows=3"]),
        (
            "force",
            "SET vivarium.columns = 'off'; ",
            ["twice.rows_as_columns=0", "twice.rows_interpreted=3", "twice.rows=3"],
        ),
    ] {
        let query = format!("{statement}{query}");
        let ended = folder.run(&["sql", &query, "-u", "f.py", "-t", "t=t.csv", "--analyze", "--columns", option]).ok();
        for counted in expected {
            assert!(ended.stdout.contains(counted), "{counted}: {ended}");
        }
    }
    let query = format!("SET vivarium.columns = 'on'; {query}");
    let ended = folder.run(&["sql", &query, "-u", "f.py", "-t", "t=t.csv", "--columns", "off"]);
    assert_eq!(ended.status, 2, "{ended}");
    assert!(ended.stderr.contains("vivarium.columns: the session's owner has switched it off"), "{ended}");
}
