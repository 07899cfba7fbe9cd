//! Batches of any size, and groups in any order.

use std::sync::Arc;

use arrow::array::{AsArray, Int64Array, RecordBatch};
use arrow::datatypes::Int64Type;
use datafusion::datasource::MemTable;
use datafusion::prelude::{SessionContext, col};

use crate::support::{rows, run, session_with};

const DOUBLED: &str = "CREATE FUNCTION doubled(x BIGINT) RETURNS BIGINT LANGUAGE PYTHON AS $$
def doubled(x): return 2 * x
$$";

/// A sum that can be merged, and one whose rows are kept.
const SUMS: [&str; 2] = [
    "CREATE FUNCTION merged(x BIGINT) RETURNS BIGINT LANGUAGE PYTHON AS $$
import numpy as np
from vivarium import udaf
@udaf(vectorized=True)
class merged:
    def create_accumulator(self, groups): return np.zeros(groups, np.int64)
    def accumulate(self, acc, groups, x: int): np.add.at(acc, groups, x)
    def merge(self, acc, groups, other): np.add.at(acc, groups, other)
    def get_value(self, acc) -> int: return acc
$$",
    "CREATE FUNCTION kept(x BIGINT) RETURNS BIGINT LANGUAGE PYTHON AS $$
from vivarium import udaf
@udaf
class kept:
    def create_accumulator(self): return [0]
    def accumulate(self, acc, x: int): acc[0] += x
    def get_value(self, acc) -> int: return acc[0]
$$",
];

async fn sum(session: &SessionContext, sql: &str) -> i64 {
    let batches = rows(session, sql).await.unwrap();
    batches[0].column(0).as_primitive::<Int64Type>().value(0)
}

fn numbers(range: std::ops::Range<i64>) -> Arc<Int64Array> {
    Arc::new(Int64Array::from_iter_values(range))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_large_batch_and_empty_ones() {
    let session = session_with(&[DOUBLED, SUMS[0], SUMS[1]]).await;
    let batch = |range| RecordBatch::try_from_iter([("x", numbers(range) as _)]).unwrap();
    let partitions = vec![vec![batch(0..0), batch(0..100_000), batch(0..0)], vec![batch(0..0)], vec![]];
    let table = MemTable::try_new(batch(0..0).schema(), partitions).unwrap();
    session.register_table("t", Arc::new(table)).unwrap();
    let expected = (0..100_000).sum::<i64>();
    assert_eq!(sum(&session, "SELECT sum(doubled(x)) FROM t").await, 2 * expected);
    assert_eq!(sum(&session, "SELECT merged(x) FROM t").await, expected);
    assert_eq!(sum(&session, "SELECT kept(x) FROM t").await, expected);
}

/// Groups leave in the order of their keys while rows still come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_of_sorted_rows() {
    let session = session_with(&SUMS).await;
    let batch = |range: std::ops::Range<i64>| {
        let keys = Int64Array::from_iter_values(range.clone().map(|x| x / 2));
        RecordBatch::try_from_iter([("k", Arc::new(keys) as _), ("x", numbers(range) as _)]).unwrap()
    };
    let batches: Vec<_> = (0..200).map(|part| batch(part * 1000..(part + 1) * 1000)).collect();
    let table = MemTable::try_new(batches[0].schema(), vec![batches]).unwrap();
    let table = table.with_sort_order(vec![vec![col("k").sort(true, false)]]);
    session.register_table("t", Arc::new(table)).unwrap();
    run(&session, &["SET datafusion.execution.target_partitions = 1"]).await;
    for function in ["merged", "kept"] {
        let sql = format!("SELECT sum(s) FROM (SELECT k, {function}(x) - (4 * k + 1) AS s FROM t GROUP BY k)");
        let plan = session.sql(&sql).await.unwrap().create_physical_plan().await.unwrap();
        let plan = datafusion::physical_plan::displayable(plan.as_ref()).indent(false).to_string();
        assert!(plan.contains("ordering_mode=Sorted"), "{plan}");
        assert_eq!(sum(&session, &sql).await, 0, "{function}");
        assert_eq!(
            sum(&session, &format!("SELECT count(*) FROM (SELECT k, {function}(x) FROM t GROUP BY k)")).await,
            100_000
        );
    }
}
