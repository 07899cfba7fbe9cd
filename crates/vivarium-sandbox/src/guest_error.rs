//! What went wrong in the Python code, as the guest reports it.
//!
//! The report is the guest's word: it is parsed into this type with every string and every list bounded, and with
//! control characters made visible, so that it can be printed and logged as it is.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use vivarium_text as text;

/// Frames kept of one traceback: the guest sends at most 50.
const MAX_FRAMES: usize = 50;
/// Chained errors kept: the guest sends at most 5.
const MAX_CAUSES: usize = 5;
/// Bytes kept of a message.
const MAX_MESSAGE: usize = 64 << 10;
/// Arguments kept: a function has no more.
const MAX_ARGUMENTS: usize = 255;
/// Bytes kept of an argument's `repr`, which the guest cuts to 100 characters.
const MAX_ARGUMENT: usize = 512;
/// Bytes kept of a line of source.
const MAX_SOURCE: usize = 4096;

/// An exception or a mistake in the Python code.
///
/// Strings are valid UTF-8, bounded, and without control characters other than line feeds and tabs in `message`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct GuestError {
    /// What sort of mistake it is.
    pub kind: GuestErrorKind,
    /// The exception's type, for instance `ValueError`.
    #[serde(rename = "type")]
    pub exception: Option<String>,
    /// The exception's text.
    pub message: String,
    /// The function that was called.
    pub function: Option<String>,
    /// The row within the batch, from 0.
    pub row: Option<u64>,
    /// The user's frames, outermost first.
    pub traceback: Vec<Frame>,
    /// Frames left out in the middle of `traceback`.
    pub omitted_frames: u64,
    /// What the function was called with, as `repr` shows it, for a row that failed under the policies `null` and `skip`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<String>,
    /// The status given to `sys.exit`, for `kind` [`GuestErrorKind::Exit`].
    pub exit: Option<i64>,
    /// The exception that this one was raised from, at most five deep.
    pub cause: Option<Box<GuestError>>,
}

/// The sort of a [`GuestError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum GuestErrorKind {
    /// The source is not valid Python.
    Syntax,
    /// An import failed.
    Import,
    /// The code raised an exception.
    Exception,
    /// A declaration or a type that cannot be used.
    Definition,
    /// A value that does not fit the declared result type.
    Result,
    /// A value of the input that Python cannot hold, such as a timestamp after the year 9999.
    Argument,
    /// `MemoryError`.
    Memory,
    /// `SystemExit`.
    Exit,
    /// The guest did not understand the host.
    Protocol,
    /// A sort this version does not know.
    #[serde(other)]
    Unknown,
}

/// One line of a traceback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Frame {
    /// The file as the guest knows it.
    pub file: String,
    /// Line number, from 1.
    pub line: u64,
    /// The function's name.
    pub function: String,
    /// The source line, when it is known.
    pub source: Option<String>,
}

impl GuestError {
    /// An error of which nothing else is known.
    pub fn new(kind: GuestErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            exception: None,
            message: message.into(),
            function: None,
            row: None,
            traceback: Vec::new(),
            omitted_frames: 0,
            arguments: Vec::new(),
            exit: None,
            cause: None,
        }
    }
}

impl GuestError {
    /// Bytes of the host's memory that it takes, with all that it was raised from.
    pub(crate) fn bytes(&self) -> usize {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::capacity);
        let frame = |frame: &Frame| {
            size_of::<Frame>() + frame.file.capacity() + frame.function.capacity() + text(&frame.source)
        };
        let argument = |argument: &String| size_of::<String>() + argument.capacity();
        size_of::<Self>()
            + self.message.capacity()
            + text(&self.exception)
            + text(&self.function)
            + self.traceback.iter().map(frame).sum::<usize>()
            + self.arguments.iter().map(argument).sum::<usize>()
            + self.cause.as_ref().map_or(0, |cause| cause.bytes())
    }
}

impl Frame {
    /// A line of a file, within a function.
    pub fn new(file: impl Into<String>, line: u64, function: impl Into<String>, source: Option<String>) -> Self {
        Self { file: file.into(), line, function: function.into(), source }
    }
}

impl fmt::Display for GuestError {
    /// One line for the exception as Python prints it: `ValueError: bad price (in price, row 17)`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(exception) = &self.exception {
            write!(formatter, "{exception}")?;
            if !self.message.is_empty() {
                write!(formatter, ": ")?;
            }
        }
        formatter.write_str(&self.message)?;
        match (&self.function, self.row) {
            (Some(function), Some(row)) => write!(formatter, " (in {function}, row {row})"),
            (Some(function), None) => write!(formatter, " (in {function})"),
            (None, Some(row)) => write!(formatter, " (in row {row})"),
            (None, None) => Ok(()),
        }
    }
}

impl std::error::Error for GuestError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

/// The error as it stands in a reply, lists bounded while they are parsed.
#[derive(Deserialize)]
pub(crate) struct WireError {
    kind: GuestErrorKind,
    #[serde(default, rename = "type")]
    exception: Option<String>,
    message: String,
    #[serde(default)]
    function: Option<String>,
    #[serde(default)]
    row: Option<u64>,
    #[serde(default)]
    traceback: Bounded<WireFrame, MAX_FRAMES>,
    #[serde(default)]
    omitted: Option<u64>,
    #[serde(default)]
    arguments: Bounded<String, MAX_ARGUMENTS>,
    #[serde(default)]
    exit: Option<i64>,
    // serde_json stops at 128 levels, so a chain without end is an error and not a stack overflow.
    #[serde(default)]
    cause: Option<Box<WireError>>,
}

#[derive(Deserialize)]
struct WireFrame {
    file: String,
    line: u64,
    #[serde(default)]
    function: String,
    #[serde(default)]
    source: Option<String>,
}

impl WireError {
    /// The error with its strings bounded: names to `name_bytes`, the message to 64 KiB.
    pub(crate) fn into_error(self, name_bytes: usize) -> GuestError {
        self.convert(name_bytes, MAX_CAUSES)
    }

    fn convert(self, name_bytes: usize, causes: usize) -> GuestError {
        let name = |text: String| text::line(&text, name_bytes);
        GuestError {
            kind: self.kind,
            exception: self.exception.map(name),
            message: text::paragraph(&self.message, MAX_MESSAGE),
            function: self.function.map(name),
            row: self.row,
            omitted_frames: self.omitted.unwrap_or(0).saturating_add(self.traceback.dropped),
            traceback: self
                .traceback
                .items
                .into_iter()
                .map(|frame| Frame {
                    file: name(frame.file),
                    line: frame.line,
                    function: name(frame.function),
                    source: frame.source.map(|source| text::line(&source, MAX_SOURCE)),
                })
                .collect(),
            arguments: self.arguments.items.iter().map(|argument| text::line(argument, MAX_ARGUMENT)).collect(),
            exit: self.exit,
            cause: match causes {
                0 => None,
                _ => self.cause.map(|cause| Box::new(cause.convert(name_bytes, causes - 1))),
            },
        }
    }
}

/// The first `MAX` items of a list; the rest is read, counted and thrown away, so that the list costs no memory.
pub(crate) struct Bounded<T, const MAX: usize> {
    pub(crate) items: Vec<T>,
    pub(crate) dropped: u64,
}

impl<T, const MAX: usize> Default for Bounded<T, MAX> {
    fn default() -> Self {
        Self { items: Vec::new(), dropped: 0 }
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for Bounded<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items<T, const MAX: usize>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for Items<T, MAX> {
            type Value = Bounded<T, MAX>;

            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut bounded = Bounded::default();
                while bounded.items.len() < MAX {
                    match list.next_element()? {
                        Some(item) => bounded.items.push(item),
                        None => return Ok(bounded),
                    }
                }
                while list.next_element::<IgnoredAny>()?.is_some() {
                    bounded.dropped += 1;
                }
                Ok(bounded)
            }
        }

        deserializer.deserialize_seq(Items(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(value: serde_json::Value) -> GuestError {
        serde_json::from_value::<WireError>(value).unwrap().into_error(64)
    }

    #[test]
    fn an_exception_reads_as_python_prints_it() {
        let error = parse(json!({
            "kind": "exception", "type": "ValueError", "message": "bad price", "function": "price", "row": 17,
            "traceback": [{"file": "prices.py", "line": 3, "function": "price", "source": "    raise ValueError('bad price')"}],
            "cause": {"kind": "exception", "type": "KeyError", "message": "'x'"},
        }));
        assert_eq!(error.to_string(), "ValueError: bad price (in price, row 17)");
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "KeyError: 'x'");
        assert_eq!(error.traceback[0].line, 3);
    }

    #[test]
    fn a_hostile_report_is_bounded_and_harmless() {
        let frame = json!({"file": "f\u{1b}[0m", "line": 1, "function": "x".repeat(1000), "source": "a\nb"});
        let mut cause = json!({"kind": "exception", "message": "deepest"});
        for _ in 0..30 {
            cause = json!({"kind": "exception", "message": "", "cause": cause});
        }
        let error = parse(json!({
            "kind": "brand new", "type": "T\n", "message": "m".repeat(1 << 20), "traceback": vec![frame; 1000], "omitted": u64::MAX,
            "cause": cause, "surprise": [1, 2, 3],
        }));
        assert_eq!(error.kind, GuestErrorKind::Unknown);
        assert_eq!(error.exception.as_deref(), Some("T\\n"));
        assert!(error.message.len() < MAX_MESSAGE + 100);
        assert_eq!((error.traceback.len(), error.omitted_frames), (MAX_FRAMES, u64::MAX));
        assert_eq!(error.traceback[0].file, "f\\x1b[0m");
        assert!(error.traceback[0].function.len() < 100);
        assert_eq!(error.traceback[0].source.as_deref(), Some("a\\nb"));
        let depth = std::iter::successors(Some(&error), |error| error.cause.as_deref()).count();
        assert_eq!(depth, 1 + MAX_CAUSES);
    }
}
