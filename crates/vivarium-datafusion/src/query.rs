//! The frame of a query with Python functions: its scope is made when it is planned, opened when it is executed, and closed when
//! its last stream ends.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::internal_err;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::expr::{AggregateFunction, ScalarFunction, WindowFunction};
use datafusion::logical_expr::{AggregateUDF, Expr, LogicalPlan, WindowFunctionDefinition};
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateInputMode};
use datafusion::physical_plan::analyze::AnalyzeExec;
use datafusion::physical_plan::execution_plan::{CardinalityEffect, ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::{Stream, StreamExt};

use crate::aggregate::{self, PythonAggregate};
use crate::metrics::report;
use crate::scalar::PythonScalar;
use crate::scope::Scope;
use crate::settings::SandboxSettings;

/// Gives the functions of a query their scope. The last logical rule: constants have been folded by then.
#[derive(Debug)]
pub(crate) struct EnterScope;

impl OptimizerRule for EnterScope {
    fn name(&self) -> &str {
        "enter_python_scope"
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let scope = std::cell::OnceCell::new();
        let scope = || scope.get_or_init(|| Scope::new(SandboxSettings::of(&config.options())));
        plan.transform_down_with_subqueries(|plan| {
            plan.map_expressions(|expr| expr.transform_up(|expr| Ok(in_scope(expr, &scope))))
        })
    }
}

fn in_scope<'a>(expr: Expr, scope: &impl Fn() -> &'a Arc<Scope>) -> Transformed<Expr> {
    match expr {
        Expr::ScalarFunction(ScalarFunction { func, args }) => match func.inner().downcast_ref::<PythonScalar>() {
            Some(function) if function.scope().is_none() => {
                let func = Arc::new(function.in_scope(scope()));
                Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args }))
            }
            _ => Transformed::no(Expr::ScalarFunction(ScalarFunction { func, args })),
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
    let function = func.inner().downcast_ref::<PythonAggregate>()?;
    function.scope().is_none().then(|| Arc::new(function.in_scope(scope())))
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
        task.spawn(async move {
            while let Some(batch) = rows.next().await {
                let failed = batch.is_err();
                // Without a reader nobody wants the rest.
                if sender.send(batch).await.is_err() || failed {
                    break;
                }
            }
            Ok(())
        });
        Ok(Box::pin(ScopedStream { _open: open, input: task.build() }))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        let mut metrics = MetricsSet::new();
        let calls: Vec<_> = self.scopes.iter().flat_map(|scope| scope.calls()).collect();
        report(calls.iter(), &mut metrics);
        Some(metrics)
    }
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
