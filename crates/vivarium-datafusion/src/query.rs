//! The frame of a query with Python functions: its scope is made when it is planned, opened when it is executed, and closed when
//! its last stream ends.
//!
//! Functions are called when the query is executed and never while it is planned: not to fold constants, and not for `VALUES`, whose rows
//! DataFusion evaluates while it makes the physical plan. Rows with calls therefore become a projection:
//!
//! ```text
//!   VALUES (f(1), 'a'),                Projection: CASE row WHEN 0 THEN f(1) WHEN 1 THEN f(2) END, column2
//!          (f(2), 'b')         ==>       Values: (0, 'a'), (1, 'b')
//! ```

use std::collections::HashMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, internal_err};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::expr::{AggregateFunction, ScalarFunction, WindowFunction};
use datafusion::logical_expr::{
    AggregateUDF, Case, Expr, LogicalPlan, Projection, Values, WindowFunctionDefinition, lit,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateInputMode};
use datafusion::physical_plan::analyze::AnalyzeExec;
use datafusion::physical_plan::execution_plan::{CardinalityEffect, ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::{FutureExt, Stream, StreamExt};
use tracing::Instrument;

use crate::aggregate::{self, PythonAggregate};
use crate::error::Error;
use crate::metrics::report;
use crate::once::called_once;
use crate::scalar::PythonScalar;
use crate::scope::Scope;
use crate::settings::SandboxSettings;

/// Gives the functions of a query their scope: before anything is optimized, so that optimizing calls none of them. A plan that is
/// planned again, as that of a prepared statement, gets another one.
#[derive(Debug)]
pub(crate) struct EnterScope;

impl AnalyzerRule for EnterScope {
    fn name(&self) -> &str {
        "enter_python_scope"
    }

    fn analyze(&self, plan: LogicalPlan, config: &ConfigOptions) -> Result<LogicalPlan> {
        let scope = std::cell::OnceCell::new();
        let scope = || scope.get_or_init(|| Scope::new(SandboxSettings::of(config)));
        let scoped = plan.transform_down_with_subqueries(|plan| {
            let rewritten = match plan {
                LogicalPlan::Values(values) => projected(values)?,
                LogicalPlan::Limit(ref limit) => {
                    let numbers = limit.skip.iter().chain(&limit.fetch);
                    if let Some(function) = numbers.filter_map(|expr| called(expr)).next() {
                        let problem = "LIMIT and OFFSET take a number, which has to be known before the query runs; write a literal";
                        return Err(Error::statement(function, problem).into());
                    }
                    Transformed::no(plan)
                }
                other => Transformed::no(other),
            };
            let changed = rewritten.transformed;
            let scoped =
                rewritten.data.map_expressions(|expr| {
                    expr.transform_up(|expr| Ok(in_scope(expr, &scope)))?.transform_data(|expr| match called(&expr) {
                        Some(_) => expr.transform_up(|expr| Ok(called_once(expr))),
                        None => Ok(Transformed::no(expr)),
                    })
                })?;
            Ok(Transformed { transformed: scoped.transformed || changed, ..scoped })
        })?;
        Ok(scoped.data)
    }
}

/// The name of the first Python function that an expression calls for single values.
fn called(expr: &Expr) -> Option<String> {
    let mut found = None;
    let visited = expr.apply(|expr| {
        if let Expr::ScalarFunction(ScalarFunction { func, .. }) = expr
            && let Some(function) = func.inner().downcast_ref::<PythonScalar>()
        {
            found = Some(function.function.name.clone());
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    visited.ok().and(found)
}

/// Rows with calls as a projection, in which a query makes them.
fn projected(Values { schema, values }: Values) -> Result<Transformed<LogicalPlan>> {
    /// The number of a row, from 0.
    const ROW: &str = "__row";
    let with_calls: Vec<bool> =
        (0..schema.fields().len()).map(|index| values.iter().any(|row| called(&row[index]).is_some())).collect();
    if !with_calls.contains(&true) {
        return Ok(Transformed::no(LogicalPlan::Values(Values { schema, values })));
    }
    let mut fields = vec![(None, Arc::new(Field::new(ROW, DataType::Int64, false)))];
    fields.extend(
        schema
            .iter()
            .zip(&with_calls)
            .filter(|(_, calls)| !**calls)
            .map(|((qualifier, field), _)| (qualifier.cloned(), Arc::clone(field))),
    );
    let mut plain = Vec::with_capacity(values.len());
    let mut branches: Vec<Vec<(Box<Expr>, Box<Expr>)>> = vec![Vec::new(); with_calls.len()];
    for (number, row) in (0_i64..).zip(values) {
        let mut kept = vec![lit(number)];
        for (index, expr) in row.into_iter().enumerate() {
            match with_calls[index] {
                true => branches[index].push((Box::new(lit(number)), Box::new(expr))),
                false => kept.push(expr),
            }
        }
        plain.push(kept);
    }
    let row = Expr::Column(Column::from_name(ROW));
    let columns = schema.iter().zip(branches).map(|((qualifier, field), branches)| {
        let expr = match <[_; 1]>::try_from(branches) {
            Ok([(_, value)]) => *value,
            Err(branches) if branches.is_empty() => return Expr::Column(Column::new(qualifier.cloned(), field.name())),
            Err(when_then_expr) => {
                Expr::Case(Case { expr: Some(Box::new(row.clone())), when_then_expr, else_expr: None })
            }
        };
        expr.alias_qualified(qualifier.cloned(), field.name())
    });
    let columns = columns.collect();
    let inner = DFSchema::new_with_metadata(fields, HashMap::new())?;
    let input = LogicalPlan::Values(Values { schema: Arc::new(inner), values: plain });
    Ok(Transformed::yes(LogicalPlan::Projection(Projection::try_new_with_schema(columns, Arc::new(input), schema)?)))
}

fn in_scope<'a>(expr: Expr, scope: &impl Fn() -> &'a Arc<Scope>) -> Transformed<Expr> {
    match expr {
        Expr::ScalarFunction(ScalarFunction { func, args }) => match func.inner().downcast_ref::<PythonScalar>() {
            Some(function) => {
                let func = Arc::new(function.in_scope(scope()));
                Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args }))
            }
            None => Transformed::no(Expr::ScalarFunction(ScalarFunction { func, args })),
        },
        Expr::AggregateFunction(AggregateFunction { func, params }) => match aggregate_in_scope(&func, scope) {
            Some(func) => Transformed::yes(Expr::AggregateFunction(AggregateFunction { func, params })),
            None => Transformed::no(Expr::AggregateFunction(AggregateFunction { func, params })),
        },
        Expr::WindowFunction(mut window) => {
            let WindowFunction { fun, .. } = &mut *window;
            let scoped = match fun {
                WindowFunctionDefinition::AggregateUDF(func) => aggregate_in_scope(func, scope),
                WindowFunctionDefinition::WindowUDF(_) => None,
            };
            match scoped {
                Some(func) => {
                    *fun = WindowFunctionDefinition::AggregateUDF(func);
                    Transformed::yes(Expr::WindowFunction(window))
                }
                None => Transformed::no(Expr::WindowFunction(window)),
            }
        }
        other => Transformed::no(other),
    }
}

fn aggregate_in_scope<'a>(func: &AggregateUDF, scope: &impl Fn() -> &'a Arc<Scope>) -> Option<Arc<AggregateUDF>> {
    func.inner().downcast_ref::<PythonAggregate>().map(|function| Arc::new(function.in_scope(scope())))
}

/// Puts a [`PythonScopeExec`] above plans with functions that are not called by an operator of their own. The last physical rule.
#[derive(Debug)]
pub(crate) struct GuardQuery;

impl PhysicalOptimizerRule for GuardQuery {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let scopes = scopes(&plan)?;
        if scopes.is_empty() {
            return Ok(plan);
        }
        // What is analyzed is the query below.
        if plan.downcast_ref::<AnalyzeExec>().is_some() {
            let input = Arc::clone(plan.children()[0]);
            let children: Vec<Arc<dyn ExecutionPlan>> = vec![Arc::new(PythonScopeExec { scopes, input })];
            return plan.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute));
        }
        Ok(Arc::new(PythonScopeExec { scopes, input: plan }))
    }

    fn name(&self) -> &str {
        "guard_python_query"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The scopes of all functions that are called where nothing can be awaited.
fn scopes(plan: &Arc<dyn ExecutionPlan>) -> Result<Vec<Arc<Scope>>> {
    let mut found: Vec<Arc<Scope>> = Vec::new();
    let mut add = |scope: Option<&Arc<Scope>>| {
        if let Some(scope) = scope
            && !found.iter().any(|known| Arc::ptr_eq(known, scope))
        {
            found.push(Arc::clone(scope));
        }
    };
    plan.apply(|plan| {
        if let Some(aggregate) = plan.downcast_ref::<AggregateExec>() {
            aggregate.aggr_expr().iter().for_each(|function| add(aggregate::scope(function.fun())));
            // Arguments are computed by the stage that reads rows; the others only remember them.
            if aggregate.mode().input_mode() != AggregateInputMode::Raw {
                return Ok(TreeNodeRecursion::Continue);
            }
        }
        let windows = plan.downcast_ref::<WindowAggExec>().map(WindowAggExec::window_expr);
        let windows =
            windows.or_else(|| plan.downcast_ref::<BoundedWindowAggExec>().map(BoundedWindowAggExec::window_expr));
        for window in windows.into_iter().flatten() {
            add(aggregate::window_scope(window.as_ref()));
        }
        plan.apply_expressions(&mut |expr: &Arc<dyn PhysicalExpr>| {
            expr.apply(|expr| {
                let call = expr.downcast_ref::<ScalarFunctionExpr>();
                let function = call.and_then(|call| call.fun().inner().downcast_ref::<PythonScalar>());
                add(function.and_then(PythonScalar::scope));
                Ok(TreeNodeRecursion::Continue)
            })
        })?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

/// Opens and closes the scopes of the functions below it; rows pass through it.
#[derive(Debug, Clone)]
pub struct PythonScopeExec {
    scopes: Vec<Arc<Scope>>,
    input: Arc<dyn ExecutionPlan>,
}

impl DisplayAs for PythonScopeExec {
    fn fmt_as(&self, kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match kind {
            DisplayFormatType::TreeRender => Ok(()),
            _ => f.write_str("PythonScopeExec"),
        }
    }
}

impl ExecutionPlan for PythonScopeExec {
    fn name(&self) -> &'static str {
        "PythonScopeExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.is_empty()) {
            (Some(input), true) => Ok(Arc::new(Self { scopes: self.scopes.clone(), input })),
            _ => internal_err!("PythonScopeExec has one input"),
        }
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let open = OpenScopes::enter(&self.scopes, &context);
        // The query runs in a task of its own: where a guest is waited for the task cannot be dropped, but this stream can, and then
        // it tells the guest to stop.
        let mut rows = self.input.execute(partition, context)?;
        let mut task = RecordBatchReceiverStream::builder(self.schema(), 1);
        let sender = task.tx();
        let work = async move {
            // A panic below must not look like the end of the rows, and is no reason to end whoever reads them.
            while let Some(batch) = AssertUnwindSafe(rows.next()).catch_unwind().await.unwrap_or_else(panicked) {
                let failed = batch.is_err();
                // Without a reader nobody wants the rest.
                if sender.send(batch).await.is_err() || failed {
                    break;
                }
            }
            Ok(())
        };
        task.spawn(work.in_current_span());
        Ok(Box::pin(ScopedStream { _open: open, input: task.build() }))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        let mut metrics = MetricsSet::new();
        let calls: Vec<_> = self.scopes.iter().flat_map(|scope| scope.calls()).collect();
        report(calls.iter(), &mut metrics);
        Some(metrics)
    }
}

/// A panic of an operator, as the error of its query.
fn panicked(payload: Box<dyn std::any::Any + Send>) -> Option<Result<RecordBatch>> {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("without a message");
    Some(Err(Error::Panicked { message: text.chars().take(1000).collect() }.into()))
}

/// Scopes that a stream keeps open.
struct OpenScopes(Vec<Arc<Scope>>);

impl OpenScopes {
    fn enter(scopes: &[Arc<Scope>], context: &TaskContext) -> Self {
        scopes.iter().for_each(|scope| scope.enter(context.memory_pool()));
        Self(scopes.to_vec())
    }
}

impl Drop for OpenScopes {
    fn drop(&mut self) {
        self.0.iter().for_each(|scope| scope.leave());
    }
}

struct ScopedStream {
    /// Dropped first, so that the input is not waited for.
    _open: OpenScopes,
    input: SendableRecordBatchStream,
}

impl Stream for ScopedStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.input.as_mut().poll_next(context)
    }
}

impl RecordBatchStream for ScopedStream {
    fn schema(&self) -> SchemaRef {
        self.input.schema()
    }
}
