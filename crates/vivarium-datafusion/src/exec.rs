//! The operator that calls scalar functions and awaits them.
//!
//! ```text
//!   input batch ──arguments──> call 0 ──> call 1 ──> ...      a call may have the result of an earlier one as its argument
//!        │                        │          │
//!        └────────────────────────┴──────────┴──> input columns, then a column for each call
//! ```
//!
//! A partition awaits one call at a time; partitions work in parallel, each on an instance of the call's pool. Dropping the stream
//! drops the future that runs the guest, and so stops it at once. Batches go to the runtime as they are: it cuts what is too large.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{ColumnStatistics, Statistics, internal_err};
use datafusion::error::Result;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::equivalence::ProjectionMapping;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::execution_plan::{CardinalityEffect, ReplaceChildrenOptions};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet, RecordOutput};
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties};
use futures::TryStreamExt;

use crate::error::Counted;
use crate::metrics::report;
use crate::scalar::evaluate;
use crate::work::{Call, CallRows, Work};

/// A call and the column that it becomes.
#[derive(Debug, Clone)]
pub(crate) struct CallColumn {
    pub call: Arc<Call>,
    /// The arguments that are no constants, over the input's columns and those of earlier calls.
    pub arguments: Vec<Arc<dyn PhysicalExpr>>,
    pub field: Field,
    /// As a plan shows it.
    pub shown: String,
}

/// Adds a column for each of its calls to its input.
#[derive(Debug, Clone)]
pub struct PythonExec {
    calls: Vec<CallColumn>,
    input: Arc<dyn ExecutionPlan>,
    /// The schemas of batches with no call's column yet, one, two, ...
    schemas: Vec<SchemaRef>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl PythonExec {
    pub(crate) fn try_new(calls: Vec<CallColumn>, input: Arc<dyn ExecutionPlan>) -> Result<Self> {
        let mut schemas = vec![input.schema()];
        let mut fields = input.schema().fields().to_vec();
        for call in &calls {
            fields.push(Arc::new(call.field.clone()));
            let metadata = input.schema().metadata().clone();
            schemas.push(Arc::new(Schema::new_with_metadata(fields.clone(), metadata)));
        }
        // The input's columns stay what and where they are; what is known of them still holds.
        let before = input.schema();
        let kept = before.fields().iter().enumerate().map(|(index, field)| {
            let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), index));
            (column, field.name().clone())
        });
        let mapping = ProjectionMapping::try_new(kept, &input.schema())?;
        let schema = Arc::clone(&schemas[calls.len()]);
        let properties = PlanProperties::new(
            input.equivalence_properties().project(&mapping, schema),
            input.output_partitioning().clone(),
            input.pipeline_behavior(),
            input.boundedness(),
        );
        let metrics = ExecutionPlanMetricsSet::new();
        Ok(Self { calls, input, schemas, properties: Arc::new(properties), metrics })
    }
}

impl DisplayAs for PythonExec {
    fn fmt_as(&self, kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls: Vec<_> = self.calls.iter().map(|call| call.shown.as_str()).collect();
        match kind {
            DisplayFormatType::TreeRender => calls.iter().try_for_each(|call| writeln!(f, "{call}")),
            _ => write!(f, "PythonExec: calls=[{}]", calls.join(", ")),
        }
    }
}

impl ExecutionPlan for PythonExec {
    fn name(&self) -> &'static str {
        "PythonExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        let roots = self.calls.iter().flat_map(|call| call.arguments.iter().cloned());
        datafusion::physical_plan::execution_plan::apply_expression_roots(roots, f)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.is_empty()) {
            (Some(input), true) => Ok(Arc::new(Self::try_new(self.calls.clone(), input)?)),
            _ => internal_err!("PythonExec has one input"),
        }
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        use datafusion::physical_plan::execution_plan::ChildrenPropertiesMode;
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn supports_limit_pushdown(&self) -> bool {
        // Rows that nobody wants are not computed.
        true
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let input = self.input.execute(partition, Arc::clone(&context))?;
        let pool = context.memory_pool();
        let results = MemoryConsumer::new(format!("PythonExec[{partition}]")).register(pool);
        let partition = Partition {
            calls: self.calls.iter().map(|column| (column.arguments.clone(), column.call.work(Some(pool)))).collect(),
            schemas: self.schemas.clone(),
            next_row: 0,
            counted: Counted::in_partition(partition, self.properties.output_partitioning().partition_count()),
            results,
            metrics: BaselineMetrics::new(&self.metrics, partition),
        };
        let outputs = futures::stream::try_unfold((input, partition), |(mut input, mut partition)| async move {
            // What was charged for the last batch is with whoever took it.
            partition.results.free();
            match input.try_next().await? {
                Some(batch) => {
                    let output = partition.evaluate(batch).await?;
                    Ok(Some((output, (input, partition))))
                }
                None => {
                    partition.metrics.done();
                    Ok(None)
                }
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), outputs)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        let mut metrics = self.metrics.clone_inner();
        report(self.calls.iter().map(|column| &column.call), &mut metrics);
        Some(metrics)
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        vec![ChildStats::At(partition)]
    }

    fn statistics_from_inputs(&self, inputs: &[Arc<Statistics>], _: &StatisticsArgs) -> Result<Arc<Statistics>> {
        let [input] = inputs else { return Ok(Arc::new(Statistics::new_unknown(&self.schema()))) };
        let mut statistics = input.as_ref().clone();
        statistics.total_byte_size = Precision::Absent;
        statistics.column_statistics.extend(self.calls.iter().map(|_| ColumnStatistics::new_unknown()));
        Ok(Arc::new(statistics))
    }
}

/// The arguments of a call, and the call at work.
type RunningCall = (Vec<Arc<dyn PhysicalExpr>>, Arc<Work>);

/// The calls of one partition.
struct Partition {
    calls: Vec<RunningCall>,
    schemas: Vec<SchemaRef>,
    /// The number of the next row, from 0: errors name it.
    next_row: u64,
    counted: Option<Counted>,
    /// What the results that are on their way out take.
    results: MemoryReservation,
    metrics: BaselineMetrics,
}

impl Partition {
    async fn evaluate(&mut self, mut batch: RecordBatch) -> Result<RecordBatch> {
        let count = batch.num_rows();
        for ((arguments, work), schema) in self.calls.iter().zip(&self.schemas[1..]) {
            let evaluated = arguments.iter().map(|argument| argument.evaluate(&batch)?.into_array(count));
            let columns: Vec<ArrayRef> = evaluated.collect::<Result<_>>()?;
            let rows =
                CallRows { batch: work.call.types.batch(columns, count)?, first: self.next_row, counted: self.counted };
            let result = evaluate(work, &rows).await?;
            self.results.try_grow(result.get_array_memory_size())?;
            let mut columns = batch.columns().to_vec();
            columns.push(result);
            let options = RecordBatchOptions::new().with_row_count(Some(count));
            batch = RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?;
        }
        self.next_row += count as u64;
        Ok(batch.record_output(&self.metrics))
    }
}
