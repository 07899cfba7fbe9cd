//! A pool lends each sandbox to one user at a time, in order, and replaces those that die.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake};
use std::time::Duration;

use arrow::datatypes::DataType;
use common::{ECHO, Guest, column, config};
use futures::FutureExt;
use serde_json::json;
use vivarium_sandbox::{
    CallLimits, Error, Image, JobId, LimitKind, Pool, Runtime, RuntimeConfig, SandboxConfig, TaskId, Tenant, TenantId,
    TenantLimits,
};

/// A pool whose set-up numbers the sandboxes. `op` 1 traps.
fn pool(size: usize) -> Pool<usize> {
    let guest = Guest { invoke: format!("(if (local.get $op) (then unreachable)) {ECHO}"), ..Guest::default() };
    let count = Arc::new(AtomicUsize::new(0));
    Pool::new(&guest.image(), config(), size, move |sandbox| {
        let number = count.fetch_add(1, Ordering::Relaxed);
        async move {
            sandbox.control(&json!({"op": "load"})).await?;
            Ok(number)
        }
        .boxed()
    })
}

#[tokio::test]
async fn sandboxes_are_started_when_needed_and_used_again() {
    let pool = pool(2);
    assert_eq!(pool.metrics().instances_started, 0);
    for _ in 0..3 {
        let lease = pool.checkout().await.unwrap();
        assert_eq!(*lease.value(), 0);
    }
    let (first, second) = (pool.checkout().await.unwrap(), pool.checkout().await.unwrap());
    assert_eq!((*first.value(), *second.value()), (0, 1));
    assert!(pool.checkout().now_or_never().is_none(), "the pool has no third");
    assert_eq!(pool.metrics().instances_started, 2);
}

#[tokio::test]
async fn those_who_wait_are_served_in_order() {
    let pool = pool(1);
    let lease = pool.checkout().await.unwrap();
    let (sender, mut served) = tokio::sync::mpsc::unbounded_channel();
    let mut waiting = Vec::new();
    for number in 0..10 {
        let (pool, sender) = (pool.clone(), sender.clone());
        let mut wait = Box::pin(async move {
            let _lease = pool.checkout().await.unwrap();
            sender.send(number).unwrap();
        });
        assert!(futures::poll!(&mut wait).is_pending());
        waiting.push(wait);
    }
    drop((lease, sender));
    futures::future::join_all(waiting).await;
    for number in 0..10 {
        assert_eq!(served.recv().await, Some(number));
    }
}

#[tokio::test]
async fn a_dead_sandbox_is_replaced_and_its_siblings_go_on() {
    let pool = pool(2);
    pool.warm_up().await.unwrap();
    let (mut victim, mut sibling) = (pool.checkout().await.unwrap(), pool.checkout().await.unwrap());
    let dead = *victim.value();
    let error = victim.invoke(1, 1, 3, &[column()], &DataType::Int64).await.unwrap_err();
    assert!(matches!(error, Error::Trap { .. }));
    drop(victim);
    let result = sibling.invoke(1, 0, 3, &[column()], &DataType::Int64).await.unwrap();
    assert_eq!(&result.array, &column());

    let mut replacement = pool.checkout().await.unwrap();
    assert!(*replacement.value() == 2 && dead < 2);
    replacement.invoke(1, 0, 3, &[column()], &DataType::Int64).await.unwrap();
    let metrics = pool.metrics();
    assert_eq!((metrics.instances_started, metrics.instances_replaced), (3, 1));
    assert_eq!(replacement.task().tenant().usage().instances, 2);
}

#[tokio::test]
async fn a_cancelled_call_costs_the_pool_nothing_but_its_sandbox() {
    let guest = Guest { invoke: common::LOOP.into(), ..Guest::default() };
    let pool = Pool::new(&guest.image(), config(), 1, |_| async { Ok(()) }.boxed());
    for _ in 0..5 {
        let mut lease = pool.checkout().await.unwrap();
        let columns = [column()];
        let call = lease.invoke(1, 0, 3, &columns, &DataType::Int64);
        assert!(call.now_or_never().is_none());
    }
    assert!(pool.checkout().await.unwrap().is_alive());
}

#[tokio::test]
async fn a_set_up_that_fails_fails_the_checkout() {
    let pool: Pool<()> = Pool::new(&Guest::default().image(), config(), 1, |_| async { Err(Error::Exit(1)) }.boxed());
    for _ in 0..2 {
        assert!(matches!(pool.checkout().await, Err(Error::Exit(1))));
    }
}

/// A configuration of a task of a tenant of its own.
fn config_of(limits: &TenantLimits) -> SandboxConfig {
    let tenant = Tenant::new(TenantId::new("acme").unwrap(), limits);
    let task = tenant.task(JobId::new("job").unwrap(), TaskId::new("0").unwrap());
    config().with_task(task)
}

fn pool_of(image: &Image, config: &SandboxConfig, size: usize) -> Pool<()> {
    Pool::new(image, config.clone(), size, |_| async { Ok(()) }.boxed())
}

async fn call(pool: &Pool<()>) {
    let mut lease = pool.checkout().await.unwrap();
    lease.invoke(1, 0, 3, &[column()], &DataType::Int64).await.unwrap();
}

#[tokio::test]
async fn a_pool_with_members_waits_for_one_when_its_tenant_has_no_room() {
    let config = config_of(&TenantLimits::default().with_instances(2));
    let pool = pool_of(&Guest::default().image(), &config, 4);
    let (one, _two) = (pool.checkout().await.unwrap(), pool.checkout().await.unwrap());
    assert!(pool.checkout_free().await.unwrap().is_none());
    let mut third = Box::pin(pool.checkout());
    let mut fourth = Box::pin(pool.checkout());
    assert!(futures::poll!(&mut third).is_pending() && futures::poll!(&mut fourth).is_pending());
    drop(one);
    assert!(futures::poll!(&mut fourth).is_pending(), "the third came first");
    drop(third.await.unwrap());
    fourth.await.unwrap();
    assert_eq!(pool.metrics().instances_started, 2);
    // Who asks for all of them now is told why there are no more.
    let error = pool.warm_up().await.unwrap_err();
    assert!(matches!(&error, Error::Limit(limit) if limit.limit == LimitKind::TenantInstances), "{error}");
}

#[tokio::test]
async fn waiting_for_a_member_ends_when_there_is_none_any_more() {
    let config = config_of(&TenantLimits::default().with_instances(1));
    let guest = Guest { invoke: format!("(if (local.get $op) (then unreachable)) {ECHO}"), ..Guest::default() };
    let pool = pool_of(&guest.image(), &config, 2);
    let mut dying = pool.checkout().await.unwrap();
    let mut waiting = Box::pin(pool.checkout());
    assert!(futures::poll!(&mut waiting).is_pending());
    dying.invoke(1, 1, 3, &[column()], &DataType::Int64).await.unwrap_err();
    drop(dying);
    assert!(waiting.await.unwrap().is_alive());
}

#[tokio::test]
async fn idle_members_of_a_tenants_other_pools_make_room() {
    let image = Guest::default().image();
    let config = config_of(&TenantLimits::default().with_instances(3));
    let (first, second) = (pool_of(&image, &config, 3), pool_of(&image, &config, 3));
    first.warm_up().await.unwrap();
    assert_eq!(config.task.tenant().usage().instances, 3);
    call(&second).await;
    // Lent out, they make room when they come back.
    let leases = [first.checkout().await.unwrap(), first.checkout().await.unwrap()];
    let third = pool_of(&image, &config, 1);
    let lease = second.checkout().await.unwrap();
    let mut waiting = Box::pin(third.checkout());
    assert!(futures::poll!(&mut waiting).is_pending());
    drop(leases);
    waiting.await.unwrap();
    drop(lease);
    assert!(config.task.tenant().usage().instances <= 3);
}

#[tokio::test]
async fn pools_that_have_no_member_are_served_in_order() {
    let image = Guest::default().image();
    let config = config_of(&TenantLimits::default().with_instances(1));
    let first = pool_of(&image, &config, 1);
    let lease = first.checkout().await.unwrap();
    let pools: Vec<_> = (0..5).map(|_| pool_of(&image, &config, 1)).collect();
    let (sender, mut served) = tokio::sync::mpsc::unbounded_channel();
    let mut waiting = Vec::new();
    for (number, pool) in pools.iter().enumerate() {
        let sender = sender.clone();
        let mut wait = Box::pin(async move {
            call(pool).await;
            sender.send(number).unwrap();
        });
        assert!(futures::poll!(&mut wait).is_pending());
        waiting.push(wait);
    }
    drop((lease, sender));
    futures::future::join_all(waiting).await;
    for number in 0..5 {
        assert_eq!(served.recv().await, Some(number));
    }
}

/// A plan with five calls of functions on eight cores, of a tenant that may have four sandboxes.
#[tokio::test]
async fn more_calls_and_cores_than_a_tenant_has_instances() {
    let image = Guest::default().image();
    let config = config_of(&TenantLimits::default().with_instances(4));
    let pools: Vec<_> = (0..5).map(|_| pool_of(&image, &config, 8)).collect();
    let partition = async || {
        for _ in 0..5 {
            for pool in &pools {
                call(pool).await;
            }
        }
    };
    futures::future::join_all((0..8).map(|_| partition())).await;
    assert!(config.task.tenant().usage().instances <= 4);
}

#[tokio::test]
async fn memory_of_a_tenant_makes_pools_wait_too() {
    let image = Guest { memory: 16, ..Guest::default() }.image();
    let config = config_of(&TenantLimits::default().with_memory(3 << 20));
    let (first, second) = (pool_of(&image, &config, 3), pool_of(&image, &config, 3));
    first.warm_up().await.unwrap();
    call(&second).await;
    let leases = [first.checkout().await.unwrap(), first.checkout().await.unwrap()];
    let mut more = Box::pin(first.checkout());
    assert!(futures::poll!(&mut more).is_pending());
    drop(leases);
    more.await.unwrap();
    // What no sandbox has room for is an error all the same.
    let small = config_of(&TenantLimits::default().with_memory(1 << 19));
    let refused = pool_of(&image, &small, 1).checkout().await;
    assert!(matches!(&refused, Err(Error::Limit(limit)) if limit.limit == LimitKind::TenantMemory), "{refused:?}");
}

/// How often a future's task was woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A start that fails gives back what it had, which is no reason to try again.
#[tokio::test]
async fn who_waits_for_memory_sleeps_until_there_is_some() {
    let image = Guest { memory: 16, ..Guest::default() }.image();
    for limits in [TenantLimits::default().with_memory(1 << 20), TenantLimits::default().with_host_memory(20 << 20)] {
        let config = config_of(&limits);
        let (first, second) = (pool_of(&image, &config, 1), pool_of(&image, &config, 1));
        let lease = first.checkout().await.unwrap();
        let mut waiting = Box::pin(second.checkout());
        let woken = Arc::new(Woken::default());
        let waker = Arc::clone(&woken).into();
        assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        assert_eq!((woken.0.load(Ordering::Relaxed), config.task.tenant().usage().waiting), (0, 1));
        drop(lease);
        waiting.await.unwrap();
    }
}

#[tokio::test]
async fn slots_of_the_process_are_shared_among_tenants() {
    let runtime = Runtime::new(RuntimeConfig::default().with_sandboxes(2)).unwrap();
    let image = Image::from_wasm_bytes(&runtime, &Guest::default().wasm()).unwrap();
    let (greedy, modest) = (config_of(&TenantLimits::default()), config_of(&TenantLimits::default()));
    let greedy_pool = pool_of(&image, &greedy, 4);
    let leases = [greedy_pool.checkout().await.unwrap(), greedy_pool.checkout().await.unwrap()];
    let other = pool_of(&image, &greedy, 1);
    let mut more = Box::pin(other.checkout());
    assert!(futures::poll!(&mut more).is_pending());
    let modest_pool = pool_of(&image, &modest, 1);
    let mut waiting = Box::pin(modest_pool.checkout());
    assert!(futures::poll!(&mut waiting).is_pending());
    let [one, _two] = leases;
    drop(one);
    let lease = waiting.await.unwrap();
    assert!(futures::poll!(&mut more).is_pending(), "the greedy one asked first, and has one already");
    drop(lease);
    more.await.unwrap();
}

/// Nobody comes back: then the limit is an error.
#[tokio::test]
async fn waiting_for_room_has_an_end() {
    let limits = common::limits().with_queue_time(Duration::from_millis(20));
    let config = config_of(&TenantLimits::default().with_instances(1)).with_limits(limits);
    let image = Guest::default().image();
    let (pool, other) = (pool_of(&image, &config, 2), pool_of(&image, &config, 2));
    let _lease = pool.checkout().await.unwrap();
    for pool in [&pool, &other] {
        let refused = pool.checkout().await;
        assert!(
            matches!(&refused, Err(Error::Limit(limit)) if limit.limit == LimitKind::TenantInstances),
            "{refused:?}"
        );
    }
    assert_eq!(config.task.tenant().usage().instances, 1);
}

/// Many calls that could all go on, on one core: each takes its own time only.
#[tokio::test]
async fn a_busy_host_ends_no_call() {
    let spin = format!(
        "(local $i i32)
         (loop $again
           (local.set $i (i32.add (local.get $i) (i32.const 1)))
           (br_if $again (i32.lt_u (local.get $i) (i32.const 30000000))))
         {ECHO}"
    );
    let runtime = Runtime::new(RuntimeConfig::default().with_cores(1).with_sandboxes(16)).unwrap();
    let guest = Guest { invoke: spin, ..Guest::default() };
    let image = Image::from_wasm_bytes(&runtime, &guest.wasm()).unwrap();
    let limits = common::limits().with_batch_time(Duration::from_secs(60));
    let config = config().with_limits(limits);
    let pool = pool_of(&image, &config, 16);
    call(&pool).await;
    let alone = config.task.cpu_time();
    // A quarter of what the calls wait for each other.
    let time = Some(alone * 4);
    let calls = (0..16).map(|_| async {
        let mut lease = pool.checkout().await.unwrap();
        lease.limit_calls(&CallLimits::default().with_time(time));
        lease.invoke(1, 0, 3, &[column()], &DataType::Int64).await.map(drop)
    });
    for result in futures::future::join_all(calls).await {
        result.unwrap();
    }
}
