use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use super::*;
use crate::tenant::{TenantId, TenantLimits};

/// A task that counts how often it was woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn tenant(name: &str, cpu_weight: u32) -> Arc<Tenant> {
    Tenant::new(TenantId::new(name).unwrap(), &TenantLimits { cpu_weight, ..TenantLimits::default() })
}

fn ticker(scheduler: &Arc<Scheduler>) -> Ticker {
    let engine = wasmtime::Engine::new(&wasmtime::Config::new()).unwrap();
    Ticker::new(&engine, Arc::clone(scheduler), TICK).unwrap()
}

/// The tasks that are ready, in order: an executor.
#[derive(Default)]
struct Ready(std::sync::Mutex<VecDeque<usize>>);

struct Task(Arc<Ready>, usize);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.0.lock().unwrap().push_back(self.1);
    }
}

/// Lets calls of these tenants, each always ready to go on, take `rounds` turns of a millisecond. Returns the turns of each
/// tenant.
fn run(cores: usize, tenants: &[(&Arc<Tenant>, usize)], rounds: usize) -> Vec<usize> {
    let scheduler = Arc::new(Scheduler::new(cores));
    let ticker = ticker(&scheduler);
    let ready = Arc::new(Ready::default());
    let mut calls = Vec::new();
    for (index, (tenant, count)) in tenants.iter().enumerate() {
        for _ in 0..*count {
            let waker = Waker::from(Arc::new(Task(Arc::clone(&ready), calls.len())));
            waker.wake_by_ref();
            calls.push((index, scheduler.place(&ticker, tenant), waker));
        }
    }
    let mut turns = vec![0; tenants.len()];
    while turns.iter().sum::<usize>() < rounds {
        let next = ready.0.lock().unwrap().pop_front().expect("somebody has a turn");
        let (index, place, waker) = &mut calls[next];
        if let Some(turn) = place.poll_turn(waker) {
            turn.end(TICK, Some(waker));
            turns[*index] += 1;
        }
    }
    turns
}

#[test]
fn tenants_get_turns_in_proportion_to_their_weights() {
    for (weights, cores) in [((100, 300), 2), ((1, 3), 1), ((5000, 10_000), 4)] {
        let turns = run(cores, &[(&tenant("a", weights.0), 8), (&tenant("b", weights.1), 8)], 4000);
        let (share, expected) = (turns[0] as f64 / 4000.0, f64::from(weights.0) / f64::from(weights.0 + weights.1));
        assert!((share - expected).abs() < 0.02, "{weights:?}: {share} of the turns, expected {expected}");
    }
}

#[test]
fn many_calls_of_one_tenant_do_not_outweigh_one_of_another() {
    let turns = run(1, &[(&tenant("many", 100), 1000), (&tenant("one", 100), 1)], 4000);
    assert!(turns[0].abs_diff(turns[1]) < 80, "{turns:?}");
    // Two cores: one call can use no more than one of them.
    let turns = run(2, &[(&tenant("many", 100), 1000), (&tenant("one", 100), 1)], 4000);
    assert!(turns[1] > 1000, "{turns:?}");
}

#[test]
fn a_tenant_that_paused_has_saved_nothing() {
    let (a, b) = (tenant("a", 100), tenant("b", 100));
    run(1, &[(&a, 1)], 500);
    let scheduler = Arc::new(Scheduler::new(1));
    let ticker = ticker(&scheduler);
    let waker = Arc::new(Woken::default()).into();
    let mut busy = scheduler.place(&ticker, &a);
    busy.poll_turn(&waker).unwrap().end(TICK, Some(&waker));
    let mut late = scheduler.place(&ticker, &b);
    assert!(late.poll_turn(&waker).is_none());
    assert!(b.share.virtual_time() + 10 * TICK.as_nanos() as u64 > a.share.virtual_time());
}

#[test]
fn without_contention_nobody_waits() {
    let scheduler = Arc::new(Scheduler::new(2));
    let ticker = ticker(&scheduler);
    let a = tenant("a", 1);
    let waker = Arc::new(Woken::default()).into();
    let (mut one, mut two, mut three) =
        (scheduler.place(&ticker, &a), scheduler.place(&ticker, &a), scheduler.place(&ticker, &a));
    let first = one.poll_turn(&waker).unwrap();
    let second = two.poll_turn(&waker).unwrap();
    assert!(three.poll_turn(&waker).is_none(), "there are two cores");
    first.end(TICK, None);
    let third = three.poll_turn(&waker).unwrap();
    second.end(TICK, None);
    third.end(TICK, None);
    drop((one, two, three));
    assert!(scheduler.lock().active.is_empty() && scheduler.lock().turns == 0);
}

#[test]
fn a_call_that_is_dropped_gives_its_turn_and_its_place_up() {
    let scheduler = Arc::new(Scheduler::new(1));
    let ticker = ticker(&scheduler);
    let (a, b) = (tenant("a", 100), tenant("b", 100));
    let woken = Arc::new(Woken::default());
    let waker = Arc::clone(&woken).into();
    let mut running = scheduler.place(&ticker, &a);
    let turn = running.poll_turn(&waker).unwrap();
    let (mut waiting, mut dropped) = (scheduler.place(&ticker, &b), scheduler.place(&ticker, &a));
    assert!(dropped.poll_turn(&waker).is_none() && waiting.poll_turn(&waker).is_none());
    drop(dropped);
    // As when a poll panics.
    drop(turn);
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    // It was given the turn and never takes it.
    drop(waiting);
    assert!(running.poll_turn(&waker).is_some());
}

#[test]
fn a_turn_that_nobody_takes_goes_to_the_next() {
    let scheduler = Arc::new(Scheduler::new(1));
    let ticker = ticker(&scheduler);
    let a = tenant("a", 100);
    let waker = Arc::new(Woken::default()).into();
    let (mut one, mut lazy, mut next) =
        (scheduler.place(&ticker, &a), scheduler.place(&ticker, &a), scheduler.place(&ticker, &a));
    let turn = one.poll_turn(&waker).unwrap();
    assert!(lazy.poll_turn(&waker).is_none() && next.poll_turn(&waker).is_none());
    turn.end(TICK, None);
    // The turn is the lazy one's, until a tick comes after the grace.
    while next.poll_turn(&waker).is_none() {
        scheduler.tick();
    }
    // Late, it waits like any other; here nobody else is left.
    assert!(lazy.poll_turn(&waker).is_some());
}
