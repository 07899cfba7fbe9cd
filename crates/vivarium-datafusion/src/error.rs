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
    #[error("{error}{}", Details { arguments, counted: counted.filter(|_| error.row().is_some()) })]
    Function {
        /// The function's name in SQL.
        function: String,
        /// What happened.
        #[source]
        error: vivarium::Error,
        /// The arguments of the row that failed, where they are known: `parameter = value`.
        arguments: Vec<String>,
        /// What the numbers of rows count within, when that is not all rows that the function is called for.
        counted: Option<Counted>,
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
    #[error("SQL may not read the file {}: {reason}", path.display())]
    HostFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },

    /// The Python environment that the settings ask for cannot be used.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),

    /// An operator of the query panicked.
    #[error("the query failed: an operator panicked: {message}")]
    Panicked {
        /// The panic's message.
        message: String,
    },

    /// The query ended while a function ran.
    #[error("the query ended before {function} did")]
    Cancelled {
        /// The function's name in SQL.
        function: String,
    },
}

/// What the numbers of rows count within.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Counted {
    /// A partition of the query.
    Partition {
        /// Which one, from 1.
        number: usize,
        /// How many there are.
        of: usize,
    },
    /// The rows that DataFusion had for the function at one time, or for one of several accumulators.
    Part,
}

impl Counted {
    /// What rows are counted within by the partition of this index.
    pub(crate) fn in_partition(index: usize, of: usize) -> Option<Self> {
        (of > 1).then_some(Self::Partition { number: index + 1, of })
    }
}

impl std::fmt::Display for Counted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Partition { number, of } => write!(f, "rows are counted within partition {number} of {of}"),
            Self::Part => f.write_str("rows are counted within a part of the input"),
        }
    }
}

impl Error {
    pub(crate) fn statement(function: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Statement { function: function.into(), problem: problem.into() }
    }

    pub(crate) fn of(function: &str, error: impl Into<vivarium::Error>) -> Self {
        Self::Function { function: function.to_owned(), error: error.into(), arguments: Vec::new(), counted: None }
    }

    /// Whose part it is to mend this.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Statement { .. } | Self::Types { .. } | Self::Setting { .. } | Self::HostFile { .. } => {
                ErrorClass::Usage
            }
            Self::Function { error, .. } => error.class(),
            Self::Environment(_) => ErrorClass::Environment,
            Self::Cancelled { .. } | Self::Panicked { .. } => ErrorClass::Internal,
        }
    }

    /// The name in SQL of the function that it is about, to point at in the statement.
    pub fn function(&self) -> Option<&str> {
        match self {
            Self::Statement { function, .. }
            | Self::Types { function, .. }
            | Self::Function { function, .. }
            | Self::Cancelled { function } => Some(function),
            Self::Setting { .. } | Self::HostFile { .. } | Self::Environment(_) | Self::Panicked { .. } => None,
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

/// What follows the message of a function's failure.
struct Details<'a> {
    arguments: &'a [String],
    counted: Option<Counted>,
}

impl std::fmt::Display for Details<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let called = (!self.arguments.is_empty()).then(|| format!("called with {}", self.arguments.join(", ")));
        let details: Vec<_> = called.into_iter().chain(self.counted.map(|counted| counted.to_string())).collect();
        match details.is_empty() {
            true => Ok(()),
            false => write!(f, " ({})", details.join("; ")),
        }
    }
}
