//! What a function says about itself.
//!
//! The guest lists the functions of a source and the problems it found; everything here is checked when it arrives: types are
//! parsed, lists and names are bounded.

use std::fmt;

use arrow_schema::DataType;
use serde::{Deserialize, Serialize};

use crate::types;

/// The most functions, and the most problems, that one source may have.
pub const MAX_FUNCTIONS: usize = 1_000;

/// The most parameters that one function may have.
pub const MAX_PARAMETERS: usize = 255;

/// The longest name of a function or parameter, in bytes.
pub const MAX_NAME_BYTES: usize = 256;

/// A function's declaration.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Signature {
    /// The name under which it is registered: the Python name, or the decorator's `name=`.
    pub name: String,
    /// The attribute of the module that holds it.
    pub attribute: String,
    /// How it is called.
    pub kind: Kind,
    /// Its parameters, in order.
    pub parameters: Vec<Parameter>,
    /// What it returns; `None` when nothing says so.
    pub result: Option<ValueType>,
    /// What happens to rows with a NULL argument.
    pub null_handling: NullHandling,
    /// Whether equal arguments give equal results.
    pub deterministic: bool,
    /// The error policy that the declaration asks for.
    pub on_error: Option<OnError>,
    /// First line of the documentation string.
    pub doc: Option<String>,
    /// Line of the definition in the source, from 1; 0 when it is not known.
    pub line: u32,
    /// Whether a decorator declares it; a plain function can be run too when it is fully annotated.
    pub decorated: bool,
}

/// One parameter of a function.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its type; `None` when nothing says so, and then the column's own type is used.
    #[serde(rename = "type", serialize_with = "type_text")]
    pub data_type: Option<DataType>,
    /// Whether it takes NULL.
    pub nullable: bool,
    /// Whether it has a default value and so needs no column.
    pub default: bool,
    /// Whether it is `*args`.
    pub variadic: bool,
}

/// An Arrow type and whether NULL belongs to it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ValueType {
    /// The type.
    #[serde(rename = "type", serialize_with = "type_text")]
    pub data_type: DataType,
    /// Whether NULL belongs to it.
    pub nullable: bool,
}

/// How a function is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Once a row, with Python values; returns one value.
    Scalar,
    /// Once a batch, with NumPy arrays; returns an array.
    Vectorized,
    /// A generator: rows for a row.
    Table,
    /// One value for a group of rows.
    Aggregate,
    /// Rows for a group of rows.
    TableAggregate,
    /// `async def`: the rows of a batch are awaited together.
    Async,
}

/// What happens to rows with a NULL argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NullHandling {
    /// A NULL in a parameter that does not take it gives NULL without a call.
    Skip,
    /// The function is called, with `None`.
    Call,
}

/// What happens to the rows for which a function raises an exception.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// The first one ends the task with its error.
    Fail,
    /// Their result is NULL.
    Null,
    /// They are left out of the result.
    Skip,
}

/// A declaration that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Problem {
    /// The function it is about, if it is about one.
    pub function: Option<String>,
    /// Line in the source, from 1; 0 when it is not known.
    pub line: u32,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl Problem {
    /// What is wrong, with what function (if it is one's) and in which line (0 when that is not known).
    pub fn new(function: Option<String>, line: u32, message: String) -> Self {
        Self { function, line, message }
    }
}

/// A guest's answer that does not describe functions.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// The answer has not the agreed form.
    #[error("the guest's list of functions is malformed: {0}")]
    Malformed(#[from] serde_json::Error),
    /// A list is longer than allowed.
    #[error("{count} {what} are more than the {most} allowed")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many are allowed.
        most: usize,
    },
    /// A name is longer than allowed.
    #[error("a name of {0} bytes is longer than the {MAX_NAME_BYTES} allowed")]
    LongName(usize),
    /// A type's text is not a type.
    #[error("the guest named a type that is not one: {0}")]
    Type(#[from] types::TypeError),
}

impl Signature {
    /// Whether it can be run: it is declared, or it is a plain function with all its types.
    pub fn usable(&self) -> bool {
        self.decorated
            || (self.result.is_some() && self.parameters.iter().all(|parameter| parameter.data_type.is_some()))
    }
}

/// What a source is, by itself.
pub(crate) struct Loaded {
    pub signatures: Vec<Signature>,
    /// What cannot be used.
    pub problems: Vec<Problem>,
    /// What can be, and is otherwise than elsewhere.
    pub notes: Vec<Problem>,
}

/// Reads the guest's answer to a `load` request.
pub(crate) fn parse_load_reply(reply: serde_json::Value) -> Result<Loaded, SignatureError> {
    let reply: wire::LoadReply = serde_json::from_value(reply)?;
    bounded("functions", reply.functions.len(), MAX_FUNCTIONS)?;
    bounded("problems", reply.problems.len(), MAX_FUNCTIONS)?;
    bounded("notes", reply.notes.len(), MAX_FUNCTIONS)?;
    let signatures = reply.functions.into_iter().map(Signature::try_from).collect::<Result<_, _>>()?;
    let read = |problems: Vec<wire::Problem>| {
        let problem = |problem: wire::Problem| Problem {
            function: problem.function,
            line: problem.line,
            message: problem.message,
        };
        problems.into_iter().map(problem).collect()
    };
    Ok(Loaded { signatures, problems: read(reply.problems), notes: read(reply.notes) })
}

/// Reads the type in the guest's answer to a `bind` request.
pub(crate) fn parse_value_type(value: &serde_json::Value) -> Result<ValueType, SignatureError> {
    let value: wire::ValueType = serde_json::from_value(value.clone())?;
    Ok(ValueType { data_type: types::parse(&value.data_type)?, nullable: value.nullable })
}

impl TryFrom<wire::Function> for Signature {
    type Error = SignatureError;

    fn try_from(function: wire::Function) -> Result<Self, SignatureError> {
        bounded("parameters", function.parameters.len(), MAX_PARAMETERS)?;
        Ok(Self {
            name: name(function.name)?,
            attribute: name(function.attribute)?,
            kind: function.kind,
            parameters: function.parameters.into_iter().map(Parameter::try_from).collect::<Result<_, _>>()?,
            result: match function.result {
                Some(wire::OptionalType { data_type: Some(text), nullable }) => {
                    Some(ValueType { data_type: types::parse(&text)?, nullable })
                }
                _ => None,
            },
            null_handling: function.null_handling,
            deterministic: function.deterministic,
            on_error: function.on_error,
            doc: function.doc.filter(|doc| !doc.is_empty()),
            line: function.line,
            decorated: function.decorated,
        })
    }
}

impl TryFrom<wire::Parameter> for Parameter {
    type Error = SignatureError;

    fn try_from(parameter: wire::Parameter) -> Result<Self, SignatureError> {
        Ok(Self {
            name: name(parameter.name)?,
            data_type: parameter.data_type.as_deref().map(types::parse).transpose()?,
            nullable: parameter.nullable,
            default: parameter.default,
            variadic: parameter.variadic,
        })
    }
}

fn name(name: String) -> Result<String, SignatureError> {
    if name.len() > MAX_NAME_BYTES { Err(SignatureError::LongName(name.len())) } else { Ok(name) }
}

fn bounded(what: &'static str, count: usize, most: usize) -> Result<(), SignatureError> {
    if count > most { Err(SignatureError::TooMany { what, count, most }) } else { Ok(()) }
}

fn type_text<'a, S: serde::Serializer>(
    data_type: impl Into<Option<&'a DataType>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match data_type.into().map(types::print) {
        None => serializer.serialize_none(),
        Some(Ok(text)) => serializer.serialize_str(&text),
        Some(Err(error)) => Err(serde::ser::Error::custom(error)),
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scalar => "scalar",
            Self::Vectorized => "vectorized",
            Self::Table => "table",
            Self::Aggregate => "aggregate",
            Self::TableAggregate => "table aggregate",
            Self::Async => "async",
        })
    }
}

impl fmt::Display for NullHandling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Skip => "skip",
            Self::Call => "call",
        })
    }
}

impl fmt::Display for OnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fail => "fail",
            Self::Null => "null",
            Self::Skip => "skip",
        })
    }
}

/// The forms of the control protocol, before they are checked.
mod wire {
    use super::{Kind, NullHandling, OnError};
    use serde::Deserialize;

    #[derive(Deserialize)]
    pub(super) struct LoadReply {
        pub functions: Vec<Function>,
        pub problems: Vec<Problem>,
        #[serde(default)]
        pub notes: Vec<Problem>,
    }

    #[derive(Deserialize)]
    pub(super) struct Function {
        pub name: String,
        pub attribute: String,
        pub kind: Kind,
        pub parameters: Vec<Parameter>,
        pub result: Option<OptionalType>,
        pub null_handling: NullHandling,
        pub deterministic: bool,
        pub on_error: Option<OnError>,
        pub doc: Option<String>,
        #[serde(default)]
        pub line: u32,
        pub decorated: bool,
    }

    #[derive(Deserialize)]
    pub(super) struct Parameter {
        pub name: String,
        #[serde(rename = "type")]
        pub data_type: Option<String>,
        pub nullable: bool,
        pub default: bool,
        pub variadic: bool,
    }

    #[derive(Deserialize)]
    pub(super) struct OptionalType {
        #[serde(rename = "type")]
        pub data_type: Option<String>,
        pub nullable: bool,
    }

    #[derive(Deserialize)]
    pub(super) struct ValueType {
        #[serde(rename = "type")]
        pub data_type: String,
        pub nullable: bool,
    }

    #[derive(Deserialize)]
    pub(super) struct Problem {
        pub function: Option<String>,
        #[serde(default)]
        pub line: u32,
        pub message: String,
    }
}
