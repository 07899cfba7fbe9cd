//! Functions in the registries of a session, one for each way in which they can be called.
//!
//! | kind | in an expression | in `FROM` | over groups and windows |
//! |---|---|---|---|
//! | scalar, vectorized, async | one value | | |
//! | table | a list of its rows, for `unnest` | its rows, for constants | |
//! | aggregate | | | one value |

use std::any::Any;
use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::TableFunctionImpl;
use datafusion::error::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::execution::context::RegisterFunction;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{AggregateUDF, DocSection, Documentation, ScalarUDF, Volatility};
use datafusion::prelude::SessionContext;
use vivarium::{Arguments, Function, FunctionSource, GroupBy, Kind, OnError, TaskOptions};

use crate::aggregate::PythonAggregate;
use crate::declare;
use crate::environment::OpenEnvironment;
use crate::error::Error;
use crate::function::{Methods, PythonFunction};
use crate::functions::{PythonFunctions, RegisteredFunction};
use crate::scalar::PythonScalar;
use crate::table::PythonTable;

/// The section of DataFusion's documentation that functions of users are in.
const SECTION: DocSection = DocSection { include: false, label: "Python functions", description: None };

/// A function that is declared in SQL or in a source.
pub(crate) struct Declared {
    pub name: String,
    pub function: Function,
    pub result: DataType,
    pub volatility: Volatility,
    pub defaults: Vec<Option<ArrayRef>>,
    /// What a statement calls its parameters; none: what Python does.
    pub names_in_sql: Vec<String>,
    pub environment: Option<Arc<OpenEnvironment>>,
}

/// Makes it a function of the session's tenant.
pub(crate) async fn function(python: &PythonFunctions, declared: Declared) -> Result<PythonFunction, Error> {
    let Declared { name, function, result, volatility, defaults, names_in_sql, environment } = declared;
    let signature = function.signature();
    let names_in_sql = match names_in_sql.is_empty() {
        true => signature.parameters.iter().map(|parameter| parameter.name.to_lowercase()).collect(),
        false => names_in_sql,
    };
    // Two names that SQL folds to one name nothing.
    let distinct = names_in_sql.iter().collect::<HashSet<_>>().len() == names_in_sql.len();
    let names_in_sql = if distinct { names_in_sql } else { Vec::new() };
    let one_value = matches!(signature.kind, Kind::Scalar | Kind::Vectorized | Kind::Async);
    if one_value && signature.on_error == Some(OnError::Skip) {
        let problem =
            "on_error=\"skip\" leaves rows out, and an expression has a value for every row; declare \"null\"";
        return Err(Error::statement(name, problem));
    }
    if signature.kind == Kind::TableAggregate {
        let problem =
            "a table aggregate function has no place in SQL; declare an aggregate function that returns a list";
        return Err(Error::statement(name, problem));
    }
    let parameters: Vec<_> = signature.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
    let description = signature.doc.clone().unwrap_or_else(|| function.place().to_string());
    let mut documentation = Documentation::builder(SECTION, description, format!("{name}({})", parameters.join(", ")));
    for parameter in &signature.parameters {
        documentation = documentation.with_argument(&parameter.name, "");
    }
    // Variables are the query's, besides those that the environment brings.
    let variables = environment.as_ref().map(|open| open.environment.guest().variables.clone()).unwrap_or_default();
    let config = function.sandbox_config().clone().with_variables(variables);
    let function = function.with_sandbox_config(config);
    let (tenant, job) = (Arc::clone(python.task().tenant()), python.task().job().clone());
    let documentation = documentation.build();
    let methods = match signature.kind {
        Kind::Aggregate => methods(&name, &function).await?,
        _ => Methods::default(),
    };
    let folded = name.to_lowercase();
    let aliases = if folded == name { Vec::new() } else { vec![folded] };
    Ok(PythonFunction {
        name,
        aliases,
        function,
        result,
        volatility,
        defaults,
        names_in_sql,
        methods,
        tenant,
        job,
        documentation,
        _environment: environment,
    })
}

/// Which of the optional methods an aggregate function has: a plan depends on them. It is asked in a sandbox of its own; of a
/// function whose parameters have no types none are known, and its rows are kept instead.
async fn methods(name: &str, function: &Function) -> Result<Methods, Error> {
    let parameters = &function.signature().parameters;
    let fields = parameters.iter().filter(|parameter| !parameter.variadic);
    let fields = fields.map(|parameter| Some(Field::new(&parameter.name, parameter.data_type.clone()?, true)));
    let Some(fields) = fields.collect::<Option<Vec<_>>>() else { return Ok(Methods::default()) };
    let columns = fields.iter().map(|field| field.name().clone()).collect();
    let options = TaskOptions::default().with_arguments(Arguments::Columns(columns)).with_instances(Some(1));
    let bound = function.bind_aggregate(&Schema::new(fields), &GroupBy::default(), options).await;
    let bound = bound.map_err(|error| Error::of(name, error))?;
    Ok(Methods { merge: bound.merges(), retract: bound.retracts() })
}

/// The functions of a source that were registered, and why others were not.
pub(crate) type Registered = (Vec<RegisteredFunction>, Vec<(String, Error)>);

/// Registers the functions of a source: all of them, or, where one cannot be, the `others`.
pub(crate) async fn source(
    python: &PythonFunctions,
    session: &SessionContext,
    source: FunctionSource,
    only: Option<&str>,
    others: bool,
) -> Result<Registered> {
    let state = session.state();
    let name = source.name().to_owned();
    let (module, environment) = python.load(&name, state.config_options(), source).await?;
    let failed = |error: vivarium::Error| Error::of(only.unwrap_or(&name), error);
    let wrong = |problems: &[vivarium::Problem]| vivarium::Error::Problems {
        source_name: name.clone(),
        problems: problems.to_vec(),
    };
    let mut refused = Vec::new();
    let functions = match only {
        Some(only) => vec![module.function(only).map_err(failed)?],
        None => {
            let problems = module.problems();
            let usable = others && problems.iter().all(|problem| problem.function.is_some());
            if !problems.is_empty() && !usable {
                return Err(failed(wrong(problems)).into());
            }
            for problem in problems {
                let function = problem.function.clone().unwrap_or_default();
                refused.push((function.clone(), Error::of(&function, wrong(std::slice::from_ref(problem)))));
            }
            let signatures = module.signatures();
            let mut chosen: Vec<_> = signatures.iter().filter(|signature| signature.decorated).collect();
            if chosen.is_empty() {
                chosen = signatures.iter().filter(|signature| signature.usable()).collect();
            }
            chosen.retain(|signature| !refused.iter().any(|(refused, _)| *refused == signature.name));
            let functions: Result<Vec<_>, _> =
                chosen.iter().map(|signature| module.function(&signature.name)).collect();
            functions.map_err(failed)?
        }
    };
    if functions.is_empty() && refused.is_empty() {
        return Err(failed(vivarium::Error::NoFunctions { source_name: name.clone() }).into());
    }
    let mut registered = Vec::new();
    for declared in functions {
        let name = declared.signature().name.clone();
        match of_source(python, &state, declared, environment.clone()).await {
            Ok(function) => registered.push(function),
            Err(error) if others => refused.push((name, error)),
            Err(error) => return Err(error.into()),
        }
    }
    // A file of which nothing is left is a mistake.
    if registered.is_empty() {
        return match (module.problems(), refused.pop()) {
            ([], Some((_, error))) => Err(error.into()),
            (problems, _) => Err(failed(wrong(problems)).into()),
        };
    }
    let state = session.state_ref();
    let mut state = state.write();
    for (function, _) in &registered {
        into(&mut state, Arc::clone(function))?;
    }
    Ok((registered.into_iter().map(|(_, registered)| registered).collect(), refused))
}

async fn of_source(
    python: &PythonFunctions,
    state: &SessionState,
    declared: Function,
    environment: Option<Arc<OpenEnvironment>>,
) -> Result<(Arc<PythonFunction>, RegisteredFunction), Error> {
    let signature = declared.signature();
    let (kind, place) = (signature.kind, declared.place());
    let result = declare::result_of(signature).ok_or_else(|| declare::no_result(&signature.name, &declared))?;
    let volatility = if signature.deterministic { Volatility::Immutable } else { Volatility::Volatile };
    let name = signature.name.clone();
    let advice = "declare it under another one: @udf(name=\"...\"), or the name= of the decorator that it has";
    check_name(state, &name, advice)?;
    let (defaults, names_in_sql) = (Vec::new(), Vec::new());
    let declared =
        Declared { name: name.clone(), function: declared, result, volatility, defaults, names_in_sql, environment };
    Ok((Arc::new(function(python, declared).await?), RegisteredFunction { name, kind, place }))
}

/// All functions of ours in a session.
pub(crate) fn all(state: &SessionState) -> Vec<RegisteredFunction> {
    let scalar = state.scalar_functions().values().filter_map(|udf| udf.inner().downcast_ref::<PythonScalar>());
    let aggregates = state.aggregate_functions().values();
    let aggregates = aggregates.filter_map(|udaf| udaf.inner().downcast_ref::<PythonAggregate>());
    let functions = scalar.map(|scalar| &scalar.function).chain(aggregates.map(PythonAggregate::function));
    let mut found: Vec<_> = functions
        .map(|function| RegisteredFunction {
            name: function.name.clone(),
            kind: function.kind(),
            place: function.function.place(),
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found.dedup_by(|a, b| a.name == b.name);
    found
}

/// Whether a session has a Python function of this name.
pub fn has_function(session: &SessionContext, name: &str) -> bool {
    holder(&session.state(), name) == Some(Holder::Python)
}

/// Who has a name in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holder {
    /// A Python function of ours.
    Python,
    /// A function of the engine, or of another extension of it: what kind of function it is.
    Engine(&'static str),
}

/// Who has a name, in SQL's spelling or as it is, if anybody does.
pub(crate) fn holder(state: &SessionState, name: &str) -> Option<Holder> {
    let folded = name.to_lowercase();
    let held = |name: &str| {
        let engine = |ours: bool, kind| if ours { Holder::Python } else { Holder::Engine(kind) };
        let scalar = state.scalar_functions().get(name);
        let scalar = scalar.map(|udf| engine(udf.inner().downcast_ref::<PythonScalar>().is_some(), "a scalar"));
        let aggregate = state.aggregate_functions().get(name);
        let aggregate =
            aggregate.map(|f| engine(f.inner().downcast_ref::<PythonAggregate>().is_some(), "an aggregate"));
        let window = state.window_functions().contains_key(name).then_some(Holder::Engine("a window"));
        let table = state.table_functions().get(name);
        let table = table.map(|f| engine(is_ours(f.function().as_ref()), "a table"));
        let holders = [scalar, aggregate, window, table];
        // A function of the engine's beside one of ours, of another kind, is still the engine's.
        let engines = holders.iter().flatten().find(|holder| matches!(holder, Holder::Engine(_))).copied();
        engines.or_else(|| holders.into_iter().flatten().next())
    };
    held(name).or_else(|| held(&folded))
}

fn is_ours(table: &dyn TableFunctionImpl) -> bool {
    (table as &dyn Any).is::<PythonTable>()
}

/// Refuses the name of a function that is none of ours: whatever is written with it would mean something else from then on.
pub(crate) fn check_name(state: &SessionState, name: &str, advice: &str) -> Result<(), Error> {
    match holder(state, name) {
        Some(Holder::Engine(kind)) => {
            let problem =
                format!("{kind} function of the engine has this name, and is not replaced silently; {advice}");
            Err(Error::statement(name, problem))
        }
        Some(Holder::Python) | None => Ok(()),
    }
}

/// Registers a function for every way of calling it; whatever had its name before is gone then.
pub(crate) fn into(state: &mut SessionState, function: Arc<PythonFunction>) -> Result<()> {
    for name in function.names() {
        state.deregister_udf(name)?;
        state.deregister_udaf(name)?;
        state.deregister_udwf(name)?;
        state.deregister_udtf(name)?;
    }
    match calls(&function) {
        RegisterFunction::Aggregate(aggregate) => {
            state.register_udaf(aggregate)?;
        }
        RegisterFunction::Scalar(scalar) => {
            state.register_udf(scalar)?;
        }
        _ => {}
    }
    if function.kind() == Kind::Table {
        for name in function.names() {
            state.register_udtf(name, Arc::new(PythonTable::new(Arc::clone(&function))));
        }
    }
    Ok(())
}

/// What a statement returns, for its caller to register once more.
pub(crate) fn of_statement(function: &Arc<PythonFunction>) -> RegisterFunction {
    calls(function)
}

fn calls(function: &Arc<PythonFunction>) -> RegisterFunction {
    match function.kind() {
        Kind::Aggregate | Kind::TableAggregate => {
            let aggregate = AggregateUDF::new_from_impl(PythonAggregate::new(Arc::clone(function)));
            RegisterFunction::Aggregate(Arc::new(aggregate))
        }
        _ => {
            let scalar = ScalarUDF::new_from_impl(PythonScalar::new(Arc::clone(function)));
            RegisterFunction::Scalar(Arc::new(scalar))
        }
    }
}
