//! The shortest sequence that still fails.

use crate::compare::{Counts, Failure, compare};
use crate::sides::World;
use crate::step::Step;

/// Leaves out of a sequence that fails whatever can be left out: halves, quarters, ... single steps, until nothing can.
pub async fn shrink(world: &World, mut sequence: Vec<Step>, mut failure: Failure) -> (Vec<Step>, Failure) {
    sequence.truncate(failure.at + 1);
    let mut part = sequence.len();
    while part > 0 {
        let mut start = 0;
        let mut shorter = false;
        while start < sequence.len() {
            let mut without = sequence.clone();
            without.drain(start..(start + part).min(sequence.len()));
            match compare(world, &without, &mut Counts::default()).await {
                Err(same) if same.kind == failure.kind => {
                    (sequence, failure) = (without, same);
                    shorter = true;
                }
                _ => start += part,
            }
        }
        if !shorter {
            part /= 2;
        }
    }
    (sequence, failure)
}
