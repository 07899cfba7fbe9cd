//! How a command ends when it fails: exit status and message.

use std::fmt;
use std::io;
use std::process::ExitCode;

use serde_json::json;
use vivarium::ErrorClass;
use vivarium_env::EnvironmentError;
use vivarium_sandbox::LimitKind;

/// Why a command failed.
#[derive(Debug)]
pub enum Failure {
    /// A function or the library around it failed.
    Function(Box<vivarium::Error>),
    /// The Python environment could not be made.
    Environment(Box<EnvironmentError>),
    /// The guest could not be built or found.
    Guest(Box<vivarium_guest::Error>),
    /// Anything else, with the class that decides the exit status.
    Other {
        /// Whose part it is to mend it.
        class: ErrorClass,
        /// What happened, to what, and what to do.
        message: String,
    },
    /// The reader of standard output has gone away. It has what it wanted, so this is no failure of ours.
    BrokenPipe,
}

impl Failure {
    /// A wrong command line.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self::Other { class: ErrorClass::Usage, message: message.to_string() }
    }

    /// Data that cannot be read or written.
    pub fn data(what: impl fmt::Display, error: impl fmt::Display) -> Self {
        Self::Other { class: ErrorClass::Input, message: format!("{what}: {error}") }
    }

    /// Something about the Python environment that the library does not see.
    pub fn environment(message: impl fmt::Display) -> Self {
        Self::Other { class: ErrorClass::Environment, message: message.to_string() }
    }

    /// Something that should not happen.
    pub fn internal(message: impl fmt::Display) -> Self {
        Self::Other { class: ErrorClass::Internal, message: message.to_string() }
    }

    /// The exit status.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::BrokenPipe => 0,
            Self::Function(error) => status(error.class()),
            Self::Environment(_) | Self::Guest(_) => status(ErrorClass::Environment),
            Self::Other { class, .. } => status(*class),
        })
    }

    /// Writes the failure to standard error: sentences for people, or one JSON object.
    pub fn report(&self, json: bool) {
        if matches!(self, Self::BrokenPipe) {
            return;
        }
        if json {
            eprintln!("{}", self.to_json());
            return;
        }
        if let Self::Function(error) = self
            && let Some(python) = error.python()
            && !python.error.traceback.is_empty()
        {
            eprint!("{}", python.traceback());
        }
        eprintln!("wasm-run: {self}");
    }

    fn to_json(&self) -> serde_json::Value {
        let class = match self {
            Self::Function(error) => error.class(),
            Self::Environment(_) | Self::Guest(_) => ErrorClass::Environment,
            Self::Other { class, .. } => *class,
            Self::BrokenPipe => ErrorClass::Internal,
        };
        let mut error = json!({"class": class_name(class), "status": status(class), "message": self.to_string()});
        if let Self::Function(function) = self {
            match &**function {
                vivarium::Error::Python(python) => error["python"] = json!(python),
                vivarium::Error::Problems { problems, .. } => error["problems"] = json!(problems),
                vivarium::Error::Value { row, column, .. } => {
                    error["row"] = json!(row);
                    error["column"] = json!(column);
                }
                vivarium::Error::RowTooLarge { row, .. } => error["row"] = json!(row),
                _ => {}
            }
        }
        json!({ "error": error })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Function(error) => {
                error.fmt(f)?;
                match option_for(error) {
                    Some(option) => write!(f, " ({option})"),
                    None => Ok(()),
                }
            }
            Self::Environment(error) => with_causes(&**error, f),
            Self::Guest(error) => with_causes(&**error, f),
            Self::Other { message, .. } => f.write_str(message),
            Self::BrokenPipe => f.write_str("the reader of standard output has gone away"),
        }
    }
}

/// The error's message and those of its causes that it does not say itself.
fn with_causes(error: &dyn std::error::Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    f.write_str(&text)
}

impl From<vivarium::Error> for Failure {
    fn from(error: vivarium::Error) -> Self {
        Self::Function(Box::new(error))
    }
}

impl From<EnvironmentError> for Failure {
    fn from(error: EnvironmentError) -> Self {
        Self::Environment(Box::new(error))
    }
}

impl From<vivarium_guest::Error> for Failure {
    fn from(error: vivarium_guest::Error) -> Self {
        Self::Guest(Box::new(error))
    }
}

/// The option that sets the limit that was reached.
fn option_for(error: &vivarium::Error) -> Option<&'static str> {
    match error {
        vivarium::Error::Limit { error, .. } => match error.limit {
            LimitKind::Memory => Some("--memory"),
            LimitKind::BatchTime | LimitKind::StartupTime => Some("--timeout"),
            LimitKind::CpuTime
            | LimitKind::OutputBytes
            | LimitKind::OutputRows
            | LimitKind::RequestBytes
            | LimitKind::ReplyBytes => Some("--sandbox-limit"),
            _ => None,
        },
        _ => None,
    }
}

/// The exit status of a class of failures, as `--help` documents them.
fn status(class: ErrorClass) -> u8 {
    match class {
        ErrorClass::Python => 1,
        ErrorClass::Usage => 2,
        ErrorClass::Limit => 3,
        ErrorClass::Environment => 4,
        ErrorClass::Input => 5,
        ErrorClass::Internal => 70,
    }
}

fn class_name(class: ErrorClass) -> &'static str {
    match class {
        ErrorClass::Python => "python",
        ErrorClass::Usage => "usage",
        ErrorClass::Limit => "limit",
        ErrorClass::Environment => "environment",
        ErrorClass::Input => "input",
        ErrorClass::Internal => "internal",
    }
}

/// What writing to standard output came to.
///
/// # Errors
/// [`Failure::BrokenPipe`] when nobody reads it any more, else what the system said.
pub fn written(result: io::Result<()>) -> Result<(), Failure> {
    result.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::BrokenPipe,
        _ => Failure::data("standard output cannot be written", error),
    })
}
