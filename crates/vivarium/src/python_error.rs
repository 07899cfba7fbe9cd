//! What went wrong in Python.

use std::fmt::{self, Write as _};

use serde::Serialize;
use vivarium_sandbox::{Frame, GuestError, GuestErrorKind};

/// An error that Python code raised, or that the interpreter found in it.
///
/// `Display` is one line (or more when the message has more); [`traceback`](Self::traceback) is what Python itself would print.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PythonError {
    /// The function that failed; `None` while a file was loaded.
    pub function: Option<String>,
    /// Row number in the whole input, from 0; `None` when the error belongs to no single row.
    pub row: Option<u64>,
    /// First row and number of rows of the batch that failed, when the error belongs to no single row.
    pub batch: Option<(u64, u64)>,
    /// The error as the guest reported it. Its `row` counts within one call; [`row`](Self::row) is the one to show.
    pub error: GuestError,
}

impl PythonError {
    /// An error while a source was loaded or a function bound: before there were rows.
    pub fn without_rows(error: GuestError) -> Self {
        Self { function: error.function.clone(), row: None, batch: None, error }
    }

    /// An error in a call of `function` for these rows of the input.
    pub(crate) fn in_rows(error: GuestError, function: &str, rows: &RowNumbers<'_>) -> Self {
        // A row beyond the batch is a lie; then it is the batch that failed.
        let row = error.row.and_then(|row| rows.number(row));
        let batch = row.is_none().then(|| rows.range());
        Self { function: Some(function.to_owned()), row, batch, error }
    }

    /// Whether the error is a declaration or a type that cannot be used, rather than something that happened to a row.
    pub fn is_definition(&self) -> bool {
        self.error.kind == GuestErrorKind::Definition
    }

    /// The traceback as Python prints it, with causes, ending in a line break; only the user's own frames.
    pub fn traceback(&self) -> String {
        let mut text = String::new();
        write_traceback(&mut text, &self.error);
        text
    }
}

/// The rows of the input that a call is about.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RowNumbers<'a> {
    /// This many from this one on.
    From(u64, u64),
    /// These, ascending.
    Listed(&'a [u64]),
}

impl RowNumbers<'_> {
    /// The number in the whole input of a row of the call.
    pub(crate) fn number(&self, row: u64) -> Option<u64> {
        match self {
            Self::From(first, rows) => (row < *rows).then(|| first + row),
            Self::Listed(rows) => rows.get(usize::try_from(row).ok()?).copied(),
        }
    }

    /// The first row, and how many there are up to the last one.
    pub(crate) fn range(&self) -> (u64, u64) {
        match self {
            Self::From(first, rows) => (*first, *rows),
            Self::Listed(rows) => match (rows.first(), rows.last()) {
                (Some(first), Some(last)) => (*first, last - first + 1),
                _ => (0, 0),
            },
        }
    }
}

impl fmt::Display for PythonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(function) = &self.function {
            write!(f, "{function} failed")?;
        } else {
            f.write_str("the Python code failed")?;
        }
        match (self.row, self.batch) {
            (Some(row), _) => write!(f, " in row {row} of the input")?,
            (None, Some((first, rows))) => {
                write!(f, " in rows {first} to {} of the input", first + rows.saturating_sub(1))?
            }
            (None, None) => {}
        }
        if let Some(Frame { file, line, .. }) = self.error.traceback.last() {
            write!(f, " ({file}:{line})")?;
        }
        f.write_str(": ")?;
        write_exception(f, &self.error)
    }
}

impl std::error::Error for PythonError {}

/// Further lines of a message are indented: none of them can pass for a line of this program's, or of a log beside it.
fn write_exception(out: &mut impl fmt::Write, error: &GuestError) -> fmt::Result {
    let message = error.message.replace('\n', "\n    ");
    match (&error.exception, message.is_empty()) {
        (Some(exception), true) => out.write_str(exception),
        (Some(exception), false) => write!(out, "{exception}: {message}"),
        (None, _) => out.write_str(&message),
    }
}

fn write_traceback(text: &mut String, error: &GuestError) {
    if let Some(cause) = &error.cause {
        write_traceback(text, cause);
        text.push_str("\nThe above exception was the direct cause of the following exception:\n\n");
    }
    if !error.traceback.is_empty() {
        text.push_str("Traceback (most recent call last):\n");
    }
    for (index, frame) in error.traceback.iter().enumerate() {
        // Writing to a String does not fail. The guest leaves frames out in the middle.
        if error.omitted_frames > 0 && index == error.traceback.len() / 2 {
            let _ = writeln!(text, "  [{} frames are left out]", error.omitted_frames);
        }
        let _ = writeln!(text, "  File {:?}, line {}, in {}", frame.file, frame.line, frame.function);
        if let Some(source) = &frame.source {
            let _ = writeln!(text, "    {}", source.trim());
        }
    }
    let _ = write_exception(text, error);
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest_error(message: &str, row: Option<u64>, cause: Option<GuestError>) -> GuestError {
        let mut error = GuestError::new(GuestErrorKind::Exception, message);
        error.exception = Some("ValueError".to_owned());
        error.row = row;
        error.traceback = vec![Frame::new("f.py", 3, "f", Some("  g(x)".to_owned()))];
        error.cause = cause.map(Box::new);
        error
    }

    #[test]
    fn rows_count_in_the_whole_input() {
        let error = PythonError::in_rows(guest_error("bad", Some(17), None), "f", &RowNumbers::From(8192, 100));
        assert_eq!(error.to_string(), "f failed in row 8209 of the input (f.py:3): ValueError: bad");
        let error = PythonError::in_rows(guest_error("bad", Some(100), None), "f", &RowNumbers::From(8192, 100));
        assert_eq!(error.to_string(), "f failed in rows 8192 to 8291 of the input (f.py:3): ValueError: bad");
    }

    #[test]
    fn a_traceback_reads_like_pythons() {
        let error = PythonError::without_rows(guest_error("", None, Some(guest_error("first", None, None))));
        let expected = "Traceback (most recent call last):\n  File \"f.py\", line 3, in f\n    g(x)\nValueError: first\n\n\
            The above exception was the direct cause of the following exception:\n\n\
            Traceback (most recent call last):\n  File \"f.py\", line 3, in f\n    g(x)\nValueError\n";
        assert_eq!(error.traceback(), expected);
    }
}
