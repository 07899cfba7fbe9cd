//! Table functions in `FROM`, with constants.

use std::fmt;
use std::sync::Arc;

use arrow::array::{RecordBatch, UInt8Array};
use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::internal_err;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, ReplaceChildrenOptions};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet, RecordOutput};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};

use crate::error::Error;
use crate::function::{BoundTypes, Given, PythonFunction};
use crate::metrics::report;
use crate::settings::SandboxSettings;
use crate::work::{Call, Work};

/// A table function.
#[derive(Debug)]
pub(crate) struct PythonTable {
    function: Arc<PythonFunction>,
}

impl PythonTable {
    pub fn new(function: Arc<PythonFunction>) -> Self {
        Self { function }
    }
}

impl TableFunctionImpl for PythonTable {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        let name = &self.function.name;
        // DROP FUNCTION knows a function by one name only; this one may be found by another.
        if !args.session().scalar_functions().contains_key(name) {
            return Err(Error::statement(name, "it has been dropped").into());
        }
        let mut given = Vec::new();
        for (index, argument) in args.exprs().iter().enumerate() {
            let Expr::Literal(value, _) = argument else {
                let problem = format!(
                    "its argument {} in FROM is {argument}, which is no constant; over columns and values of functions write \
                     unnest({name}(...)) in SELECT",
                    index + 1
                );
                return Err(Error::statement(name, problem).into());
            };
            given.push(Given::Constant(value.to_array()?));
        }
        let types = self.function.bind_types(&given)?;
        let schema = Arc::new(Schema::new(self.function.columns()));
        Ok(Arc::new(CallTable { function: Arc::clone(&self.function), types, schema }))
    }
}

/// A call with constants, as a table.
#[derive(Debug)]
struct CallTable {
    function: Arc<PythonFunction>,
    types: BoundTypes,
    schema: SchemaRef,
}

#[async_trait]
impl TableProvider for CallTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let settings = SandboxSettings::of(state.config_options());
        let call = Call::new(Arc::clone(&self.function), self.types.clone(), &settings);
        let projection = projection.cloned();
        let schema = match &projection {
            Some(columns) => Arc::new(self.schema.project(columns)?),
            None => Arc::clone(&self.schema),
        };
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let (all, properties) = (Arc::clone(&self.schema), Arc::new(properties));
        let metrics = ExecutionPlanMetricsSet::new();
        Ok(Arc::new(PythonTableExec { call, all, projection, limit, properties, metrics }))
    }
}

/// The rows of a table function that is called once, with constants.
#[derive(Debug, Clone)]
struct PythonTableExec {
    call: Arc<Call>,
    /// All columns of the function.
    all: SchemaRef,
    projection: Option<Vec<usize>>,
    limit: Option<usize>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl DisplayAs for PythonTableExec {
    fn fmt_as(&self, kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match kind {
            DisplayFormatType::TreeRender => write!(f, "{}", self.call.function.name),
            _ => write!(f, "PythonTableExec: function={}", self.call.function.name),
        }
    }
}

impl ExecutionPlan for PythonTableExec {
    fn name(&self) -> &'static str {
        "PythonTableExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match children.is_empty() {
            true => Ok(self),
            false => internal_err!("PythonTableExec has no input"),
        }
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        match children.is_empty() {
            true => Ok(self),
            false => internal_err!("PythonTableExec has no input"),
        }
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        Some(Arc::new(Self { limit, ..self.clone() }))
    }

    fn fetch(&self) -> Option<usize> {
        self.limit
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let work = self.call.work(Some(context.memory_pool()));
        let output = OutputShape {
            all: Arc::clone(&self.all),
            projection: self.projection.clone(),
            left: self.limit.unwrap_or(usize::MAX),
            metrics: BaselineMetrics::new(&self.metrics, partition),
        };
        let rows = Box::pin(futures::stream::once(start(work)).try_flatten());
        let rows = futures::stream::try_unfold((rows, output), |(mut rows, mut output)| async move {
            if output.left == 0 {
                return Ok(None);
            }
            match rows.try_next().await? {
                Some(batch) => Ok(Some((output.shape(&batch)?, (rows, output)))),
                None => Ok(None),
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        let mut metrics = self.metrics.clone_inner();
        report(std::iter::once(&self.call), &mut metrics);
        Some(metrics)
    }
}

/// What becomes of the rows of a call.
struct OutputShape {
    all: SchemaRef,
    projection: Option<Vec<usize>>,
    /// Rows that are still wanted.
    left: usize,
    metrics: BaselineMetrics,
}

impl OutputShape {
    fn shape(&mut self, joined: &RecordBatch) -> Result<RecordBatch> {
        // The first column is the row that the rows were made for.
        let rows = joined.num_rows().min(self.left);
        self.left -= rows;
        let columns = joined.columns()[1..].iter().map(|column| column.slice(0, rows)).collect();
        let batch = RecordBatch::try_new(Arc::clone(&self.all), columns)?;
        let batch = match &self.projection {
            Some(columns) => batch.project(columns)?,
            None => batch,
        };
        Ok(batch.record_output(&self.metrics))
    }
}

/// Calls the function, for one row that holds nothing: all arguments are constants.
async fn start(work: Arc<Work>) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let once = RecordBatch::try_from_iter([("once", Arc::new(UInt8Array::from(vec![0])) as _)])?;
    let task = work.task().await.map_err(|error| work.call.error(error, None))?.clone();
    let rows = task.run(futures::stream::iter([Ok::<_, DataFusionError>(once)])).boxed();
    let each = move |output: Result<vivarium::Output, vivarium::Error>| {
        let output = output.map_err(|error| work.call.error(error, None))?;
        work.call.failed(&output.failures);
        work.charge()?;
        Ok(output.batch)
    };
    Ok(rows.map(each).boxed())
}
