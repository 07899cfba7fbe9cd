//! Scalar functions as DataFusion calls them where there is nothing to await them; see [`crate::bridge`].

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{ArrayRef, new_empty_array};
use arrow::datatypes::{DataType, FieldRef};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::interval_arithmetic::Interval;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;
use vivarium::Kind;

use crate::bridge;
use crate::error::{Counted, Error};
use crate::function::{Given, PythonFunction};
use crate::lists;
use crate::scope::Scope;
use crate::work::{CallRows, Work, value_type};

/// A function that can stand in an expression: a scalar one, or a table function, which gives a list of its rows.
#[derive(Debug)]
pub(crate) struct PythonScalar {
    pub function: Arc<PythonFunction>,
    signature: Signature,
    /// The query that it is part of; `None` while the query is planned.
    scope: Option<Arc<Scope>>,
}

impl PythonScalar {
    pub fn new(function: Arc<PythonFunction>) -> Self {
        Self { signature: function.datafusion_signature(), function, scope: None }
    }

    /// The same function as part of a query. For its planner no call is a constant: what is immutable is called once by the query, and
    /// not by whoever would like to know its value earlier, such as a table that looks for the files it can leave out.
    pub fn in_scope(&self, scope: &Arc<Scope>) -> ScalarUDF {
        let (function, mut signature) = (Arc::clone(&self.function), self.signature.clone());
        if signature.volatility == Volatility::Immutable {
            signature.volatility = Volatility::Stable;
        }
        ScalarUDF::new_from_impl(Self { function, signature, scope: Some(Arc::clone(scope)) })
    }

    /// The query that it is part of, if it knows it.
    pub fn scope(&self) -> Option<&Arc<Scope>> {
        self.scope.as_ref()
    }

    /// The scope of the query, if it is executed now. Everything else that asks for a value plans: it folds constants, evaluates `VALUES`,
    /// or looks which partitions of a table a filter leaves. Planning has no end that somebody could ask for, and no limits, so
    /// it is not waited for; what needs the value there is told so, and the planner leaves the rest as it is.
    fn open_scope(&self) -> Result<&Arc<Scope>> {
        match &self.scope {
            Some(scope) if scope.is_open() => Ok(scope),
            _ => {
                let problem = "its value is only known when the query runs, and something needs it while the query is planned; \
                               write a literal there";
                Err(Error::statement(&self.function.name, problem).into())
            }
        }
    }

    fn cancelled(&self) -> DataFusionError {
        Error::Cancelled { function: self.function.name.clone() }.into()
    }
}

impl ScalarUDFImpl for PythonScalar {
    fn name(&self) -> &str {
        &self.function.name
    }

    fn aliases(&self) -> &[String] {
        &self.function.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(value_type(&self.function))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let given: Vec<_> = args.arg_fields.iter().map(|field| Given::Column(field.data_type())).collect();
        self.function.bind_types(&given)?;
        Ok(self.function.result_field(value_type(&self.function)))
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        // Conversions are made on the way into the sandbox: views and dictionaries need none, and errors name the row.
        Ok(arg_types.to_vec())
    }

    /// Anything of its type. (What has no bounds cannot be compared, and so not stand in a key that is sorted by.)
    fn evaluate_bounds(&self, _: &[&Interval]) -> Result<Interval> {
        Interval::make_unbounded(&value_type(&self.function))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.function.documentation)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scope = self.open_scope()?;
        let scalars = args.args.iter().map(|argument| match argument {
            ColumnarValue::Scalar(value) => Some(value.clone()),
            ColumnarValue::Array(_) => None,
        });
        let constants = scalars.collect::<Option<Vec<_>>>().filter(|_| !self.function.is_volatile());
        let constant = constants.map(|arguments| scope.constant(&self.function, arguments));
        if let Some(value) = constant.as_ref().and_then(|constant| constant.get()) {
            return Ok(ColumnarValue::Scalar(value.clone()));
        }
        let rows = if constant.is_some() { 1 } else { args.number_rows };
        let columns: Vec<_> = args.args.into_iter().map(|value| value.into_array(rows)).collect::<Result<_>>()?;
        let given: Vec<_> = columns.iter().map(|column| Given::Column(column.data_type())).collect();
        let types = self.function.bind_types(&given)?;
        let work = scope.work(&scope.call(&self.function, &types));
        let cancel = scope.cancel();
        let counted = constant.is_none().then_some(Counted::Part);
        let rows = CallRows { batch: types.batch(columns, rows)?, first: 0, counted };
        let evaluated = async {
            match &constant {
                // Whoever comes second waits for the first.
                Some(constant) => {
                    let once = || async { ScalarValue::try_from_array(&evaluate(&work, &rows).await?, 0) };
                    constant.get_or_try_init(once).await.map(|value| ColumnarValue::Scalar(value.clone()))
                }
                None => evaluate(&work, &rows).await.map(ColumnarValue::Array),
            }
        };
        bridge::wait(cancel.unless_over(evaluated)).flatten().ok_or_else(|| self.cancelled())?
    }
}

/// The values of a scalar function, or the lists of a table function.
pub(crate) async fn evaluate(work: &Work, rows: &CallRows) -> Result<ArrayRef> {
    if rows.batch.num_rows() == 0 {
        return Ok(new_empty_array(&value_type(&work.call.function)));
    }
    match work.call.function.kind() {
        Kind::Table => lists::evaluate(work, rows).await,
        _ => work.values(rows).await,
    }
}

impl PartialEq for PythonScalar {
    fn eq(&self, other: &Self) -> bool {
        self.function == other.function && self.scope.as_ref().map(Arc::as_ptr) == other.scope.as_ref().map(Arc::as_ptr)
    }
}

impl Eq for PythonScalar {}

impl Hash for PythonScalar {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.hash(state);
    }
}
