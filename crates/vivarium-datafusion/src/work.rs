//! A function at work in one query: its instances, what they cost, and what is told about them.
//!
//! ```text
//!   Call   planned: function, types of the arguments, its account (time, memory, counters)      one for each call in a plan
//!     └─ Work   running: the task with its pool of instances                          as long as a partition of the query runs
//! ```
//!
//! The pool is started by the first batch of any partition, shared by all, and gone with the last of them: a query that ends, in
//! whatever way, leaves no instance behind, and one that is executed twice starts with new ones.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::DataType;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use tokio::sync::OnceCell;
use vivarium::{
    Aggregation, ArgumentValue, Arguments, Evaluation, Failures, GroupBy, JobContext, Kind, Task, TaskOptions,
};
use vivarium_text::OneLine;

use crate::error::{Counted, Error};
use crate::function::{BoundTypes, PythonFunction};
use crate::settings::SandboxSettings;

/// One call of a function in a plan.
#[derive(Debug)]
pub(crate) struct Call {
    pub function: Arc<PythonFunction>,
    pub types: BoundTypes,
    settings: SandboxSettings,
    /// Most instances at one time; `None`: one for each core.
    instances: Option<usize>,
    pub account: Arc<vivarium_sandbox::TaskAccount>,
    /// Rows for which the function raised.
    pub errors: AtomicU64,
    running: Mutex<Weak<Work>>,
}

/// Rows that a call is made for.
pub(crate) struct CallRows {
    /// The function's arguments.
    pub batch: RecordBatch,
    /// The number of the first one.
    pub first: u64,
    /// What that number counts within.
    pub counted: Option<Counted>,
}

/// The instances of a call.
#[derive(Debug)]
pub(crate) struct Work {
    pub call: Arc<Call>,
    reservation: Option<MemoryReservation>,
    task: OnceCell<Task>,
    aggregation: OnceCell<Aggregation>,
}

impl Call {
    pub fn new(function: Arc<PythonFunction>, types: BoundTypes, settings: &SandboxSettings) -> Arc<Self> {
        Self::with_instances(function, types, settings, settings.instances)
    }

    /// A call whose instances are as many as there are callers: each keeps one to itself.
    pub fn with_an_instance_for_each(
        function: Arc<PythonFunction>,
        types: BoundTypes,
        settings: &SandboxSettings,
    ) -> Arc<Self> {
        /// More than any tenant has: the tenant's own limit, and the process's, say when there are too many.
        const MOST: usize = 1 << 16;
        Self::with_instances(function, types, settings, Some(MOST))
    }

    fn with_instances(
        function: Arc<PythonFunction>,
        types: BoundTypes,
        settings: &SandboxSettings,
        instances: Option<usize>,
    ) -> Arc<Self> {
        let (account, settings) = (function.sandbox_task(), settings.clone());
        let (errors, running) = (AtomicU64::new(0), Mutex::default());
        Arc::new(Self { function, types, settings, instances, account, errors, running })
    }

    /// The call at work. All callers of one time get the same.
    pub fn work(self: &Arc<Self>, pool: Option<&Arc<dyn MemoryPool>>) -> Arc<Work> {
        // A panic elsewhere leaves a valid pointer.
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(work) = running.upgrade() {
            return work;
        }
        let name = format!("Python function {}", self.function.name);
        let reservation = pool.map(|pool| MemoryConsumer::new(name).register(pool));
        let (task, aggregation) = (OnceCell::new(), OnceCell::new());
        let work = Arc::new(Work { call: Arc::clone(self), reservation, task, aggregation });
        *running = Arc::downgrade(&work);
        work
    }

    /// An error of this call, with the arguments of the row that failed where `rows` has them.
    pub fn error(&self, error: vivarium::Error, rows: Option<&CallRows>) -> DataFusionError {
        self.errors.fetch_add(1, Ordering::Relaxed);
        let row = error.python().and_then(|python| python.row);
        let arguments = match (row, rows) {
            (Some(row), Some(CallRows { batch, first, .. })) => {
                row.checked_sub(*first).map(|row| self.described(batch, row as usize)).unwrap_or_default()
            }
            _ => Vec::new(),
        };
        let counted = rows.and_then(|rows| rows.counted);
        Error::Function { function: self.function.name.clone(), error, arguments, counted }.into()
    }

    /// The arguments of a row as `parameter = value`.
    fn described(&self, batch: &RecordBatch, row: usize) -> Vec<String> {
        let Arguments::Values(values) = &self.types.arguments else { return Vec::new() };
        let values = values.iter().enumerate().map(|(index, value)| match value {
            ArgumentValue::Column(name) => {
                let value = batch.column_by_name(name).map(|column| described(column, row));
                format!("{name} = {}", value.unwrap_or_default())
            }
            ArgumentValue::Constant(value) => {
                format!("{} = {}", self.function.parameter_name(index), described(value, 0))
            }
            ArgumentValue::Text(text) => text.clone(),
        });
        values.collect()
    }

    /// Counts rows that failed and became NULL, and says so.
    pub fn failed(&self, failures: &Failures) {
        self.errors.fetch_add(failures.rows().len() as u64, Ordering::Relaxed);
        if let Some(first) = failures.errors().first() {
            let (function, rows) = (&self.function.name, failures.rows().len());
            tracing::warn!(target: "vivarium::sql", function, rows, first = %OneLine(first), "rows failed and became NULL");
        }
    }

    fn options(&self) -> TaskOptions {
        // A result for every row is what SQL wants; a declaration that leaves rows out was refused when it was created.
        TaskOptions::default()
            .with_arguments(self.types.arguments.clone())
            .with_on_error(self.settings.on_error)
            .with_instances(self.instances)
            .with_columns(self.settings.columns())
            .with_context(JobContext::default().with_job_parameters(self.settings.job_parameters.clone()))
    }

    /// The function in sandboxes of this query.
    fn configured(&self) -> vivarium::Function {
        let mut config = self.settings.apply(self.function.function.sandbox_config());
        config.task = Arc::clone(&self.account);
        self.function.function.with_sandbox_config(config)
    }
}

impl Work {
    pub async fn task(&self) -> Result<&Task, vivarium::Error> {
        let Call { types, .. } = &*self.call;
        self.task
            .get_or_try_init(|| async { self.call.configured().bind(&types.schema, self.call.options()).await })
            .await
    }

    pub async fn aggregation(&self) -> Result<&Aggregation, vivarium::Error> {
        let Call { types, .. } = &*self.call;
        let bind = || async {
            self.call.configured().bind_aggregate(&types.schema, &GroupBy::default(), self.call.options()).await
        };
        self.aggregation.get_or_try_init(bind).await
    }

    /// The function's values for rows.
    pub async fn values(&self, rows: &CallRows) -> Result<ArrayRef> {
        let evaluated = async { self.task().await?.invoke(&rows.batch, rows.first).await }.await;
        let Evaluation { result, failures, .. } = evaluated.map_err(|error| self.call.error(error, Some(rows)))?;
        self.call.failed(&failures);
        self.charge()?;
        Ok(result)
    }

    /// Charges the memory that all instances have now to the query.
    pub fn charge(&self) -> Result<()> {
        match &self.reservation {
            Some(reservation) => {
                let memory = self.call.account.metrics().snapshot().memory;
                reservation.try_resize(usize::try_from(memory).unwrap_or(usize::MAX))
            }
            None => Ok(()),
        }
    }
}

/// A value, as a reader recognises it.
fn described(column: &ArrayRef, row: usize) -> String {
    /// Characters of a value.
    const SHOWN: usize = 100;
    if row >= column.len() || column.is_null(row) {
        return "NULL".to_owned();
    }
    let text = arrow::util::display::array_value_to_string(column, row).unwrap_or_else(|_| "?".to_owned());
    let quote = if column.data_type().is_string() { "'" } else { "" };
    format!("{quote}{text:.SHOWN$}{quote}")
}

/// The type of the results of a call: of a table function in an expression, a list of its rows.
pub(crate) fn value_type(function: &PythonFunction) -> DataType {
    match function.kind() {
        Kind::Table => DataType::new_list(function.item(), true),
        _ => function.result.clone(),
    }
}
