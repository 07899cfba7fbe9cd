//! `1 NOT IN (SELECT x ...)`, where nothing of the query's rows is compared.
//!
//! DataFusion makes an anti join of it that loses what NULL means in SQL: with a NULL among the values, `NOT IN` is never true
//! (apache/datafusion#23103). So the comparison is made within queries of their own, which have one row each.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::functions_aggregate::count::count;
use datafusion::logical_expr::expr::InSubquery;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Subquery, lit, when};
use datafusion::optimizer::AnalyzerRule;
use datafusion::scalar::ScalarValue;

/// The rule.
#[derive(Debug)]
pub struct ConstantNotIn;

impl AnalyzerRule for ConstantNotIn {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| {
            plan.map_expressions(|expr| {
                expr.transform_up(|expr| match &expr {
                    Expr::InSubquery(found) if found.negated && is_constant(&found.expr) && !is_correlated(found) => {
                        Ok(Transformed::yes(compared(found)?))
                    }
                    _ => Ok(Transformed::no(expr)),
                })
            })
        })
        .data()
    }

    fn name(&self) -> &str {
        "constant_not_in"
    }
}

fn is_constant(expr: &Expr) -> bool {
    !expr.is_volatile() && !expr.any_column_refs() && !expr.contains_outer()
}

fn is_correlated(found: &InSubquery) -> bool {
    !found.subquery.outer_ref_columns.is_empty()
}

/// False when a value is equal, else NULL when with one it is not known, else true.
fn compared(found: &InSubquery) -> Result<Expr> {
    let equal = || -> Result<Expr> {
        let value = found.subquery.subquery.schema().columns().into_iter().next();
        let value = value.map_or_else(|| lit(ScalarValue::Null), Expr::Column);
        Ok((*found.expr).clone().eq(value))
    };
    let any = |condition: Expr| -> Result<Expr> {
        let rows = LogicalPlanBuilder::from((*found.subquery.subquery).clone())
            .filter(condition)?
            .aggregate(Vec::<Expr>::new(), [count(lit(1_i64)).alias("rows")])?
            .build()?;
        let subquery = Subquery { subquery: Arc::new(rows), ..found.subquery.clone() };
        Ok(Expr::ScalarSubquery(subquery).gt(lit(0_i64)))
    };
    when(any(equal()?)?, lit(false))
        .when(any(equal()?.is_null())?, lit(ScalarValue::Boolean(None)))
        .otherwise(lit(true))
}
