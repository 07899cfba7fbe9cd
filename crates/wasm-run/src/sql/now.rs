//! `now()` and `current_timestamp` in microseconds, as everywhere else in SQL.
//!
//! DataFusion's has the nanoseconds of the clock, which no `datetime` of Python holds: given to a function, it failed 999 times of 1000.

use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::internal_err;
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;

/// The time at which a query began, one for all of it.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Now {
    signature: Signature,
    aliases: Vec<String>,
    zone: Option<Arc<str>>,
}

impl Now {
    fn new(options: &ConfigOptions) -> Self {
        Self {
            signature: Signature::nullary(Volatility::Stable),
            aliases: vec!["current_timestamp".to_owned()],
            zone: options.execution.time_zone.as_deref().map(Arc::from),
        }
    }
}

impl Default for Now {
    fn default() -> Self {
        let mut options = ConfigOptions::default();
        options.execution.time_zone = Some("UTC".to_owned());
        Self::new(&options)
    }
}

impl ScalarUDFImpl for Now {
    fn name(&self) -> &str {
        "now"
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn with_updated_config(&self, options: &ConfigOptions) -> Option<ScalarUDF> {
        Some(Self::new(options).into())
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        // Whatever is computed with it has DataFusion's unit.
        Ok(Arc::new(Field::new("now", DataType::Timestamp(TimeUnit::Nanosecond, self.zone.clone()), false)))
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        internal_err!("its field is asked for")
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        internal_err!("now() is a constant of a planned query")
    }

    fn simplify(&self, arguments: Vec<Expr>, context: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let Some(now) = context.query_execution_start_time() else {
            return Ok(ExprSimplifyResult::Original(arguments));
        };
        let nanoseconds = now.timestamp_nanos_opt().map(|nanoseconds| nanoseconds / 1000 * 1000);
        let value = ScalarValue::TimestampNanosecond(nanoseconds, self.zone.clone());
        Ok(ExprSimplifyResult::Simplified(Expr::Literal(value, None)))
    }
}
