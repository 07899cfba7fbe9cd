//! Why a statement failed, and where in the SQL text.
//!
//! ```text
//! wasm-run: column 'pricee' not found
//!   at report.sql:3:8:
//!     SELECT pricee FROM orders
//!            ^^^^^^
//!   possible column orders.price
//! ```
//!
//! The place comes from what DataFusion knows of it (its diagnostics), else from the parser's message, else it is the line of a
//! function that the statement defines, or the name of the function that failed.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use datafusion::common::{Location, Span};
use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::dialect::Dialect;
use datafusion::sql::sqlparser::parser::ParserError;
use serde_json::json;
use vivarium::ErrorClass;

use super::named_files::{NotNamed, OpenError};
use super::script::{Script, TextRange};
use super::statement_files::Unwritable;
use super::text_files::BadFile;
use crate::panics::Panic;

/// What DataFusion says behind errors that it takes for its own, also behind some that are the statement's.
const NOT_OURS: &str = ".\nThis issue was likely caused by a bug in DataFusion's code. Please help us to resolve this by filing a bug \
                        report in our issue tracker: https://github.com/apache/datafusion/issues";

/// How many characters of a long line are shown.
const SHOWN: usize = 100;

/// Why a statement failed, and where.
#[derive(Debug)]
pub struct SqlFailure {
    error: DataFusionError,
    message: String,
    /// What may help, a sentence each.
    help: Vec<String>,
    script: Option<Arc<Script>>,
    position: Option<Span>,
}

impl SqlFailure {
    /// An error that is not about a statement.
    pub fn without_place(error: DataFusionError) -> Self {
        let error = first(error);
        Self { message: plain_message(&error), help: Vec::new(), script: None, position: None, error }
    }

    /// An error about the statement at `place` of `script`.
    pub fn new(
        error: DataFusionError,
        script: Arc<Script>,
        place: TextRange,
        dialect: impl AsRef<dyn Dialect>,
    ) -> Self {
        let mut failure = Self::without_place(error);
        if let Some(diagnostic) = failure.error.diagnostic().filter(|_| failure.ours().is_none()) {
            failure.position = diagnostic.span;
            let notes = diagnostic.notes.iter().map(|note| &note.message);
            let help =
                notes.chain(diagnostic.helps.iter().map(|help| &help.message)).map(|help| lower_first(help)).collect();
            failure.help = help;
        } else if let Some(error) = find::<ParserError>(&failure.error) {
            failure.position = located(&error.to_string()).1.map(|start| Span::new(start, start));
        } else if let Some(error) = failure.ours() {
            let body_line = error.body_line().and_then(|line| script.find_body_line(line, place, dialect.as_ref()));
            let name = || script.find_word(error.function()?, place, dialect.as_ref());
            failure.position = body_line.or_else(name);
        }
        failure.script = Some(script);
        failure
    }

    /// Whose part it is to mend it.
    pub fn class(&self) -> ErrorClass {
        match self.ours() {
            Some(error) => error.class(),
            None if find::<NotNamed>(&self.error).is_some() => ErrorClass::Usage,
            None if find::<BadFile>(&self.error).is_some() || find::<Unwritable>(&self.error).is_some() => {
                ErrorClass::Input
            }
            None => match find::<Panic>(&self.error) {
                Some(panic) if panic.is_of_reader() => ErrorClass::Input,
                Some(_) => ErrorClass::Usage,
                None => class(&self.error),
            },
        }
    }

    /// The error of the library below, for what the command line knows about it.
    pub fn function_error(&self) -> Option<&vivarium::Error> {
        find::<vivarium::Error>(self.ours()?)
    }

    /// Where in the SQL text, for machines.
    pub fn position_as_json(&self) -> serde_json::Value {
        let file = self.script.as_ref().and_then(|script| script.name.as_ref());
        let start = self.position.map(|span| span.start);
        json!({"file": file, "line": start.map(|start| start.line), "column": start.map(|start| start.column)})
    }

    /// What happened, without its place.
    pub fn message(&self) -> &str {
        &self.message
    }

    fn ours(&self) -> Option<&vivarium_datafusion::Error> {
        vivarium_datafusion::find_error(&self.error)
    }

    /// The place, and what may help: lines that follow the message.
    pub fn place(&self) -> impl fmt::Display {
        Shown(self)
    }
}

/// What follows a failure's message.
struct Shown<'a>(&'a SqlFailure);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.line(f)?;
        self.0.help.iter().try_for_each(|help| write!(f, "\n  {help}"))
    }
}

impl Shown<'_> {
    /// The line, and marks below it.
    fn line(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SqlFailure { script: Some(script), position: Some(span), .. } = self.0 else { return Ok(()) };
        let Some(line) = script.line(span.start.line) else { return Ok(()) };
        match &script.name {
            Some(name) => write!(f, "\n  at {name}:{}:{}:", span.start.line, span.start.column)?,
            None => write!(f, "\n  at line {}, column {}:", span.start.line, span.start.column)?,
        }
        let Excerpt { text, column } = excerpt(line, span.start.column);
        // The end is that of the last character on the same line, where there is one.
        let length = match span.end {
            end if end.line == span.start.line => end.column.saturating_sub(span.start.column).max(1),
            _ => 1,
        };
        let shown = text.chars().count().saturating_sub(column).max(1);
        let marks = usize::try_from(length).unwrap_or(1).min(shown);
        write!(f, "\n    {text}\n    {}{}", " ".repeat(column), "^".repeat(marks))
    }
}

/// The first of several errors: the others often follow from it.
fn first(error: DataFusionError) -> DataFusionError {
    match error {
        DataFusionError::Collection(errors) => match errors.into_iter().next() {
            Some(error) => first(error),
            None => DataFusionError::Internal("an error without a cause".to_owned()),
        },
        error => error,
    }
}

/// The error or the cause of it that is an `E`.
fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// What happened, without the names of the layers that it went through.
pub fn plain_message(error: &DataFusionError) -> String {
    if let Some(error) = vivarium_datafusion::find_error(error) {
        return error.to_string();
    }
    if let Some(error) = find::<NotNamed>(error) {
        return error.to_string();
    }
    if let Some(error) = find::<OpenError>(error) {
        return error.to_string();
    }
    if let Some(error) = find::<Unwritable>(error) {
        return error.to_string();
    }
    if let Some(error) = find::<BadFile>(error) {
        return error.to_string();
    }
    if let Some(panic) = find::<Panic>(error) {
        return match panic.is_of_reader() {
            true => format!("a file that it reads is damaged, and its reader gave up: {panic}"),
            false => format!("the query engine gave up, so the statement cannot be run as it is: {panic}"),
        };
    }
    if let Some(error) = find::<ParserError>(error) {
        return match error {
            ParserError::TokenizerError(text) | ParserError::ParserError(text) => {
                format!("syntax error: {}", lower_first(located(text).0))
            }
            ParserError::RecursionLimitExceeded => "the statement is nested too deeply".to_owned(),
        };
    }
    if let Some(diagnostic) = error.diagnostic() {
        return lower_first(&diagnostic.message);
    }
    let root = error.find_root();
    let message = root.message();
    let message = message.split(DataFusionError::BACK_TRACE_SEP).next().unwrap_or_default();
    lower_first(message.replace(NOT_OURS, "").trim_end())
}

/// `message` without ` at Line: L, Column: C`, and the place.
fn located(message: &str) -> (&str, Option<Location>) {
    let parsed = || {
        let (text, place) = message.rsplit_once(" at Line: ")?;
        let (line, column) = place.split_once(", Column: ")?;
        let column = column.split(|c: char| !c.is_ascii_digit()).next()?;
        Some((text, Location { line: line.parse().ok()?, column: column.parse().ok()? }))
    };
    match parsed() {
        Some((text, place)) => (text, Some(place)),
        None => (message, None),
    }
}

/// Messages follow the program's name, so they begin as the rest of a sentence does; names keep their letters.
fn lower_first(text: &str) -> String {
    let mut characters = text.chars();
    match (characters.next(), characters.clone().next()) {
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => {
            first.to_lowercase().chain(characters).collect()
        }
        _ => text.to_owned(),
    }
}

/// Whose part it is to mend an error of DataFusion's own.
fn class(error: &DataFusionError) -> ErrorClass {
    match error.find_root() {
        DataFusionError::SQL(..)
        | DataFusionError::Plan(_)
        | DataFusionError::SchemaError(..)
        | DataFusionError::Configuration(_)
        | DataFusionError::NotImplemented(_) => ErrorClass::Usage,
        DataFusionError::Diagnostic(_, error) => class(error),
        DataFusionError::ArrowError(..)
        | DataFusionError::ParquetError(_)
        | DataFusionError::ObjectStore(_)
        | DataFusionError::IoError(_)
        | DataFusionError::Execution(_)
        | DataFusionError::External(_) => ErrorClass::Input,
        DataFusionError::ResourcesExhausted(_) => ErrorClass::Limit,
        // What DataFusion takes for a defect of its own is reached by some statements alone, such as a pattern that is none for SIMILAR TO:
        // whoever wrote the statement can write another one, and nobody here can mend anything.
        _ => ErrorClass::Usage,
    }
}

/// A part of a line.
struct Excerpt {
    text: String,
    /// How many characters of it come before the place.
    column: usize,
}

/// The part of a line around a column, which counts from 1. What a terminal would obey, tabs too, is shown as one blank.
fn excerpt(line: &str, column: u64) -> Excerpt {
    let column = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
    let characters: Vec<char> = line.chars().map(|c| if vivarium_text::is_hostile(c) { ' ' } else { c }).collect();
    let column = column.min(characters.len());
    if characters.len() <= SHOWN {
        return Excerpt { text: characters.iter().collect::<String>().trim_end().to_owned(), column };
    }
    let start = column.saturating_sub(SHOWN / 2).min(characters.len() - SHOWN);
    Excerpt { text: characters[start..start + SHOWN].iter().collect(), column: column - start }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parsers_place_is_read_from_its_message() {
        let (message, place) = located("Expected: end of statement, found: FORM at Line: 2, Column: 10");
        assert_eq!(message, "Expected: end of statement, found: FORM");
        assert_eq!(place, Some(Location { line: 2, column: 10 }));
        assert_eq!(located("no place"), ("no place", None));
    }

    #[test]
    fn a_long_line_is_shown_in_part() {
        let line = format!("{}x{}", "a".repeat(500), "b".repeat(500));
        let Excerpt { text, column } = excerpt(&line, 501);
        assert_eq!((text.len(), text.chars().nth(column)), (SHOWN, Some('x')));
        let Excerpt { text, column } = excerpt("a\tb", 3);
        assert_eq!((text.as_str(), column), ("a b", 2));
    }

    #[test]
    fn names_keep_their_letters() {
        assert_eq!(lower_first("Column 'x' not found"), "column 'x' not found");
        assert_eq!(lower_first("CSV is broken"), "CSV is broken");
        assert_eq!(lower_first(""), "");
    }
}
