//! A pool replaces instances that have done enough, and ends those that nobody needs.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arrow::datatypes::DataType;
use common::{Guest, column, config_with, limits};
use futures::FutureExt;
use vivarium_sandbox::{Limits, Pool};

/// A pool whose set-up numbers the sandboxes, and how many were said goodbye to.
fn pool(limits: Limits, size: usize) -> (Pool<usize>, Arc<AtomicUsize>) {
    let (count, retired) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let pool = Pool::new(&Guest::default().image(), config_with(limits), size, move |_| {
        let number = count.fetch_add(1, Ordering::Relaxed);
        async move { Ok(number) }.boxed()
    });
    let told = Arc::clone(&retired);
    pool.on_retire(move |sandbox, _| {
        let told = Arc::clone(&told);
        async move {
            assert!(sandbox.is_alive(), "it can be asked for a last time");
            told.fetch_add(1, Ordering::Relaxed);
        }
        .boxed()
    });
    (pool, retired)
}

/// Makes a call and says in which sandbox.
async fn call(pool: &Pool<usize>) -> usize {
    let mut lease = pool.checkout().await.unwrap();
    lease.invoke(1, 0, 3, &[column()], &DataType::Int64).await.unwrap();
    *lease.value()
}

#[tokio::test]
async fn an_instance_is_replaced_after_as_many_calls_as_it_may_make() {
    let (pool, retired) = pool(limits().with_instance_calls(Some(3)), 1);
    let mut instances = Vec::new();
    for _ in 0..8 {
        instances.push(call(&pool).await);
    }
    assert_eq!(instances, [0, 0, 0, 1, 1, 1, 2, 2]);
    let metrics = pool.metrics();
    assert_eq!((metrics.instances_started, metrics.instances_replaced, metrics.instances_retired), (3, 0, 2));
    assert_eq!(retired.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn an_instance_is_replaced_after_as_many_bytes_as_it_may_copy() {
    let (pool, retired) = pool(limits().with_instance_bytes(Some(1)), 1);
    assert_eq!([call(&pool).await, call(&pool).await, call(&pool).await], [0, 1, 2]);
    // The last one goes just now.
    assert_eq!(pool.metrics().instances_retired, 3);
    assert!(retired.load(Ordering::Relaxed) >= 2);
}

#[tokio::test]
async fn an_instance_that_is_lent_is_not_replaced_in_the_middle() {
    let (pool, _) = pool(limits().with_instance_calls(Some(1)), 1);
    let mut lease = pool.checkout().await.unwrap();
    for _ in 0..5 {
        lease.invoke(1, 0, 3, &[column()], &DataType::Int64).await.unwrap();
    }
    assert_eq!(*lease.value(), 0);
    drop(lease);
    assert_eq!(call(&pool).await, 1);
}

#[tokio::test]
async fn instances_that_nobody_needs_are_ended_and_started_again_when_somebody_does() {
    let (pool, retired) = pool(limits().with_idle_time(Some(Duration::from_millis(1))), 3);
    pool.warm_up().await.unwrap();
    // However long that takes: until the last one is gone.
    while pool.metrics().memory > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!((pool.metrics().instances_retired, retired.load(Ordering::Relaxed)), (3, 3));
    assert_eq!(call(&pool).await, 3);
}

#[tokio::test]
async fn without_a_time_instances_stay() {
    let (pool, _) = pool(limits(), 2);
    pool.warm_up().await.unwrap();
    assert_eq!(pool.metrics().instances_started, 2);
    for _ in 0..100 {
        call(&pool).await;
        tokio::task::yield_now().await;
    }
    assert_eq!((pool.metrics().instances_started, pool.metrics().instances_retired), (2, 0));
}
