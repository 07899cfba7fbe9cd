//! Everything that can go wrong, and who can fix it.

use std::fmt;

use arrow_schema::ArrowError;
use vivarium_sandbox::{GuestErrorKind, LimitError, ProtocolError};

use crate::bind::{BindError, Place};
use crate::python_error::{PythonError, RowNumbers};
use crate::signature::{Kind, Problem, SignatureError};
use crate::source::SourceError;

/// Why a function cannot be used, or a task did not give a result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Python code raised an exception, or is not valid Python.
    #[error(transparent)]
    Python(Box<PythonError>),

    /// Declarations in the source cannot be used.
    #[error("{source_name} cannot be used:{}", Listed(problems))]
    Problems {
        /// The file or module.
        source_name: String,
        /// All that is wrong with it.
        problems: Vec<Problem>,
    },

    /// The function file cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),

    /// The source does not have the function.
    #[error("there is no function \"{function}\" in {source_name}; it has {}", Names(functions))]
    NoFunction {
        /// The name asked for.
        function: String,
        /// The file or module.
        source_name: String,
        /// The functions it has.
        functions: Vec<String>,
    },

    /// The source has several functions and none was named.
    #[error("{source_name} has several functions: {}; name one of them", Names(functions))]
    SeveralFunctions {
        /// The file or module.
        source_name: String,
        /// The functions it has.
        functions: Vec<String>,
    },

    /// The source declares no function at all.
    #[error(
        "{source_name} declares no function; put `@udf` above one (`from vivarium import udf`), or name a fully annotated function"
    )]
    NoFunctions {
        /// The file or module.
        source_name: String,
    },

    /// The function's kind is applied in another way.
    #[error("{function} is {} {kind} function, which {wanted}", article(*kind))]
    Kind {
        /// How it is applied instead.
        wanted: &'static str,
        /// The function.
        function: Place,
        /// Its kind.
        kind: Kind,
    },

    /// Columns and parameters do not go together.
    #[error(transparent)]
    Bind(#[from] BindError),

    /// The result's name is that of a column.
    #[error("the input already has a column \"{name}\"; give the result of {function} another name (--as)")]
    ResultName {
        /// The name.
        name: String,
        /// The function.
        function: Place,
    },

    /// As many names for the result's columns as there are columns, or none, are expected.
    #[error("{given} names were given for the {columns} result columns of {function}; name all of them or none (--as)")]
    ResultNames {
        /// How many names.
        given: usize,
        /// How many columns.
        columns: usize,
        /// The function.
        function: Place,
    },

    /// More groups than the host may keep.
    #[error(
        "the keys of {groups} groups take more than the {limit} bytes that they may take; group by fewer or shorter columns"
    )]
    Groups {
        /// How many groups there were.
        groups: usize,
        /// How many bytes their keys may take.
        limit: u64,
    },

    /// An aggregate function lacks an operation.
    #[error("{function} has no method {method}(), which this needs; add it to the class")]
    Operation {
        /// The function.
        function: Place,
        /// The method.
        method: &'static str,
    },

    /// A value has no equal in the parameter's type.
    #[error(
        "row {row} of column \"{column}\" holds {value}, which parameter \"{parameter}\" of {function} ({parameter_type}) cannot \
         hold exactly; declare the parameter as {column_type} or convert the column"
    )]
    Value {
        /// Row number in the whole input, from 0.
        row: u64,
        /// The column.
        column: String,
        /// Its type.
        column_type: String,
        /// The value as text.
        value: String,
        /// The parameter.
        parameter: String,
        /// Its type.
        parameter_type: String,
        /// The function.
        function: Place,
    },

    /// One row alone is larger than a call may be.
    #[error(
        "row {row} of the input takes {bytes} bytes, more than the {limit} that one call may have (batch_bytes); raise that limit or \
         shorten the row"
    )]
    RowTooLarge {
        /// Row number in the whole input, from 0.
        row: u64,
        /// Its size in bytes.
        bytes: u64,
        /// How many are allowed.
        limit: u64,
    },

    /// A batch has not the columns that the function was bound to.
    #[error("the input changed after row {row}: column \"{column}\" is missing or no longer of type {column_type}")]
    SchemaChanged {
        /// Number of the batch's first row in the whole input.
        row: u64,
        /// The column.
        column: String,
        /// The type it had.
        column_type: String,
    },

    /// The input could not be read.
    #[error("the input cannot be read: {0}")]
    Input(#[source] Box<dyn std::error::Error + Send + Sync>),

    /// A policy that leaves rows out was asked for where a result for every row is needed.
    #[error(
        "the error policy \"skip\" leaves rows out, so it cannot give one array for a batch; use `run`, or the policy \"null\""
    )]
    SkipNeedsRun,

    /// A limit was reached.
    #[error("{error}{rows}", rows = InRows(*rows))]
    Limit {
        /// The limit and how it was reached.
        error: LimitError,
        /// First row and number of rows of the call, when there were rows.
        rows: Option<(u64, u64)>,
    },

    /// The sandbox failed otherwise.
    #[error("{error}{rows}", rows = InRows(*rows))]
    Sandbox {
        /// What happened.
        error: vivarium_sandbox::Error,
        /// First row and number of rows of the call, when there were rows.
        rows: Option<(u64, u64)>,
    },

    /// The guest described its functions in a form that is not agreed, or differently than before.
    #[error(transparent)]
    Signature(#[from] SignatureError),

    /// Instances do not agree about a function's result type.
    #[error(
        "{function} returns {first} in one instance and {second} in another; a declaration must not depend on chance or time"
    )]
    Unstable {
        /// The function.
        function: Place,
        /// What the first instance said.
        first: String,
        /// What another one said.
        second: String,
    },

    /// Arrow refused to put columns together.
    #[error("columns could not be put together: {0}")]
    Arrow(#[from] ArrowError),

    /// The job's Python environment cannot be used.
    #[cfg(feature = "environments")]
    #[error(transparent)]
    Environment(#[from] vivarium_env::EnvironmentError),

    /// The image's Python is of a version that environments cannot be made for.
    #[error(
        "the guest has Python {version}, for which no environment can be made; build the guest of this version again"
    )]
    UnknownPython {
        /// The version.
        version: String,
    },

    /// A worker of the task ended without an answer.
    #[error("a worker of the task ended without an answer: {0}")]
    Worker(String),
}

/// Whose part it is to mend an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The Python code failed. Also whatever the guest says that cannot be: the SDK in it is Python, too, which the code it runs
    /// can change, and the host cannot tell a defect of the SDK's from a change of the code's.
    Python,
    /// What was asked for does not exist or contradicts itself.
    Usage,
    /// A limit was reached.
    Limit,
    /// The guest image or the Python environment cannot be used.
    Environment,
    /// The input data does not fit.
    Input,
    /// The sandbox or this library failed.
    Internal,
}

impl Error {
    /// Whose part it is to mend this.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Python(error) if error.error.kind == GuestErrorKind::Memory => ErrorClass::Limit,
            Self::Python(error) if error.error.kind == GuestErrorKind::Argument => ErrorClass::Input,
            Self::Python(_)
            | Self::Problems { .. }
            | Self::Operation { .. }
            | Self::Unstable { .. }
            | Self::Signature(_) => ErrorClass::Python,
            Self::Kind { .. } => ErrorClass::Usage,
            Self::Source(_)
            | Self::NoFunction { .. }
            | Self::SeveralFunctions { .. }
            | Self::NoFunctions { .. }
            | Self::ResultName { .. }
            | Self::ResultNames { .. }
            | Self::SkipNeedsRun => ErrorClass::Usage,
            Self::Bind(BindError::ArgumentCount { .. } | BindError::Constant { .. }) => ErrorClass::Usage,
            Self::Bind(_) | Self::Value { .. } | Self::SchemaChanged { .. } | Self::Input(_) => ErrorClass::Input,
            Self::Limit { .. } | Self::RowTooLarge { .. } | Self::Groups { .. } => ErrorClass::Limit,
            Self::Sandbox { error, .. } => sandbox_class(error),
            #[cfg(feature = "environments")]
            Self::Environment(_) => ErrorClass::Environment,
            Self::UnknownPython { .. } => ErrorClass::Environment,
            // More than one array's offsets can count: the function gave too much.
            Self::Arrow(ArrowError::OffsetOverflowError(_)) => ErrorClass::Limit,
            Self::Arrow(_) | Self::Worker(_) => ErrorClass::Internal,
        }
    }

    /// The Python error behind this one, if there is one.
    pub fn python(&self) -> Option<&PythonError> {
        match self {
            Self::Python(error) => Some(error),
            _ => None,
        }
    }

    /// Places a sandbox's error that happened before there were rows.
    pub(crate) fn without_rows(error: vivarium_sandbox::Error) -> Self {
        match error {
            vivarium_sandbox::Error::Guest(error) => Self::Python(Box::new(PythonError::without_rows(*error))),
            vivarium_sandbox::Error::Limit(error) => Self::Limit { error, rows: None },
            error => Self::Sandbox { error, rows: None },
        }
    }

    /// Places a sandbox's error in the rows of the input that the call was about.
    pub(crate) fn in_rows(error: vivarium_sandbox::Error, function: &str, rows: &RowNumbers<'_>) -> Self {
        match error {
            vivarium_sandbox::Error::Guest(error) => {
                Self::Python(Box::new(PythonError::in_rows(*error, function, rows)))
            }
            vivarium_sandbox::Error::Limit(error) => Self::Limit { error, rows: Some(rows.range()) },
            error => Self::Sandbox { error, rows: Some(rows.range()) },
        }
    }

    /// The first row of the input that the error is about; `None` when it is about none.
    pub fn row(&self) -> Option<u64> {
        match self {
            Self::Python(error) => error.row.or(error.batch.map(|(first, _)| first)),
            Self::Value { row, .. } | Self::RowTooLarge { row, .. } | Self::SchemaChanged { row, .. } => Some(*row),
            Self::Limit { rows, .. } | Self::Sandbox { rows, .. } => rows.map(|(first, _)| first),
            _ => None,
        }
    }

    /// As [`row`](Self::row), for comparing errors: after all rows when it is about none.
    pub(crate) fn first_row(&self) -> u64 {
        self.row().unwrap_or(u64::MAX)
    }
}

impl From<vivarium_sandbox::Error> for Error {
    fn from(error: vivarium_sandbox::Error) -> Self {
        Self::without_rows(error)
    }
}

fn sandbox_class(error: &vivarium_sandbox::Error) -> ErrorClass {
    use vivarium_sandbox::Error as Sandbox;
    match error {
        // A function that crashes or ends its interpreter did so by itself: the interpreter alone does neither.
        Sandbox::Guest(_) | Sandbox::Exit(_) | Sandbox::Trap { .. } => ErrorClass::Python,
        // Asked for before any code of the function's has run: the image is another one.
        Sandbox::Protocol(ProtocolError::Version { .. }) => ErrorClass::Environment,
        // A function that changes the SDK around it answers for it; what died, died of its code.
        Sandbox::Protocol(_) | Sandbox::Dead { .. } => ErrorClass::Python,
        Sandbox::Exchange(error) if error.is_malformed_result() => ErrorClass::Python,
        // What a tenant may use, or whether it may run at all, is its operator's word.
        Sandbox::Limit(_) | Sandbox::Tenant(_) => ErrorClass::Limit,
        Sandbox::Limits(_) => ErrorClass::Usage,
        Sandbox::Image(_) => ErrorClass::Environment,
        _ => ErrorClass::Internal,
    }
}

fn article(kind: Kind) -> &'static str {
    match kind {
        Kind::Aggregate | Kind::Async => "an",
        _ => "a",
    }
}

struct Names<'a>(&'a [String]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => f.write_str("none"),
            names => f.write_str(&names.join(", ")),
        }
    }
}

struct Listed<'a>(&'a [Problem]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|problem| write!(f, "\n  line {}: {}", problem.line, problem.message))
    }
}

struct InRows(Option<(u64, u64)>);

impl fmt::Display for InRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some((first, rows)) => write!(f, " (in rows {first} to {} of the input)", first + rows.saturating_sub(1)),
            None => Ok(()),
        }
    }
}
