//! Declarations and values that take no bytes, and names that are taken.

use vivarium::{ErrorClass, FunctionSource};
use vivarium_datafusion::find_error;

use crate::support::{functions, rows, run, session, session_with, shown};

/// NULLs that an engine makes by itself: in a branch, in an outer join, in a union. Nothing of it is reached, because the type is
/// refused where it is declared.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_type_whose_nulls_take_gigabytes() {
    let python = functions().await.build();
    let session = session(&python);
    for declared in [
        "fixed_size_binary[999999999]",
        "fixed_size_list<item: int64>[999999999]",
        "fixed_size_list<item: fixed_size_binary[999999999]>[999999999]",
        "fixed_size_list<item: null>[999999999]",
        "list<item: fixed_size_binary[999999999]>",
    ] {
        let text = format!("from vivarium import udf\n@udf(result_type=\"{declared}\")\ndef b(a: int): return None\n");
        let error = python.register(&session, FunctionSource::inline("b.py", &text), None).await.unwrap_err();
        let found = find_error(&error).unwrap();
        assert!(found.to_string().contains("at most 32768 are possible"), "{declared}: {found}");
        assert!(found.class() == ErrorClass::Python && found.body_line() == Some(3), "{declared}: {found:?}");
        let create = format!("CREATE FUNCTION b(a BIGINT) LANGUAGE PYTHON AS $$\n{text}$$");
        let error = rows(&session, &create).await.unwrap_err().to_string();
        assert!(error.contains("at most 32768 are possible"), "{declared}: {error}");
    }
    let plain = "LANGUAGE PYTHON AS $$\ndef b(a): return None\n$$";
    let declared =
        "LANGUAGE PYTHON AS $$\nfrom pyflink.table.udf import udf\n@udf(result_type='BIGINT')\ndef b(a): return 1\n$$";
    for (create, what) in [
        (format!("CREATE FUNCTION b(a BIGINT) RETURNS BIGINT[999999999] {plain}"), "the result"),
        (format!("CREATE FUNCTION b(a BIGINT) RETURNS TABLE (x BIGINT[999999999]) {plain}"), "the result"),
        (format!("CREATE FUNCTION b(a BIGINT[999999999]) RETURNS BIGINT {plain}"), "parameter 1"),
        (
            format!("CREATE FUNCTION b(a BIGINT, c BIGINT[999999999][] DEFAULT NULL) RETURNS BIGINT {declared}"),
            "parameter 2",
        ),
    ] {
        let error = rows(&session, &create).await.unwrap_err();
        let found = find_error(&error).unwrap_or_else(|| panic!("{create}: {error}"));
        assert_eq!(found.class(), ErrorClass::Usage);
        let said = found.to_string();
        assert!(
            said.contains(&format!("function b: {what}: a value of type")) && said.contains("at most 32768"),
            "{said}"
        );
    }
    // The session goes on.
    run(&session, &["SELECT 1"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn types_within_the_bound_have_nulls() {
    let hashed = "CREATE FUNCTION hashed(a BIGINT) LANGUAGE PYTHON AS $$
from vivarium import udf
@udf(result_type='fixed_size_binary[32768]')
def hashed(a: int): return bytes(32768)
$$";
    let session = session_with(&[hashed, "CREATE TABLE t AS SELECT value AS a FROM generate_series(1, 300)"]).await;
    for sql in [
        "SELECT count(h) FROM (SELECT CASE WHEN a > 100000 THEN hashed(a) END AS h FROM t)",
        "SELECT count(h) FROM (SELECT t.a, u.h FROM t LEFT JOIN (SELECT a, hashed(a) AS h FROM t WHERE a < 0) AS u ON t.a = u.a)",
        "SELECT count(h) FROM (SELECT a, hashed(a) AS h FROM t WHERE a < 0 UNION ALL SELECT a, NULL FROM t)",
    ] {
        let found = shown(&session, sql).await;
        assert!(found.contains("| 0 "), "{sql}\n{found}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nulls_without_bytes_are_counted() {
    let nulls = "CREATE FUNCTION nulls(n BIGINT) LANGUAGE PYTHON AS $$
from vivarium import udf
@udf(result_type='list<item: null>')
def nulls(n: int): return [None] * n
$$";
    let pieces = "CREATE FUNCTION pieces(n BIGINT) LANGUAGE PYTHON AS $$
from vivarium import udtf
@udtf(result_type='table(a list<item: null>)')
def pieces(n: int):
    for _ in range(4): yield [None] * n,
$$";
    let session = session_with(&[nulls, pieces]).await;
    let limit = |error: datafusion::error::DataFusionError| {
        assert_eq!(find_error(&error).map(|error| error.class()), Some(ErrorClass::Limit), "{error}");
        assert!(error.to_string().contains("`output_items`"), "{error}");
    };
    for sql in [
        "SELECT nulls(20000000)",
        "SELECT nulls(value * 20000000) FROM generate_series(1, 1)",
        "SELECT CASE WHEN value > 0 THEN nulls(20000000) END FROM generate_series(1, 1)",
        // Four pieces of one row, that are collected for its list.
        "SELECT unnest(pieces(6000000))",
    ] {
        limit(rows(&session, sql).await.unwrap_err());
    }
    run(&session, &["SET vivarium.output_items = 1000"]).await;
    limit(rows(&session, "SELECT nulls(1001)").await.unwrap_err());
    run(&session, &["SELECT nulls(1000)"]).await;
}

/// A function of a file must not take a name that already means something in every statement.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_of_the_engine_are_not_taken() {
    let python = functions().await.build();
    let session = session(&python);
    for name in ["sum", "count", "SUM", "abs", "row_number", "generate_series"] {
        let text = format!(
            "from vivarium import udf\n@udf(name='{name}')\ndef f(x: int) -> int: return 0\n@udf\ndef g(x: int) -> int: return 0\n"
        );
        let error = python.register(&session, FunctionSource::inline("own.py", &text), None).await.unwrap_err();
        let found = find_error(&error).unwrap();
        let said = found.to_string();
        assert!(said.contains("function of the engine has this name") && said.contains("@udf(name="), "{name}: {said}");
        assert_eq!((found.class(), found.function()), (ErrorClass::Usage, Some(name)));
        // All functions of a source or none.
        assert_eq!(python.functions(&session), []);
        let create = format!(
            "CREATE FUNCTION \"{name}\"(x BIGINT) RETURNS BIGINT LANGUAGE PYTHON AS $$\ndef f(x): return 0\n$$"
        );
        let error = rows(&session, &create).await.unwrap_err().to_string();
        assert!(error.contains("function of the engine has this name, and is not replaced silently"), "{error}");
    }
    let found = shown(&session, "SELECT sum(value), count(value) FROM generate_series(1, 3)").await;
    assert!(found.contains("| 6 ") && found.contains("| 3 "), "{found}");
    // Our own are replaced, of whatever kind.
    let own = |value| {
        FunctionSource::inline(
            "own.py",
            format!("from vivarium import udf\n@udf\ndef own(x: int) -> int: return {value}\n"),
        )
    };
    python.register(&session, own(1), None).await.unwrap();
    python.register(&session, own(2), None).await.unwrap();
    assert!(shown(&session, "SELECT own(0)").await.contains("| 2 "));
}
