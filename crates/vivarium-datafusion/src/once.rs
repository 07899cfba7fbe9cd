//! Calls of volatile functions that are made once for a row where DataFusion would make them twice: it makes a CASE of COALESCE, and two
//! comparisons of BETWEEN, in which the call stands two times and may have two values.
//!
//! ```text
//!   coalesce(g(x), 0)      ==>  FirstNotNull: g(x), and 0 for the rows for which that is NULL
//!   g(x) BETWEEN 1 AND 5   ==>  a function of three values
//! ```

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::kernels::boolean::{and_kleene, is_not_null, is_null, not};
use arrow::compute::kernels::cmp::{gt_eq, lt_eq};
use arrow::compute::kernels::zip::zip;
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::common::internal_err;
use datafusion::common::tree_node::Transformed;
use datafusion::error::Result;
use datafusion::logical_expr::expr::{Between, ScalarFunction};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};

/// The functions that are the first of their arguments which is not NULL.
const FIRST_OF: [&str; 3] = ["coalesce", "nvl", "ifnull"];

/// The expression with calls of volatile functions where they are made once.
pub(crate) fn called_once(expr: Expr) -> Transformed<Expr> {
    match expr {
        Expr::ScalarFunction(ScalarFunction { func, args })
            if FIRST_OF.contains(&func.name()) && args.iter().rev().skip(1).any(Expr::is_volatile) =>
        {
            let func = ScalarUDF::new_from_impl(FirstNotNull { name: func.name().to_owned(), signature: signature() });
            Transformed::yes(Expr::ScalarFunction(ScalarFunction { func: Arc::new(func), args }))
        }
        Expr::Between(Between { expr, negated, low, high }) if expr.is_volatile() => {
            let func = ScalarUDF::new_from_impl(IsBetween { negated, signature: signature() });
            let args = vec![*expr, *low, *high];
            Transformed::yes(Expr::ScalarFunction(ScalarFunction { func: Arc::new(func), args }))
        }
        other => Transformed::no(other),
    }
}

/// Arguments were given their types when the rule for them ran.
fn signature() -> Signature {
    Signature::variadic_any(Volatility::Immutable)
}

/// COALESCE, or another name of it.
#[derive(Debug, PartialEq, Eq, Hash)]
struct FirstNotNull {
    name: String,
    signature: Signature,
}

impl ScalarUDFImpl for FirstNotNull {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        internal_err!("the type follows from the fields")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let fields = args.arg_fields;
        let typed = fields.iter().find(|field| !field.data_type().is_null()).or(fields.first());
        let data_type = typed.map_or(DataType::Null, |field| field.data_type().clone());
        Ok(Arc::new(Field::new(&self.name, data_type, fields.iter().all(|field| field.is_nullable()))))
    }

    /// Where no operator knows [`FirstValue`], all arguments are computed for all rows.
    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let mut columns = args.args.into_iter().map(|value| value.into_array(rows));
        let Some(first) = columns.next() else { return internal_err!("{} has arguments", self.name) };
        columns
            .try_fold(first?, |found, next| Ok(zip(&is_not_null(&found)?, &found, &next?)?))
            .map(ColumnarValue::Array)
    }

    fn conditional_arguments<'a>(&self, args: &'a [Expr]) -> Option<(Vec<&'a Expr>, Vec<&'a Expr>)> {
        let (first, others) = args.split_first()?;
        Some((vec![first], others.iter().collect()))
    }

    fn short_circuits(&self) -> bool {
        true
    }
}

/// `expr [NOT] BETWEEN low AND high`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct IsBetween {
    negated: bool,
    signature: Signature,
}

impl ScalarUDFImpl for IsBetween {
    fn name(&self) -> &str {
        if self.negated { "not_between" } else { "between" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    /// A query's column has the name that it has without this.
    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let [expr, low, high] = args else { return internal_err!("BETWEEN has three sides") };
        let [expr, low, high] = [expr, low, high].map(Expr::schema_name);
        Ok(format!("{expr} {}BETWEEN {low} AND {high}", if self.negated { "NOT " } else { "" }))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let columns: Vec<_> = args.args.into_iter().map(|value| value.into_array(rows)).collect::<Result<_>>()?;
        let [value, low, high] = &columns[..] else { return internal_err!("BETWEEN has three sides") };
        let inside = and_kleene(&gt_eq(value, low)?, &lt_eq(value, high)?)?;
        Ok(ColumnarValue::Array(Arc::new(if self.negated { not(&inside)? } else { inside })))
    }
}

/// The first value that is not NULL; each argument is computed for the rows for which those before it are.
#[derive(Debug, Clone, Eq)]
pub(crate) struct FirstValue {
    name: String,
    args: Vec<Arc<dyn PhysicalExpr>>,
}

impl FirstValue {
    /// The expression in place of a call of the function.
    pub fn of(expr: &Arc<dyn PhysicalExpr>) -> Option<Self> {
        let call = expr.downcast_ref::<ScalarFunctionExpr>()?;
        call.fun().inner().downcast_ref::<FirstNotNull>()?;
        Some(Self { name: call.name().to_owned(), args: call.args().to_vec() })
    }
}

impl PartialEq for FirstValue {
    fn eq(&self, other: &Self) -> bool {
        self.args.len() == other.args.len() && self.args.iter().zip(&other.args).all(|(one, other)| one.eq(other))
    }
}

impl Hash for FirstValue {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.args.hash(state);
    }
}

impl fmt::Display for FirstValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.name)?;
        for (index, arg) in self.args.iter().enumerate() {
            write!(f, "{}{arg}", if index > 0 { ", " } else { "" })?;
        }
        f.write_str(")")
    }
}

impl PhysicalExpr for FirstValue {
    fn data_type(&self, schema: &Schema) -> Result<DataType> {
        for arg in &self.args {
            let data_type = arg.data_type(schema)?;
            if !data_type.is_null() {
                return Ok(data_type);
            }
        }
        Ok(DataType::Null)
    }

    fn nullable(&self, schema: &Schema) -> Result<bool> {
        for arg in &self.args {
            if !arg.nullable(schema)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let rows = batch.num_rows();
        let mut found: Option<ArrayRef> = None;
        for arg in &self.args {
            found = Some(match found {
                None => arg.evaluate(batch)?.into_array(rows)?,
                Some(found) => {
                    let missing = is_null(&found)?;
                    if !missing.has_true() {
                        return Ok(ColumnarValue::Array(found));
                    }
                    let next = arg.evaluate_selection(batch, &missing)?.into_array(rows)?;
                    zip(&missing, &next, &found)?
                }
            });
        }
        found.map_or_else(|| internal_err!("{} has arguments", self.name), |found| Ok(ColumnarValue::Array(found)))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.args.iter().collect()
    }

    fn with_new_children(self: Arc<Self>, args: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(Arc::new(Self { name: self.name.clone(), args }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
