//! A sequence on both sides.

use std::fmt::Write;

use crate::differences::{DIFFERENCES, Seen, What};
use crate::normal;
use crate::run::{Answer, Run};
use crate::sides::{World, Written, temporary};
use crate::step::{Handle, Step};
use crate::tree::{Leaf, tree};

/// What came of a number of sequences.
#[derive(Clone, Debug)]
pub struct Counts {
    /// Steps that were compared.
    pub steps: u64,
    /// Sequences whose every step and all that was left were compared.
    pub complete: u64,
    /// How often each of the differences was met.
    pub met: [u64; DIFFERENCES.len()],
}

/// A difference that `differences.rs` does not know.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The step at which it was seen; the number of steps for what was seen at the end.
    pub at: usize,
    /// Which call, and how it ended on either side.
    pub kind: String,
    /// Both answers.
    pub problem: String,
}

impl Failure {
    fn new(at: usize, kind: impl Into<String>, problem: String) -> Self {
        Failure { at, kind: kind.into(), problem }
    }
}

impl Default for Counts {
    fn default() -> Self {
        Counts { steps: 0, complete: 0, met: [0; DIFFERENCES.len()] }
    }
}

/// Runs a sequence on both sides. It ends early at a difference after which the sides are no longer in the same state.
///
/// # Errors
/// The first difference that is not known.
///
/// # Panics
/// When an instance cannot be made.
pub async fn compare(world: &World, sequence: &[Step], counts: &mut Counts) -> Result<(), Failure> {
    let tmp = temporary();
    let (ours, our_output) = world.ours().await.expect("an instance of ours");
    let (theirs, their_output) = world.theirs(tmp.path()).await.expect("an instance of theirs");
    let mut sides =
        Sides { ours: Run::new(ours).await, theirs: Run::new(theirs).await, whats: What::STANDARD.to_vec() };
    for (at, step) in sequence.iter().enumerate() {
        let (ours, our_number) = sides.ours.step(step).await;
        let (theirs, their_number) = sides.theirs.step(step).await;
        counts.steps += 1;
        let whats = step.handles().into_iter().map(|handle| sides.what(handle)).collect();
        let seen = Seen { step, whats, ours: &ours, theirs: &theirs };
        let alike = ours == theirs;
        let known =
            DIFFERENCES.iter().position(|difference| (!alike || difference.is_silent) && (difference.covers)(&seen));
        if known.is_some() || !alike {
            let Some(index) = known else {
                let kind = format!("{}: {} / {}", step.function(), short(&ours), short(&theirs));
                return Err(Failure::new(at, kind, two_answers(&seen)));
            };
            counts.met[index] += 1;
            if !DIFFERENCES[index].goes_on {
                return Ok(());
            }
        }
        let ends = !matches!(ours.outcome, crate::guest::Outcome::Status(_));
        if ends || matches!(step, Step::Call(call) if call.broken.is_some()) {
            break;
        }
        if ours.outcome.succeeded() && theirs.outcome.succeeded() {
            sides
                .note(step, [our_number, their_number])
                .await
                .map_err(|problem| Failure::new(at, "path_open: types", problem))?;
        }
    }
    let at = sequence.len();
    let [ours, theirs] = [tree(&mut sides.ours).await, tree(&mut sides.theirs).await];
    if ours != theirs {
        return Err(Failure::new(at, "/tmp", two_trees(&ours, &theirs)));
    }
    let [ours, theirs] = [our_output.written(), their_output.written()];
    if ours != theirs {
        return Err(Failure::new(at, "output", format!("output\n  ours:   {ours:?}\n  theirs: {theirs:?}")));
    }
    counts.complete += 1;
    Ok(())
}

struct Sides<T: 'static, U: 'static> {
    ours: Run<T>,
    theirs: Run<U>,
    /// What each descriptor of the sequence stands for.
    whats: Vec<What>,
}

impl<T: Send + 'static, U: Send + 'static> Sides<T, U> {
    fn what(&self, handle: Handle) -> What {
        self.whats.get(handle.0).copied().unwrap_or(What::Missing)
    }

    /// Keeps track of the descriptors after a step that succeeded on both sides.
    async fn note(&mut self, step: &Step, [ours, theirs]: [u32; 2]) -> Result<(), String> {
        let Step::Call(call) = step else { return Ok(()) };
        let handles: Vec<_> = call.handles().collect();
        match (call.function, &handles[..]) {
            ("path_open", [directory]) => {
                let kinds = [self.ours.kind(ours).await, self.theirs.kind(theirs).await];
                if kinds[0] != kinds[1] {
                    return Err(format!("opened a file of type {} on our side, {} on theirs", kinds[0], kinds[1]));
                }
                let environment = matches!(self.what(*directory), What::Directory { environment: true });
                // Lookup, kind of opening, rights, inheriting rights, flags.
                let numbers = call.numbers();
                self.whats.push(match kinds[0] {
                    normal::DIRECTORY => What::Directory { environment },
                    _ => What::File {
                        environment,
                        read: numbers[2] & 1 << 1 != 0,
                        write: numbers[2] & 1 << 6 != 0,
                        append: numbers[4] & 1 != 0,
                    },
                });
                self.ours.opened(ours);
                self.theirs.opened(theirs);
            }
            ("fd_close", [handle]) => self.close(*handle),
            ("fd_renumber", [from, to]) if from != to => {
                self.whats[to.0] = self.what(*from);
                self.close(*from);
            }
            ("fd_fdstat_set_flags", [handle]) => {
                if let Some(What::File { append, .. }) = self.whats.get_mut(handle.0) {
                    *append = call.numbers()[0] & 1 != 0;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self, handle: Handle) {
        self.whats[handle.0] = What::Missing;
        self.ours.closed(handle);
        self.theirs.closed(handle);
    }
}

fn two_answers(seen: &Seen<'_>) -> String {
    let mut text = format!("{:?} on {:?}", seen.step, seen.whats);
    for (side, answer) in [("ours:  ", seen.ours), ("theirs:", seen.theirs)] {
        let _ = write!(text, "\n  {side} {}", shown(answer));
    }
    let differ = seen.ours.written.iter().zip(&seen.theirs.written).position(|(one, other)| one != other);
    let differ = differ.unwrap_or(seen.ours.written.len().min(seen.theirs.written.len()));
    let [ours, theirs] =
        [&seen.ours.written, &seen.theirs.written].map(|bytes| bytes.iter().skip(differ).take(32).collect::<Vec<_>>());
    let _ = write!(text, "\n  from byte {differ} on: {ours:?} / {theirs:?}");
    text
}

/// The same without the text of an error.
fn short(answer: &Answer) -> String {
    match &answer.outcome {
        crate::guest::Outcome::Trap(_) => "trap".to_owned(),
        _ => shown(answer),
    }
}

fn shown(answer: &Answer) -> String {
    match &answer.outcome {
        crate::guest::Outcome::Status(status) => crate::errno::name(*status),
        other => format!("{other:?}"),
    }
}

fn two_trees(ours: &[Leaf], theirs: &[Leaf]) -> String {
    let mut text = "what is left in /tmp".to_owned();
    for (side, leaves, others) in [("ours:  ", ours, theirs), ("theirs:", theirs, ours)] {
        for leaf in leaves.iter().filter(|leaf| !others.contains(leaf)) {
            let content = &leaf.content[..leaf.content.len().min(40)];
            let _ = write!(
                text,
                "\n  {side} {:?}, type {}, {} names (the first is {:?}), {} bytes: {content:?}",
                leaf.path, leaf.kind, leaf.names, leaf.same_as, leaf.size
            );
        }
    }
    text
}
