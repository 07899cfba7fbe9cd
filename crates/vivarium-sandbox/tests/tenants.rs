//! What an operator can do with a tenant while its sandboxes run: change what it may use, suspend, drain and end it.

mod common;

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::DataType;
use common::{Guest, LOOP, SLEEP, column, config};
use futures::FutureExt;
use vivarium_sandbox::{
    Call, Error, Expected, Image, Invocation, JobId, LimitKind, Limits, Pool, Runtime, RuntimeConfig, Sandbox,
    SandboxConfig, TaskAccount, TaskId, Tenant, TenantId, TenantLimits, TenantState,
};

fn tenant_with(limits: &TenantLimits) -> Arc<Tenant> {
    Tenant::new(TenantId::new("acme").unwrap(), limits)
}

fn tenant() -> Arc<Tenant> {
    tenant_with(&TenantLimits::default())
}

fn task(tenant: &Arc<Tenant>) -> Arc<TaskAccount> {
    tenant.task(JobId::new("job").unwrap(), TaskId::new("0").unwrap())
}

/// A task of the tenant's whose calls may take an hour: nothing below ends because time has passed.
fn of(tenant: &Arc<Tenant>) -> SandboxConfig {
    let limits = common::limits().with_batch_time(Duration::from_secs(3600));
    config().with_limits(limits).with_task(task(tenant))
}

fn pool(image: &Image, config: &SandboxConfig, size: usize) -> Pool<()> {
    Pool::new(image, config.clone(), size, |_| async { Ok(()) }.boxed())
}

async fn invoke(sandbox: &mut Sandbox) -> Result<Invocation, Error> {
    sandbox.invoke(1, 0, 3, &[column()], &DataType::Int64).await
}

/// Whether a tenant's end, or its drain, is what the error tells of.
fn closed<T>(result: Result<T, Error>) -> Option<TenantState> {
    match result {
        Err(Error::Tenant(closed)) => Some(closed.state),
        Err(error) => panic!("{error}"),
        Ok(_) => None,
    }
}

fn assert_nothing_is_held(tenant: &Tenant) {
    let usage = tenant.usage();
    let memory = [usage.memory, usage.host_memory, usage.scratch_bytes];
    let things = [usage.instances, usage.scratch_files, usage.host_files, usage.waiting as u64];
    assert_eq!((memory, things), ([0; 3], [0; 4]), "{usage:?}");
}

/// Lets tasks that are ready run until `done`.
async fn until(mut done: impl FnMut() -> bool) {
    while !done() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_runtime_lists_its_tenants_with_what_they_use() {
    let runtime = common::runtime();
    let image = Guest::default().image_in(&runtime);
    let (one, other) = (tenant(), Tenant::new(TenantId::new("other").unwrap(), &TenantLimits::default()));
    let mut sandbox = Sandbox::start(&image, &of(&one)).await.unwrap();
    invoke(&mut sandbox).await.unwrap();
    let _pool = pool(&image, &of(&other), 1);
    let mut listed = runtime.tenants();
    listed.sort_by(|a, b| a.id().cmp(b.id()));
    assert_eq!(listed.iter().map(|tenant| tenant.id().as_str()).collect::<Vec<_>>(), ["acme", "other"]);
    let usage = listed[0].usage();
    assert_eq!((usage.state, usage.tasks, usage.instances), (TenantState::Active, 1, 1));
    assert!(usage.memory >= sandbox.memory_size() && usage.cpu_time > Duration::ZERO);
    assert_nothing_is_held(&listed[1]);
    assert_eq!(*one.limits(), TenantLimits::default());
}

#[tokio::test]
async fn a_limit_below_what_is_in_use_grants_nothing_until_it_is_given_back() {
    let tenant = tenant();
    let (image, config) = (Guest::default().image(), of(&tenant));
    let start = async || Sandbox::start(&image, &config).await.unwrap();
    let (one, two, three) = (start().await, start().await, start().await);
    tenant.set_limits(&TenantLimits::default().with_instances(2));
    let refused = async || match Sandbox::start(&image, &config).await {
        Err(Error::Limit(limit)) => (limit.limit, limit.configured),
        other => panic!("{other:?}"),
    };
    for sandbox in [one, two] {
        assert_eq!(refused().await, (LimitKind::TenantInstances, 2));
        drop(sandbox);
    }
    let four = Sandbox::start(&image, &config).await.unwrap();
    // The same for memory, in which what lives goes on.
    let used = tenant.usage().memory;
    tenant.set_limits(&TenantLimits::default().with_memory(used - 1));
    assert_eq!(refused().await.0, LimitKind::TenantMemory);
    drop((three, four));
    Sandbox::start(&image, &config).await.unwrap();
}

#[tokio::test]
async fn who_waits_for_room_gets_it_when_the_limit_is_raised() {
    let tenant = tenant_with(&TenantLimits::default().with_instances(1));
    let image = Guest::default().image();
    let (first, second) = (pool(&image, &of(&tenant), 1), pool(&image, &of(&tenant), 1));
    let _lease = first.checkout().await.unwrap();
    let mut waiting = Box::pin(second.checkout());
    assert!(futures::poll!(&mut waiting).is_pending());
    assert_eq!(tenant.usage().waiting, 1);
    tenant.set_limits(&TenantLimits::default().with_instances(2));
    waiting.await.unwrap();
}

#[tokio::test]
async fn a_changed_ceiling_holds_for_sandboxes_that_are_started_afterwards() {
    let tenant = tenant();
    let (image, config) = (Guest::default().image(), of(&tenant));
    let before = Sandbox::start(&image, &config).await.unwrap();
    let ceiling = Limits::default().with_output_rows(5);
    tenant.set_limits(&TenantLimits::default().with_sandbox(Some(ceiling)));
    let after = Sandbox::start(&image, &config).await.unwrap();
    assert_eq!((before.limits().output_rows, after.limits().output_rows), (Limits::default().output_rows, 5));
}

/// Two endless calls on one core: what each has of it follows its tenant's weight, from the turn on after it was changed.
#[tokio::test]
async fn a_changed_weight_counts_from_the_next_turn_on() {
    let runtime = Runtime::new(RuntimeConfig::default().with_sandboxes(4).with_cores(1)).unwrap();
    let image = Guest { invoke: LOOP.into(), ..Guest::default() }.image_in(&runtime);
    let (light, heavy) = (tenant(), tenant());
    let mut sandboxes =
        [Sandbox::start(&image, &of(&light)).await.unwrap(), Sandbox::start(&image, &of(&heavy)).await.unwrap()];
    let [one, other] = sandboxes.each_mut();
    let mut calls = Box::pin(futures::future::join(invoke(one), invoke(other)));
    let times = || [&light, &heavy].map(|tenant| tenant.usage().cpu_time);
    let mut shares = Vec::new();
    for weight in [100, 900] {
        heavy.set_limits(&TenantLimits::default().with_cpu_weight(weight));
        let before = times();
        let spent = || times().iter().zip(&before).map(|(now, before)| *now - *before).collect::<Vec<_>>();
        while spent().iter().sum::<Duration>() < Duration::from_millis(200) {
            assert!(futures::poll!(&mut calls).is_pending());
            tokio::task::yield_now().await;
        }
        shares.push(spent()[1].as_secs_f64() / spent().iter().sum::<Duration>().as_secs_f64());
    }
    assert!((0.4..0.6).contains(&shares[0]), "{shares:?}");
    assert!((0.8..0.97).contains(&shares[1]), "{shares:?}");
}

#[tokio::test]
async fn a_suspended_tenants_calls_wait_and_go_on_where_they_were() {
    let tenant = tenant();
    // It counts to a hundred million, which takes many ticks.
    let count = "(local $n i32) (loop $again
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $n) (i32.const 100000000))))";
    let image = Guest { invoke: format!("{count} {}", common::ECHO), ..Guest::default() }.image();
    let mut sandbox = Sandbox::start(&image, &of(&tenant)).await.unwrap();
    let mut call = Box::pin(invoke(&mut sandbox));
    assert!(futures::poll!(&mut call).is_pending(), "a tick is over before it has counted");
    tenant.suspend().unwrap();
    let used = {
        // The poll in which it notices, and others in which it runs no more.
        assert!(futures::poll!(&mut call).is_pending());
        let used = tenant.usage().cpu_time;
        for _ in 0..10 {
            assert!(futures::poll!(&mut call).is_pending());
        }
        used
    };
    assert_eq!((tenant.usage().cpu_time, tenant.usage().state), (used, TenantState::Suspended));
    assert_eq!(tenant.usage().instances, 1, "what it holds it keeps");
    tenant.resume().unwrap();
    assert_eq!(&call.await.unwrap().array, &column());
}

#[tokio::test]
async fn a_suspended_tenant_starts_nothing_and_others_go_on() {
    let (suspended, other) = (tenant(), tenant());
    let runtime = common::runtime();
    let image = Guest::default().image_in(&runtime);
    let config = of(&suspended);
    let pool = pool(&image, &config, 1);
    suspended.suspend().unwrap();
    let (mut start, mut checkout) = (Box::pin(Sandbox::start(&image, &config)), Box::pin(pool.checkout()));
    assert!(futures::poll!(&mut start).is_pending() && futures::poll!(&mut checkout).is_pending());
    assert!(self::pool(&image, &config, 1).checkout_free().await.unwrap().is_none(), "this does not wait");
    assert_nothing_is_held(&suspended);
    invoke(&mut Sandbox::start(&image, &of(&other)).await.unwrap()).await.unwrap();
    suspended.resume().unwrap();
    start.await.unwrap();
    checkout.await.unwrap();
}

/// While it waits in suspension a call takes none of the time that it may take.
#[tokio::test]
async fn suspension_is_not_charged_to_a_call() {
    let tenant = tenant();
    let image = Guest::default().image();
    let config = of(&tenant);
    let mut sandbox = Sandbox::start(&image, &config).await.unwrap();
    tenant.suspend().unwrap();
    let batch = vivarium_sandbox::exchange::Plan::new(&[column()], 3).unwrap();
    let expected = Expected::Values { data_type: &DataType::Int64, nullable: true };
    // A tenth of a millisecond of its own, and much longer in suspension.
    let time = Some(Duration::from_millis(5));
    let call = Call { handle: 1, op: 0, batch: Some(&batch), batch_rows: 3, first_row: 0, expected, time };
    let mut call = Box::pin(sandbox.call(call));
    assert!(futures::poll!(&mut call).is_pending());
    let began = std::time::Instant::now();
    until(|| began.elapsed() > Duration::from_millis(20)).await;
    tenant.resume().unwrap();
    assert!(call.await.unwrap().time < Duration::from_millis(5));
}

#[tokio::test]
async fn a_drained_tenants_tasks_go_on_and_no_other_begins() {
    let tenant = tenant();
    let image = Guest::default().image();
    let config = of(&tenant);
    let pool = pool(&image, &config, 2);
    drop(config);
    let mut lease = pool.checkout().await.unwrap();
    tenant.drain().unwrap();
    let late = of(&tenant);
    assert_eq!(closed(Sandbox::start(&image, &late).await), Some(TenantState::Draining));
    assert_eq!(closed(self::pool(&image, &late, 1).checkout().await), Some(TenantState::Draining));
    // The task that was there works, and gets a second sandbox.
    invoke(&mut lease).await.unwrap();
    invoke(&mut pool.checkout().await.unwrap()).await.unwrap();
    let mut drained = Box::pin(tenant.drained());
    drop(late);
    assert!(futures::poll!(&mut drained).is_pending());
    drop((lease, pool));
    drained.await;
    assert_nothing_is_held(&tenant);
    tenant.resume().unwrap();
    Sandbox::start(&image, &of(&tenant)).await.unwrap();
}

#[tokio::test]
async fn an_end_stops_calls_that_run_and_calls_that_wait_for_the_host() {
    for body in [LOOP, SLEEP] {
        let tenant = tenant();
        let image = Guest { invoke: body.into(), ..Guest::default() }.image();
        let mut sandbox = Sandbox::start(&image, &of(&tenant)).await.unwrap();
        let mut call = Box::pin(invoke(&mut sandbox));
        assert!(futures::poll!(&mut call).is_pending());
        tenant.end();
        assert_eq!(closed(call.await), Some(TenantState::Ended));
        tenant.released().await;
        assert_nothing_is_held(&tenant);
        assert!(!sandbox.is_alive());
        assert_eq!(closed(Sandbox::start(&image, &of(&tenant)).await), Some(TenantState::Ended));
    }
}

#[tokio::test]
async fn an_end_ends_idle_sandboxes_and_who_waits_for_one_is_told() {
    let tenant = tenant_with(&TenantLimits::default().with_instances(2));
    let image = Guest::default().image();
    let config = of(&tenant);
    let (full, other) = (pool(&image, &config, 1), pool(&image, &config, 1));
    full.warm_up().await.unwrap();
    let lease = other.checkout().await.unwrap();
    // One waits for a member, one for room: the idle one is lent first.
    let _held = full.checkout().await.unwrap();
    let third = pool(&image, &config, 1);
    let (mut for_member, mut for_room) = (Box::pin(other.checkout()), Box::pin(third.checkout()));
    assert!(futures::poll!(&mut for_member).is_pending() && futures::poll!(&mut for_room).is_pending());
    tenant.end();
    assert_eq!(closed(for_room.await), Some(TenantState::Ended));
    drop(lease);
    assert_eq!(closed(for_member.await), Some(TenantState::Ended));
    drop(_held);
    tenant.released().await;
    assert_nothing_is_held(&tenant);
}

#[tokio::test]
async fn a_sandbox_that_is_given_back_after_the_end_is_not_kept() {
    let tenant = tenant();
    let pool = pool(&Guest::default().image(), &of(&tenant), 1);
    let mut lease = pool.checkout().await.unwrap();
    tenant.end();
    // Not called meanwhile, so that it looks as good as ever.
    assert!(lease.is_alive());
    drop(lease);
    assert_nothing_is_held(&tenant);
    lease = match pool.checkout().await {
        Err(error) => return assert_eq!(closed(Err::<(), _>(error)), Some(TenantState::Ended)),
        Ok(lease) => lease,
    };
    panic!("{lease:?} was lent");
}

#[tokio::test]
async fn an_ended_tenants_suspended_calls_end() {
    let tenant = tenant();
    let image = Guest { invoke: LOOP.into(), ..Guest::default() }.image();
    let mut sandbox = Sandbox::start(&image, &of(&tenant)).await.unwrap();
    let mut call = Box::pin(invoke(&mut sandbox));
    assert!(futures::poll!(&mut call).is_pending());
    tenant.suspend().unwrap();
    assert!(futures::poll!(&mut call).is_pending());
    tenant.end();
    assert_eq!(closed(call.await), Some(TenantState::Ended));
    assert_nothing_is_held(&tenant);
    assert!(tenant.resume().is_err());
}

/// Calls of pools on all threads, and an end at some moment among them: every call succeeds or is told of the end, and all is given back.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_end_in_the_middle_of_starts_and_calls_leaves_nothing() {
    let runtime = common::runtime();
    let image = Guest::default().image_in(&runtime);
    for round in 0..20 {
        let tenant = tenant_with(&TenantLimits::default().with_instances(6));
        let callers: Vec<_> = (0..4)
            .map(|_| {
                let pool = pool(&image, &of(&tenant), 2);
                tokio::spawn(async move {
                    let mut calls = 0_usize;
                    loop {
                        let called = match pool.checkout().await {
                            Ok(mut lease) => invoke(&mut lease).await.map(drop),
                            Err(error) => Err(error),
                        };
                        match closed(called) {
                            None => calls += 1,
                            state => return (calls, state),
                        }
                    }
                })
            })
            .collect();
        // At another moment each time: in the middle of starts, and in the middle of calls.
        let seen = || tenant.totals().checkouts;
        until(|| seen() >= round * 7).await;
        tenant.end();
        for caller in callers {
            assert_eq!(caller.await.unwrap().1, Some(TenantState::Ended));
        }
        tenant.released().await;
        assert_nothing_is_held(&tenant);
    }
    // Nothing of the process is lost either.
    let text = runtime.exposition(&[]).to_string();
    assert!(text.lines().any(|line| line == "vivarium_slots_used 0"), "{text}");
}
