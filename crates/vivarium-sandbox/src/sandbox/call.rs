//! One call of a bound function, and what comes back.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, ArrayRef};
use arrow_schema::{DataType, Fields};
use vivarium_tenancy::{ColumnCounts, HostCharge};

use super::reply::RowErrors;
use crate::exchange::{Plan, RowsOfRows};
use crate::function_metrics::FunctionMetrics;

/// One operation of a bound function (`wasm-python/ABI.md`, "Operations").
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The function, from the reply to `bind`.
    pub handle: u32,
    /// The operation; 0 calls the function.
    pub op: u32,
    /// What is sent; `None` goes on with the batch that the last result was about.
    pub batch: Option<&'a Plan>,
    /// Rows of the batch that is sent or gone on with.
    pub batch_rows: usize,
    /// Number of its first row in the whole input, for log lines.
    pub first_row: u64,
    /// What must come back.
    pub expected: Expected<'a>,
    /// Time that it may take, as [`Limits::batch_time`](crate::Limits::batch_time) counts it; `None`: all of that.
    pub time: Option<Duration>,
}

/// What a call must return.
#[derive(Debug, Clone, Copy)]
pub enum Expected<'a> {
    /// One value for each row of the batch.
    Values {
        /// Their type.
        data_type: &'a DataType,
        /// Whether there may be NULLs.
        nullable: bool,
    },
    /// Rows for rows of the batch.
    Rows {
        /// Their columns.
        columns: &'a Fields,
        /// The lowest row of the batch that they may belong to.
        first: u32,
        /// The most rows of one result.
        most: usize,
    },
}

/// What a call returned, checked.
#[derive(Debug, Clone)]
pub enum Returned {
    /// One value for each row; failed rows are NULL.
    Values(ArrayRef),
    /// Rows for rows.
    Rows(RowsOfRows),
}

impl Returned {
    /// The values, or the rows as structs.
    pub fn into_array(self) -> ArrayRef {
        match self {
            Self::Values(array) => array,
            Self::Rows(rows) => Arc::new(rows.rows),
        }
    }

    /// Bytes on the host.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Values(array) => array.get_buffer_memory_size(),
            Self::Rows(rows) => rows.bytes(),
        }
    }
}

/// What came back from a call.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Answer {
    /// The result.
    pub returned: Returned,
    /// The rows that failed, under the policies `null` and `skip`.
    pub row_errors: RowErrors,
    /// Whether the result goes on: rows of the same batch are left.
    pub more: bool,
    /// The function's metrics that changed, as they are now.
    pub metrics: FunctionMetrics,
    /// How the rows of this call were computed.
    pub counts: ColumnCounts,
    /// What the call has taken of the time that it may take.
    pub time: Duration,
    /// What the result and the failed rows take of the host's memory, charged to the tenant; `None` when it is no more than every sandbox
    /// is charged for. To be kept for as long as they are.
    pub held: Option<Arc<HostCharge>>,
}

/// What a function returned for the rows of a batch.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Invocation {
    /// One value for each row, of the declared result type. Failed rows are NULL.
    pub array: ArrayRef,
    /// The rows that failed, under the policies `null` and `skip`.
    pub row_errors: RowErrors,
}
