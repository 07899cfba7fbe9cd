//! Reading linear memory that a guest filled as it pleased.

use arrow::buffer::Buffer;

use super::error::ExchangeError;
use super::layout::{ARRAY_BYTES, ArrowArray, POINTER_BYTES};
use super::path::Path;
use crate::host_memory::{CallMemory, NoHostMemory};

/// Linear memory, how much of it may still be copied, and who is charged for the copies.
///
/// The two belong together: a guest can name the same bytes a thousand times, so the size of its memory bounds a
/// single copy but not their sum.
pub(super) struct GuestMemory<'m, 'c, 't> {
    bytes: &'m [u8],
    limit: usize,
    remaining: usize,
    host: &'c mut CallMemory<'t>,
}

impl<'m, 'c, 't> GuestMemory<'m, 'c, 't> {
    pub(super) fn new(bytes: &'m [u8], limit: usize, host: &'c mut CallMemory<'t>) -> Self {
        Self { bytes, limit, remaining: limit, host }
    }

    /// The structure at `address`.
    pub(super) fn array(&self, address: u32, path: &Path<'_>) -> Result<ArrowArray, ExchangeError> {
        let bytes = self.slice(address, ARRAY_BYTES as u64, || path.to_string())?;
        let bytes =
            bytes.first_chunk().ok_or_else(|| self.out_of_bounds(address, ARRAY_BYTES as u64, path.to_string()))?;
        Ok(ArrowArray::from_bytes(bytes))
    }

    /// Entry `index` of the table of pointers at `table`. `name` is the table's, for the error.
    pub(super) fn pointer(&self, table: u32, index: usize, name: &str, path: &Path<'_>) -> Result<u32, ExchangeError> {
        let at = || path.item(name, index);
        let entry = (index as u64).saturating_mul(POINTER_BYTES as u64).saturating_add(u64::from(table));
        let address = u32::try_from(entry).map_err(|_| self.out_of_bounds(table, entry, at()))?;
        // A null table is refused for every entry, not only the first.
        let address = if table == 0 { 0 } else { address };
        let bytes = self.slice(address, POINTER_BYTES as u64, at)?;
        let bytes = bytes.first_chunk().ok_or_else(|| self.out_of_bounds(address, POINTER_BYTES as u64, at()))?;
        Ok(u32::from_le_bytes(*bytes))
    }

    /// A copy of `count` values of `width` bytes at `address`, aligned for any type. Nothing is read when there is
    /// nothing to copy: empty arrays may have null pointers.
    pub(super) fn copy(
        &mut self,
        address: u32,
        count: usize,
        width: usize,
        buffer: usize,
        path: &Path<'_>,
    ) -> Result<Buffer, ExchangeError> {
        // `usize` has 64 bits or fewer and both factors came from checked 64-bit values: saturating is enough to be
        // refused by the bounds check.
        let bytes = (count as u64).saturating_mul(width as u64);
        if bytes == 0 {
            return Ok(Buffer::default());
        }
        let source = self.slice(address, bytes, || path.item("buffers", buffer))?;
        self.charge(bytes, path)?;
        Ok(copied(source))
    }

    /// Takes `bytes` off what may still be copied, and charges them.
    pub(super) fn charge(&mut self, bytes: u64, path: &Path<'_>) -> Result<(), ExchangeError> {
        let remaining = usize::try_from(bytes).ok().and_then(|bytes| self.remaining.checked_sub(bytes));
        self.remaining =
            remaining.ok_or_else(|| ExchangeError::TooLarge { at: path.to_string(), limit: self.limit })?;
        self.host.take(bytes).map_err(|NoHostMemory { limit, used, asked }| ExchangeError::HostMemory {
            limit,
            used,
            asked,
        })
    }

    fn slice(&self, address: u32, bytes: u64, at: impl FnOnce() -> String) -> Result<&'m [u8], ExchangeError> {
        let start = address as usize;
        let end = usize::try_from(bytes).ok().and_then(|bytes| start.checked_add(bytes));
        match end.and_then(|end| self.bytes.get(start..end)) {
            Some(slice) if address != 0 => Ok(slice),
            _ => Err(self.out_of_bounds(address, bytes, at())),
        }
    }

    fn out_of_bounds(&self, address: u32, bytes: u64, at: String) -> ExchangeError {
        ExchangeError::OutOfBounds { at, address, bytes, memory: self.bytes.len() }
    }
}

/// A copy whose start is aligned for any type.
///
/// Buffers that arrow allocates start at cache lines, for which the C library's allocator takes as long as copying some thousand bytes
/// does. The widest values need 16.
fn copied(bytes: &[u8]) -> Buffer {
    const SMALL: usize = 2048;
    if bytes.len() > SMALL {
        return Buffer::from(bytes);
    }
    let (words, rest) = bytes.as_chunks();
    let mut aligned = Vec::with_capacity(bytes.len().div_ceil(size_of::<u128>()));
    aligned.extend(words.iter().copied().map(u128::from_le_bytes));
    if !rest.is_empty() {
        let mut last = [0; size_of::<u128>()];
        last[..rest.len()].copy_from_slice(rest);
        aligned.push(u128::from_le_bytes(last));
    }
    Buffer::from_vec(aligned).slice_with_length(0, bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_equal_and_aligned() {
        let bytes: Vec<u8> = (0..5000_u32).map(|number| (number * 7) as u8).collect();
        for length in (0..100).chain([2047, 2048, 2049, 5000]) {
            for start in [0, 1, 8].into_iter().filter(|start| start + length <= bytes.len()) {
                let copy = copied(&bytes[start..start + length]);
                assert_eq!(copy.as_slice(), &bytes[start..start + length]);
                assert!(copy.is_empty() || copy.as_ptr().align_offset(align_of::<u128>()) == 0);
            }
        }
    }
}
