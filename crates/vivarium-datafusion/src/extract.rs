//! Takes calls of Python functions out of the operators of a plan, into [`PythonExec`]s below them that await them.
//!
//! ```text
//!   ProjectionExec: f(g(a)), b + 1              ProjectionExec: #3, b + 1
//!     input: a, b                     ==>         PythonExec: #2 = g(a), #3 = f(#2)
//!                                                   input: a, b
//! ```
//!
//! Only calls that are made for every row are taken out. One that stands in a branch of `CASE`, or behind `AND` or `OR`
//! ([`crate::guard`]), is made for the rows that get there, and stays: it may rely on the condition before it. Filters are the
//! exception: conjuncts without a call filter first, and each call then sees the rows that are left.
//!
//! This is the first physical rule: what comes after it sees an operator that keeps the order of its input and has its partitions.

use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::aggregate::AggregateExprBuilder;
use datafusion::physical_expr::expressions::{BinaryExpr, CaseExpr, Column, LambdaExpr, Literal};
use datafusion::physical_expr::{
    LexOrdering, PhysicalExpr, PhysicalSortExpr, ScalarFunctionExpr, conjunction, split_conjunction,
};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateInputMode, PhysicalGroupBy};
use datafusion::physical_plan::filter::{FilterExec, FilterExecBuilder};
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{HashJoinExec, NestedLoopJoinExec, NestedLoopJoinExecBuilder};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::sorts::sort::SortExec;

use crate::exec::{CallColumn, PythonExec};
use crate::function::Given;
use crate::guard::{Guarded, guarded};
use crate::once::FirstValue;
use crate::scalar::PythonScalar;
use crate::work::Call;

/// The rule.
#[derive(Debug)]
pub(crate) struct ExtractCalls;

impl PhysicalOptimizerRule for ExtractCalls {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|plan| {
            let rewritten = if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
                in_projection(projection)?
            } else if let Some(filter) = plan.downcast_ref::<FilterExec>() {
                in_filter(filter)?
            } else if let Some(sort) = plan.downcast_ref::<SortExec>() {
                in_sort(sort)?
            } else if let Some(aggregate) = plan.downcast_ref::<AggregateExec>() {
                in_aggregate(aggregate)?
            } else if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
                in_hash_join(join)?
            } else if let Some(join) = plan.downcast_ref::<NestedLoopJoinExec>() {
                in_nested_loop_join(join)?
            } else {
                None
            };
            Ok(rewritten.map_or_else(|| Transformed::no(plan), Transformed::yes))
        })
        .data()
    }

    fn name(&self) -> &str {
        "extract_python_calls"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn in_projection(projection: &ProjectionExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let mut calls = Calls::over(projection.input());
    let mut exprs = Vec::new();
    for ProjectionExpr { expr, alias } in projection.expr() {
        exprs.push(ProjectionExpr { expr: calls.take_out(expr, true)?, alias: alias.clone() });
    }
    let Some(input) = calls.operator()? else { return Ok(None) };
    Ok(Some(Arc::new(ProjectionExec::try_new_with_schema_metadata(exprs, input, &projection.schema())?)))
}

fn in_filter(filter: &FilterExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let conjuncts: Vec<_> = split_conjunction(filter.predicate()).into_iter().cloned().collect();
    if !conjuncts.iter().any(has_call) {
        return Ok(None);
    }
    let columns = filter.input().schema().fields().len();
    let build = |predicate, input| -> Result<Arc<dyn ExecutionPlan>> {
        let built = FilterExecBuilder::new(predicate, input)
            .with_batch_size(filter.batch_size())
            .with_default_selectivity(filter.default_selectivity())
            .apply_projection(Some((0..columns).collect()))?;
        Ok(Arc::new(built.build()?))
    };
    let (with_call, without): (Vec<_>, Vec<_>) = conjuncts.into_iter().partition(has_call);
    let mut input = Arc::clone(filter.input());
    if !without.is_empty() {
        input = build(conjunction(without), input)?;
    }
    for predicate in with_call {
        let mut calls = Calls::over(&input);
        let predicate = calls.take_out(&predicate, true)?;
        let below = calls.operator()?.unwrap_or(input);
        input = build(predicate, below)?;
    }
    // What the filter itself left out besides rows.
    let Some(kept) = filter.projection() else { return Ok(Some(input)) };
    let schema = input.schema();
    let columns = kept.iter().map(|&index| {
        let alias = schema.field(index).name().clone();
        ProjectionExpr { expr: Arc::new(Column::new(&alias, index)), alias }
    });
    Ok(Some(Arc::new(ProjectionExec::try_new(columns.collect::<Vec<_>>(), input)?)))
}

fn in_sort(sort: &SortExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let mut calls = Calls::over(sort.input());
    let mut keys = Vec::new();
    for PhysicalSortExpr { expr, options } in sort.expr().iter() {
        keys.push(PhysicalSortExpr { expr: calls.take_out(expr, true)?, options: *options });
    }
    let (Some(input), Some(keys)) = (calls.operator()?, LexOrdering::new(keys)) else { return Ok(None) };
    let sorted =
        SortExec::new(keys, input).with_fetch(sort.fetch()).with_preserve_partitioning(sort.preserve_partitioning());
    let schema = sort.schema();
    let columns = schema.fields().iter().enumerate().map(|(index, field)| ProjectionExpr {
        expr: Arc::new(Column::new(field.name(), index)),
        alias: field.name().clone(),
    });
    Ok(Some(Arc::new(ProjectionExec::try_new(columns.collect::<Vec<_>>(), Arc::new(sorted))?)))
}

fn in_aggregate(aggregate: &AggregateExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    if aggregate.mode().input_mode() != AggregateInputMode::Raw {
        return Ok(None);
    }
    let mut calls = Calls::over(aggregate.input());
    let group_by = aggregate.group_expr();
    let mut keys = Vec::new();
    for (expr, name) in group_by.expr() {
        keys.push((calls.take_out(expr, true)?, name.clone()));
    }
    let (mut changed, mut filters) = (Vec::new(), Vec::new());
    for (function, filter) in aggregate.aggr_expr().iter().zip(aggregate.filter_expr()) {
        let all = function.all_expressions();
        // Rows that the filter leaves out have no call: groups compute arguments for all rows before they look at it.
        let kept = |expr: Arc<dyn PhysicalExpr>| match filter {
            Some(filter) if has_call(&expr) => {
                Ok(Arc::new(CaseExpr::try_new(None, vec![(Arc::clone(filter), expr)], None)?) as Arc<dyn PhysicalExpr>)
            }
            _ => Ok::<_, DataFusionError>(expr),
        };
        calls.changed |= filter.is_some() && all.args.iter().chain(&all.order_by_exprs).any(has_call);
        filters.push(filter.as_ref().map(|filter| calls.take_out(filter, true)).transpose()?);
        let arguments =
            all.args.into_iter().map(|expr| calls.take_out(&kept(expr)?, true)).collect::<Result<Vec<_>>>()?;
        let mut keys = Vec::new();
        for PhysicalSortExpr { expr, options } in function.order_bys() {
            keys.push(PhysicalSortExpr { expr: calls.take_out(&kept(Arc::clone(expr))?, true)?, options: *options });
        }
        changed.push((arguments, keys));
    }
    let Some(input) = calls.operator()? else { return Ok(None) };
    let mut functions = Vec::new();
    for (function, (arguments, keys)) in aggregate.aggr_expr().iter().zip(changed) {
        functions.push(Arc::new(if keys.is_empty() {
            let Some(function) = function.with_new_expressions(arguments, Vec::new()) else { return Ok(None) };
            function
        } else {
            // Keys, and what is sorted, are looked up in the schema that the aggregate was built with: it is another one now.
            let mut builder = AggregateExprBuilder::new(Arc::new(function.fun().clone()), arguments)
                .schema(input.schema())
                .alias(function.name())
                .order_by(keys)
                .with_distinct(function.is_distinct())
                .with_ignore_nulls(function.ignore_nulls())
                .with_reversed(function.is_reversed());
            if let Some(display) = function.human_display() {
                builder = builder.human_display(display);
            }
            builder.build()?
        }));
    }
    let group_by = PhysicalGroupBy::new(
        keys,
        group_by.null_expr().to_vec(),
        group_by.groups().to_vec(),
        group_by.has_grouping_set(),
    );
    let schema = aggregate.input_schema();
    Ok(Some(Arc::new(AggregateExec::try_new(*aggregate.mode(), group_by, functions, filters, input, schema)?)))
}

fn in_hash_join(join: &HashJoinExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    match join.filter().map(guarded_filter).transpose()?.flatten() {
        Some(filter) => Ok(Some(join.builder().with_filter(Some(filter)).build_exec()?)),
        None => Ok(None),
    }
}

fn in_nested_loop_join(join: &NestedLoopJoinExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(filter) = join.filter().map(guarded_filter).transpose()?.flatten() else { return Ok(None) };
    Ok(Some(Arc::new(NestedLoopJoinExecBuilder::from(join).with_filter(Some(filter)).build()?)))
}

/// A join's condition in which calls behind AND and OR see the pairs that get there; `None` when it has none.
fn guarded_filter(filter: &JoinFilter) -> Result<Option<JoinFilter>> {
    let expression = guarded(Arc::clone(filter.expression()), has_call)?;
    let (indices, schema) = (filter.column_indices().to_vec(), Arc::clone(filter.schema()));
    Ok(expression.transformed.then(|| JoinFilter::new(expression.data, indices, schema)))
}

fn has_call(expr: &Arc<dyn PhysicalExpr>) -> bool {
    expr.exists(|expr| Ok(python(expr).is_some())).unwrap_or(false)
}

/// The call, if the expression is one of a Python function in a query.
fn python(expr: &Arc<dyn PhysicalExpr>) -> Option<(&ScalarFunctionExpr, &PythonScalar)> {
    let call = expr.downcast_ref::<ScalarFunctionExpr>()?;
    let function = call.fun().inner().downcast_ref::<PythonScalar>()?;
    Some((call, function))
}

/// The calls that are taken out of one operator.
struct Calls {
    input: Arc<dyn ExecutionPlan>,
    columns: Vec<CallColumn>,
    /// What each column stands for.
    sources: Vec<Arc<dyn PhysicalExpr>>,
    /// An expression has changed although no call was taken out of it.
    changed: bool,
}

impl Calls {
    fn over(input: &Arc<dyn ExecutionPlan>) -> Self {
        Self { input: Arc::clone(input), columns: Vec::new(), sources: Vec::new(), changed: false }
    }

    /// The expression over the columns of the operator that makes the calls. `always`: it is computed for every row.
    fn take_out(&mut self, expr: &Arc<dyn PhysicalExpr>, always: bool) -> Result<Arc<dyn PhysicalExpr>> {
        if !has_call(expr) {
            return Ok(Arc::clone(expr));
        }
        let Transformed { data: expr, transformed, .. } = guarded(Arc::clone(expr), has_call)?;
        self.changed |= transformed;
        let expr = &expr;
        let children: Vec<_> = expr.children().into_iter().cloned().collect();
        let mut changed = Vec::with_capacity(children.len());
        for (index, child) in children.iter().enumerate() {
            changed.push(self.take_out(child, always && computed_always(expr, index))?);
        }
        let expr = Arc::clone(expr).with_new_children(changed)?;
        match always.then(|| self.column(&expr)).transpose()?.flatten() {
            Some(column) => Ok(column),
            None => Ok(expr),
        }
    }

    /// The column of a call whose arguments have none left.
    fn column(&mut self, expr: &Arc<dyn PhysicalExpr>) -> Result<Option<Arc<dyn PhysicalExpr>>> {
        let Some((call, function)) = python(expr) else { return Ok(None) };
        let Some(scope) = function.scope() else { return Ok(None) };
        let first = self.input.schema().fields().len();
        let volatile = function.function.is_volatile();
        // It has one value for the whole query, which the function itself remembers.
        if is_constant(expr) {
            return Ok(None);
        }
        let known = self.sources.iter().position(|source| !volatile && source == expr);
        let index = match known {
            Some(index) => index,
            None => {
                let schema = self.schema();
                let types: Vec<_> =
                    call.args().iter().map(|argument| argument.data_type(&schema)).collect::<Result<_>>()?;
                let mut given = Vec::new();
                let mut arguments = Vec::new();
                for (argument, data_type) in call.args().iter().zip(&types) {
                    match argument.downcast_ref::<Literal>() {
                        Some(literal) => given.push(Given::Constant(literal.value().to_array()?)),
                        None => {
                            given.push(Given::Column(data_type));
                            arguments.push(Arc::clone(argument));
                        }
                    }
                }
                let types = function.function.bind_types(&given)?;
                let index = self.columns.len();
                let field =
                    call.return_field(&schema)?.as_ref().clone().with_name(format!("__python_{}", first + index));
                self.columns.push(CallColumn {
                    call: Call::new(Arc::clone(&function.function), types, &scope.settings),
                    arguments,
                    field,
                    shown: expr.to_string(),
                });
                self.sources.push(Arc::clone(expr));
                index
            }
        };
        let name = self.columns[index].field.name();
        Ok(Some(Arc::new(Column::new(name, first + index))))
    }

    fn schema(&self) -> Schema {
        let mut fields = self.input.schema().fields().to_vec();
        fields.extend(self.columns.iter().map(|column| Arc::new(column.field.clone())));
        Schema::new(fields)
    }

    /// The operator that makes the calls, or the input where only expressions changed; `None` when nothing did.
    fn operator(self) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        if self.columns.is_empty() {
            return Ok(self.changed.then_some(self.input));
        }
        Ok(Some(Arc::new(PythonExec::try_new(self.columns, self.input)?)))
    }
}

/// Whether an expression has the same value for all rows of a query: it is made of literals, and of functions that give equal results
/// for equal arguments.
fn is_constant(expr: &Arc<dyn PhysicalExpr>) -> bool {
    let varies = expr.exists(|expr| {
        let own = python(expr).is_some_and(|(_, function)| function.function.is_volatile());
        let leaf = expr.children().is_empty() && expr.downcast_ref::<Literal>().is_none() && python(expr).is_none();
        Ok(own || leaf || expr.is_volatile_node())
    });
    // An expression that cannot be looked into is none.
    !varies.unwrap_or(true)
}

/// Whether a child of an expression is computed for every row for which the expression is.
fn computed_always(expr: &Arc<dyn PhysicalExpr>, child: usize) -> bool {
    if let Some(binary) = expr.downcast_ref::<BinaryExpr>() {
        return child == 0 || !matches!(binary.op(), Operator::And | Operator::Or);
    }
    let is_lazy = expr.downcast_ref::<CaseExpr>().is_some()
        || expr.downcast_ref::<Guarded>().is_some()
        || expr.downcast_ref::<FirstValue>().is_some();
    if is_lazy {
        return child == 0;
    }
    if let Some(function) = expr.downcast_ref::<ScalarFunctionExpr>() {
        return child == 0 || !function.fun().short_circuits();
    }
    // What is within a lambda is computed for the elements of a list.
    expr.downcast_ref::<LambdaExpr>().is_none()
}
