//! Rows for rows: the results of functions that return any number of rows for each row of a batch.
//!
//! Such a result is a struct of a row's number within the batch and of the row itself. The guest chooses the numbers, and the
//! host joins by them: they are checked here, so that their users need not.

use std::sync::Arc;

use arrow::array::{Array, AsArray, StructArray, UInt32Array};
use arrow::datatypes::UInt32Type;
use arrow_schema::{DataType, Field, Fields};

use super::decode::{DecodeLimits, RowCount, decode_charged};
use super::error::ExchangeError;
use crate::host_memory::CallMemory;

/// Rows that belong to rows of a batch.
#[derive(Debug, Clone)]
pub struct RowsOfRows {
    /// For each row, the row of the batch that it belongs to: within the batch, not going backwards.
    pub numbers: UInt32Array,
    /// The rows.
    pub rows: StructArray,
}

/// The rows of the batch that a result may be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowsWithin {
    /// The lowest number: that of the last row of the result before, when this one continues it.
    pub first: u32,
    /// Rows of the batch.
    pub batch: usize,
    /// The most rows that the result may have.
    pub most: usize,
}

/// Copies rows out, whose columns are those of the struct `columns`; see [`decode`](super::decode).
///
/// # Errors
/// As [`decode`](super::decode), and [`ExchangeError::RowNumber`].
pub fn decode_rows(
    memory: &[u8],
    address: u32,
    columns: &Fields,
    within: RowsWithin,
    limits: &DecodeLimits,
) -> Result<RowsOfRows, ExchangeError> {
    decode_rows_charged(memory, address, columns, within, limits, &mut CallMemory::uncounted())
}

/// The same, and charges what it copies before it does.
pub(crate) fn decode_rows_charged(
    memory: &[u8],
    address: u32,
    columns: &Fields,
    within: RowsWithin,
    limits: &DecodeLimits,
    host: &mut CallMemory<'_>,
) -> Result<RowsOfRows, ExchangeError> {
    let rows = DataType::Struct(columns.clone());
    let fields = Fields::from(vec![Field::new("row", DataType::UInt32, false), Field::new("row_values", rows, false)]);
    let (result, rows) = (DataType::Struct(fields), RowCount::AtMost(within.most));
    let result = decode_charged(memory, address, &result, false, rows, limits, host)?;
    let result = result.as_struct();
    let numbers = result.column(0).as_primitive::<UInt32Type>().clone();
    let mut least = within.first;
    for (index, &number) in numbers.values().iter().enumerate() {
        if number < least || number as usize >= within.batch {
            return Err(ExchangeError::RowNumber { index, number, least, rows: within.batch });
        }
        least = number;
    }
    Ok(RowsOfRows { numbers, rows: result.column(1).as_struct().clone() })
}

impl RowsOfRows {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the buffers on the host.
    pub(crate) fn bytes(&self) -> usize {
        self.numbers.get_buffer_memory_size() + self.rows.get_buffer_memory_size()
    }

    /// The rows' columns.
    pub fn columns(&self) -> Vec<Arc<dyn Array>> {
        self.rows.columns().to_vec()
    }
}
