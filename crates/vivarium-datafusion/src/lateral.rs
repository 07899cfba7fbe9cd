//! Table functions in `FROM` over the columns of what stands before them: `FROM t, LATERAL f(t.x)`, and Flink's `LATERAL TABLE(f(t.x))`.
//!
//! DataFusion plans such a join, and has no way to run it. The right side is made of projections and `UNNEST` over a single row, and says
//! which columns of the left side it refers to; so it can be put on top of the left side instead:
//!
//! ```text
//!   Join                                        Projection: t.x, r.a, r.b
//!     t                                           Projection: t.x, rows.a, rows.b
//!     Projection: rows.a, rows.b         ==>        Unnest: rows
//!       Unnest: rows                                  Projection: t.x, f(t.x) AS rows
//!         Projection: f(outer(t.x)) AS rows             t
//!           one row
//! ```

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{
    Column, DFSchema, NullHandling, RecursionUnnestOption, TableReference, UnnestOptions, not_impl_err,
};
use datafusion::config::ConfigOptions;
use datafusion::error::{DataFusionError, Result};
use datafusion::functions::core::expr_fn::get_field;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion::logical_expr::{EmptyRelation, Expr, Join, JoinType, LogicalPlan, LogicalPlanBuilder, lit};
use datafusion::optimizer::AnalyzerRule;
use datafusion::sql::sqlparser::ast::{
    Expr as SqlExpr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, ObjectName,
    TableFactor,
};
use vivarium::Kind;

use crate::error::Error;
use crate::scalar::PythonScalar;

/// The column of the lists of rows that a table function gives.
const ROWS: &str = "__rows";

/// What the columns of the right side are qualified by while they stand beside those of the left one.
const RIGHT: &str = "__lateral";

/// Plans calls of Python's table functions behind LATERAL.
#[derive(Debug)]
pub(crate) struct LateralCalls;

impl RelationPlanner for LateralCalls {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let original = |relation| Ok(RelationPlanning::Original(Box::new(relation)));
        let TableFactor::Function { lateral: true, name, args, with_ordinality: false, alias } = &relation else {
            return original(relation);
        };
        let call = called(name, args);
        let is_table = |name: &ObjectName| {
            let name = name.0.last()?.as_ident()?.clone();
            let found = context.context_provider().get_function_meta(&context.normalize_ident(name))?;
            let function = &found.inner().downcast_ref::<PythonScalar>()?.function;
            (function.kind() == Kind::Table).then(|| (function.name.clone(), function.columns()))
        };
        let Some((name, columns)) = is_table(&call.name) else { return original(relation) };
        let call = context.sql_to_expr(SqlExpr::Function(call), &DFSchema::empty())?;
        if !matches!(call, Expr::ScalarFunction(ScalarFunction { .. })) {
            return Err(Error::statement(&name, "behind LATERAL it is called, and nothing else").into());
        }
        let rows = || Expr::Column(Column::from_name(ROWS));
        let fields: Vec<_> = match &columns[..] {
            [only] => vec![rows().alias(only.name())],
            several => {
                several.iter().map(|field| get_field(rows(), field.name().as_str()).alias(field.name())).collect()
            }
        };
        let plan = LogicalPlanBuilder::empty(true).project([call.alias(ROWS)])?.unnest_column(ROWS)?.project(fields)?;
        // Without another name its columns are those of the function.
        let plan = if alias.is_none() { plan.alias(TableReference::bare(name))? } else { plan };
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan.build()?, alias.clone()))))
    }
}

/// The call in `LATERAL f(x)` and in `LATERAL TABLE(f(x))`.
fn called(name: &ObjectName, args: &[FunctionArg]) -> Function {
    let is_flink = matches!(&name.0[..], [part] if part.as_ident().is_some_and(|name| {
        name.quote_style.is_none() && name.value.eq_ignore_ascii_case("table")
    }));
    if let ([FunctionArg::Unnamed(FunctionArgExpr::Expr(SqlExpr::Function(call)))], true) = (args, is_flink) {
        return call.clone();
    }
    Function {
        name: name.clone(),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: args.to_vec(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    }
}

/// Puts the right side of a lateral join on top of the left one.
#[derive(Debug)]
pub(crate) struct JoinLateral;

impl AnalyzerRule for JoinLateral {
    fn name(&self) -> &str {
        "join_lateral_calls"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let joined = plan.transform_up_with_subqueries(|plan| match &plan {
            LogicalPlan::Join(join) => match joined(join)? {
                Some(joined) => Ok(Transformed::yes(joined)),
                None => Ok(Transformed::no(plan)),
            },
            _ => Ok(Transformed::no(plan)),
        })?;
        Ok(joined.data)
    }
}

fn joined(join: &Join) -> Result<Option<LogicalPlan>> {
    let right = match join.right.as_ref() {
        LogicalPlan::SubqueryAlias(alias) => alias.input.as_ref(),
        other => other,
    };
    let LogicalPlan::Subquery(right) = right else { return Ok(None) };
    let nulls = match join.join_type {
        JoinType::Inner => NullHandling::Drop,
        JoinType::Left => NullHandling::PreserveAndExpandEmpty,
        _ => return Ok(None),
    };
    if !join.on.is_empty() {
        return Ok(None);
    }
    let Some(plan) = OnTop { left: &join.left, nulls }.put(&right.subquery)? else { return Ok(None) };
    let condition = join.filter.clone().filter(|filter| *filter != lit(true));
    if join.join_type == JoinType::Left && condition.is_some() {
        // It would have to leave one row where none fulfils it.
        return not_impl_err!("LEFT JOIN LATERAL f(...) takes no condition but ON TRUE");
    }
    // The columns of the join, in its order and with its names.
    let columns = plan.schema().columns().into_iter().zip(join.schema.columns());
    let columns: Vec<_> = columns
        .map(|(found, named)| match found == named {
            true => Expr::Column(found),
            false => Expr::Column(found).alias_qualified(named.relation, named.name),
        })
        .collect();
    let plan = LogicalPlanBuilder::from(plan).project(columns)?;
    match condition {
        Some(filter) => plan.filter(filter)?.build(),
        None => plan.build(),
    }
    .map(Some)
}

/// How the right side is put on top of the left one.
struct OnTop<'a> {
    left: &'a LogicalPlan,
    nulls: NullHandling,
}

impl OnTop<'_> {
    /// The left side with the columns of `plan` beside its own; `None` when the plan is not one of those that are made of a single row.
    fn put(&self, plan: &LogicalPlan) -> Result<Option<LogicalPlan>> {
        match plan {
            LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: true, .. }) => Ok(Some(self.left.clone())),
            LogicalPlan::SubqueryAlias(alias) => self.put(&alias.input),
            LogicalPlan::Projection(projection) => {
                let Some(input) = self.put(&projection.input)? else { return Ok(None) };
                let mut columns: Vec<_> = self.left.schema().columns().into_iter().map(Expr::Column).collect();
                for (expr, field) in projection.expr.iter().zip(projection.schema.fields()) {
                    let expr = self.within(expr.clone().unalias(), &input)?;
                    columns.push(expr.alias_qualified(Some(RIGHT), field.name()));
                }
                LogicalPlanBuilder::from(input).project(columns)?.build().map(Some)
            }
            LogicalPlan::Unnest(unnest) => {
                let Some(input) = self.put(&unnest.input)? else { return Ok(None) };
                let column = |column: &Column| self.column(column, &input);
                let columns = unnest.exec_columns.iter().map(column).collect::<Result<_>>()?;
                let recursion = |one: &RecursionUnnestOption| {
                    Ok(RecursionUnnestOption { input_column: column(&one.input_column)?, ..one.clone() })
                };
                let recursions = unnest.options.recursions.iter().map(recursion).collect::<Result<_>>()?;
                let options = UnnestOptions { null_handling: self.nulls, recursions };
                LogicalPlanBuilder::from(input).unnest_columns_with_options(columns, options)?.build().map(Some)
            }
            _ => Ok(None),
        }
    }

    /// An expression of the right side, over `input`.
    fn within(&self, expr: Expr, input: &LogicalPlan) -> Result<Expr> {
        let expr = expr.transform_up(|expr| {
            Ok(match expr {
                // One of a query further out stays what it is.
                Expr::OuterReferenceColumn(_, ref column) if self.left.schema().has_column(column) => {
                    Transformed::yes(Expr::Column(column.clone()))
                }
                Expr::Column(ref column) => Transformed::yes(Expr::Column(self.column(column, input)?)),
                other => Transformed::no(other),
            })
        })?;
        Ok(expr.data)
    }

    /// A column of the right side, as it stands beside those of the left one.
    fn column(&self, column: &Column, input: &LogicalPlan) -> Result<Column> {
        let right = input.schema().columns().into_iter().skip(self.left.schema().fields().len());
        right
            .into_iter()
            .find(|found| found.name == column.name)
            .ok_or_else(|| DataFusionError::Internal(format!("the column {column} of a lateral join is lost")))
    }
}
