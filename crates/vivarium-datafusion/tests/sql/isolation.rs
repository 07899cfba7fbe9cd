//! Sessions and tenants in one process: what one does to itself does not disturb another, and what ends is gone.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use vivarium_sandbox::{JobId, Tenant, TenantId, TenantLimits};

use crate::support::{functions, rows, run, session};

const HONEST: &str = "CREATE FUNCTION doubled(x BIGINT) RETURNS BIGINT LANGUAGE PYTHON AS $$
def doubled(x): return 2 * x
$$";

/// Functions that try to stall, crash, fill and outlive.
const HOSTILE: [(&str, &str); 5] = [
    ("spins", "    while True: pass"),
    ("sleeps", "    import time\n    time.sleep(1000)"),
    ("fills", "    kept = []\n    while True: kept.append(bytearray(1 << 24))"),
    ("leaves", "    import os\n    os._exit(1)"),
    ("recurses", "    return recurses(x)"),
];

fn tenant(name: &str, limits: &TenantLimits) -> Arc<Tenant> {
    Tenant::new(TenantId::new(name).unwrap(), limits)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hostile_session_disturbs_no_other() {
    let limits = TenantLimits::default().with_instances(8).with_memory(2 << 30);
    let (good, evil) = (tenant("good", &limits), tenant("evil", &limits));
    let job = |name| JobId::new(name).unwrap();
    let honest = session(&functions().await.tenant(&good, job("reports")).build());
    let hostile = session(&functions().await.tenant(&evil, job("mischief")).build());
    run(&honest, &[HONEST]).await;
    run(&hostile, &["SET vivarium.batch_time = '300ms'", "SET vivarium.memory = '128MiB'"]).await;
    for (name, body) in HOSTILE {
        let create = format!(
            "CREATE FUNCTION {name}(x BIGINT) RETURNS BIGINT LANGUAGE PYTHON AS $$\ndef {name}(x):\n{body}\n$$"
        );
        run(&hostile, &[&create]).await;
    }
    let attacks = HOSTILE.map(|(name, _)| {
        let hostile = hostile.clone();
        tokio::spawn(async move {
            let sql = format!("SELECT {name}(value) FROM generate_series(1, 1000)");
            rows(&hostile, &sql).await.expect_err(name)
        })
    });
    for _ in 0..20 {
        let batches = rows(&honest, "SELECT sum(doubled(value)) FROM generate_series(1, 1000)").await.unwrap();
        assert_eq!(
            arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(batches[0].column(0)).value(0),
            1_001_000
        );
    }
    for attack in attacks {
        let error = attack.await.unwrap();
        assert!(vivarium_datafusion::find_error(&error).is_some(), "{error}");
    }
    // Everything that ran has ended, and its memory is back.
    drop((honest, hostile));
    for tenant in [good, evil] {
        settled(&tenant).await;
    }
}

/// Waits until a tenant has no sandbox any more. A replacement for one that died may be starting when a query ends.
async fn settled(tenant: &Tenant) {
    let ended = async {
        while tenant.usage().instances > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), ended).await.expect("instances are left");
    assert_eq!(tenant.usage().memory, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_that_is_dropped_stops_its_guests() {
    let tenant = tenant("dropped", &TenantLimits::default());
    let session = session(&functions().await.tenant(&tenant, JobId::new("job").unwrap()).build());
    let spins = "CREATE FUNCTION spins(x BIGINT) RETURNS BIGINT LANGUAGE PYTHON VOLATILE AS $$
def spins(x):
    while x > 0: pass
    return x
$$";
    let spins_in_groups = "CREATE FUNCTION spins_in_groups(x BIGINT) RETURNS BIGINT LANGUAGE PYTHON AS $$
from vivarium import udaf
@udaf
class spins_in_groups:
    def create_accumulator(self): return [0]
    def accumulate(self, acc, x: int):
        while x > 0: pass
    def merge(self, acc, other): pass
    def get_value(self, acc) -> int: return acc[0]
$$";
    let endless = "CREATE FUNCTION endless(x BIGINT) RETURNS TABLE (n BIGINT) LANGUAGE PYTHON AS $$
def endless(x):
    while True: pass
    yield 1,
$$";
    let sink = "CREATE TABLE sink (x BIGINT)";
    run(&session, &[spins, spins_in_groups, endless, sink, "SET vivarium.batch_time = '1h'"]).await;
    settled(&tenant).await;
    for sql in [
        "SELECT spins(value) FROM generate_series(1, 1000)",
        "SELECT CASE WHEN value > 0 THEN spins(value) END FROM generate_series(1, 1000)",
        "SELECT spins_in_groups(value) FROM generate_series(1, 1000)",
        "SELECT value % 2, spins_in_groups(value) FROM generate_series(1, 1000) GROUP BY 1",
        "SELECT * FROM endless(1)",
        "SELECT unnest(endless(value)) FROM generate_series(1, 1000)",
        "SELECT spins_in_groups(value) OVER (ORDER BY value ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM generate_series(1, 9)",
        "SELECT spins_in_groups(value) FILTER (WHERE spins(value) > 0) FROM generate_series(1, 9)",
        "SELECT * FROM generate_series(1, 9) AS a(x) JOIN generate_series(1, 9) AS b(y) ON a.x > spins(b.y + a.x)",
        // Constants, for which planning does not wait.
        "SELECT endless(1)",
        "SELECT spins(1)",
        "INSERT INTO sink VALUES (spins(1))",
    ] {
        let frame = session.sql(sql).await.unwrap();
        let mut query = tokio::spawn(async move {
            let mut stream = frame.execute_stream().await.unwrap();
            // A join's partition without rows gives an empty batch at once.
            loop {
                match stream.next().await {
                    Some(Ok(batch)) if batch.num_rows() == 0 => {}
                    ended => return ended,
                }
            }
        });
        // It has begun when there is an instance.
        let begun = async {
            while tenant.usage().instances == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            ended = &mut query => panic!("{sql} ended: {ended:?}"),
            begun = tokio::time::timeout(Duration::from_secs(60), begun) => begun.expect(sql),
        }
        query.abort();
        settled(&tenant).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_that_fails_stops_the_others() {
    let tenant = tenant("failing", &TenantLimits::default());
    let session = session(&functions().await.tenant(&tenant, JobId::new("job").unwrap()).build());
    let spins_or_fails = "CREATE FUNCTION spins_or_fails(x BIGINT) RETURNS BIGINT LANGUAGE PYTHON AS $$
def spins_or_fails(x):
    if x == 50: raise ValueError('the fiftieth')
    while x > 100: pass
    return x
$$";
    // An instance for each of the three partitions: on fewer, the one that fails would wait for those that spin.
    run(&session, &[spins_or_fails, "SET vivarium.batch_time = '1h'", "SET vivarium.instances = 3"]).await;
    // Batches of a hundred rows: one partition fails, the others would run for an hour.
    run(&session, &["CREATE TABLE numbers AS SELECT value AS x FROM generate_series(1, 1000)"]).await;
    for sql in [
        "SELECT spins_or_fails(x) FROM numbers",
        "SELECT sum(spins_or_fails(x)) FROM numbers",
        "SELECT CASE WHEN x > 0 THEN spins_or_fails(x) END FROM numbers",
    ] {
        let error = tokio::time::timeout(Duration::from_secs(20), rows(&session, sql)).await.expect(sql).unwrap_err();
        assert!(error.to_string().contains("the fiftieth"), "{sql}: {error}");
        settled(&tenant).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_of_one_tenant_share_its_limits_and_nothing_else() {
    let tenant = tenant("shared", &TenantLimits::default());
    let python = functions().await.tenant(&tenant, JobId::new("job").unwrap()).build();
    let (one, other) = (session(&python), session(&python));
    run(&one, &[HONEST, "SET vivarium.memory = '64MiB'"]).await;
    let error = rows(&other, "SELECT doubled(1)").await.unwrap_err().to_string();
    assert!(error.contains("Invalid function 'doubled'"), "{error}");
    let memory = crate::support::shown(&other, "SHOW vivarium.memory").await;
    assert!(memory.contains("256 MiB"), "{memory}");
    run(&other, &[&HONEST.replace("2 * x", "3 * x")]).await;
    for (session, expected) in [(&one, "42"), (&other, "63")] {
        let found = crate::support::shown(session, "SELECT doubled(21)").await;
        assert!(found.contains(expected), "{found}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_has_python_once() {
    let python = functions().await.build();
    let session = session(&python);
    let error = python.install(&session).unwrap_err().to_string();
    assert!(error.contains("has Python functions already"), "{error}");
}
