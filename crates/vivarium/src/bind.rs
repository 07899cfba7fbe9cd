//! Which column becomes which argument, and whether it can.

use std::fmt;

use arrow_schema::{DataType, Field, Schema};

use crate::convert::{Conversion, crossing_type, plain};
use crate::signature::{Parameter, Signature};
use crate::types;

/// How columns become arguments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Arguments {
    /// Each parameter takes the column of its name: exactly spelled, or else the only one that differs in case alone.
    /// Parameters with a default value may have no column.
    #[default]
    ByName,
    /// These columns, in the order of the parameters.
    Columns(Vec<String>),
}

/// One argument of a bound function.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Argument {
    /// Index of the column in the schema.
    pub column: usize,
    /// The column's name.
    pub column_name: String,
    /// The column's type.
    pub column_type: DataType,
    /// The parameter's name.
    pub parameter: String,
    /// The type that crosses into the guest.
    pub data_type: DataType,
    /// Whether the column may hold NULL.
    pub nullable: bool,
    /// How values get from one to the other.
    pub conversion: Conversion,
}

/// Why columns and parameters do not go together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BindError {
    /// No column has the parameter's name.
    #[error(
        "there is no column for parameter \"{parameter}\" of {function}; the input has {columns}; \
         rename the parameter or name the columns in order (--args)"
    )]
    NoColumn {
        /// The parameter.
        parameter: String,
        /// The function and where it is defined.
        function: Place,
        /// What columns there are.
        columns: ColumnNames,
    },
    /// Several columns have the parameter's name, or differ from it in case alone.
    #[error(
        "several columns could be parameter \"{parameter}\" of {function}: {columns}; rename the parameter to one of them \
         or name the columns in order (--args)"
    )]
    SeveralColumns {
        /// The parameter.
        parameter: String,
        /// The function and where it is defined.
        function: Place,
        /// The columns.
        columns: ColumnNames,
    },
    /// A column that the caller named does not exist, or exists twice.
    #[error("there is no single column \"{column}\" for {function}; the input has {columns}")]
    UnknownColumn {
        /// The name.
        column: String,
        /// The function and where it is defined.
        function: Place,
        /// What columns there are.
        columns: ColumnNames,
    },
    /// Too few or too many columns were named.
    #[error("{function} takes {takes}, but {given} columns were named")]
    ArgumentCount {
        /// The function and where it is defined.
        function: Place,
        /// How many columns it takes, in words.
        takes: String,
        /// How many columns were named.
        given: usize,
    },
    /// The column's type is not the parameter's, and its values cannot become it without a change.
    #[error(
        "column \"{column}\" is of type {column_type}, but parameter \"{parameter}\" of {function} takes {parameter_type}; \
         declare the parameter as {suggestion}, convert the column, or name other columns in order (--args)"
    )]
    TypeMismatch {
        /// The column.
        column: String,
        /// Its type.
        column_type: String,
        /// The parameter.
        parameter: String,
        /// Its type.
        parameter_type: String,
        /// The function and where it is defined.
        function: Place,
        /// What the parameter's declaration would have to say.
        suggestion: String,
    },
    /// The column's type cannot cross into Python at all.
    #[error("column \"{column}\" cannot be an argument of {function}: {error}; convert the column")]
    Unsupported {
        /// The column.
        column: String,
        /// The function and where it is defined.
        function: Place,
        /// What is wrong with its type.
        error: types::TypeError,
    },
}

/// A function and where it is defined, as messages name it: `price (pricing.py:12)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The function's name.
    pub function: String,
    /// The file or module.
    pub source: String,
    /// Its line, from 1; 0 when it is not known.
    pub line: u32,
}

/// Column names as messages list them: the first few, quoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnNames(Vec<String>);

/// Finds each argument's column and conversion.
pub(crate) fn bind(
    signature: &Signature,
    source: &str,
    schema: &Schema,
    arguments: &Arguments,
) -> Result<Vec<Argument>, BindError> {
    let binder = Binder {
        signature,
        schema,
        place: Place { function: signature.name.clone(), source: source.to_owned(), line: signature.line },
    };
    match arguments {
        Arguments::ByName => binder.by_name(),
        Arguments::Columns(columns) => binder.in_order(columns),
    }
}

struct Binder<'a> {
    signature: &'a Signature,
    schema: &'a Schema,
    place: Place,
}

impl Binder<'_> {
    fn by_name(&self) -> Result<Vec<Argument>, BindError> {
        let mut arguments = Vec::new();
        for parameter in self.signature.parameters.iter().filter(|parameter| !parameter.variadic) {
            match self.column_named(&parameter.name)? {
                Some(column) => arguments.push(self.argument(column, parameter)?),
                // Arguments are passed by position, so the defaults from here on stay.
                None if parameter.default => break,
                None => {
                    return Err(BindError::NoColumn {
                        parameter: parameter.name.clone(),
                        function: self.place.clone(),
                        columns: self.all_columns(),
                    });
                }
            }
        }
        Ok(arguments)
    }

    fn in_order(&self, columns: &[String]) -> Result<Vec<Argument>, BindError> {
        let parameters = &self.signature.parameters;
        let required = parameters.iter().filter(|p| !p.default && !p.variadic).count();
        let positional = parameters.iter().filter(|p| !p.variadic).count();
        let variadic = parameters.iter().find(|p| p.variadic);
        if columns.len() < required || (columns.len() > positional && variadic.is_none()) {
            let takes = match (required, positional, variadic) {
                (1, 1, None) => "1 argument".to_owned(),
                (least, most, None) if least == most => format!("{least} arguments"),
                (least, most, None) => format!("{least} to {most} arguments"),
                (least, _, Some(_)) => format!("at least {least} arguments"),
            };
            return Err(BindError::ArgumentCount { function: self.place.clone(), takes, given: columns.len() });
        }
        let parameters = parameters.iter().filter(|p| !p.variadic).chain(std::iter::repeat(variadic).flatten());
        columns
            .iter()
            .zip(parameters)
            .map(|(column, parameter)| {
                let found = self.column_named(column).ok().flatten();
                let column = found.ok_or_else(|| BindError::UnknownColumn {
                    column: column.clone(),
                    function: self.place.clone(),
                    columns: self.all_columns(),
                })?;
                self.argument(column, parameter)
            })
            .collect()
    }

    /// The column of that name, or the only one that differs from it in case alone.
    fn column_named(&self, name: &str) -> Result<Option<usize>, BindError> {
        let matching = |same: &dyn Fn(&str) -> bool| -> Vec<usize> {
            self.schema
                .fields()
                .iter()
                .enumerate()
                .filter(|(_, field)| same(field.name()))
                .map(|(index, _)| index)
                .collect()
        };
        let mut found = matching(&|column| column == name);
        if found.is_empty() {
            let folded = name.to_lowercase();
            found = matching(&|column| column.to_lowercase() == folded);
        }
        match found[..] {
            [] => Ok(None),
            [column] => Ok(Some(column)),
            _ => Err(BindError::SeveralColumns {
                parameter: name.to_owned(),
                function: self.place.clone(),
                columns: ColumnNames(found.iter().map(|&column| self.schema.field(column).name().clone()).collect()),
            }),
        }
    }

    fn argument(&self, column: usize, parameter: &Parameter) -> Result<Argument, BindError> {
        let field: &Field = self.schema.field(column);
        let unsupported =
            |error| BindError::Unsupported { column: field.name().clone(), function: self.place.clone(), error };
        let column_type = types::print(&plain(field.data_type())).map_err(unsupported)?;
        let data_type = match &parameter.data_type {
            Some(declared) => crossing_type(field.data_type(), declared),
            None => plain(field.data_type()),
        };
        let conversion = Conversion::between(field.data_type(), &data_type).ok_or_else(|| BindError::TypeMismatch {
            column: field.name().clone(),
            suggestion: suggestion(field.data_type(), &column_type),
            column_type,
            parameter: parameter.name.clone(),
            parameter_type: types::print(&data_type).unwrap_or_else(|_| data_type.to_string()),
            function: self.place.clone(),
        })?;
        Ok(Argument {
            column,
            column_name: field.name().clone(),
            column_type: field.data_type().clone(),
            parameter: parameter.name.clone(),
            data_type,
            nullable: field.is_nullable(),
            conversion,
        })
    }

    fn all_columns(&self) -> ColumnNames {
        ColumnNames(self.schema.fields().iter().map(|field| field.name().clone()).collect())
    }
}

/// What to write in Python for a column's type.
fn suggestion(column: &DataType, text: &str) -> String {
    let annotation = match plain(column) {
        DataType::Boolean => "bool",
        integer if integer.is_integer() => "int",
        float if float.is_floating() => "float",
        DataType::Utf8 | DataType::LargeUtf8 => "str",
        DataType::Binary | DataType::LargeBinary => "bytes",
        DataType::Date32 => "datetime.date",
        DataType::Timestamp(_, None) => "datetime.datetime",
        _ => return format!("the type \"{text}\""),
    };
    format!("`{annotation}`")
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{} ({})", self.function, self.source),
            line => write!(f, "{} ({}:{line})", self.function, self.source),
        }
    }
}

impl fmt::Display for ColumnNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// More names than this do not help to find a spelling mistake.
        const SHOWN: usize = 20;
        if self.0.is_empty() {
            return f.write_str("no columns");
        }
        for (index, name) in self.0.iter().take(SHOWN).enumerate() {
            write!(f, "{}{name:?}", if index == 0 { "" } else { ", " })?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests;
