//! What can go wrong, and how it gets through DataFusion's own errors.

use std::path::PathBuf;

use datafusion::error::DataFusionError;
use vivarium::{ErrorClass, PythonError};
use vivarium_env::EnvironmentError;

/// Why a Python function cannot be created, or a query with one did not give a result.
///
/// Within a [`DataFusionError`] it is an `External` one; [`find_error`] finds it below whatever was put around it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A statement asks for what there is not.
    #[error("function {function}: {problem}")]
    Statement {
        /// The function's name in SQL.
        function: String,
        /// What is wrong and what to write instead.
        problem: String,
    },

    /// What SQL declares is not what Python declares.
    #[error("function {function}: {what} is {sql} in SQL but {python} in Python ({place}); {hint}")]
    Types {
        /// The function's name in SQL.
        function: String,
        /// A parameter, or the result.
        what: String,
        /// What the statement says.
        sql: String,
        /// What the annotation says.
        python: String,
        /// The function and where it is defined.
        place: vivarium::Place,
        /// What to write instead.
        hint: String,
    },

    /// A function failed, or could not be loaded or bound.
    #[error("{error}{}", Arguments(arguments))]
    Function {
        /// The function's name in SQL.
        function: String,
        /// What happened.
        #[source]
        error: vivarium::Error,
        /// The arguments of the row that failed, where they are known: `parameter = value`.
        arguments: Vec<String>,
    },

    /// A setting has a value that it cannot have, or there is no such setting.
    #[error("{key}: {problem}")]
    Setting {
        /// The setting's whole name.
        key: String,
        /// What is wrong and what to write instead.
        problem: String,
    },

    /// SQL names a file of the host that it may not.
    #[error("the file {} is not for SQL to read: {reason}", path.display())]
    HostFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },

    /// The Python environment that the settings ask for cannot be used.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),

    /// The query ended while a function ran.
    #[error("the query ended before {function} did")]
    Cancelled {
        /// The function's name in SQL.
        function: String,
    },
}

impl Error {
    pub(crate) fn statement(function: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Statement { function: function.into(), problem: problem.into() }
    }

    pub(crate) fn of(function: &str, error: impl Into<vivarium::Error>) -> Self {
        Self::Function { function: function.to_owned(), error: error.into(), arguments: Vec::new() }
    }

    /// Whose part it is to mend this.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Statement { .. } | Self::Types { .. } | Self::Setting { .. } | Self::HostFile { .. } => {
                ErrorClass::Usage
            }
            Self::Function { error, .. } => error.class(),
            Self::Environment(_) => ErrorClass::Environment,
            Self::Cancelled { .. } => ErrorClass::Internal,
        }
    }

    /// The name in SQL of the function that it is about, to point at in the statement.
    pub fn function(&self) -> Option<&str> {
        match self {
            Self::Statement { function, .. }
            | Self::Types { function, .. }
            | Self::Function { function, .. }
            | Self::Cancelled { function } => Some(function),
            Self::Setting { .. } | Self::HostFile { .. } | Self::Environment(_) => None,
        }
    }

    /// What Python raised, if it did.
    pub fn python(&self) -> Option<&PythonError> {
        match self {
            Self::Function { error, .. } => error.python(),
            _ => None,
        }
    }

    /// The line of the function's source that it is about, from 1: within `$$ ... $$` for a function that SQL defines.
    pub fn body_line(&self) -> Option<u32> {
        match self {
            Self::Function { error: vivarium::Error::Problems { problems, .. }, .. } => {
                problems.first().map(|problem| problem.line).filter(|line| *line > 0)
            }
            Self::Function { error, .. } => {
                error.python()?.error.traceback.last().and_then(|frame| u32::try_from(frame.line).ok())
            }
            Self::Types { place, .. } => Some(place.line).filter(|line| *line > 0),
            _ => None,
        }
    }
}

impl From<Error> for DataFusionError {
    fn from(error: Error) -> Self {
        Self::External(Box::new(error))
    }
}

/// The error of this crate that a query's error comes from, if it does.
pub fn find_error(error: &DataFusionError) -> Option<&Error> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<Error>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

struct Arguments<'a>(&'a [String]);

impl std::fmt::Display for Arguments<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            [] => Ok(()),
            arguments => write!(f, " (called with {})", arguments.join(", ")),
        }
    }
}
