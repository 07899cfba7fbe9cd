//! The instances of a task: sandboxes in which the function is loaded and bound.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::ArrayRef;
use arrow_schema::{DataType, Fields};
use serde_json::{Value, json};
use vivarium_sandbox::exchange::{Plan, RowsOfRows};
use vivarium_sandbox::{
    Answer, Call, ColumnCounts, Expected, FunctionMetric, FunctionMetrics, HostCharge, Lease, LimitError, LimitKind,
    Limits, Pool, ProtocolError, Returned, RowErrors, Sandbox,
};
use vivarium_text::OneLine;

use crate::bind::{Argument, Place};
use crate::column_mode::ColumnMode;
use crate::context::JobContext;
use crate::error::Error;
use crate::failures::Failures;
use crate::metrics::{TaskCounts, TaskMetrics};
use crate::module::Origin;
use crate::python_error::{PythonError, RowNumbers};
use crate::signature::{OnError, ValueType, parse_value_type};
use crate::types;

/// The operations of `wasm-python/ABI.md`.
pub(crate) mod operation {
    pub(crate) const CALL: u32 = 0;
    pub(crate) const CONTINUE: u32 = 1;
    pub(crate) const RETRACT: u32 = 2;
    pub(crate) const VALUE: u32 = 3;
    pub(crate) const STATE: u32 = 4;
    pub(crate) const MERGE: u32 = 5;
    pub(crate) const RESTORE: u32 = 6;
    pub(crate) const FORGET: u32 = 7;
}

/// Rows after which a result of rows is cut: enough that a crossing costs nothing for each.
const RESULT_ROWS: u64 = 1 << 16;

/// Bytes after which it is cut.
const RESULT_BYTES: u64 = 16 << 20;

/// A pool of sandboxes that are ready to call one function.
#[derive(Debug)]
pub(crate) struct Instances {
    pool: Pool<Bound>,
    shared: Arc<Shared>,
    operations: Vec<u32>,
}

/// What all workers of a task know.
#[derive(Debug)]
struct Shared {
    place: Place,
    result: DataType,
    limits: Limits,
    metrics: TaskMetrics,
    counts: TaskCounts,
    /// The most rows of one result of rows.
    most_rows: usize,
}

/// The function within one instance.
#[derive(Debug)]
struct Bound {
    handle: u32,
    result: ValueType,
    operations: Vec<u32>,
    /// What its metrics were when it last reported them.
    reported: BTreeMap<String, FunctionMetric>,
    /// Reported while it was bound, and not yet added to the task's.
    opened: FunctionMetrics,
    /// Its result was found to be the task's, and what it reported was added.
    enlisted: bool,
}

/// Charges for what calls returned, kept until that is handed on.
pub(crate) type Held = Vec<Arc<HostCharge>>;

/// What one call returned: a value for each row.
#[derive(Debug)]
pub(crate) struct Reply {
    pub result: ArrayRef,
    pub failures: Failures,
    pub held: Option<Arc<HostCharge>>,
}

/// What one call returned: rows for rows.
#[derive(Debug)]
pub(crate) struct RowsReply {
    pub rows: RowsOfRows,
    pub failures: Failures,
    /// The result goes on.
    pub more: bool,
    /// What the call took of its time.
    pub time: Duration,
    pub held: Option<Arc<HostCharge>>,
}

/// A call for rows, or its continuation.
pub(crate) struct RowsCall<'a> {
    pub op: u32,
    /// `None` continues.
    pub batch: Option<&'a Plan>,
    pub batch_rows: usize,
    pub numbers: RowNumbers<'a>,
    pub columns: &'a Fields,
    /// The last row that the result before was about.
    pub first: u32,
    pub time: Duration,
}

/// Time that the calls for one batch may take together: an output without an end is stopped by it.
pub(crate) struct TimeBudget {
    all: Duration,
    spent: Duration,
}

impl TimeBudget {
    /// As long as one call may take.
    pub(crate) fn of_call(limits: &Limits) -> Self {
        Self { all: limits.batch_time, spent: Duration::ZERO }
    }

    /// What is left for the next call.
    pub(crate) fn left(&self) -> Duration {
        self.all.saturating_sub(self.spent)
    }

    /// Takes the time of a call off.
    pub(crate) fn spend(&mut self, time: Duration) {
        self.spent = self.spent.saturating_add(time);
    }

    /// An error of what was left as one of the whole limit, which is what the user set.
    pub(crate) fn explain(&self, error: Error) -> Error {
        match error {
            Error::Limit { error, rows } if error.limit == LimitKind::BatchTime => {
                Error::Limit { error: LimitError::time(LimitKind::BatchTime, self.all), rows }
            }
            error => error,
        }
    }
}

/// How the function is bound.
pub(crate) struct Binding<'a> {
    pub place: Place,
    pub attribute: &'a str,
    pub arguments: &'a [Argument],
    pub on_error: OnError,
    pub context: &'a JobContext,
    pub columns: ColumnMode,
    pub instances: usize,
}

/// The requests that make a new sandbox ready.
struct Preparation {
    load: Value,
    bind: Value,
}

impl Instances {
    /// Starts the first instance; the others start when there is work for them.
    pub(crate) async fn start(origin: &Origin, binding: Binding<'_>) -> Result<Self, Error> {
        let Binding { place, attribute, arguments, on_error, context, columns, instances } = binding;
        let arguments = arguments
            .iter()
            .map(|argument| Ok(json!({"type": types::print(&argument.data_type)?, "nullable": argument.nullable})))
            .collect::<Result<Vec<_>, types::TypeError>>();
        // Binding printed each of these types before.
        let arguments = arguments.map_err(|error| Error::Signature(error.into()))?;
        let limits = origin.config.effective_limits();
        // Twice the rows may come: those of a row that may fail are added to those of the rows before it.
        let rows = RESULT_ROWS.min(limits.output_rows / 2).max(1);
        let output = json!({"rows": rows, "bytes": RESULT_BYTES.min(limits.output_bytes / 4).max(1)});
        let preparation = Arc::new(Preparation {
            load: origin.source.load_request(),
            bind: json!({
                "op": "bind", "function": attribute, "label": place.function, "arguments": arguments, "on_error": on_error, "output": output,
                "context": context, "columns": columns,
            }),
        });
        let pool = Pool::new(&origin.image, origin.config.clone(), instances, move |sandbox| {
            let preparation = Arc::clone(&preparation);
            Box::pin(async move { preparation.apply(sandbox).await })
        });
        let first = pool.checkout().await.map_err(Error::without_rows)?;
        let (result, operations) = (first.value().result.data_type.clone(), first.value().operations.clone());
        drop(first);
        let most_rows = usize::try_from(2 * rows).unwrap_or(usize::MAX);
        let (metrics, counts) = (TaskMetrics::default(), TaskCounts::default());
        let shared = Arc::new(Shared { place, result, limits, metrics, counts, most_rows });
        let of_task = Arc::clone(&shared);
        pool.on_retire(move |sandbox, bound| {
            let shared = Arc::clone(&of_task);
            Box::pin(async move {
                if let Err(error) = shared.close(sandbox, bound).await {
                    tracing::debug!(error = %OneLine(&error), "a function was not closed in an instance that is replaced");
                }
            })
        });
        Ok(Self { pool, shared, operations })
    }

    /// The type of the function's results.
    pub(crate) fn result_type(&self) -> &DataType {
        &self.shared.result
    }

    /// What each instance may use.
    pub(crate) fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    /// The most instances at one time.
    pub(crate) fn size(&self) -> usize {
        self.pool.size()
    }

    /// Whether an aggregate function has an operation.
    pub(crate) fn has(&self, operation: u32) -> bool {
        self.operations.contains(&operation)
    }

    /// The function's metrics over all instances.
    pub(crate) fn metrics(&self) -> BTreeMap<String, FunctionMetric> {
        self.shared.metrics.snapshot()
    }

    /// How rows were computed, over all instances.
    pub(crate) fn counts(&self) -> ColumnCounts {
        self.shared.counts.snapshot()
    }

    /// Lends an instance, waiting for one in the order of asking.
    pub(crate) async fn worker(&self) -> Result<Worker, Error> {
        let lease = self.pool.checkout().await.map_err(Error::without_rows)?;
        self.employ(lease)
    }

    /// Lends an instance if one is free.
    pub(crate) async fn free_worker(&self) -> Result<Option<Worker>, Error> {
        let lease = self.pool.checkout_free().await.map_err(Error::without_rows)?;
        lease.map(|lease| self.employ(lease)).transpose()
    }

    fn employ(&self, mut lease: Lease<Bound>) -> Result<Worker, Error> {
        self.enlist(&mut lease)?;
        Ok(Worker { lease, shared: Arc::clone(&self.shared) })
    }

    /// What is done with an instance before each work of it, and takes long before its first one.
    fn enlist(&self, lease: &mut Lease<Bound>) -> Result<(), Error> {
        let (_, bound) = lease.parts();
        if bound.enlisted {
            return Ok(());
        }
        if bound.result.data_type != self.shared.result {
            return Err(self.shared.unstable(&bound.result.data_type));
        }
        let opened = std::mem::take(&mut bound.opened);
        self.shared.metrics.add(&mut bound.reported, opened);
        bound.enlisted = true;
        Ok(())
    }

    /// Calls the function for the rows of `batch`; `first_row` is the first one's number in the whole input.
    pub(crate) async fn invoke(&self, batch: &Plan, first_row: u64) -> Result<Reply, Error> {
        let numbers = RowNumbers::From(first_row, batch.rows() as u64);
        let mut lease = pin!(self.pool.checkout()).await.map_err(Error::without_rows)?;
        self.enlist(&mut lease)?;
        pin!(self.shared.values(&mut lease, operation::CALL, batch, numbers, &self.shared.result)).await
    }

    /// Closes the function in the instances that nobody works with, and ends them. The first error is returned, and all are closed.
    pub(crate) async fn close(&self) -> Result<(), Error> {
        let mut outcome = Ok(());
        for (mut sandbox, mut bound) in self.pool.take_idle() {
            let closed = self.shared.close(&mut sandbox, &mut bound).await;
            outcome = outcome.and(closed.map_err(Error::without_rows));
        }
        outcome
    }
}

impl Shared {
    /// Closes the function in one instance.
    async fn close(&self, sandbox: &mut Sandbox, bound: &mut Bound) -> Result<(), vivarium_sandbox::Error> {
        let opened = std::mem::take(&mut bound.opened);
        self.metrics.add(&mut bound.reported, opened);
        let reply = sandbox.control(&json!({"op": "drop", "handle": bound.handle})).await?;
        self.metrics.add(&mut bound.reported, FunctionMetrics::of_reply(&reply));
        Ok(())
    }

    fn unstable(&self, second: &DataType) -> Error {
        let name = |data_type: &DataType| types::print(data_type).unwrap_or_else(|_| data_type.to_string());
        Error::Unstable { function: self.place.clone(), first: name(&self.result), second: name(second) }
    }

    /// Runs an operation that gives a value for each row of `batch`.
    async fn values(
        &self,
        lease: &mut Lease<Bound>,
        op: u32,
        batch: &Plan,
        numbers: RowNumbers<'_>,
        data_type: &DataType,
    ) -> Result<Reply, Error> {
        let call = Call {
            handle: lease.value().handle,
            op,
            batch: Some(batch),
            batch_rows: batch.rows(),
            first_row: numbers.range().0,
            expected: Expected::Values { data_type, nullable: true },
            time: None,
        };
        let answer = pin!(self.call(lease, call, &numbers)).await?;
        let failures = self.failures(answer.row_errors, &numbers);
        Ok(Reply { result: answer.returned.into_array(), failures, held: answer.held })
    }

    async fn call(&self, lease: &mut Lease<Bound>, call: Call<'_>, numbers: &RowNumbers<'_>) -> Result<Answer, Error> {
        let (sandbox, bound) = lease.parts();
        match pin!(sandbox.call(call)).await {
            Ok(mut answer) => {
                if !answer.metrics.is_empty() {
                    self.metrics.add(&mut bound.reported, std::mem::take(&mut answer.metrics));
                }
                self.counts.add(&answer.counts);
                Ok(answer)
            }
            Err(error) => Err(Error::in_rows(error, &self.place.function, numbers)),
        }
    }

    fn failures(&self, row_errors: RowErrors, numbers: &RowNumbers<'_>) -> Failures {
        // Nearly always.
        if row_errors.is_empty() && row_errors.errors.is_empty() {
            return Failures::default();
        }
        let failed = row_errors.rows.iter().filter_map(|&row| numbers.number(row.into())).collect();
        let errors = row_errors.errors.into_iter();
        let errors = errors.map(|error| PythonError::in_rows(error, &self.place.function, numbers)).collect();
        Failures::new(failed, errors)
    }
}

/// An instance on loan.
#[derive(Debug)]
pub(crate) struct Worker {
    lease: Lease<Bound>,
    shared: Arc<Shared>,
}

impl Worker {
    /// Runs an operation that gives a value for each row of `batch`.
    pub(crate) async fn values(
        &mut self,
        op: u32,
        batch: &Plan,
        numbers: RowNumbers<'_>,
        data_type: &DataType,
    ) -> Result<Reply, Error> {
        pin!(self.shared.values(&mut self.lease, op, batch, numbers, data_type)).await
    }

    /// Runs an operation that gives rows for the rows of a batch.
    pub(crate) async fn rows(&mut self, call: RowsCall<'_>) -> Result<RowsReply, Error> {
        let RowsCall { op, batch, batch_rows, numbers, columns, first, time } = call;
        let call = Call {
            handle: self.lease.value().handle,
            op,
            batch,
            batch_rows,
            first_row: numbers.range().0,
            expected: Expected::Rows { columns, first, most: self.shared.most_rows },
            time: Some(time),
        };
        let answer = self.shared.call(&mut self.lease, call, &numbers).await?;
        let failures = self.shared.failures(answer.row_errors, &numbers);
        match answer.returned {
            Returned::Rows(rows) => {
                Ok(RowsReply { rows, failures, more: answer.more, time: answer.time, held: answer.held })
            }
            // Rows were expected, so that nothing else comes back.
            Returned::Values(_) => Err(Error::Worker("rows were expected".to_owned())),
        }
    }

    /// What the instance may use.
    pub(crate) fn limits(&self) -> &Limits {
        &self.shared.limits
    }
}

impl Preparation {
    async fn apply(&self, sandbox: &mut Sandbox) -> Result<Bound, vivarium_sandbox::Error> {
        sandbox.control(&self.load).await?;
        let reply = sandbox.control(&self.bind).await?;
        let malformed = |problem: String| ProtocolError::Reply { request: "bind", problem };
        let number = |value: &Value| value.as_u64().and_then(|number| u32::try_from(number).ok());
        // No function has more operations than there are.
        let operations = reply["operations"].as_array().map(|all| all.iter().take(16).filter_map(number).collect());
        Ok(Bound {
            handle: number(&reply["handle"]).ok_or_else(|| malformed("it has no handle".to_owned()))?,
            result: parse_value_type(&reply["result"]).map_err(|error| malformed(error.to_string()))?,
            operations: operations.unwrap_or_default(),
            reported: BTreeMap::new(),
            opened: FunctionMetrics::of_reply(&reply),
            enlisted: false,
        })
    }
}
