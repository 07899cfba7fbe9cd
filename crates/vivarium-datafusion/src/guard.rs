//! `AND` and `OR` whose right side has a call: it is made for the rows that the left side leaves undecided.
//!
//! DataFusion evaluates the right side for all rows of a batch unless the left side decides (nearly) all of them, so that it depended on
//! the data whether a guard such as `x <> 0 AND f(1 / x)` held. (apache/datafusion#8874.)

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::kernels::boolean::{and_kleene, or_kleene};
use arrow::datatypes::{DataType, Schema};
use datafusion::common::internal_err;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::interval_arithmetic::Interval;
use datafusion::logical_expr::sort_properties::ExprProperties;
use datafusion::logical_expr::{ColumnarValue, Operator};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::BinaryExpr;

use crate::once::FirstValue;

/// `left AND right`, or `left OR right`.
#[derive(Debug, Clone, Eq)]
pub(crate) struct Guarded {
    left: Arc<dyn PhysicalExpr>,
    right: Arc<dyn PhysicalExpr>,
    is_and: bool,
}

/// The expression, guarded wherever a call stands behind AND or OR, or behind another argument of COALESCE; `has_call` knows calls.
pub(crate) fn guarded(
    expr: Arc<dyn PhysicalExpr>,
    has_call: impl Fn(&Arc<dyn PhysicalExpr>) -> bool,
) -> Result<Transformed<Arc<dyn PhysicalExpr>>> {
    expr.transform_up(|expr| {
        if let Some(guarded) = Guarded::of(&expr, &has_call) {
            return Ok(Transformed::yes(Arc::new(guarded) as Arc<dyn PhysicalExpr>));
        }
        Ok(match FirstValue::of(&expr) {
            Some(first) => Transformed::yes(Arc::new(first) as Arc<dyn PhysicalExpr>),
            None => Transformed::no(expr),
        })
    })
}

impl Guarded {
    fn of(expr: &Arc<dyn PhysicalExpr>, has_call: impl Fn(&Arc<dyn PhysicalExpr>) -> bool) -> Option<Self> {
        let binary = expr.downcast_ref::<BinaryExpr>()?;
        let is_and = match binary.op() {
            Operator::And => true,
            Operator::Or => false,
            _ => return None,
        };
        let (left, right) = (Arc::clone(binary.left()), Arc::clone(binary.right()));
        has_call(&right).then_some(Self { left, right, is_and })
    }
}

impl PartialEq for Guarded {
    fn eq(&self, other: &Self) -> bool {
        self.is_and == other.is_and && self.left.eq(&other.left) && self.right.eq(&other.right)
    }
}

impl Hash for Guarded {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.left.hash(state);
        self.right.hash(state);
        self.is_and.hash(state);
    }
}

impl fmt::Display for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({} {} {})", self.left, if self.is_and { "AND" } else { "OR" }, self.right)
    }
}

impl PhysicalExpr for Guarded {
    fn data_type(&self, _: &Schema) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn nullable(&self, schema: &Schema) -> Result<bool> {
        Ok(self.left.nullable(schema)? || self.right.nullable(schema)?)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let rows = batch.num_rows();
        let left = self.left.evaluate(batch)?.into_array(rows)?;
        let left = left.as_boolean();
        // NULL decides nothing: NULL AND false is false.
        let undecided: BooleanArray = left.iter().map(|value| Some(value != Some(!self.is_and))).collect();
        if !undecided.has_true() {
            return Ok(ColumnarValue::Array(Arc::new(left.clone())));
        }
        let right = self.right.evaluate_selection(batch, &undecided)?.into_array(rows)?;
        let right = right.as_boolean();
        let both = if self.is_and { and_kleene(left, right) } else { or_kleene(left, right) };
        Ok(ColumnarValue::Array(Arc::new(both?)))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.left, &self.right]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        let Ok([left, right]) = <[_; 2]>::try_from(children) else { return internal_err!("AND and OR have two sides") };
        Ok(Arc::new(Self { left, right, is_and: self.is_and }))
    }

    fn get_properties(&self, _: &[ExprProperties]) -> Result<ExprProperties> {
        Ok(ExprProperties::new_unknown().with_range(Interval::make_unbounded(&DataType::Boolean)?))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(")?;
        self.left.fmt_sql(f)?;
        write!(f, " {} ", if self.is_and { "AND" } else { "OR" })?;
        self.right.fmt_sql(f)?;
        write!(f, ")")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use arrow::array::ArrayRef;
    use datafusion::physical_expr::expressions::Column;

    use super::*;

    /// Counts the rows that it is evaluated for, and passes a column on.
    #[derive(Debug)]
    struct Counting(Column, AtomicUsize);

    impl PartialEq for Counting {
        fn eq(&self, other: &Self) -> bool {
            std::ptr::eq(self, other)
        }
    }

    impl Eq for Counting {}

    impl std::hash::Hash for Counting {
        fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
            self.0.hash(state);
        }
    }

    impl fmt::Display for Counting {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("counting")
        }
    }

    impl PhysicalExpr for Counting {
        fn data_type(&self, _: &Schema) -> Result<DataType> {
            Ok(DataType::Boolean)
        }

        fn nullable(&self, _: &Schema) -> Result<bool> {
            Ok(true)
        }

        fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
            self.1.fetch_add(batch.num_rows(), Ordering::SeqCst);
            self.0.evaluate(batch)
        }

        fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
            Vec::new()
        }

        fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
            Ok(self)
        }

        fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            fmt::Display::fmt(self, f)
        }
    }

    #[test]
    fn only_undecided_rows_get_to_the_right_side() {
        let values = [Some(true), Some(false), None];
        let all = |pick: fn(usize) -> usize| -> ArrayRef {
            Arc::new((0..9).map(|row| values[pick(row)]).collect::<BooleanArray>())
        };
        let batch = RecordBatch::try_from_iter([("l", all(|row| row / 3)), ("r", all(|row| row % 3))]).unwrap();
        for (is_and, expected, seen) in [
            (true, [Some(true), Some(false), None, Some(false), Some(false), Some(false), None, Some(false), None], 6),
            (false, [Some(true), Some(true), Some(true), Some(true), Some(false), None, Some(true), None, None], 6),
        ] {
            let right = Arc::new(Counting(Column::new("r", 1), AtomicUsize::new(0)));
            let counted: Arc<dyn PhysicalExpr> = Arc::clone(&right) as _;
            let guarded = Guarded { left: Arc::new(Column::new("l", 0)), right: counted, is_and };
            let found = guarded.evaluate(&batch).unwrap().into_array(9).unwrap();
            assert_eq!(found.as_boolean().iter().collect::<Vec<_>>(), expected);
            assert_eq!(right.1.load(Ordering::SeqCst), seen);
        }
    }
}
