//! A linear memory filled by hand, as a guest would, or a hostile one.

use arrow::array::ArrayRef;
use arrow_schema::DataType;

use crate::exchange::layout::{ARRAY_BYTES, ArrowArray};
use crate::exchange::{DecodeLimits, ExchangeError, RowCount, decode};

/// More than any honest result here needs.
pub(super) const ROOMY: DecodeLimits = DecodeLimits { max_bytes: 1 << 20, max_items: 1 << 20 };

/// Linear memory with an allocator that never frees. Address 0 is left alone, as C does.
pub(super) struct Guest {
    pub memory: Vec<u8>,
}

impl Guest {
    pub(super) fn new() -> Self {
        Self { memory: vec![0xaa; 16] }
    }

    /// Allocates bytes and returns their address, which is deliberately not aligned.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> u32 {
        self.memory.push(0xaa);
        let address = self.memory.len() as u32;
        self.memory.extend_from_slice(bytes);
        address
    }

    pub(super) fn i32s(&mut self, values: &[i32]) -> u32 {
        self.bytes(&values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>())
    }

    pub(super) fn i64s(&mut self, values: &[i64]) -> u32 {
        self.bytes(&values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>())
    }

    pub(super) fn pointers(&mut self, pointers: &[u32]) -> u32 {
        self.bytes(&pointers.iter().flat_map(|pointer| pointer.to_le_bytes()).collect::<Vec<_>>())
    }

    /// An honest structure over the given buffers and children.
    pub(super) fn describe(&mut self, length: i64, buffers: &[u32], children: &[u32]) -> ArrowArray {
        ArrowArray {
            length,
            null_count: if buffers.first().is_some_and(|validity| *validity != 0) { -1 } else { 0 },
            n_buffers: buffers.len() as i64,
            n_children: children.len() as i64,
            buffers: self.pointers(buffers),
            children: self.pointers(children),
            ..ArrowArray::default()
        }
    }

    pub(super) fn array(&mut self, array: ArrowArray) -> u32 {
        self.bytes(&array.to_bytes())
    }

    /// [`Guest::describe`] and [`Guest::array`].
    pub(super) fn honest(&mut self, length: i64, buffers: &[u32], children: &[u32]) -> u32 {
        let array = self.describe(length, buffers, children);
        self.array(array)
    }

    pub(super) fn read(&self, address: u32) -> ArrowArray {
        let start = address as usize;
        ArrowArray::from_bytes(self.memory[start..start + ARRAY_BYTES].try_into().unwrap())
    }

    pub(super) fn decode(&self, address: u32, data_type: &DataType, rows: usize) -> Result<ArrayRef, ExchangeError> {
        decode(&self.memory, address, data_type, true, RowCount::Exactly(rows), &ROOMY)
    }

    /// The message with which an array is refused.
    #[track_caller]
    pub(super) fn refusal(&self, address: u32, data_type: &DataType, rows: usize) -> String {
        self.decode(address, data_type, rows).expect_err("a broken array was accepted").to_string()
    }
}
