//! What functions use is charged to the query's memory pool, and given back.

use std::sync::Arc;

use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::SessionContext;
use futures::StreamExt;

use crate::support::{config, functions, rows, run};

const KEEPS: &str = "CREATE FUNCTION keeps(x BIGINT) RETURNS BIGINT LANGUAGE PYTHON AS $$
kept = []
def keeps(x):
    kept.append(bytearray(1 << 20))
    return len(kept)
$$";

const TOTAL: &str = "CREATE FUNCTION total(x BIGINT) RETURNS BIGINT LANGUAGE PYTHON AS $$
from vivarium import udaf
@udaf
class total:
    def create_accumulator(self): return [0, []]
    def accumulate(self, acc, x: int):
        acc[0] += x
        acc[1].append(bytearray(1 << 20))
    def get_value(self, acc) -> int: return acc[0]
    def merge(self, acc, other): acc[0] += other[0]
$$";

async fn session(pool: usize) -> (SessionContext, Arc<dyn MemoryPool>) {
    let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(pool));
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::clone(&pool)).build_arc().unwrap();
    let session = SessionContext::new_with_config_rt(config().with_target_partitions(1), runtime);
    functions().await.build().install(&session).unwrap();
    run(
        &session,
        &[
            KEEPS,
            TOTAL,
            "SET vivarium.memory = '1GiB'",
            "CREATE TABLE t AS SELECT value AS x FROM generate_series(1, 300)",
        ],
    )
    .await;
    (session, pool)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_that_takes_more_than_the_pool_has_is_refused() {
    let (session, pool) = session(200 << 20).await;
    for sql in ["SELECT keeps(x) FROM t", "SELECT CASE WHEN x > 0 THEN keeps(x) END FROM t"] {
        let error = rows(&session, sql).await.unwrap_err().to_string();
        assert!(error.contains("Resources exhausted") || error.contains("Failed to allocate"), "{sql}: {error}");
        assert_eq!(pool.reserved(), 0, "{sql}");
        // The session goes on.
        assert_eq!(rows(&session, "SELECT keeps(x) FROM t LIMIT 1").await.unwrap()[0].num_rows(), 1);
        assert_eq!(pool.reserved(), 0, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guests_and_results_are_charged_while_a_query_runs() {
    let (session, pool) = session(4 << 30).await;
    let padded = "CREATE FUNCTION padded(x BIGINT) RETURNS VARCHAR LANGUAGE PYTHON AS $$
def padded(x): return ' ' * (1 << 16)
$$";
    run(&session, &[padded]).await;
    /// What a guest takes at least, besides what its functions keep.
    const GUEST: usize = 32 << 20;
    for (sql, more) in [("SELECT keeps(x) FROM t", 100 << 20), ("SELECT padded(x) FROM t", 100 << 16)] {
        let mut rows = session.sql(sql).await.unwrap().execute_stream().await.unwrap();
        rows.next().await.unwrap().unwrap();
        // A hundred rows to a batch: a guest that keeps a mebibyte for each, and results of 64 KiB each.
        assert!(pool.reserved() >= GUEST + more, "{sql}: {}", pool.reserved());
        drop(rows);
        assert_eq!(pool.reserved(), 0, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_query_used_is_given_back() {
    let (session, pool) = session(4 << 30).await;
    for sql in ["SELECT keeps(x) FROM t", "SELECT total(x) FROM t", "SELECT x % 2, total(x) FROM t GROUP BY 1"] {
        rows(&session, sql).await.unwrap();
        assert_eq!(pool.reserved(), 0, "{sql}");
    }
}
