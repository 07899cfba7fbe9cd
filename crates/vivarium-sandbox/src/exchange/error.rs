//! What can go wrong when a record batch crosses.

use arrow_schema::{ArrowError, DataType};

/// Why a record batch did not cross, in either direction.
///
/// `at` names the place in the tree of arrays, such as `result.children[2].offsets[17]`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// A type that has no form in the guest.
    #[error("{at} is {data_type}, which cannot cross into or out of the sandbox; cast it to another type")]
    UnsupportedType {
        /// Where.
        at: String,
        /// The type.
        data_type: Box<DataType>,
    },
    /// A type nested too deeply.
    #[error("the type is nested more than {limit} levels deep; use a flatter one")]
    TooDeep {
        /// The most levels, [`MAX_DEPTH`](super::MAX_DEPTH).
        limit: usize,
    },

    /// A column that is not as long as its batch.
    #[error("column {column} has {length} rows in a batch of {rows}")]
    ColumnLength {
        /// The column's position, from 0.
        column: usize,
        /// Its rows.
        length: usize,
        /// The batch's rows.
        rows: usize,
    },
    /// A batch that needs more guest memory than it may have.
    #[error(
        "the batch needs at least {bytes} bytes in the sandbox, more than the {limit} it may take; send fewer rows at once"
    )]
    BatchTooLarge {
        /// Bytes it needs, or a lower bound of them.
        bytes: u64,
        /// Bytes it may have.
        limit: u64,
    },
    /// A single row that needs more guest memory than a batch may have.
    #[error(
        "row {row} alone needs at least {bytes} bytes in the sandbox, more than the {limit} a batch may take; allow more memory"
    )]
    RowTooLarge {
        /// The row's position in the batch, from 0.
        row: usize,
        /// Bytes it needs, or a lower bound of them.
        bytes: u64,
        /// Bytes a batch may have.
        limit: u64,
    },
    /// A row that belongs to no row of the batch, or to one before the last.
    #[error(
        "row {index} of the result belongs to row {number} of the batch, not to one of {least} to {rows} (exclusive)"
    )]
    RowNumber {
        /// Its position in the result, from 0.
        index: usize,
        /// The row of the batch that it names.
        number: u32,
        /// The lowest that it may name.
        least: u32,
        /// Rows of the batch.
        rows: usize,
    },
    /// Arrow could not gather the values of a dictionary or of run ends.
    #[error("the values that {at} stands for could not be gathered")]
    Gather {
        /// Where.
        at: String,
        /// Arrow's reason.
        source: ArrowError,
    },
    /// The guest gave an arena that cannot be used.
    #[error(
        "the sandbox offered {bytes} bytes at address {address:#x} for a batch, which are not aligned or not all in its memory of {memory} bytes"
    )]
    Arena {
        /// Guest address of the arena.
        address: u32,
        /// Bytes needed there.
        bytes: usize,
        /// Bytes of linear memory.
        memory: usize,
    },

    /// A structure, table or buffer that is not in linear memory.
    #[error(
        "{at} has {bytes} bytes at address {address:#x}, which are not all in the sandbox's memory of {memory} bytes"
    )]
    OutOfBounds {
        /// Where.
        at: String,
        /// Guest address it starts at; 0 is never valid.
        address: u32,
        /// Its bytes.
        bytes: u64,
        /// Bytes of linear memory.
        memory: usize,
    },
    /// The result is larger than the host is willing to copy.
    #[error("{at} makes the result larger than {limit} bytes; return less per batch or allow more output")]
    TooLarge {
        /// Where the limit was crossed.
        at: String,
        /// [`DecodeLimits::max_bytes`](super::DecodeLimits::max_bytes).
        limit: usize,
    },
    /// The result has more values within its rows than the host is willing to look at.
    #[error("{at} makes the result more than {limit} values within its rows; return fewer or allow more")]
    TooManyItems {
        /// Where the limit was crossed.
        at: String,
        /// [`DecodeLimits::max_items`](super::DecodeLimits::max_items).
        limit: usize,
    },
    /// The tenant may hold no more of the host's memory.
    #[error(
        "the result takes {asked} bytes more of the host's memory than the {used} that the tenant holds, which may hold {limit}"
    )]
    HostMemory {
        /// [`TenantLimits::host_memory`](crate::TenantLimits::host_memory).
        limit: u64,
        /// What it holds.
        used: u64,
        /// What was to come to that.
        asked: u64,
    },
    /// An array with another number of values than it must have.
    #[error("{at} has {length} values, but {expected} are expected")]
    Length {
        /// Where.
        at: String,
        /// Its length as the guest has it.
        length: i64,
        /// How many there must be, such as `exactly 8192`.
        expected: String,
    },
    /// A field of the structure that the ABI or the type fixes has another value.
    #[error("{at} is {value}, but the type and the ABI require {expected}")]
    Field {
        /// The field, such as `result.n_buffers`.
        at: String,
        /// Its value.
        value: i64,
        /// What it must be.
        expected: i64,
    },
    /// A number of NULLs that is impossible or not what validity says.
    #[error("{at}.null_count is {claimed}, but {counted} of {length} values are NULL")]
    NullCount {
        /// Where.
        at: String,
        /// As the guest has it.
        claimed: i64,
        /// As validity has it.
        counted: usize,
        /// Number of values.
        length: usize,
    },
    /// Offsets that do not start at 0 or that go backwards.
    #[error("{at} is {value}, but must be {expected}")]
    Offset {
        /// The offset, such as `result.offsets[17]`.
        at: String,
        /// Its value.
        value: i64,
        /// What it must be, such as `at least 9`.
        expected: String,
    },
    /// Text that is not UTF-8.
    #[error("{at} is not valid UTF-8")]
    Utf8 {
        /// The value, such as `result.values[17]`.
        at: String,
        /// Its position in the array, from 0: the row, when the array is the result itself.
        index: usize,
    },
    /// A value that its type does not allow: too many digits, a time outside the day.
    #[error("{at} holds {value}, which {data_type} does not allow")]
    Value {
        /// The value, such as `result.values[17]`.
        at: String,
        /// Its position in the array, from 0: the row, when the array is the result itself.
        index: usize,
        /// The value as stored.
        value: String,
        /// The type.
        data_type: Box<DataType>,
    },
    /// NULL in an array that is declared without.
    #[error("{at} is NULL, but was declared not nullable")]
    Null {
        /// The value, such as `result.values[17]`.
        at: String,
        /// Its position in the array, from 0: the row, when the array is the result itself.
        index: usize,
    },
    /// Arrow refused an array for another reason.
    #[error("{at} is not a valid array")]
    Invalid {
        /// Where.
        at: String,
        /// Arrow's reason.
        source: ArrowError,
    },
}

impl ExchangeError {
    /// Whether a result is not what it must be: its structures, offsets, row numbers, NULLs, text, digits. A function that makes its
    /// own columns, or changes the runtime around it, can do that; the runtime by itself does not.
    pub fn is_malformed_result(&self) -> bool {
        matches!(
            self,
            Self::Arena { .. }
                | Self::RowNumber { .. }
                | Self::OutOfBounds { .. }
                | Self::Field { .. }
                | Self::Length { .. }
                | Self::NullCount { .. }
                | Self::Offset { .. }
                | Self::Utf8 { .. }
                | Self::Value { .. }
                | Self::Null { .. }
                | Self::Invalid { .. }
        )
    }
}
