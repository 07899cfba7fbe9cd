//! What is compared: programs and engines that can run a case and say how long it took.

use std::time::Duration;

use futures::future::BoxFuture;

use crate::material::Case;

/// Why there is no figure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotRun(pub String);

impl NotRun {
    /// The whole chain of an error in one line.
    pub fn because(error: impl Into<anyhow::Error>) -> Self {
        Self::said(&format!("{:#}", error.into()))
    }

    /// What somebody said, in one line of bounded length.
    pub fn said(text: &str) -> Self {
        const LONGEST: usize = 300;
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        Self(match line.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{}...", &line[..end]),
            None => line,
        })
    }
}

/// One side of a comparison.
pub trait Contender: Send {
    /// Its name in reports, always the same.
    fn name(&self) -> &'static str;

    /// Calls the case's function so many times on each of its threads: the time from the first call to the last result.
    ///
    /// Whatever can be done before (starting, loading, reading files) is not in the time.
    fn run<'a>(&'a mut self, case: Case<'a>, repetitions: usize) -> BoxFuture<'a, Result<Duration, NotRun>>;
}
