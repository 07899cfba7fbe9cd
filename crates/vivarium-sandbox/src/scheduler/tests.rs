use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use super::*;
use crate::epoch::TICK;

/// A task that counts how often it was woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn share(weight: u32) -> Share {
    Share::new(weight)
}

fn scheduler(cores: usize) -> Arc<Scheduler> {
    Arc::new(Scheduler::new(cores, TICK))
}

fn ticker(scheduler: &Arc<Scheduler>) -> Ticker {
    let engine = wasmtime::Engine::new(&wasmtime::Config::new()).unwrap();
    let ticked = Arc::clone(scheduler);
    Ticker::new(&engine, TICK, move || ticked.tick()).unwrap()
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

/// Calls of tenants, each always ready to go on.
struct Calls<'a> {
    scheduler: &'a Scheduler,
    ticker: &'a Ticker,
    ready: Arc<Ready>,
    calls: Vec<(usize, QueuePlace<'a>, Waker)>,
}

impl<'a> Calls<'a> {
    fn new(scheduler: &'a Scheduler, ticker: &'a Ticker) -> Self {
        Self { scheduler, ticker, ready: Arc::default(), calls: Vec::new() }
    }

    /// Adds calls of the tenant with this number.
    fn add(&mut self, tenant: usize, share: &'a Share, count: usize) {
        for _ in 0..count {
            let waker = Waker::from(Arc::new(Task(Arc::clone(&self.ready), self.calls.len())));
            waker.wake_by_ref();
            self.calls.push((tenant, self.scheduler.place(self.ticker, share), waker));
        }
    }

    /// Lets them take so many turns of a millisecond. Returns those of each tenant.
    fn run(&mut self, turns: usize) -> Vec<usize> {
        let mut taken = vec![0; 1 + self.calls.iter().map(|(tenant, ..)| *tenant).max().unwrap_or(0)];
        while taken.iter().sum::<usize>() < turns {
            let next = self.ready.0.lock().unwrap().pop_front().expect("somebody has a turn");
            let (tenant, place, waker) = &mut self.calls[next];
            if let Some(turn) = place.poll_turn(waker) {
                turn.end(TICK, Some(waker));
                taken[*tenant] += 1;
            }
        }
        taken
    }
}

/// Lets calls of tenants with these weights and numbers of calls take so many turns.
fn run(cores: usize, tenants: &[(u32, usize)], turns: usize) -> Vec<usize> {
    let scheduler = scheduler(cores);
    let ticker = ticker(&scheduler);
    let shares: Vec<Share> = tenants.iter().map(|(weight, _)| share(*weight)).collect();
    let mut calls = Calls::new(&scheduler, &ticker);
    for (index, (_, count)) in tenants.iter().enumerate() {
        calls.add(index, &shares[index], *count);
    }
    calls.run(turns)
}

#[test]
fn tenants_get_turns_in_proportion_to_their_weights() {
    for (weights, cores) in [((100, 300), 2), ((1, 3), 1), ((5000, 10_000), 4)] {
        let turns = run(cores, &[(weights.0, 8), (weights.1, 8)], 4000);
        let (share, expected) = (turns[0] as f64 / 4000.0, f64::from(weights.0) / f64::from(weights.0 + weights.1));
        assert!((share - expected).abs() < 0.02, "{weights:?}: {share} of the turns, expected {expected}");
    }
}

#[test]
fn many_calls_of_one_tenant_do_not_outweigh_one_of_another() {
    let turns = run(1, &[(100, 1000), (100, 1)], 4000);
    assert!(turns[0].abs_diff(turns[1]) < 80, "{turns:?}");
    // Two cores: one call can use no more than one of them.
    let turns = run(2, &[(100, 1000), (100, 1)], 4000);
    assert!(turns[1] > 1000, "{turns:?}");
}

/// A tenant that had fewer calls than cores were free, while another had more, has saved nothing either: it cannot keep the other
/// from its turns when it begins a burst.
#[test]
fn a_tenant_that_stayed_active_has_saved_nothing() {
    for (weight, least) in [(100, 160), (10_000, 160), (1, 160)] {
        let scheduler = scheduler(4);
        let ticker = ticker(&scheduler);
        let (a, b) = (share(weight), share(weight));
        let mut calls = Calls::new(&scheduler, &ticker);
        calls.add(0, &a, 2);
        calls.add(1, &b, 1);
        calls.run(3000);
        calls.add(1, &b, 8);
        let turns = calls.run(400);
        assert!(turns[0] >= least, "{turns:?} with weights of {weight}");
    }
}

#[test]
fn a_tenant_that_paused_has_saved_nothing() {
    let scheduler = scheduler(1);
    let ticker = ticker(&scheduler);
    let (a, b) = (share(100), share(100));
    let mut calls = Calls::new(&scheduler, &ticker);
    calls.add(0, &a, 1);
    calls.run(500);
    calls.add(1, &b, 1);
    let turns = calls.run(20);
    assert!(turns[0] >= 9, "{turns:?}");
}

#[test]
fn without_contention_nobody_waits() {
    let scheduler = scheduler(2);
    let ticker = ticker(&scheduler);
    let a = share(1);
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
    assert!(scheduler.lock().queue.is_idle());
}

#[test]
fn a_call_that_is_dropped_gives_its_turn_and_its_place_up() {
    let scheduler = scheduler(1);
    let ticker = ticker(&scheduler);
    let (a, b) = (share(100), share(100));
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
    let scheduler = scheduler(1);
    let ticker = ticker(&scheduler);
    let a = share(100);
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
