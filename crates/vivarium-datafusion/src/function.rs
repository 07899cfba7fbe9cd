//! A Python function as SQL knows it.
//!
//! What it is called with is only known when a query is planned: [`PythonFunction::bind_types`] checks the types then, without a
//! sandbox, and [`crate::work`] starts instances when data flows.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use arrow::error::ArrowError;
use datafusion::logical_expr::{Documentation, Signature, TypeSignature, Volatility};
use vivarium::{ArgumentValue, Arguments, Kind, Parameter, converts};
use vivarium_sandbox::{JobId, TaskId, Tenant};

use crate::environment::OpenEnvironment;
use crate::error::Error;

/// A function of a session.
pub(crate) struct PythonFunction {
    /// Its name in SQL.
    pub name: String,
    /// Its name in lower case, where it is another.
    pub aliases: Vec<String>,
    pub function: vivarium::Function,
    /// What it returns: of a table function a struct of its columns.
    pub result: DataType,
    pub volatility: Volatility,
    /// Values that SQL declares for parameters left out, by parameter.
    pub defaults: Vec<Option<ArrayRef>>,
    /// What SQL calls the parameters.
    pub names_in_sql: Vec<String>,
    /// Of an aggregate function.
    pub methods: Methods,
    pub tenant: Arc<Tenant>,
    pub job: JobId,
    /// For `SHOW FUNCTIONS`.
    pub documentation: Documentation,
    /// What its sandboxes import from; open for as long as the function is there.
    pub _environment: Option<Arc<OpenEnvironment>>,
}

/// Optional methods of an aggregate function.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Methods {
    pub merge: bool,
    pub retract: bool,
}

/// Types that a function is called with.
#[derive(Debug, Clone)]
pub(crate) struct BoundTypes {
    /// A column for each argument that is no constant, with the type in which it is handed over.
    pub schema: SchemaRef,
    pub arguments: Arguments,
}

/// One argument of a call.
pub(crate) enum Given<'a> {
    Column(&'a DataType),
    Constant(ArrayRef),
}

impl PythonFunction {
    pub fn kind(&self) -> Kind {
        self.function.signature().kind
    }

    fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        self.function.signature().parameters.iter().filter(|parameter| !parameter.variadic)
    }

    /// The parameter of each argument: the last one takes all others when it is variadic.
    fn parameter(&self, index: usize) -> Option<&Parameter> {
        let variadic = self.function.signature().parameters.iter().find(|parameter| parameter.variadic);
        self.parameters().nth(index).or(variadic)
    }

    /// How messages call an argument.
    pub fn parameter_name(&self, index: usize) -> String {
        match self.parameter(index) {
            Some(parameter) if !parameter.variadic => parameter.name.clone(),
            Some(parameter) => format!("{}[{index}]", parameter.name),
            None => format!("argument {index}"),
        }
    }

    /// What DataFusion is told. Any types pass its own check ([`Self::bind_types`] has the better message and the finer rules);
    /// the others are there to be listed.
    pub fn datafusion_signature(&self) -> Signature {
        let parameters: Vec<_> = self.parameters().collect();
        let type_of = |parameter: &&Parameter| parameter.data_type.clone().unwrap_or(DataType::Null);
        let required = parameters.iter().enumerate();
        let required = required.filter(|(index, parameter)| !self.has_default(*index, parameter)).count();
        let arities = (required..=parameters.len()).rev();
        let listed = arities.map(|arity| TypeSignature::Exact(parameters[..arity].iter().map(type_of).collect()));
        let all = [TypeSignature::UserDefined, TypeSignature::Nullary].into_iter().chain(listed).collect();
        // For calls such as f(b => 1); those that take any number of arguments have no name for each.
        let is_variadic = self.function.signature().parameters.iter().any(|parameter| parameter.variadic);
        let names = (!is_variadic && !self.names_in_sql.is_empty()).then(|| self.names_in_sql.clone());
        Signature { parameter_names: names, ..Signature::one_of(all, self.volatility) }
    }

    fn has_default(&self, index: usize, parameter: &Parameter) -> bool {
        parameter.default || self.defaults.get(index).is_some_and(Option::is_some)
    }

    /// Checks that the function can be called with these arguments. No sandbox is started.
    pub fn bind_types(&self, given: &[Given<'_>]) -> Result<BoundTypes, Error> {
        let mut fields = Vec::new();
        let mut values = Vec::new();
        for (index, argument) in given.iter().enumerate() {
            let parameter = self.parameter(index);
            match argument {
                Given::Constant(value) => {
                    let target = parameter.map(|p| handed_over(value.data_type(), p));
                    let value = match target {
                        Some(target) => cast(value, &target).map_err(|error| self.arrow(error))?,
                        None => Arc::clone(value),
                    };
                    values.push(ArgumentValue::Constant(value));
                }
                Given::Column(column) => {
                    let name = self.parameter_name(index);
                    let data_type = parameter.map_or_else(|| (*column).clone(), |p| handed_over(column, p));
                    fields.push(Field::new(&name, data_type, true));
                    values.push(ArgumentValue::Column(name));
                }
            }
        }
        for (index, parameter) in self.parameters().enumerate().skip(given.len()) {
            match self.defaults.get(index).and_then(Option::as_ref) {
                Some(value) => values.push(ArgumentValue::Constant(Arc::clone(value))),
                None if parameter.default => break,
                None => {
                    return Err(Error::statement(&self.name, self.arity_problem(given.len())));
                }
            }
        }
        let bound = BoundTypes { schema: Arc::new(Schema::new(fields)), arguments: Arguments::Values(values) };
        self.function.check(&bound.schema, &bound.arguments).map_err(|error| self.check_problem(given, error))?;
        Ok(bound)
    }

    fn check_problem(&self, given: &[Given<'_>], error: vivarium::Error) -> Error {
        use vivarium::BindError;
        let problem = match error {
            vivarium::Error::Bind(BindError::ArgumentCount { .. }) => self.arity_problem(given.len()),
            vivarium::Error::Bind(BindError::TypeMismatch { column_type, parameter, parameter_type, .. }) => format!(
                "its parameter {parameter} takes {parameter_type}, and {column_type} does not become that by itself; write a CAST"
            ),
            other => return Error::of(&self.name, other),
        };
        Error::statement(&self.name, problem)
    }

    fn arity_problem(&self, given: usize) -> String {
        let parameters: Vec<_> = self.parameters().collect();
        let optional = parameters.iter().enumerate().filter(|(index, p)| self.has_default(*index, p)).count();
        let variadic = self.function.signature().parameters.iter().any(|parameter| parameter.variadic);
        let takes = match (parameters.len() - optional, parameters.len(), variadic) {
            (least, _, true) => format!("at least {}", counted(least, "argument")),
            (least, most, false) if least == most => counted(most, "argument"),
            (least, most, false) => format!("{least} to {}", counted(most, "argument")),
        };
        format!("it takes {takes}, and {given} {} given", if given == 1 { "is" } else { "are" })
    }

    /// Whether equal arguments may give other results, so that every row has a call of its own.
    pub fn is_volatile(&self) -> bool {
        self.volatility == Volatility::Volatile
    }

    fn arrow(&self, error: ArrowError) -> Error {
        Error::of(&self.name, error)
    }

    /// The names it is found by: its own, and what SQL makes of that when it is not quoted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.name.as_str()).chain(self.aliases.iter().map(String::as_str))
    }

    /// The field of the results.
    pub fn result_field(&self, data_type: DataType) -> FieldRef {
        Arc::new(Field::new(&self.name, data_type, true))
    }

    /// The columns of a table function's rows.
    pub fn columns(&self) -> Fields {
        match &self.result {
            DataType::Struct(columns) => columns.clone(),
            single => [Field::new(&self.name, single.clone(), true)].into_iter().collect(),
        }
    }

    /// What a table function gives for a row in an expression: the value of its only column, or a struct of its columns.
    pub fn item(&self) -> DataType {
        let columns = self.columns();
        match &columns[..] {
            [only] => only.data_type().clone(),
            _ => DataType::Struct(columns),
        }
    }

    /// What a query runs it under: an account of its own for time and memory.
    pub fn sandbox_task(&self) -> Arc<vivarium_sandbox::TaskAccount> {
        let printable = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
        let name: String = self.name.chars().take(100).map(printable).collect();
        // Made of nothing but what an identifier may have.
        let id = TaskId::new(format!("sql:{name}")).or_else(|_| TaskId::new("sql"));
        let id = id.unwrap_or_else(|_| vivarium_sandbox::TaskAccount::local().id().clone());
        self.tenant.task(self.job.clone(), id)
    }
}

/// `1 argument`, `2 arguments`.
pub(crate) fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

impl BoundTypes {
    /// The columns of one call: arrays for [`Self::schema`], converted where SQL would.
    pub fn batch(&self, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, ArrowError> {
        let mut converted = Vec::with_capacity(columns.len());
        for (column, field) in columns.into_iter().zip(self.schema.fields()) {
            converted.push(cast(&column, field.data_type())?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), converted, &options)
    }
}

/// The type in which an argument is handed over: its own when its values become the parameter's without a change, else the
/// parameter's where SQL has an implicit conversion.
fn handed_over(argument: &DataType, parameter: &Parameter) -> DataType {
    match &parameter.data_type {
        Some(declared) if !converts(argument, declared) && implicit(argument, declared) => declared.clone(),
        _ => argument.clone(),
    }
}

/// Conversions that SQL users expect to happen by themselves although not every value survives: of number literals, which
/// DataFusion types as wide as they get, and of text that stands for a date or time. What does not fit is an error.
fn implicit(from: &DataType, to: &DataType) -> bool {
    let number = |t: &DataType| t.is_numeric();
    let text = |t: &DataType| matches!(t, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    (from.is_integer() && to.is_integer())
        || (number(from) && to.is_floating())
        || ((from.is_integer() || from.is_decimal() || from.is_floating()) && to.is_decimal())
        || (text(from) && to.is_temporal())
        || (matches!(from, DataType::Date32) && matches!(to, DataType::Timestamp(_, _) | DataType::Date64))
        || is_utc(from) && matches!(to, DataType::Timestamp(_, None))
        || match (from, to) {
            (DataType::List(from) | DataType::LargeList(from), DataType::List(to) | DataType::LargeList(to))
            | (DataType::Map(from, _), DataType::Map(to, _)) => becomes(from.data_type(), to.data_type()),
            (DataType::Struct(from), DataType::Struct(to)) => {
                from.len() == to.len()
                    && from
                        .iter()
                        .zip(to)
                        .all(|(from, to)| from.name() == to.name() && becomes(from.data_type(), to.data_type()))
            }
            _ => false,
        }
}

/// A moment of which a type without a zone has the same digits: `now()` for a TIMESTAMP.
fn is_utc(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(_, Some(zone)) if matches!(&**zone, "UTC" | "+00:00" | "Z"))
}

/// Whether values are handed over as the other type: exactly, or by SQL's habit.
fn becomes(from: &DataType, to: &DataType) -> bool {
    converts(from, to) || implicit(from, to)
}

fn cast(column: &ArrayRef, target: &DataType) -> Result<ArrayRef, ArrowError> {
    if column.data_type() == target {
        return Ok(Arc::clone(column));
    }
    cast_with_options(column, target, &CastOptions { safe: false, ..CastOptions::default() })
}

impl fmt::Debug for PythonFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PythonFunction").field("name", &self.name).field("place", &self.function.place()).finish()
    }
}

/// A function is itself and no other: one that replaces it is not equal, whatever it says.
impl PartialEq for PythonFunction {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for PythonFunction {}

impl Hash for PythonFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}
