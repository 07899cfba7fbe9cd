//! Scalar functions as DataFusion calls them where there is nothing to await them; see [`crate::bridge`].

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, new_empty_array};
use arrow::datatypes::{DataType, FieldRef};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;
use vivarium::{ErrorClass, Kind};

use crate::bridge;
use crate::error::{Counted, Error, find_error};
use crate::function::{Given, PythonFunction};
use crate::lists;
use crate::scope::Scope;
use crate::settings::SandboxSettings;
use crate::work::{Rows, Work, value_type};

/// How long planning a query may wait for the value of a call with constants. Nothing stops planning, so a call that takes longer,
/// or reaches a limit, is left to the query, which can be stopped. (Planning would also ask for it several times.)
const FOLDING: Duration = Duration::from_secs(5);

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

    /// The same function as part of a query.
    pub fn in_scope(&self, scope: &Arc<Scope>) -> ScalarUDF {
        let (function, signature) = (Arc::clone(&self.function), self.signature.clone());
        ScalarUDF::new_from_impl(Self { function, signature, scope: Some(Arc::clone(scope)) })
    }

    /// The query that it is part of, if it knows it.
    pub fn scope(&self) -> Option<&Arc<Scope>> {
        self.scope.as_ref()
    }

    /// A constant, for which planning waits.
    fn folded(&self, evaluated: impl Future<Output = Result<ArrayRef>> + Send) -> Result<ArrayRef> {
        let reached_limit =
            |error: &DataFusionError| find_error(error).is_some_and(|error| error.class() == ErrorClass::Limit);
        match bridge::wait(async { tokio::time::timeout(FOLDING, evaluated).await }) {
            Some(Ok(Err(error))) if !reached_limit(&error) => Err(error),
            Some(Ok(Ok(values))) => Ok(values),
            Some(_) => Err(self.function.leave_to_queries().into()),
            None => Err(self.cancelled()),
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

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.function.documentation)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)))
            && self.signature.volatility != Volatility::Volatile;
        let rows = if constant { 1 } else { args.number_rows };
        let columns: Vec<_> = args.args.into_iter().map(|value| value.into_array(rows)).collect::<Result<_>>()?;
        let given: Vec<_> = columns.iter().map(|column| Given::Column(column.data_type())).collect();
        let types = self.function.bind_types(&given)?;
        let scope = match &self.scope {
            Some(scope) => Arc::clone(scope),
            None if self.function.is_left_to_queries() => return Err(self.function.leave_to_queries().into()),
            // A constant that is folded while the query is planned: an instance for this one call.
            None => Scope::new(SandboxSettings::of(&args.config_options)),
        };
        let work = scope.work(&scope.call(&self.function, &types));
        let cancel = scope.cancel();
        let counted = (!constant).then_some(Counted::Part);
        let rows = Rows { batch: types.batch(columns, rows)?, first: 0, counted };
        let evaluated = async { evaluate(&work, &rows).await };
        let values = match &self.scope {
            Some(_) => bridge::wait(cancel.unless_over(evaluated)).flatten().ok_or_else(|| self.cancelled())??,
            None => self.folded(evaluated)?,
        };
        match constant {
            true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&values, 0)?)),
            false => Ok(ColumnarValue::Array(values)),
        }
    }
}

/// The values of a scalar function, or the lists of a table function.
pub(crate) async fn evaluate(work: &Work, rows: &Rows) -> Result<ArrayRef> {
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
