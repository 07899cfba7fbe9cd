//! What a function is told about its job when it is opened.

use std::collections::BTreeMap;

use serde::Serialize;

/// What `open(context)` of a function sees. The default is a job without parameters, of one task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct JobContext {
    /// The job's settings.
    pub job_parameters: BTreeMap<String, String>,
    /// Which of the job's equal tasks this is, from 0. All instances of a task have the same number, so that results do not depend
    /// on which of them computed a row.
    pub task_number: u32,
    /// How many equal tasks there are.
    pub parallelism: u32,
}

impl Default for JobContext {
    fn default() -> Self {
        Self { job_parameters: BTreeMap::new(), task_number: 0, parallelism: 1 }
    }
}

vivarium_sandbox::__setters!(JobContext {
    with_job_parameters: job_parameters: BTreeMap<String, String>,
    with_task_number: task_number: u32,
    with_parallelism: parallelism: u32,
});
