//! Everything that can go wrong with a worker or one of its bundles.

use tonic::Status;

/// Why a worker ends, or why a bundle fails.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A server of Flink's cannot be reached.
    #[error("Flink's server at {url} cannot be reached: {source}")]
    Connect {
        /// Its address.
        url: String,
        /// Why.
        source: tonic::transport::Error,
    },
    /// A call to a server of Flink's failed.
    #[error("{call} of Flink's server at {url} failed: {status}")]
    Call {
        /// The call.
        call: &'static str,
        /// Whose.
        url: String,
        /// Why.
        status: Box<Status>,
    },
    /// The worker's id cannot be sent.
    #[error("the worker id {0:?} cannot be written into a header; start the worker through the launcher")]
    WorkerId(String),
    /// Flink did not say where instructions come from.
    #[error("Flink's provision server names no control server; is this Flink 2.3?")]
    NoControl,
    /// A bundle is not put together as Flink does it.
    #[error("the bundle {id} cannot be run: {problem}; is this Flink 2.3?")]
    Descriptor {
        /// Its descriptor.
        id: String,
        /// What is wrong.
        problem: String,
    },
    /// The guest's answer cannot be read.
    #[error("the guest answered with {0}")]
    Frames(&'static str),
    /// Python code failed: what Python would print, and what to do.
    #[error("{0}")]
    Python(String),
    /// The sandbox ended, or reached a limit.
    #[error("{sandbox}{advice}")]
    Sandbox {
        /// What happened.
        sandbox: vivarium_sandbox::Error,
        /// What to do, or nothing.
        advice: &'static str,
    },
    /// A stream ended in the middle of a bundle.
    #[error("Flink closed its {0} stream in the middle of a bundle")]
    StreamEnded(&'static str),
    /// Functions may have run, and a new connection is no longer allowed.
    #[error(
        "the bundle asks for Flink's server at {0}, but in its process sandbox the worker has only the connections of its first \
         bundle; is this Flink 2.3?"
    )]
    NoNewConnection(String),
    /// The process sandbox could not be enforced, and no function runs without it.
    #[error("{0}")]
    ProcessSandbox(#[from] vivarium_sandbox::ProcessSandboxError),
    /// The job's environment or the operator's settings cannot be used.
    #[error("{0}")]
    Settings(String),
}

impl From<vivarium_sandbox::Error> for Error {
    fn from(error: vivarium_sandbox::Error) -> Self {
        match error {
            vivarium_sandbox::Error::Guest(error) => {
                let text = vivarium::PythonError::without_rows(*error).traceback();
                Self::Python(text.trim_end().to_owned())
            }
            sandbox @ vivarium_sandbox::Error::Limit(_) => Self::Sandbox {
                sandbox,
                advice: " (limits.toml beside the launcher, within which a job may ask for less)",
            },
            sandbox => Self::Sandbox { sandbox, advice: "" },
        }
    }
}
