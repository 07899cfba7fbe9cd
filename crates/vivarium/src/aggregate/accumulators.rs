//! The groups of one instance.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, LargeBinaryArray, RecordBatch, UInt32Array};
use arrow_schema::DataType;
use vivarium_sandbox::LimitError;
use vivarium_sandbox::exchange::{Plan, RowsOfRows, items_within, parts};

use super::Shared;
use crate::chunks::CHUNK_ROWS;
use crate::error::Error;
use crate::failures::Failures;
use crate::instances::{Held, Reply, RowsCall, RowsReply, TimeBudget, Worker, operation};
use crate::python_error::RowNumbers;
use crate::signature::Kind;

/// The accumulators of an aggregate function in one instance, by group.
///
/// A group is a number that the caller chooses; numbers should be dense from 0, because the guest keeps a place for every number
/// up to the largest. A group exists from its first mention on. What the instance holds is lost with it: take
/// [`states`](Self::states) to keep it.
#[derive(Debug)]
pub struct Accumulators {
    shared: Arc<Shared>,
    worker: Worker,
}

/// Rows of table aggregate functions.
pub(super) struct GroupRows {
    pub(super) results: Vec<RowsOfRows>,
    pub(super) failures: Failures,
    pub(super) held: Held,
}

impl Accumulators {
    pub(super) async fn open(shared: &Arc<Shared>) -> Result<Self, Error> {
        let worker = shared.instances.worker().await?;
        Self::with(shared, worker).await
    }

    /// The same, if an instance is free.
    pub(super) async fn open_free(shared: &Arc<Shared>) -> Result<Option<Self>, Error> {
        match shared.instances.free_worker().await? {
            Some(worker) => Self::with(shared, worker).await.map(Some),
            None => Ok(None),
        }
    }

    async fn with(shared: &Arc<Shared>, worker: Worker) -> Result<Self, Error> {
        let mut opened = Self { shared: Arc::clone(shared), worker };
        // The instance may have worked for another caller before.
        opened.forget().await?;
        Ok(opened)
    }

    /// Adds rows: `groups` has the group of every row of the batch, whose first row has the number `first_row` in the input.
    ///
    /// # Errors
    /// As [`Task::invoke`](crate::Task::invoke). After an error the groups that the rows belong to may hold some of them.
    pub async fn accumulate(&mut self, groups: &[u32], batch: &RecordBatch, first_row: u64) -> Result<Failures, Error> {
        self.rows(operation::CALL, groups, batch, first_row).await
    }

    /// Takes rows out again.
    ///
    /// # Errors
    /// As [`accumulate`](Self::accumulate), and [`Error::Operation`] when the function has no `retract`.
    pub async fn retract(&mut self, groups: &[u32], batch: &RecordBatch, first_row: u64) -> Result<Failures, Error> {
        self.require(operation::RETRACT, "retract")?;
        self.rows(operation::RETRACT, groups, batch, first_row).await
    }

    async fn rows(&mut self, op: u32, groups: &[u32], batch: &RecordBatch, first_row: u64) -> Result<Failures, Error> {
        let shared = Arc::clone(&self.shared);
        let groups: ArrayRef = Arc::new(UInt32Array::from(groups.to_vec()));
        let mut failures = Failures::default();
        for start in (0..batch.num_rows()).step_by(CHUNK_ROWS) {
            let chunk = batch.slice(start, CHUNK_ROWS.min(batch.num_rows() - start));
            let chunk_row = first_row + start as u64;
            let mut columns = shared.columns.of(&chunk, chunk_row)?;
            columns.insert(0, groups.slice(start, chunk.num_rows()));
            for part in shared.columns.parts(&columns, chunk.num_rows(), chunk_row) {
                let part = part?;
                let part_row = chunk_row + part.rows.start as u64;
                let numbers = RowNumbers::From(part_row, part.rows.len() as u64);
                failures.extend(self.call(op, &part.plan, numbers, &DataType::Null).await?.failures);
            }
        }
        Ok(failures)
    }

    /// Adds rows whose arguments are at hand, with their groups as the first column.
    pub(super) async fn accumulate_planned(&mut self, plan: &Plan, rows: &[u64]) -> Result<Failures, Error> {
        Ok(self.call(operation::CALL, plan, RowNumbers::Listed(rows), &DataType::Null).await?.failures)
    }

    /// The value of each of these groups; a group without rows has that of a new accumulator.
    ///
    /// # Errors
    /// Whatever `get_value` raises under the policy `fail`, under the number of the group's place in `groups`.
    pub async fn values(&mut self, groups: &[u32]) -> Result<(ArrayRef, Failures), Error> {
        let places: Vec<u64> = (0..groups.len() as u64).collect();
        let reply = self.values_of(groups, &places).await?;
        Ok((reply.result, reply.failures))
    }

    /// The same, with errors under these row numbers.
    pub(super) async fn values_of(&mut self, groups: &[u32], rows: &[u64]) -> Result<Reply, Error> {
        if self.shared.kind != Kind::Aggregate {
            return Err(self.kind_error("gives rows for a group; use `rows`"));
        }
        let result = self.shared.instances.result_type().clone();
        self.call(operation::VALUE, &plan(groups)?, RowNumbers::Listed(rows), &result).await
    }

    /// The rows of each of these groups, of a table aggregate function: results that follow each other.
    ///
    /// # Errors
    /// As [`values`](Self::values).
    pub async fn group_rows(&mut self, groups: &[u32]) -> Result<(Vec<RowsOfRows>, Failures), Error> {
        let places: Vec<u64> = (0..groups.len() as u64).collect();
        let GroupRows { results, failures, held: _ } = self.rows_of(groups, &places).await?;
        Ok((results, failures))
    }

    pub(super) async fn rows_of(&mut self, groups: &[u32], rows: &[u64]) -> Result<GroupRows, Error> {
        if self.shared.kind != Kind::TableAggregate {
            return Err(self.kind_error("gives one value for a group; use `values`"));
        }
        let shared = Arc::clone(&self.shared);
        let plan = plan(groups)?;
        let mut found = GroupRows { results: Vec::new(), failures: Failures::default(), held: Held::new() };
        let mut budget = TimeBudget::of_call(self.worker.limits());
        let (mut sent, mut first, mut bytes, mut items) = (Some(&plan), 0, 0_u64, 0_u64);
        loop {
            let op = if sent.is_some() { operation::VALUE } else { operation::CONTINUE };
            let numbers = RowNumbers::Listed(rows);
            let call = RowsCall {
                op,
                batch: sent.take(),
                batch_rows: groups.len(),
                numbers,
                columns: &shared.results,
                first,
                time: budget.left(),
            };
            let returned = self.worker.rows(call).await.map_err(|error| budget.explain(error));
            let RowsReply { rows: result, failures, more, time, held } = returned?;
            budget.spend(time);
            first = result.numbers.values().last().copied().unwrap_or(first);
            bytes = bytes.saturating_add(result.rows.get_buffer_memory_size() as u64);
            items = items.saturating_add(items_within(&result.rows));
            let within = LimitError::check_collected(self.worker.limits(), bytes, items);
            within.map_err(|error| Error::Limit { error, rows: Some(numbers.range()) })?;
            found.failures.extend(failures);
            found.results.push(result);
            found.held.extend(held);
            if !more {
                return Ok(found);
            }
        }
    }

    /// The accumulators of these groups as bytes, for checkpoints and for merging in another instance.
    ///
    /// # Errors
    /// When an accumulator holds objects that have no safe form as bytes.
    pub async fn states(&mut self, groups: &[u32]) -> Result<LargeBinaryArray, Error> {
        let mut states = Vec::new();
        for groups in groups.chunks(CHUNK_ROWS) {
            let numbers = RowNumbers::From(0, groups.len() as u64);
            states.push(self.call(operation::STATE, &plan(groups)?, numbers, &DataType::LargeBinary).await?.result);
        }
        let states: Vec<&dyn Array> = states.iter().map(AsRef::as_ref).collect();
        match &states[..] {
            [] => Ok(LargeBinaryArray::new_null(0)),
            several => Ok(arrow::compute::concat(several)?.as_binary::<i64>().clone()),
        }
    }

    /// Merges accumulators that were taken out into those of these groups.
    ///
    /// # Errors
    /// [`Error::Operation`] when the function has no `merge`; bytes that are no accumulator.
    pub async fn merge(&mut self, groups: &[u32], states: &LargeBinaryArray) -> Result<(), Error> {
        self.require(operation::MERGE, "merge")?;
        self.put(operation::MERGE, groups, states).await
    }

    /// Puts accumulators back that were taken out, in place of those of these groups.
    ///
    /// # Errors
    /// Bytes that are no accumulator.
    pub async fn restore(&mut self, groups: &[u32], states: &LargeBinaryArray) -> Result<(), Error> {
        self.put(operation::RESTORE, groups, states).await
    }

    async fn put(&mut self, op: u32, groups: &[u32], states: &LargeBinaryArray) -> Result<(), Error> {
        let columns: [ArrayRef; 2] = [Arc::new(UInt32Array::from(groups.to_vec())), Arc::new(states.clone())];
        let limit = self.shared.columns.batch_bytes;
        for part in parts(&columns, groups.len(), limit, CHUNK_ROWS) {
            let part = part.map_err(|error| Error::Sandbox { error: error.into(), rows: None })?;
            let numbers = RowNumbers::From(part.rows.start as u64, part.rows.len() as u64);
            self.call(op, &part.plan, numbers, &DataType::Null).await?;
        }
        Ok(())
    }

    /// Forgets all groups.
    ///
    /// # Errors
    /// Those of the sandbox.
    pub async fn forget(&mut self) -> Result<(), Error> {
        let plan = Plan::new(&[], 1).map_err(|error| Error::Sandbox { error: error.into(), rows: None })?;
        self.call(operation::FORGET, &plan, RowNumbers::From(0, 0), &DataType::Null).await?;
        Ok(())
    }

    async fn call(&mut self, op: u32, plan: &Plan, numbers: RowNumbers<'_>, result: &DataType) -> Result<Reply, Error> {
        self.worker.values(op, plan, numbers, result).await
    }

    fn require(&self, op: u32, method: &'static str) -> Result<(), Error> {
        match self.shared.instances.has(op) {
            true => Ok(()),
            false => Err(Error::Operation { function: self.shared.columns.place.clone(), method }),
        }
    }

    fn kind_error(&self, wanted: &'static str) -> Error {
        Error::Kind { wanted, function: self.shared.columns.place.clone(), kind: self.shared.kind }
    }
}

/// A batch of groups.
fn plan(groups: &[u32]) -> Result<Plan, Error> {
    let column: ArrayRef = Arc::new(UInt32Array::from(groups.to_vec()));
    Plan::new(&[column], groups.len()).map_err(|error| Error::Sandbox { error: error.into(), rows: None })
}
