//! Which column becomes which argument, and whether it can.

use std::fmt;

use arrow::array::{Array, ArrayRef, StringArray};
use arrow_schema::{DataType, Field, Schema};

use crate::convert::{Conversion, crossing_type, plain};
use crate::signature::{Parameter, Signature};
use crate::types;

/// How columns become arguments.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Arguments {
    /// Each parameter takes the column of its name: exactly spelled, or else the only one that differs in case alone.
    /// Parameters with a default value may have no column.
    #[default]
    ByName,
    /// These columns, in the order of the parameters.
    Columns(Vec<String>),
    /// These columns and constants, in the order of the parameters.
    Values(Vec<ArgumentValue>),
}

/// Where an argument comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum ArgumentValue {
    /// The column of this name.
    Column(String),
    /// The only value of this array, for every row.
    Constant(ArrayRef),
    /// A constant as text, which is read as the parameter's type.
    Text(String),
}

/// Where a bound argument comes from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ArgumentSource {
    /// The column at this position of the schema.
    Column(usize),
    /// An array of one value, of the type that crosses.
    Constant(ArrayRef),
}

/// One argument of a bound function.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Argument {
    /// The column or the constant.
    pub source: ArgumentSource,
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
#[non_exhaustive]
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
    /// A constant is not one value, or not one of the parameter's type.
    #[error("the constant {value} cannot be parameter \"{parameter}\" of {function}, which takes {parameter_type}")]
    Constant {
        /// The constant as text.
        value: String,
        /// The parameter.
        parameter: String,
        /// Its type.
        parameter_type: String,
        /// The function and where it is defined.
        function: Place,
    },
    /// A column cannot be a key of groups.
    #[error("column \"{column}\" of type {column_type} cannot be a key of groups")]
    Key {
        /// The column.
        column: String,
        /// Its type.
        column_type: String,
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
        Arguments::Columns(columns) => binder.in_order(columns.iter().cloned().map(ArgumentValue::Column).collect()),
        Arguments::Values(values) => binder.in_order(values.clone()),
    }
}

/// The columns of these names: keys of groups.
pub(crate) fn find_columns(schema: &Schema, names: &[String], place: &Place) -> Result<Vec<usize>, BindError> {
    let binder = Finder { schema, place };
    names.iter().map(|name| binder.column(name)).collect()
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
            match (Finder { schema: self.schema, place: &self.place }).named(&parameter.name)? {
                Some(column) => arguments.push(self.argument(column, parameter)?),
                // Arguments are passed by position, so the defaults from here on stay.
                None if parameter.default => break,
                None => {
                    return Err(BindError::NoColumn {
                        parameter: parameter.name.clone(),
                        function: self.place.clone(),
                        columns: all_columns(self.schema),
                    });
                }
            }
        }
        Ok(arguments)
    }

    fn in_order(&self, values: Vec<ArgumentValue>) -> Result<Vec<Argument>, BindError> {
        let parameters = &self.signature.parameters;
        let required = parameters.iter().filter(|p| !p.default && !p.variadic).count();
        let positional = parameters.iter().filter(|p| !p.variadic).count();
        let variadic = parameters.iter().find(|p| p.variadic);
        if values.len() < required || (values.len() > positional && variadic.is_none()) {
            let takes = match (required, positional, variadic) {
                (1, 1, None) => "1 argument".to_owned(),
                (least, most, None) if least == most => format!("{least} arguments"),
                (least, most, None) => format!("{least} to {most} arguments"),
                (least, _, Some(_)) => format!("at least {least} arguments"),
            };
            return Err(BindError::ArgumentCount { function: self.place.clone(), takes, given: values.len() });
        }
        let parameters = parameters.iter().filter(|p| !p.variadic).chain(std::iter::repeat(variadic).flatten());
        let finder = Finder { schema: self.schema, place: &self.place };
        values
            .into_iter()
            .zip(parameters)
            .map(|(value, parameter)| match value {
                ArgumentValue::Column(name) => self.argument(finder.column(&name)?, parameter),
                ArgumentValue::Constant(value) => self.constant(value, parameter),
                ArgumentValue::Text(text) => self.text(text, parameter),
            })
            .collect()
    }

    /// A constant that is text: as text alone for a parameter without a type.
    fn text(&self, text: String, parameter: &Parameter) -> Result<Argument, BindError> {
        let value: ArrayRef = std::sync::Arc::new(StringArray::from(vec![text]));
        let target = parameter.data_type.clone().unwrap_or(DataType::Utf8);
        let options = arrow::compute::CastOptions { safe: false, ..Default::default() };
        match arrow::compute::cast_with_options(&value, &target, &options) {
            Ok(constant) => self.constant(constant, parameter),
            Err(_) => Err(self.wrong_constant(&value, parameter, &target)),
        }
    }

    fn constant(&self, value: ArrayRef, parameter: &Parameter) -> Result<Argument, BindError> {
        let column_type = value.data_type().clone();
        let data_type = match &parameter.data_type {
            Some(declared) => crossing_type(&column_type, declared),
            None => plain(&column_type),
        };
        let wrong = || self.wrong_constant(&value, parameter, &data_type);
        types::print(&data_type).map_err(|_| wrong())?;
        let conversion =
            Conversion::between(&column_type, &data_type).filter(|_| value.len() == 1).ok_or_else(wrong)?;
        let converted = conversion.apply(&value).map_err(|_| wrong())?;
        Ok(Argument {
            source: ArgumentSource::Constant(converted),
            column_name: "a constant".to_owned(),
            column_type: data_type.clone(),
            parameter: parameter.name.clone(),
            data_type,
            nullable: value.null_count() > 0,
            conversion: Conversion::Identity,
        })
    }

    fn wrong_constant(&self, value: &ArrayRef, parameter: &Parameter, data_type: &DataType) -> BindError {
        let shown = if value.len() == 1 {
            arrow::util::display::array_value_to_string(value, 0).unwrap_or_else(|_| "?".to_owned())
        } else {
            format!("of {} values", value.len())
        };
        BindError::Constant {
            value: format!("{shown:.200}"),
            parameter: parameter.name.clone(),
            parameter_type: types::print(data_type).unwrap_or_else(|_| data_type.to_string()),
            function: self.place.clone(),
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
            source: ArgumentSource::Column(column),
            column_name: field.name().clone(),
            column_type: field.data_type().clone(),
            parameter: parameter.name.clone(),
            data_type,
            nullable: field.is_nullable(),
            conversion,
        })
    }
}

/// Finds columns by name.
struct Finder<'a> {
    schema: &'a Schema,
    place: &'a Place,
}

impl Finder<'_> {
    /// The only column of that name.
    fn column(&self, name: &str) -> Result<usize, BindError> {
        self.named(name).ok().flatten().ok_or_else(|| BindError::UnknownColumn {
            column: name.to_owned(),
            function: self.place.clone(),
            columns: all_columns(self.schema),
        })
    }

    /// The column of that name, or the only one that differs from it in case alone.
    fn named(&self, name: &str) -> Result<Option<usize>, BindError> {
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
}

fn all_columns(schema: &Schema) -> ColumnNames {
    ColumnNames(schema.fields().iter().map(|field| field.name().clone()).collect())
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
