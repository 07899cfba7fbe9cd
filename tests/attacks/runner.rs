//! Runs the cases, some at a time, and looks after each whether anything but its own call failed.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt};
use vivarium_sandbox::{LimitKind, Limits, Sandbox};

use crate::case::{Act, Case, Group, Named, Step, dedent, ensure};
use crate::document;
use crate::host_state::HostState;
use crate::outcome::{Ends, describe};
use crate::world::{self, AT_ONCE, Attempt, World, only_text, rows};

/// The limit of time in cases that are to reach it.
const SHORT: Duration = Duration::from_millis(300);

/// What a busy machine may add to a deadline before the case fails. It shows that the limit acted: without it the attacks
/// that need it would go on for ever.
const ALLOWANCE: Duration = Duration::from_secs(20);

/// What a case that is not to reach a limit of time may take.
const LONGEST: Duration = Duration::from_secs(60);

/// Runs the cases whose group or name holds one of the words; all of them without words.
pub fn run(groups: &'static [Group], arguments: &[String]) -> ExitCode {
    // What else `cargo test` passes on is for other test programs.
    let words: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let cases: Vec<Named> = groups
        .iter()
        .flat_map(|group| group.cases.iter().copied().flatten().map(move |case| Named { group: group.name, case }))
        .filter(|named| words.is_empty() || words.iter().any(|word| named.title().contains(word.as_str())))
        .collect();
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let started = Instant::now();
    let mut failed = runtime.block_on(run_all(cases));
    if words.is_empty()
        && let Err(difference) = document::check(groups)
    {
        failed.insert("docs/attacks.md".to_owned(), difference);
    }
    for (name, reason) in &failed {
        println!("\nFAILED {name}\n    {reason}");
    }
    println!("\n{} failed; {:.1} s", failed.len(), started.elapsed().as_secs_f64());
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Named {
    fn title(&self) -> String {
        format!("{}: {}", self.group, self.case.name)
    }
}

/// The cases that failed, with the reasons.
async fn run_all(cases: Vec<Named>) -> BTreeMap<String, String> {
    let world = Arc::new(World::new().await.expect("a sandbox that works"));
    let descriptors = HostState::descriptors();
    let count = cases.len();
    println!("running {count} attacks");
    let mut runs = stream::iter(cases.into_iter().enumerate())
        .map(|(number, named)| {
            let world = Arc::clone(&world);
            async move {
                let started = Instant::now();
                let run = tokio::spawn(run_case(world, number, named.case)).await;
                // A case that panics has failed.
                let result = run.unwrap_or_else(|panic| Err(panic.to_string()));
                (named.title(), started.elapsed(), result)
            }
        })
        .buffer_unordered(AT_ONCE);
    let mut failed = BTreeMap::new();
    while let Some((title, time, result)) = runs.next().await {
        let verdict = if result.is_ok() { "ok" } else { "FAILED" };
        println!("attack {title} ... {verdict} ({:.2} s)", time.as_secs_f64());
        if let Err(reason) = result {
            failed.insert(title, reason);
        }
    }
    drop(runs);
    let left_open = world.host.left_open();
    if !left_open.is_empty() {
        failed.insert("after all attacks".to_owned(), format!("still open: {left_open:?}"));
    }
    let now = HostState::descriptors();
    // Executors and memory images keep a few.
    if now > descriptors + 16 {
        failed.insert(
            "descriptors after all attacks".to_owned(),
            format!("{now} descriptors are open; before it were {descriptors}"),
        );
    }
    failed
}

async fn run_case(world: Arc<World>, number: usize, case: &'static Case) -> Result<(), String> {
    let mut limits = world::limits();
    if let Act::Python { ends, .. } = &case.act {
        match ends {
            Ends::Limit(LimitKind::BatchTime) => limits.batch_time = SHORT,
            Ends::Limit(LimitKind::StartupTime) => limits.startup_time = SHORT,
            _ => {}
        }
    }
    (case.limits)(&mut limits);
    let attempt = Attempt::new(&world, &format!("attacker-{number}"), limits);
    let tenant = Arc::clone(&attempt.tenant);
    let done = match &case.act {
        Act::Python { step, source, ends } => python(attempt, *step, &dedent(source), *ends).await,
        Act::Neighbours { attacker, victim, returns } => {
            neighbours(attempt, &dedent(attacker), &dedent(victim), returns).await
        }
        Act::Host(act) => {
            let started = Instant::now();
            let done = act(attempt).await;
            done.and_then(|()| in_time("the attack", started.elapsed(), LONGEST))
        }
    };
    done?;
    settled(&tenant).await?;
    world.host.changed(&world.canaries(), world.root.path())?;
    world.ask_sibling().await.map_err(|error| format!("a sandbox of another tenant no longer answers: {error}"))
}

/// Python code in one step of a function's life.
async fn python(attempt: Attempt, step: Step, source: &str, ends: Ends) -> Result<(), String> {
    let limits = attempt.limits.clone();
    let started = Instant::now();
    let (result, elapsed) = match step {
        Step::Load => {
            let loaded = attempt.module(source).await;
            (loaded.map(|module| format!("{} functions", module.signatures().len())), started.elapsed())
        }
        Step::Call => return called(&attempt, source, ends).await,
        Step::Script => return run_as_script(&attempt, source, ends).await,
    };
    ensure(ends.matches(&result), || format!("expected: {ends}; but it {}", describe(&result)))?;
    deadline_held(ends, elapsed, &limits)
}

/// `attack()`, called for the row 1; afterwards the same task answers for the row 0, with a new instance if need be.
async fn called(attempt: &Attempt, source: &str, ends: Ends) -> Result<(), String> {
    let source = format!("{source}\n\ndef f(x: int) -> str:\n    return repr(attack()) if x else 'ready'\n");
    let task = attempt.task(&source).await.map_err(|error| format!("the function cannot be used: {error}"))?;
    let started = Instant::now();
    let evaluation = task.invoke(&rows(&[1]), 0).await;
    let elapsed = started.elapsed();
    let result = evaluation.map(|evaluation| only_text(&evaluation.result));
    ensure(ends.matches(&result), || format!("expected: {ends}; but it {}", describe(&result)))?;
    deadline_held(ends, elapsed, &attempt.limits)?;
    let again = task.invoke(&rows(&[0]), 1).await.map(|evaluation| only_text(&evaluation.result));
    ensure(matches!(&again, Ok(ready) if ready == "ready"), || format!("the task's next call {}", describe(&again)))
}

/// A script. What it has to say is in its exit status or in the error.
async fn run_as_script(attempt: &Attempt, source: &str, ends: Ends) -> Result<(), String> {
    let request = serde_json::json!({"op": "exec", "mode": "file", "source": source, "filename": "attack.py", "arguments": [], "interactive": false});
    let mut sandbox = attempt.sandbox().await?;
    let started = Instant::now();
    let result = sandbox.control(&request).await;
    let elapsed = started.elapsed();
    let result = result.map(|reply| reply["exit"].to_string()).map_err(vivarium::Error::from);
    ensure(ends.matches(&result), || format!("expected: {ends}; but it {}", describe(&result)))?;
    deadline_held(ends, elapsed, &attempt.limits)?;
    ensure(sandbox.is_alive() != ends.is_fatal(), || format!("the sandbox is alive: {}", sandbox.is_alive()))
}

/// One tenant's code, while it lives and when it is gone, and then another's.
async fn neighbours(attempt: Attempt, attacker: &str, victim: &str, returns: &str) -> Result<(), String> {
    let other = world::tenant(&format!("{}-victim", attempt.tenant.id()), &Default::default());
    let evaluate = async |sandbox: &mut Sandbox, source: &str| {
        let request = serde_json::json!({"op": "eval", "source": source});
        let reply = sandbox.control(&request).await.map_err(|error| error.to_string())?;
        Ok::<_, String>(reply["value"].as_str().unwrap_or_default().to_owned())
    };
    let mut poisoned = attempt.sandbox().await?;
    // An attacker that damaged itself so much that it cannot answer has still done what it did.
    let _ = evaluate(&mut poisoned, attacker).await;
    let mut poisoned = Some(poisoned);
    for gone in [false, true] {
        if gone {
            // The next sandbox may get the same memory.
            poisoned = None;
        }
        let config = attempt.config_of(&other);
        let mut sandbox = Sandbox::start(&attempt.world.image, &config).await.map_err(|error| error.to_string())?;
        let value = evaluate(&mut sandbox, victim).await?;
        ensure(value == returns, || format!("the other tenant sees {value}, expected {returns}"))?;
    }
    drop(poisoned);
    settled(&other).await
}

/// That a limit of time acted, neither early nor much too late.
fn deadline_held(ends: Ends, elapsed: Duration, limits: &Limits) -> Result<(), String> {
    let limit = match ends {
        Ends::Limit(LimitKind::BatchTime) => limits.batch_time,
        Ends::Limit(LimitKind::StartupTime) => limits.startup_time,
        _ => return in_time("the attack", elapsed, LONGEST),
    };
    ensure(elapsed >= limit, || format!("it ended after {elapsed:?}, before its limit of {limit:?}"))?;
    in_time("the call", elapsed, limit + ALLOWANCE)
}

fn in_time(what: impl Display, elapsed: Duration, longest: Duration) -> Result<(), String> {
    ensure(elapsed <= longest, || format!("{what} took {elapsed:?}, more than {longest:?}"))
}

/// That a tenant whose sandboxes are gone uses nothing. A pool that is given up may be starting one more.
async fn settled(tenant: &vivarium_sandbox::Tenant) -> Result<(), String> {
    let used = || {
        let usage = tenant.usage();
        [usage.memory, usage.host_memory, usage.instances, usage.scratch_bytes, usage.scratch_files]
    };
    let started = Instant::now();
    while used() != [0; 5] && started.elapsed() < ALLOWANCE {
        tokio::task::yield_now().await;
    }
    ensure(used() == [0; 5], || format!("the tenant still uses {:?}", tenant.usage()))
}
