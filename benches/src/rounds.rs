//! Taking turns: every contender runs the same case once a round, so that other work on the machine affects all of them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::contender::{Contender, NotRun};
use crate::material::Case;
use crate::statistics::{Ratio, Samples};

/// How long and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// How often each contender gets its turn.
    pub rounds: usize,
    /// How long a turn is to be. A repetition that takes longer makes a longer turn.
    pub turn: Duration,
}

/// What came of one contender.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Side {
    /// Seconds per row, one sample a round. With several threads: seconds over the rows of all threads.
    Run {
        /// The samples.
        seconds_per_row: Samples,
    },
    /// Nothing.
    NotRun {
        /// Why.
        reason: String,
    },
}

/// One case, measured on all contenders.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Name of the work.
    pub work: String,
    /// Rows of a batch.
    pub rows: usize,
    /// Threads.
    pub threads: usize,
    /// By contender.
    pub sides: BTreeMap<String, Side>,
}

impl Comparison {
    /// A contender's samples in seconds per row.
    pub fn samples(&self, contender: &str) -> Option<&Samples> {
        match self.sides.get(contender) {
            Some(Side::Run { seconds_per_row }) => Some(seconds_per_row),
            _ => None,
        }
    }

    /// What the sandbox takes of what a contender takes.
    pub fn ratio(&self, contender: &str) -> Option<Ratio> {
        Ratio::of(self.samples(crate::contenders::SANDBOX)?, self.samples(contender)?)
    }
}

/// Measures a case on all contenders, round by round. A contender that fails is left out from then on, with the reason.
pub async fn compare(contenders: &mut [Box<dyn Contender>], case: Case<'_>, effort: Effort) -> Comparison {
    let mut sides = BTreeMap::new();
    let mut repetitions = Vec::with_capacity(contenders.len());
    for contender in contenders.iter_mut() {
        repetitions.push(match calibrate(contender.as_mut(), case, effort.turn).await {
            Ok(repetitions) => {
                sides.insert(contender.name().to_owned(), Side::Run { seconds_per_row: Samples::default() });
                Some(repetitions)
            }
            Err(NotRun(reason)) => {
                sides.insert(contender.name().to_owned(), Side::NotRun { reason });
                None
            }
        });
    }
    for _ in 0..effort.rounds {
        for (contender, repetitions) in contenders.iter_mut().zip(&mut repetitions) {
            let Some(count) = *repetitions else { continue };
            match contender.run(case, count).await {
                Ok(time) => {
                    let rows = count * case.rows_of_repetition() * case.threads;
                    if let Some(Side::Run { seconds_per_row }) = sides.get_mut(contender.name()) {
                        seconds_per_row.0.push(time.as_secs_f64() / rows as f64);
                    }
                }
                Err(NotRun(reason)) => {
                    *repetitions = None;
                    sides.insert(contender.name().to_owned(), Side::NotRun { reason });
                }
            }
        }
    }
    Comparison { work: case.material.name.clone(), rows: case.rows, threads: case.threads, sides }
}

/// How many repetitions fill a turn. The first ones warm the contender up.
async fn calibrate(contender: &mut dyn Contender, case: Case<'_>, turn: Duration) -> Result<usize, NotRun> {
    let mut repetitions = 1;
    loop {
        let time = contender.run(case, repetitions).await?;
        if time * 4 >= turn {
            let wanted = turn.as_secs_f64() / (time.as_secs_f64() / repetitions as f64).max(1e-9);
            return Ok((wanted.round() as usize).max(1));
        }
        let missing = turn.as_secs_f64() / (4.0 * time.as_secs_f64().max(1e-6));
        repetitions *= (missing.ceil() as usize).clamp(2, 100);
    }
}
