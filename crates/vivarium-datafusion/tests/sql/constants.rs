//! Calls with constants: planning calls nothing, and a query asks for each value once.

use std::time::Duration;

use datafusion::prelude::SessionContext;
use vivarium::ErrorClass;
use vivarium_datafusion::find_error;
use vivarium_sandbox::{JobId, Tenant, TenantId, TenantLimits};

use crate::support::{functions, rows, run, session, session_with, shown};

const DOUBLED: &str = "CREATE FUNCTION doubled(x BIGINT) RETURNS BIGINT LANGUAGE PYTHON AS $$
def doubled(x): return 2 * x
$$";

/// Another value for every call.
const DRAWN: &str = "CREATE FUNCTION drawn(x BIGINT) RETURNS VARCHAR LANGUAGE PYTHON AS $$
import os
def drawn(x): return os.urandom(16).hex()
$$";

const NUMBERS: &str = "CREATE TABLE t AS SELECT value AS x FROM generate_series(1, 1000)";

async fn plan(session: &SessionContext, sql: &str) -> String {
    let plan = session.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
    datafusion::physical_plan::displayable(plan.as_ref()).indent(false).to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_stay_in_the_plan_and_are_called_by_the_query() {
    let session = session_with(&[DOUBLED, "CREATE TABLE t AS VALUES (1), (84)"]).await;
    let sql = "SELECT * FROM t WHERE column1 = doubled(doubled(21))";
    let plan = plan(&session, sql).await;
    assert!(plan.contains("doubled(doubled(21))") && plan.contains("PythonScopeExec"), "{plan}");
    // One value needs no column.
    assert!(!plan.contains("PythonExec"), "{plan}");
    assert_eq!(rows(&session, sql).await.unwrap().iter().map(|batch| batch.num_rows()).sum::<usize>(), 1);
}

/// One value for all rows, batches, partitions and operators; another for the next query.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_asks_once() {
    let session = session_with(&[DRAWN, NUMBERS]).await;
    for sql in [
        "SELECT count(DISTINCT drawn(1)) = 1 FROM t",
        "SELECT count(*) = 1000 FROM t WHERE drawn(1) = drawn(1)",
        "SELECT count(*) = 1000 FROM (SELECT drawn(1) AS a, x FROM t WHERE length(drawn(1)) = 32) WHERE a = drawn(1)",
        "SELECT count(*) = 1000 FROM (SELECT drawn(1) AS a FROM t) AS one JOIN (SELECT DISTINCT drawn(1) AS b FROM t) AS other ON a = b",
        "SELECT drawn(1) = drawn(1) AND drawn(1) <> drawn(2)",
        "SELECT count(DISTINCT CASE WHEN x > 500 THEN drawn(1) ELSE drawn(1) END) = 1 FROM t",
        "SELECT drawn(1) = (SELECT max(drawn(1)) FROM t)",
    ] {
        let found = shown(&session, sql).await;
        assert!(found.contains("true"), "{sql}\n{found}");
    }
    let (one, other) = (shown(&session, "SELECT drawn(1)").await, shown(&session, "SELECT drawn(1)").await);
    assert_ne!(one, other);
    let analyzed = shown(&session, "EXPLAIN ANALYZE SELECT drawn(7), x FROM t WHERE length(drawn(7)) = 32").await;
    assert!(analyzed.contains("drawn.calls=1") && analyzed.contains("drawn.rows=1"), "{analyzed}");
}

/// More functions in one statement than the process has sandboxes: what is done makes room.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_functions_in_one_statement() {
    let functions: String = (0..300).map(|i| format!("@udf\ndef f{i}(x: int) -> int: return x + {i}\n")).collect();
    let source = vivarium::FunctionSource::inline("many.py", format!("from vivarium import udf\n{functions}"));
    let python = crate::support::functions().await.build();
    let session = session(&python);
    python.register(&session, source, None).await.unwrap();
    let sum = (0..300).map(|i| format!("f{i}(0)")).collect::<Vec<_>>().join(" + ");
    let found = shown(&session, &format!("SELECT {sum} AS sum")).await;
    assert!(found.contains("44850"), "{found}");
}

/// A call that nobody reaches is not made, also when all that it is given is known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_reached_is_not_called() {
    let fails = "CREATE FUNCTION fails(x BIGINT) RETURNS BIGINT LANGUAGE PYTHON AS $$
def fails(x): raise ValueError(x)
$$";
    let session = session_with(&[fails, NUMBERS]).await;
    let found = shown(&session, "SELECT sum(CASE WHEN x > 1000 THEN fails(1) ELSE 1 END) FROM t").await;
    assert!(found.contains("1000"), "{found}");
    let error = rows(&session, "SELECT fails(1)").await.unwrap_err().to_string();
    assert!(error.contains("ValueError: 1"), "{error}");
}

/// Planning waits for nothing, whatever the statement calls, and a query that is dropped stops at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twelve_functions_that_never_return() {
    let tenant = Tenant::new(TenantId::new("endless").unwrap(), &TenantLimits::default());
    let session = session(&functions().await.tenant(&tenant, JobId::new("job").unwrap()).build());
    let create = |n| {
        format!(
            "CREATE FUNCTION f{n}(a BIGINT) RETURNS BIGINT LANGUAGE PYTHON AS $$\ndef f{n}(a):\n    while True: pass\n$$"
        )
    };
    for n in 0..12 {
        run(&session, &[&create(n)]).await;
    }
    let instances = async |wanted: &dyn Fn(u64) -> bool| {
        let reached = async {
            while !wanted(tenant.usage().instances) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), reached).await.expect("the number of instances");
    };
    run(&session, &[NUMBERS, "SET vivarium.batch_time = '1h'"]).await;
    instances(&|count| count == 0).await;
    let all = (0..12).map(|n| format!("f{n}({n})")).collect::<Vec<_>>().join(" + ");
    for sql in [
        format!("SELECT {all}"),
        format!("SELECT * FROM (VALUES ({all}), (f0(1)))"),
        format!("SELECT x FROM t WHERE x = {all}"),
        format!("SELECT x FROM t WHERE x IN (1, {all}) AND CAST(f0(0) AS INT) > 1"),
        format!("SELECT sum(x + f1(1)) FROM t GROUP BY x % f2(2) ORDER BY {all}"),
    ] {
        let frame = session.sql(&sql).await.unwrap();
        let plan = frame.create_physical_plan().await.unwrap();
        // Nothing was called so far.
        assert_eq!(tenant.usage().instances, 0, "{sql}");
        let context = session.task_ctx();
        let query = tokio::spawn(async move { datafusion::physical_plan::collect(plan, context).await });
        instances(&|count| count > 0).await;
        query.abort();
        instances(&|count| count == 0).await;
    }
}

/// Where the planner itself needs a value, the error says what to write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_literal_is_needed() {
    let words = "CREATE FUNCTION words(text VARCHAR) RETURNS TABLE (word VARCHAR) LANGUAGE PYTHON AS $$
def words(text):
    for word in text.split(): yield word,
$$";
    let shouted = "CREATE FUNCTION shouted(text VARCHAR) RETURNS VARCHAR LANGUAGE PYTHON AS $$
def shouted(text): return text.upper()
$$";
    let session = session_with(&[DOUBLED, words, shouted, NUMBERS]).await;
    let with_default =
        "CREATE FUNCTION scaled(x BIGINT, factor BIGINT DEFAULT doubled(1)) RETURNS BIGINT LANGUAGE PYTHON AS $$
def scaled(x, factor): return x * factor
$$";
    for (sql, says) in [
        ("SELECT x FROM t LIMIT doubled(1)", "LIMIT and OFFSET take a number"),
        ("SELECT x FROM t LIMIT 5 OFFSET doubled(1)", "LIMIT and OFFSET take a number"),
        ("SELECT * FROM words(shouted('a b'))", "write unnest(words(...)) in SELECT"),
        (with_default, "the default doubled(Int64(1)) is no constant"),
    ] {
        let error = rows(&session, sql).await.unwrap_err();
        let found = find_error(&error).unwrap_or_else(|| panic!("{sql}: {error}"));
        assert!(found.to_string().contains(says), "{sql}: {found}");
        assert_eq!(found.class(), ErrorClass::Usage, "{sql}");
    }
    let found = shown(&session, "SELECT unnest(words(shouted('a b')))").await;
    assert!(found.contains("| A") && found.contains("| B"), "{found}");
}

/// Files in folders such as `part=2` are left out by a condition on the folder, which a planner looks at.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conditions_on_folders() {
    let folder = tempfile::tempdir().unwrap();
    for part in 1..=3 {
        let below = folder.path().join(format!("part={part}"));
        std::fs::create_dir(&below).unwrap();
        std::fs::write(below.join("data.csv"), format!("x\n{part}0\n")).unwrap();
    }
    let session = session_with(&[DOUBLED]).await;
    let create = format!(
        "CREATE EXTERNAL TABLE parts (x BIGINT, part BIGINT) STORED AS CSV PARTITIONED BY (part) LOCATION '{}/' \
         OPTIONS ('format.has_header' 'true')",
        folder.path().display()
    );
    run(&session, &[&create]).await;
    for (sql, expected) in
        [("SELECT x FROM parts WHERE part = doubled(1)", "20"), ("SELECT x FROM parts WHERE doubled(part) = 6", "30")]
    {
        let found = shown(&session, sql).await;
        assert!(found.contains(expected) && !found.contains("10"), "{sql}\n{found}");
    }
}

/// The tasks of a `LocalSet` cannot hand their thread's work over; nothing of a query waits there.
#[test]
fn within_a_local_set() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    let total = "CREATE FUNCTION total(x BIGINT) RETURNS BIGINT LANGUAGE PYTHON AS $$
from vivarium import udaf
@udaf
class total:
    def create_accumulator(self): return [0]
    def accumulate(self, acc, x: int): acc[0] += x
    def get_value(self, acc) -> int: return acc[0]
$$";
    let queries = async {
        let session = session_with(&[DOUBLED, total, NUMBERS]).await;
        for (sql, expected) in [
            ("SELECT doubled(21)", "42"),
            ("SELECT sum(CASE WHEN x > 999 THEN doubled(x) END) FROM t", "2000"),
            ("SELECT total(x) FROM t", "500500"),
            ("SELECT max(total) FROM (SELECT total(x) AS total FROM t GROUP BY x % 2)", "250500"),
            ("SELECT count(*) FROM t WHERE doubled(x) < doubled(5)", "4"),
            ("SELECT * FROM (VALUES (doubled(4)))", "8"),
        ] {
            let found = shown(&session, sql).await;
            assert!(found.contains(expected), "{sql}\n{found}");
        }
    };
    local.block_on(&runtime, queries);
}
