//! A case: one attack, and what must come of it.

use futures::future::BoxFuture;
use vivarium::Limits;
use vivarium_sandbox::LimitKind;

use crate::outcome::Ends;
use crate::world::Attempt;

/// What an attacker wants, with the ways to try it.
pub struct Group {
    /// The name of the folder.
    pub name: &'static str,
    /// What the attacker wants, for people.
    pub wants: &'static str,
    pub cases: &'static [&'static [Case]],
}

/// One attack.
pub struct Case {
    /// What is tried, as a phrase.
    pub name: &'static str,
    pub act: Act,
    /// What must come of it, where the outcome does not say it.
    pub happens: &'static str,
    /// What stops it, where it is not the limit of the outcome.
    pub stopped_by: &'static str,
    /// Limits that differ from those of all cases.
    pub limits: fn(&mut Limits),
}

/// How an attack is carried out, and how it must end.
pub enum Act {
    /// Python code that runs in a step of a function's life.
    Python { step: Step, source: &'static str, ends: Ends },
    /// Python code of one tenant, and then code of another that looks for what is left of it. The second must return this.
    Neighbours { attacker: &'static str, victim: &'static str, returns: &'static str },
    /// Anything else. The error says what went wrong.
    Host(fn(Attempt) -> BoxFuture<'static, Result<(), String>>),
}

/// When Python code runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// While the module is loaded.
    Load,
    /// `attack()` is called for one row; its `repr` is the result.
    Call,
    /// As a script.
    Script,
}

/// Code that attacks while its module is loaded.
pub const fn load(name: &'static str, source: &'static str, ends: Ends) -> Case {
    python(name, Step::Load, source, ends)
}

/// Code whose function `attack` is called for a row.
pub const fn call(name: &'static str, source: &'static str, ends: Ends) -> Case {
    python(name, Step::Call, source, ends)
}

/// A script.
pub const fn script(name: &'static str, source: &'static str, ends: Ends) -> Case {
    python(name, Step::Script, source, ends)
}

/// What one tenant leaves behind and another looks for.
pub const fn neighbours(
    name: &'static str,
    attacker: &'static str,
    victim: &'static str,
    returns: &'static str,
) -> Case {
    case(name, Act::Neighbours { attacker, victim, returns })
}

/// An attack that Python alone cannot make or judge.
pub const fn host(name: &'static str, act: fn(Attempt) -> BoxFuture<'static, Result<(), String>>) -> Case {
    case(name, Act::Host(act))
}

const fn python(name: &'static str, step: Step, source: &'static str, ends: Ends) -> Case {
    case(name, Act::Python { step, source, ends })
}

const fn case(name: &'static str, act: Act) -> Case {
    Case { name, act, happens: "", stopped_by: "", limits: |_| {} }
}

impl Case {
    /// What happens, in words.
    pub const fn so(mut self, happens: &'static str) -> Self {
        self.happens = happens;
        self
    }

    /// What stops it.
    pub const fn by(mut self, stopped_by: &'static str) -> Self {
        self.stopped_by = stopped_by;
        self
    }

    /// Limits of this case.
    pub const fn with(mut self, limits: fn(&mut Limits)) -> Self {
        self.limits = limits;
        self
    }
}

/// Ends at the limit of a call's time.
pub const BATCH_TIME: Ends = Ends::Limit(LimitKind::BatchTime);
/// Ends at the limit of the time before data flows.
pub const STARTUP_TIME: Ends = Ends::Limit(LimitKind::StartupTime);
/// Ends at the memory's limit.
pub const MEMORY: Ends = Ends::Limit(LimitKind::Memory);

/// Python source without the indentation that all its lines share.
pub fn dedent(source: &str) -> String {
    let indentation = |line: &str| line.len() - line.trim_start().len();
    let lines = || source.lines().filter(|line| !line.trim().is_empty());
    let shared = lines().map(indentation).min().unwrap_or(0);
    source.lines().map(|line| line.get(shared..).unwrap_or("").to_owned() + "\n").collect()
}

/// `Err` with a message unless a condition holds.
pub fn ensure(condition: bool, message: impl FnOnce() -> String) -> Result<(), String> {
    if condition { Ok(()) } else { Err(message()) }
}

/// A case with its group, shared with the task that runs it.
#[derive(Clone, Copy)]
pub struct Named {
    pub group: &'static str,
    pub case: &'static Case,
}
