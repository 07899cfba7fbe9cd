//! What a build tells its caller while it runs. The library itself prints nothing.

use std::path::PathBuf;

use crate::description::ImageDescription;

/// One thing that happened during a build.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// Another process is building; this one waits for it to finish.
    Waiting {
        /// The lock that is held.
        lock: PathBuf,
    },
    /// What is going to be done, before it begins.
    Plan {
        /// The image; it says how long a build from nothing takes.
        image: &'static ImageDescription,
        /// The folder that grows.
        folder: PathBuf,
        /// How many steps earlier builds have done already.
        done: u32,
        /// Number of steps.
        total: u32,
    },
    /// A step of the build changed its state.
    Step {
        /// Short name, for example `cpython-wasi`.
        name: String,
        /// What the step does, in a few words.
        about: String,
        /// Position among the steps, from 1.
        index: u32,
        /// Number of steps.
        total: u32,
        /// What happened.
        state: StepState,
        /// Seconds the step took; absent when it starts.
        seconds: Option<f64>,
        /// Where the output of its compilers goes.
        log: Option<PathBuf>,
    },
}

/// State of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepState {
    /// It runs now.
    Started,
    /// It is done.
    Finished,
    /// An earlier build had done it.
    Cached,
    /// It failed; the log says why.
    Failed,
}
