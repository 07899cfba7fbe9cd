//! How a command ends when it fails: exit status and message.

use std::fmt;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use serde_json::json;
use vivarium::ErrorClass;
use vivarium_env::EnvironmentError;
use vivarium_sandbox::{GuestError, LimitKind};

use crate::sql::SqlFailure;

/// Bytes of a message that people are shown, and of a traceback with its message: functions raise what they like, and a terminal
/// has an end. `--json` has all.
const SHOWN_MESSAGE: usize = 4096;
const SHOWN_TRACEBACK: usize = 16 << 10;

/// Why a command failed.
#[derive(Debug)]
pub enum Failure {
    /// A function or the library around it failed.
    Function(Box<vivarium::Error>),
    /// The Python environment could not be made.
    Environment(Box<EnvironmentError>),
    /// The guest could not be built or found.
    Guest(Box<vivarium_guest::Error>),
    /// A statement failed.
    Sql(Box<SqlFailure>),
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

    /// A statement that failed.
    pub fn sql(failure: SqlFailure) -> Self {
        Self::Sql(Box::new(failure))
    }

    /// The exit status.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::BrokenPipe => 0,
            failure => status(failure.class()),
        })
    }

    /// Whose part it is to mend it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Function(error) => error.class(),
            Self::Sql(failure) => failure.class(),
            Self::Guest(error) if matches!(**error, vivarium_guest::Error::Archive { .. }) => ErrorClass::Input,
            Self::Environment(_) | Self::Guest(_) => ErrorClass::Environment,
            Self::Other { class, .. } => *class,
            Self::BrokenPipe => ErrorClass::Internal,
        }
    }

    /// The error of the library below, if there is one.
    fn function_error(&self) -> Option<&vivarium::Error> {
        match self {
            Self::Function(error) => Some(error),
            Self::Sql(failure) => failure.function_error(),
            _ => None,
        }
    }

    /// Writes the failure to standard error: sentences for people, or one JSON object.
    pub fn report(&self, json: bool) {
        if matches!(self, Self::BrokenPipe) {
            return;
        }
        if json {
            note!("{}", self.to_json());
            return;
        }
        if let Some(python) = self.function_error().and_then(vivarium::Error::python)
            && !python.error.traceback.is_empty()
        {
            note!("{}", vivarium_text::paragraph(python.traceback().trim_end_matches('\n'), SHOWN_TRACEBACK));
        }
        note!("{}", vivarium_text::paragraph(&format!("wasm-run: {self}"), SHOWN_MESSAGE));
    }

    fn to_json(&self) -> serde_json::Value {
        let class = self.class();
        let mut error = json!({"class": class_name(class), "status": status(class), "message": self.to_string()});
        if let Self::Sql(failure) = self {
            error["message"] = json!(failure.message());
            error["sql"] = failure.position_as_json();
        }
        if let Some(function) = self.function_error() {
            match function {
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
            Self::Function(error) => write!(f, "{error}{}", OptionHint(option_for(error))),
            Self::Sql(failure) => {
                let option = failure.function_error().and_then(option_for);
                write!(f, "{}{}{}", failure.message(), OptionHint(option), failure.place())
            }
            Self::Environment(error) => with_causes(&**error, f),
            Self::Guest(error) => with_causes(&**error, f),
            Self::Other { message, .. } => f.write_str(message),
            Self::BrokenPipe => f.write_str("the reader of standard output has gone away"),
        }
    }
}

/// The option that helps, if there is one, behind a message.
struct OptionHint(Option<String>);

impl fmt::Display for OptionHint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(option) => write!(f, " ({option})"),
            None => Ok(()),
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
        match error {
            vivarium_guest::Error::ArchiveIo { source, .. } if source.kind() == io::ErrorKind::BrokenPipe => {
                Self::BrokenPipe
            }
            error => Self::Guest(Box::new(error)),
        }
    }
}

/// The option that sets the limit that was reached, or that names the image with the package that is missing.
fn option_for(error: &vivarium::Error) -> Option<String> {
    match error {
        vivarium::Error::Limit { error, .. } => limit_option(error.limit),
        vivarium::Error::RowTooLarge { bytes, .. } => {
            let mebibytes = bytes.div_ceil(1 << 20).checked_next_power_of_two()?;
            Some(format!("--sandbox-limit {}={mebibytes}MiB", LimitKind::BatchBytes.name()))
        }
        vivarium::Error::Python(python) => beside_option(&python.error).or_else(|| image_option(&python.error)),
        _ => None,
    }
}

fn limit_option(limit: LimitKind) -> Option<String> {
    match limit {
        LimitKind::Memory => Some("--memory".to_owned()),
        LimitKind::BatchTime | LimitKind::StartupTime => Some("--timeout".to_owned()),
        LimitKind::CpuTime
        | LimitKind::BatchBytes
        | LimitKind::OutputBytes
        | LimitKind::OutputRows
        | LimitKind::OutputItems
        | LimitKind::RequestBytes
        | LimitKind::ReplyBytes => Some(format!("--sandbox-limit {}=...", limit.name())),
        _ => None,
    }
}

/// The first part of the name of the module that was not found.
fn missing_module(error: &GuestError) -> Option<&str> {
    let missing = error.exception.as_deref() == Some("ModuleNotFoundError");
    error.message.strip_prefix("No module named '").filter(|_| missing)?.split(['.', '\'']).next()
}

/// For a module that lies beside the file that imports it: a sandbox sees what is shipped with it, and nothing else.
fn beside_option(error: &GuestError) -> Option<String> {
    let module = missing_module(error)?;
    let is_name = module.chars().all(|character| character.is_alphanumeric() || character == '_');
    let importing = Path::new(&error.traceback.last()?.file);
    let folder = importing.parent().filter(|_| is_name && importing.is_file())?;
    let (file, package) = (folder.join(format!("{module}.py")), folder.join(module));
    let found =
        if file.is_file() { file } else { Some(package).filter(|package| package.join("__init__.py").is_file())? };
    let (found, importing) = (found.display(), importing.display());
    Some(format!("{found} lies beside {importing}; ship it with -pyfs {found}"))
}

/// For a module that another image has: it is compiled, so that no requirement can bring it.
fn image_option(error: &GuestError) -> Option<String> {
    let module = missing_module(error)?;
    let (usual, others) = vivarium_guest::images().split_first()?;
    let other = others.iter().find(|image| image.python == usual.python && image.links(module))?;
    Some(format!("--image {} has it", other.name))
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
