//! Work as jobs of stock PyFlink. A job costs seconds before its first row, so jobs are few and long, and the time of an almost
//! empty one is subtracted.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use crate::child::{ChildContender, request};
use crate::contender::{Contender, NotRun};
use crate::contenders::{FLINK_PROCESS, FLINK_THREAD, SANDBOX, Sandboxed};
use crate::material::{Case, Material};
use crate::results::Job;
use crate::rounds::Side;
use crate::statistics::Samples;
use crate::work::Kind;
use crate::workshop::Workshop;

/// Rows of a job that only costs what starting costs.
const FEW: usize = 1_000;

/// The same job without a function.
pub const WITHOUT_FUNCTION: &str = "PyFlink without a function";

/// Both modes, each a process with a cluster in it.
pub struct Flink {
    modes: Vec<(&'static str, ChildContender)>,
}

impl Flink {
    /// Installs Flink and starts a cluster for each mode when it is first asked.
    ///
    /// # Errors
    /// Why it cannot be had.
    pub async fn new(workshop: &Workshop) -> Result<Self, NotRun> {
        let python = workshop.pyflink().await?;
        let modes = [(FLINK_PROCESS, "process"), (FLINK_THREAD, "thread")];
        let modes = modes.map(|(name, mode)| {
            let mut command = workshop.with_stand_in(workshop.script(&python, "pyflink_job.py"));
            command.arg(mode);
            (name, ChildContender::new(name, command))
        });
        Ok(Self { modes: modes.into() })
    }

    /// Measures a work as jobs, in turns with the sandbox.
    pub async fn compare(
        &mut self,
        sandbox: &mut Sandboxed,
        material: &Material,
        rounds: usize,
        turn: Duration,
    ) -> Job {
        // A grouped job's every row is a change of state and takes a thousand times what others take.
        let rows = if material.kind == Kind::Aggregate { 20_000 } else { 500_000 };
        let mut sides: BTreeMap<String, Result<Vec<f64>, NotRun>> = BTreeMap::new();
        let case = Case { material, rows: 8192, threads: 1 };
        // The first job of a function loads classes; it is not measured.
        for (name, child) in &mut self.modes {
            let warm = child.ask(&job(case, FEW, true)).await;
            sides.insert((*name).to_owned(), warm.map(|_| Vec::new()));
        }
        for _ in 0..rounds {
            let ours = per_row(sandbox, case, turn).await;
            add(&mut sides, SANDBOX, ours);
            for (name, child) in &mut self.modes {
                if sides.get(*name).is_some_and(Result::is_err) {
                    continue;
                }
                let time = slope(child, case, rows, true).await;
                add(&mut sides, name, time);
                if *name == FLINK_THREAD {
                    let time = slope(child, case, rows, false).await;
                    add(&mut sides, WITHOUT_FUNCTION, time);
                }
            }
        }
        let sides = sides.into_iter().map(|(name, side)| {
            let side = match side {
                Ok(samples) => Side::Run { seconds_per_row: Samples(samples) },
                Err(NotRun(reason)) => Side::NotRun { reason },
            };
            (name, side)
        });
        Job { work: material.name.clone(), rows, sides: sides.collect() }
    }
}

fn add(sides: &mut BTreeMap<String, Result<Vec<f64>, NotRun>>, name: &str, sample: Result<f64, NotRun>) {
    let side = sides.entry(name.to_owned()).or_insert_with(|| Ok(Vec::new()));
    match (side, sample) {
        (Ok(samples), Ok(sample)) => samples.push(sample),
        (side @ Ok(_), Err(reason)) => *side = Err(reason),
        (Err(_), _) => {}
    }
}

/// Seconds per row beyond those that an almost empty job takes.
async fn slope(child: &mut ChildContender, case: Case<'_>, rows: usize, function: bool) -> Result<f64, NotRun> {
    let few = child.ask(&job(case, FEW, function)).await?;
    let many = child.ask(&job(case, rows, function)).await?;
    Ok((many.as_secs_f64() - few.as_secs_f64()).max(0.0) / (rows - FEW) as f64)
}

fn job(case: Case<'_>, rows: usize, function: bool) -> Value {
    let mut request = request(case, 1);
    request["rows"] = json!(rows);
    if !function {
        request["function"] = json!("");
    }
    request
}

async fn per_row(sandbox: &mut Sandboxed, case: Case<'_>, turn: Duration) -> Result<f64, NotRun> {
    let once = sandbox.run(case, 1).await?;
    let repetitions = (turn.as_secs_f64() / once.as_secs_f64().max(1e-6)).ceil() as usize;
    let time = sandbox.run(case, repetitions.max(1)).await?;
    Ok(time.as_secs_f64() / (repetitions.max(1) * case.rows_of_repetition()) as f64)
}
