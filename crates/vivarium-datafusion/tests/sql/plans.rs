//! What becomes of calls in plans, and what is measured about them.

use arrow::util::pretty::pretty_format_batches;

use crate::support::{rows, run, session_with, shown};

const DOUBLED: &str = "CREATE FUNCTION doubled(x BIGINT) RETURNS BIGINT LANGUAGE PYTHON AS $$
def doubled(x): return 2 * x
$$";

async fn plan(session: &datafusion::prelude::SessionContext, sql: &str) -> String {
    let plan = session.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
    datafusion::physical_plan::displayable(plan.as_ref()).indent(false).to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_are_awaited_by_an_operator_and_equal_ones_made_once() {
    let session = session_with(&[DOUBLED, "CREATE TABLE t AS SELECT value AS x FROM generate_series(1, 10)"]).await;
    for (sql, operators, calls) in [
        ("SELECT doubled(x), doubled(x) + 1 FROM t", 1, 1),
        ("SELECT doubled(doubled(x)) FROM t", 1, 2),
        ("SELECT x FROM t WHERE doubled(x) > 3 AND x < 5", 1, 1),
        ("SELECT x FROM t ORDER BY doubled(x)", 1, 1),
        ("SELECT sum(doubled(x)) FROM t GROUP BY doubled(x) % 2", 1, 1),
        // In a branch the call stays where it is.
        ("SELECT CASE WHEN x > 3 THEN doubled(x) END FROM t", 0, 0),
    ] {
        let plan = plan(&session, sql).await;
        assert_eq!(plan.matches("PythonExec").count(), operators, "{sql}\n{plan}");
        let listed = plan.lines().find(|line| line.contains("PythonExec")).unwrap_or_default();
        let found = listed.split("calls=[").nth(1).unwrap_or_default().split("), ").filter(|call| !call.is_empty());
        assert_eq!(found.count(), calls, "{sql}\n{plan}");
        // Only what is called synchronously needs a frame around the query.
        assert_eq!(plan.contains("PythonScopeExec"), operators == 0, "{sql}\n{plan}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_without_python_is_left_alone() {
    let session = session_with(&["CREATE TABLE t AS VALUES (1)"]).await;
    let plan = plan(&session, "SELECT column1 + 1 FROM t").await;
    assert!(!plan.contains("Python"), "{plan}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explain_analyze_tells_what_each_function_cost() {
    let py_mean = "CREATE FUNCTION py_mean(x DOUBLE) RETURNS DOUBLE LANGUAGE PYTHON AS $$
from vivarium import udaf
@udaf
class py_mean:
    def create_accumulator(self): return [0.0, 0]
    def accumulate(self, acc, x: float):
        acc[0] += x
        acc[1] += 1
    def merge(self, acc, other):
        acc[0] += other[0]
        acc[1] += other[1]
    def get_value(self, acc) -> float: return acc[0] / acc[1]
$$";
    let words = "CREATE FUNCTION letters(word VARCHAR) RETURNS TABLE (letter VARCHAR) LANGUAGE PYTHON AS $$
def letters(word):
    for letter in word: yield letter,
$$";
    let fails = "CREATE FUNCTION fails(x BIGINT) RETURNS BIGINT LANGUAGE PYTHON AS $$
def fails(x):
    if x % 10 == 0: raise ValueError(x)
    return x
$$";
    let table = "CREATE TABLE t AS SELECT value AS x FROM generate_series(1, 1000)";
    let session = session_with(&[DOUBLED, py_mean, words, fails, table, "SET vivarium.on_error = 'null'"]).await;
    let analyzed = shown(&session, "EXPLAIN ANALYZE SELECT doubled(x), fails(x) FROM t").await;
    for expected in [
        "doubled.rows=1000",
        "doubled.calls=",
        "doubled.time_in_guest=",
        "doubled.time_copying=",
        "doubled.peak_memory=",
    ] {
        assert!(analyzed.replace("1.00 K", "1000").contains(expected), "{expected} is not in\n{analyzed}");
    }
    assert!(analyzed.contains("fails.errors=100"), "{analyzed}");
    for counted in ["doubled.rows_as_columns=0", "doubled.programs_dropped=0"] {
        assert!(analyzed.contains(counted), "{counted} is not in\n{analyzed}");
    }
    assert!(analyzed.replace("1.00 K", "1000").contains("doubled.rows_interpreted=1000"), "{analyzed}");
    assert!(analyzed.contains("doubled.errors=0"), "{analyzed}");
    let analyzed = shown(&session, "EXPLAIN ANALYZE SELECT x % 3, py_mean(x) FROM t GROUP BY x % 3").await;
    assert!(analyzed.contains("py_mean.rows=") && analyzed.contains("py_mean.instances="), "{analyzed}");
    let analyzed = shown(&session, "EXPLAIN ANALYZE SELECT * FROM letters('abc')").await;
    assert!(analyzed.contains("letters.rows=1"), "{analyzed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explain_analyze_tells_how_rows_ran() {
    let python = crate::support::functions().await.columns(vivarium::ColumnMode::Force).build();
    let session = crate::support::session(&python);
    let share = "CREATE FUNCTION share(x BIGINT) RETURNS BIGINT LANGUAGE PYTHON AS $$
def share(x): return 100 // (x % 4)
$$";
    let table = "CREATE TABLE t AS SELECT value AS x FROM generate_series(1, 100)";
    run(&session, &[share, table, "SET vivarium.on_error = 'null'"]).await;
    let query = "EXPLAIN ANALYZE SELECT share(x) FROM t";
    let analyzed = shown(&session, query).await;
    for counted in ["share.rows_as_columns=75", "share.rows_interpreted=25", "share.errors=25"] {
        assert!(analyzed.contains(counted), "{counted} is not in\n{analyzed}");
    }
    run(&session, &["SET vivarium.columns = 'off'"]).await;
    let analyzed = shown(&session, query).await;
    for counted in ["share.rows_as_columns=0", "share.rows_interpreted=100"] {
        assert!(analyzed.contains(counted), "{counted} is not in\n{analyzed}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_functions_of_one_file() {
    let functions: String = (0..999).map(|i| format!("@udf\ndef f{i}(x: int) -> int: return x + {i}\n")).collect();
    let source = vivarium::FunctionSource::inline("many.py", format!("from vivarium import udf\n{functions}"));
    let python = crate::support::functions().await.build();
    let session = crate::support::session(&python);
    let registered = python.register(&session, source, None).await.unwrap();
    assert_eq!((registered.len(), registered[7].name.as_str()), (999, "f7"));
    assert_eq!(python.functions(&session).len(), 999);
    let found =
        pretty_format_batches(&rows(&session, "SELECT f0(1) + f998(0) AS sum").await.unwrap()).unwrap().to_string();
    assert!(found.contains("999"), "{found}");
}

/// DataFusion is also used without worker threads.
#[tokio::test(flavor = "current_thread")]
async fn on_a_runtime_of_one_thread() {
    let session = session_with(&[DOUBLED, "CREATE TABLE t AS SELECT value AS x FROM generate_series(1, 10)"]).await;
    run(&session, &["SELECT doubled(x), doubled(21) FROM t"]).await;
    let sum = shown(&session, "SELECT sum(CASE WHEN x > 5 THEN doubled(x) ELSE 0 END) FROM t").await;
    assert!(sum.contains("80"), "{sum}");
}
