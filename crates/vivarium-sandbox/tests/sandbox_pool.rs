//! A pool lends each sandbox to one user at a time, in order, and replaces those that die.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::datatypes::DataType;
use common::{ECHO, Guest, column, config};
use futures::FutureExt;
use serde_json::json;
use vivarium_sandbox::{Error, Pool};

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
