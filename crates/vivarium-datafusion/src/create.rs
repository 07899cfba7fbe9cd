//! `CREATE FUNCTION ... LANGUAGE PYTHON`: from a statement to a function of the session.

use std::collections::HashSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::{CastOptions, cast_with_options};
use async_trait::async_trait;
use datafusion::common::DFSchema;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::context::{FunctionFactory, RegisterFunction};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{CreateFunction, Expr, OperateFunctionArg, Volatility};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use vivarium::{FunctionSource, Module, Signature};

use crate::declare::{self, SqlTypes};
use crate::error::Error;
use crate::function::PythonFunction;
use crate::functions::PythonFunctions;
use crate::register::{self, Declared};

/// Creates functions for one session.
pub(crate) struct Factory {
    python: PythonFunctions,
    /// Registers in the session what one statement makes besides the function it returns; an error when the session has ended.
    register: Box<Register>,
    /// For other languages.
    others: Option<Arc<dyn FunctionFactory>>,
}

pub(crate) type Register = dyn Fn(Arc<PythonFunction>) -> Result<()> + Send + Sync;

impl Factory {
    pub fn new(python: PythonFunctions, register: Box<Register>, others: Option<Arc<dyn FunctionFactory>>) -> Self {
        Self { python, register, others }
    }
}

impl fmt::Debug for Factory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Factory").field("python", &self.python).finish_non_exhaustive()
    }
}

#[async_trait]
impl FunctionFactory for Factory {
    async fn create(&self, state: &SessionState, statement: CreateFunction) -> Result<RegisterFunction> {
        let language = statement.params.language.as_ref().map(|language| language.value.to_lowercase());
        if language.as_deref() != Some("python") {
            if let Some(others) = &self.others {
                return others.create(state, statement).await;
            }
            let problem = match language {
                Some(language) => format!("there is no language {language} here; write LANGUAGE PYTHON"),
                None => "it has no language; write LANGUAGE PYTHON".to_owned(),
            };
            return Err(Error::statement(statement.name, problem).into());
        }
        // What users call it by is folded as every unquoted name is; a quoted name keeps its case.
        let name = statement.name.clone();
        if !statement.or_replace {
            register::check_name(state, &name, "write CREATE OR REPLACE FUNCTION, or choose another name")?;
        }
        if !statement.or_replace && register::holder(state, &name).is_some() {
            let problem = "there is one of this name already; write CREATE OR REPLACE FUNCTION, or choose another name";
            return Err(Error::statement(name, problem).into());
        }
        let created = Arc::new(create(&self.python, state, statement).await?);
        // The statement's caller registers what is returned; all other calls that the function has are registered here.
        (self.register)(Arc::clone(&created))?;
        Ok(register::of_statement(&created))
    }
}

async fn create(python: &PythonFunctions, state: &SessionState, statement: CreateFunction) -> Result<PythonFunction> {
    let config = state.config_options();
    let name = statement.name;
    let arguments = statement.args.unwrap_or_default();
    let types = SqlTypes {
        function: name.clone(),
        parameters: arguments.iter().map(|argument| argument.data_type.clone()).collect(),
        result: statement.return_type,
    };
    let names_in_sql = names(&name, &arguments)?;
    declare::check_types(&types)?;
    let body = body(&name, statement.params.function_body)?;
    let Body { source, mut handler, inline } = locate(python, &name, body)?;
    let mut source = source;
    // The plain function that the statement declares.
    let mut plain_function = None;
    if inline && let Some(plain) = declare::plain_handler(source.text().unwrap_or_default(), &name) {
        source = declare::with_sql_types(&source, &plain, &types)?;
        (handler, plain_function) = (Some(plain.clone()), Some(plain));
    }
    let (mut module, mut environment) = python.load(&name, config, source.clone()).await?;
    let mut chosen = choose(&name, &module, handler.as_deref())?;
    if plain_function.is_none() && inline && !chosen.decorated {
        source = declare::with_sql_types(&source, &chosen.attribute, &types)?;
        (module, environment) = python.load(&name, config, source).await?;
        plain_function = Some(chosen.attribute);
        chosen = choose(&name, &module, Some(declare::SQL_ATTRIBUTE))?;
    }
    if let Some(plain) = plain_function {
        declare::check_annotations(&types, &module, &plain)?;
        chosen = choose(&name, &module, Some(declare::SQL_ATTRIBUTE))?;
    }
    let function = module.function(if chosen.decorated { &chosen.name } else { &chosen.attribute });
    let function = function.map_err(|error| Error::of(&name, error))?;
    let result = declare::check(&types, &function)?;
    let mut defaults = Vec::new();
    for argument in &arguments {
        defaults.push(default_value(state, &name, argument)?);
    }
    let volatility = volatility(&name, statement.params.behavior, function.signature())?;
    let declared = Declared { name, function, result, volatility, defaults, names_in_sql, environment };
    Ok(register::function(python, declared).await?)
}

/// What the statement calls its parameters, if it names all: a name stands for one of them.
fn names(name: &str, arguments: &[OperateFunctionArg]) -> Result<Vec<String>, Error> {
    let folded = |argument: &OperateFunctionArg| {
        argument.name.as_ref().map(|name| match name.quote_style {
            Some(_) => name.value.clone(),
            None => name.value.to_lowercase(),
        })
    };
    let names: Vec<_> = arguments.iter().filter_map(folded).collect();
    let mut seen = HashSet::new();
    match names.iter().find(|name| !seen.insert(*name)) {
        Some(twice) => Err(Error::statement(name, format!("it has two parameters {twice}; give one another name"))),
        None if names.len() == arguments.len() => Ok(names),
        None => Ok(Vec::new()),
    }
}

fn body(name: &str, body: Option<Expr>) -> Result<String, Error> {
    match body {
        Some(Expr::Literal(value, _)) => match value.try_as_str() {
            Some(Some(text)) => Ok(text.to_owned()),
            _ => Err(Error::statement(name, "its body is no text; write AS $$ ... $$")),
        },
        Some(_) => Err(Error::statement(name, "its body is no text; write AS $$ ... $$")),
        None => Err(Error::statement(
            name,
            "it has no body; write AS $$ ... $$, AS 'module.function' or AS 'file.py::function'",
        )),
    }
}

struct Body {
    source: FunctionSource,
    handler: Option<String>,
    /// The body is the source.
    inline: bool,
}

/// What a body is: source code, a file, or a function of a module in the environment.
fn locate(python: &PythonFunctions, name: &str, body: String) -> Result<Body, Error> {
    let trimmed = body.trim();
    let one_word = !trimmed.is_empty() && !trimmed.contains(['\n', '(', '=']);
    let (file, handler) = match trimmed.rsplit_once("::") {
        Some((file, handler)) => (file, Some(handler.to_owned())),
        None => (trimmed, None),
    };
    if one_word && file.ends_with(".py") {
        let path = python.shared.files.allow(Path::new(file))?;
        let text = FunctionSource::read(&path).map_err(|error| Error::of(name, error))?;
        return Ok(Body { source: FunctionSource::inline(file, text), handler, inline: false });
    }
    let identifier = |part: &str| {
        let mut characters = part.chars();
        characters.next().is_some_and(|c| c.is_alphabetic() || c == '_')
            && characters.all(|c| c.is_alphanumeric() || c == '_')
    };
    if let Some((module, function)) = trimmed.rsplit_once('.')
        && module.split('.').all(identifier)
        && identifier(function)
    {
        let (source, handler) = (FunctionSource::module(module), Some(function.to_owned()));
        return Ok(Body { source, handler, inline: false });
    }
    if !body.contains("def ") && !body.contains("class ") && !body.contains("import ") {
        let problem =
            "its body defines nothing; write AS $$ ... $$ with a def, AS 'module.function', or AS 'file.py::function'";
        return Err(Error::statement(name, problem));
    }
    Ok(Body { source: FunctionSource::inline(format!("<sql function {name}>"), body), handler: None, inline: true })
}

/// Which of a module's functions it is: the one that is named, the one of SQL's name, or the only one there is.
fn choose(name: &str, module: &Module, handler: Option<&str>) -> Result<Signature, Error> {
    let signatures = module.signatures();
    let named = |wanted: &str| {
        let declared = signatures.iter().find(|signature| signature.decorated && signature.name == wanted);
        let attribute = |signature: &&Signature| signature.attribute == wanted;
        declared.or_else(|| signatures.iter().find(attribute))
    };
    if let Some(handler) = handler {
        // A declaration that cannot be used is not listed; asking for it tells what is wrong with it.
        return match named(handler) {
            Some(found) => Ok(found.clone()),
            None => match module.function(handler) {
                Ok(function) => Ok(function.signature().clone()),
                Err(error) => Err(Error::of(name, error)),
            },
        };
    }
    if !module.problems().is_empty() {
        let (source_name, problems) = (module.name().to_owned(), module.problems().to_vec());
        return Err(Error::of(name, vivarium::Error::Problems { source_name, problems }));
    }
    let folded = |signature: &&Signature| signature.name.eq_ignore_ascii_case(name);
    if let Some(found) = named(name).or_else(|| signatures.iter().find(folded)) {
        return Ok(found.clone());
    }
    let decorated: Vec<_> = signatures.iter().filter(|signature| signature.decorated).collect();
    let candidates = if decorated.is_empty() { signatures.iter().collect() } else { decorated };
    match candidates[..] {
        [only] => Ok(only.clone()),
        [] => Err(Error::statement(name, format!("{} defines no function", module.name()))),
        _ => {
            let names: Vec<_> = candidates.iter().map(|signature| signature.attribute.as_str()).collect();
            let problem = format!(
                "{} has several functions: {}; give the one that is meant the name {name}, or declare it with @udf(name='{name}')",
                module.name(),
                names.join(", ")
            );
            Err(Error::statement(name, problem))
        }
    }
}

/// The value that SQL declares for a parameter left out, which is computed now.
fn default_value(state: &SessionState, name: &str, argument: &OperateFunctionArg) -> Result<Option<ArrayRef>> {
    let Some(default) = &argument.default_expr else { return Ok(None) };
    let context = SimplifyContext::builder().with_config_options(Arc::clone(state.config_options())).build();
    let simplifier = ExprSimplifier::new(context);
    let schema = DFSchema::empty();
    let value = simplifier.coerce(default.clone(), &schema).and_then(|expr| simplifier.simplify(expr))?;
    let Expr::Literal(value, _) = value else {
        let problem = format!("the default {default} is no constant");
        return Err(Error::statement(name, problem).into());
    };
    let target = vivarium::plain_type(&argument.data_type);
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let cast = cast_with_options(&value.to_array()?, &target, &options);
    let cast = cast.map_err(|error| Error::statement(name, format!("the default {default}: {error}")));
    Ok(Some(cast.map_err(DataFusionError::from)?))
}

/// What SQL says, where Python does not contradict; else what Python says.
fn volatility(name: &str, sql: Option<Volatility>, signature: &Signature) -> Result<Volatility, Error> {
    match (sql, signature.deterministic) {
        (Some(Volatility::Immutable), false) => Err(Error::statement(
            name,
            "it is IMMUTABLE in SQL and deterministic=False in Python; write VOLATILE, or leave one of them out",
        )),
        (Some(volatility), _) => Ok(volatility),
        (None, true) => Ok(Volatility::Immutable),
        (None, false) => Ok(Volatility::Volatile),
    }
}
