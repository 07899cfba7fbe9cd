//! Scalar functions as DataFusion calls them where there is nothing to await them; see [`crate::bridge`].

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{ArrayRef, new_empty_array};
use arrow::datatypes::{DataType, FieldRef};
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;
use vivarium::Kind;

use crate::bridge;
use crate::error::Error;
use crate::function::{Given, PythonFunction};
use crate::lists;
use crate::scope::Scope;
use crate::settings::SandboxSettings;
use crate::work::{Work, value_type};

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
            // A constant that is folded while the query is planned: an instance for this one call.
            None => Scope::new(SandboxSettings::of(&args.config_options)),
        };
        let work = scope.work(&scope.call(&self.function, &types));
        let cancel = scope.cancel();
        let values = bridge::wait(cancel.unless_over(async { evaluate(&work, columns, rows, 0).await }));
        let values = values.flatten().ok_or_else(|| Error::Cancelled { function: self.function.name.clone() })??;
        match constant {
            true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&values, 0)?)),
            false => Ok(ColumnarValue::Array(values)),
        }
    }
}

/// The values of a scalar function, or the lists of a table function.
pub(crate) async fn evaluate(work: &Work, columns: Vec<ArrayRef>, rows: usize, first_row: u64) -> Result<ArrayRef> {
    if rows == 0 {
        return Ok(new_empty_array(&value_type(&work.call.function)));
    }
    match work.call.function.kind() {
        Kind::Table => lists::evaluate(work, columns, rows, first_row).await,
        _ => work.values(columns, rows, first_row).await,
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
