//! An operator that panics ends its query with an error, and never with fewer rows.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{ColumnarValue, Volatility, create_udf};
use vivarium_datafusion::{Error, find_error};

use crate::support::{rows, run, session_with};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_is_no_end_of_the_rows() {
    let doubled = "CREATE FUNCTION doubled(x BIGINT) RETURNS BIGINT LANGUAGE PYTHON AS $$
def doubled(x): return 2 * x
$$";
    let total = "CREATE FUNCTION total(x BIGINT) RETURNS BIGINT LANGUAGE PYTHON AS $$
from vivarium import udaf
@udaf
class total:
    def create_accumulator(self): return [0]
    def accumulate(self, acc, x: int): acc[0] += x
    def merge(self, acc, other): acc[0] += other[0]
    def get_value(self, acc) -> int: return acc[0]
$$";
    let session =
        session_with(&[doubled, total, "CREATE TABLE t AS SELECT value AS x FROM generate_series(1, 1000)"]).await;
    let fuse = |values: &[ColumnarValue]| {
        let array = values[0].to_array(1)?;
        assert!(!array.as_primitive::<Int64Type>().values().contains(&777), "a bomb below");
        Ok::<_, DataFusionError>(values[0].clone())
    };
    let fuse = create_udf("fuse", vec![DataType::Int64], DataType::Int64, Volatility::Volatile, Arc::new(fuse));
    session.register_udf(fuse);
    for sql in [
        "SELECT CASE WHEN x > 0 THEN doubled(fuse(x)) END FROM t",
        "SELECT CASE WHEN x > 0 THEN doubled(y) END FROM (SELECT x, fuse(x) AS y FROM t)",
        "SELECT doubled(1), y FROM (SELECT fuse(x) AS y FROM t) WHERE y > 0",
        "SELECT total(fuse(x)) FROM t",
        "SELECT x % 7, total(fuse(x)) FROM t GROUP BY x % 7",
        "SELECT y FROM (SELECT fuse(x) AS y FROM t) ORDER BY CASE WHEN y > 0 THEN doubled(y) END",
    ] {
        let error = rows(&session, sql).await.expect_err(sql);
        assert!(error.to_string().contains("a bomb below"), "{sql}: {error}");
    }
    let error = rows(&session, "SELECT CASE WHEN x > 0 THEN doubled(fuse(x)) END FROM t").await.unwrap_err();
    assert!(matches!(find_error(&error), Some(Error::Panicked { .. })), "{error}");
    // The session goes on.
    run(&session, &["SELECT sum(CASE WHEN x > 0 THEN doubled(x) END) FROM t"]).await;
}
