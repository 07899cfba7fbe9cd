//! Aggregate functions at work: one value, or rows, for each group of rows.
//!
//! ```text
//!   chunk --keys--> group numbers --+--> groups 0, N, 2N, ...    instance 0
//!                                   +--> groups 1, N+1, ...      instance 1      each group's rows in input order
//!                                   +--> ...
//!   at the end: groups in the order of their first rows <-- values of every instance, put together again
//! ```
//!
//! A group lives in one instance, which is decided by its number alone, and gets its rows in input order: what comes out of it
//! depends neither on batches nor on the number of instances, also for sums of floats. No call is made per row or per group: a
//! chunk's rows cross with the numbers of their groups.
//!
//! [`Accumulators`] is the same one level lower, for engines that keep groups and state themselves.

mod accumulators;
mod run;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow_schema::{Field, Fields, Schema, SchemaRef};
use futures::stream::Stream;
use vivarium_sandbox::{ColumnCounts, FunctionMetric};

pub use accumulators::Accumulators;

use crate::columns::ArgumentColumns;
use crate::error::Error;
use crate::groups::Keys;
use crate::instances::{Instances, operation};
use crate::signature::{Kind, OnError};
use crate::task::{Output, trace_metrics};

/// Bytes that the keys of all groups of an aggregation may take by default.
pub const DEFAULT_GROUP_BYTES: u64 = 1 << 30;

/// An aggregate function bound to columns, and the columns by which rows are grouped. Cheap to clone; clones share the instances.
#[derive(Debug, Clone)]
pub struct Aggregation {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    columns: ArgumentColumns,
    kind: Kind,
    keys: Keys,
    /// One result column; of a table aggregate function as many as its rows have.
    results: Fields,
    on_error: OnError,
    group_bytes: u64,
    instances: Instances,
}

impl Aggregation {
    pub(crate) fn new(
        columns: ArgumentColumns,
        kind: Kind,
        keys: Keys,
        results: Fields,
        on_error: OnError,
        group_bytes: u64,
        instances: Instances,
    ) -> Self {
        Self { shared: Arc::new(Shared { columns, kind, keys, results, on_error, group_bytes, instances }) }
    }

    /// The schema of [`run`](Self::run)'s batches: the key columns and behind them the results.
    pub fn output_schema(&self) -> SchemaRef {
        self.shared.output_schema()
    }

    /// The result columns.
    pub fn result_fields(&self) -> &Fields {
        &self.shared.results
    }

    /// How many instances may work at the same time.
    pub fn instances(&self) -> usize {
        self.shared.instances.size()
    }

    /// Aggregates a stream of batches.
    ///
    /// First come outputs without rows, which say how much of the input is done (`rows_in`); when it has ended come the
    /// groups, in the order of their first rows. Without key columns there is one group, also when there are no rows. The error
    /// of the first failing row ends the stream; dropping it stops all guests.
    ///
    /// In [`Output::failures`] a row of the input that failed is listed under its number, and a group whose value failed under
    /// that of its first row. Under the policy `skip` the former is left out of its group, and the latter left out of the result;
    /// under `null` the group's result is NULL in both cases.
    pub fn run<S, E>(&self, input: S) -> impl Stream<Item = Result<Output, Error>> + Send + 'static
    where
        S: Stream<Item = Result<RecordBatch, E>> + Send + Unpin + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        run::run(Arc::clone(&self.shared), input)
    }

    /// An instance with no groups, for callers that keep groups by themselves. It belongs to them until it is dropped.
    ///
    /// # Errors
    /// Those of starting an instance.
    pub async fn accumulators(&self) -> Result<Accumulators, Error> {
        Accumulators::open(&self.shared).await
    }

    /// Whether accumulators can be merged: the function has `merge`.
    pub fn merges(&self) -> bool {
        self.shared.instances.has(operation::MERGE)
    }

    /// Whether rows can be taken out again: the function has `retract`.
    pub fn retracts(&self) -> bool {
        self.shared.instances.has(operation::RETRACT)
    }

    /// What happens to rows for which the function raises.
    pub fn on_error(&self) -> OnError {
        self.shared.on_error
    }

    /// The metrics that the function keeps, over all instances.
    pub fn metrics(&self) -> BTreeMap<String, FunctionMetric> {
        self.shared.instances.metrics()
    }

    /// How rows were computed so far, over all instances: as columns, or by the interpreter. Rows of calls that failed are not counted.
    pub fn column_counts(&self) -> ColumnCounts {
        self.shared.instances.counts()
    }

    /// Ends the task; as [`Task::close`](crate::Task::close).
    ///
    /// # Errors
    /// What the first `close` raised.
    pub async fn close(&self) -> Result<(), Error> {
        let closed = self.shared.instances.close().await;
        trace_metrics(&self.shared.columns.place.function, &self.metrics());
        closed
    }
}

impl Shared {
    fn output_schema(&self) -> SchemaRef {
        let mut fields: Vec<Arc<Field>> = self.keys.fields.iter().cloned().map(Arc::new).collect();
        fields.extend(self.results.iter().cloned());
        Arc::new(Schema::new(fields))
    }
}
