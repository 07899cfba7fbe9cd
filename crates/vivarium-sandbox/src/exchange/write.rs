//! Writing a plan into linear memory: one pass, each buffer copied once.

use super::error::ExchangeError;
use super::layout::{ALIGNMENT, ARRAY_BYTES, ArrowArray, POINTER_BYTES, padded};
use super::plan::{BufferSource, Plan, view_lengths};
use super::types::OffsetWidth;

impl Plan {
    /// Writes the batch into the arena at guest address `arena` of the linear memory `memory`. The `ArrowArray` of the
    /// batch, a struct array with a child for each column, is at the start of the arena.
    ///
    /// Every one of the [`size`](Plan::size) bytes is written, padding included, so that nothing of an earlier batch
    /// stays behind; nothing else is.
    ///
    /// # Errors
    /// [`ExchangeError::Arena`] when the arena, whose address comes from the guest, is not a multiple of 64 or not all
    /// in memory.
    pub fn write(&self, memory: &mut [u8], arena: u32) -> Result<(), ExchangeError> {
        let refused = ExchangeError::Arena { address: arena, bytes: self.size(), memory: memory.len() };
        let start = arena as usize;
        // The end must have an address too: an empty last buffer is there.
        let end = start.checked_add(self.size()).filter(|end| u32::try_from(*end).is_ok());
        let bytes = match end.and_then(|end| memory.get_mut(start..end)) {
            Some(bytes) if arena != 0 && start.is_multiple_of(ALIGNMENT) => bytes,
            _ => return Err(refused),
        };
        self.write_arena(bytes, arena);
        Ok(())
    }

    fn write_arena(&self, bytes: &mut [u8], arena: u32) {
        let (structs, rest) = bytes.split_at_mut(self.nodes.len() * ARRAY_BYTES);
        let (tables, buffers) = rest.split_at_mut(self.table_bytes);
        // Sums below stay under the end of the arena, which `write` has seen to fit.
        let tables_address = arena + structs.len() as u32;
        let mut tables = Tables { bytes: tables, used: 0, address: tables_address };
        let mut buffers = Buffers { address: tables_address + self.table_bytes as u32, rest: buffers };

        let mut sources = self.sources.iter();
        for (position, (node, bytes)) in self.nodes.iter().zip(structs.chunks_exact_mut(ARRAY_BYTES)).enumerate() {
            let buffer_table = tables.next_address(node.buffers);
            for source in sources.by_ref().take(node.buffers) {
                tables.push(buffers.push(source));
            }
            let child_table = tables.next_address(node.children);
            let mut child = position + 1;
            for _ in 0..node.children {
                tables.push(arena + (child * ARRAY_BYTES) as u32);
                child = self.nodes[child].end;
            }
            let array = ArrowArray {
                length: node.length as i64,
                null_count: node.null_count as i64,
                offset: 0,
                n_buffers: node.buffers as i64,
                n_children: node.children as i64,
                buffers: buffer_table,
                children: child_table,
                dictionary: 0,
            };
            bytes.copy_from_slice(&array.to_bytes());
        }
        tables.finish();
    }
}

/// The addresses of buffers and children, one table behind the other.
struct Tables<'a> {
    bytes: &'a mut [u8],
    used: usize,
    address: u32,
}

impl Tables<'_> {
    /// The address of a table with `entries` entries that starts here; a null pointer when there are none.
    fn next_address(&self, entries: usize) -> u32 {
        if entries == 0 { 0 } else { self.address + self.used as u32 }
    }

    fn push(&mut self, pointer: u32) {
        self.bytes[self.used..self.used + POINTER_BYTES].copy_from_slice(&pointer.to_le_bytes());
        self.used += POINTER_BYTES;
    }

    fn finish(self) {
        self.bytes[self.used..].fill(0);
    }
}

/// The buffers, one behind the other.
struct Buffers<'a> {
    rest: &'a mut [u8],
    address: u32,
}

impl Buffers<'_> {
    /// Writes a buffer and its padding, and returns its address.
    fn push(&mut self, source: &BufferSource) -> u32 {
        if let BufferSource::Absent = source {
            return 0;
        }
        let address = self.address;
        let (target, rest) = std::mem::take(&mut self.rest).split_at_mut(padded(source.len()));
        source.write(target);
        self.rest = rest;
        self.address += target.len() as u32;
        address
    }
}

impl BufferSource {
    /// Writes the buffer at the start of `target` and zeros into the rest of it.
    fn write(&self, target: &mut [u8]) {
        let (values, padding) = target.split_at_mut(self.len());
        match self {
            Self::Absent => {}
            Self::Bytes(bytes) => values.copy_from_slice(bytes),
            // Words of bits may end in the padding, which they leave zero.
            Self::Bits(bits) => return write_words(bits.bit_chunks().iter_padded(), target),
            Self::Offsets(OffsetWidth::Four, offsets) => {
                let offsets = offsets.typed_data::<i32>();
                let first = offsets.first().copied().unwrap_or(0);
                for (target, offset) in values.as_chunks_mut().0.iter_mut().zip(offsets) {
                    *target = offset.wrapping_sub(first).to_le_bytes();
                }
            }
            Self::Offsets(OffsetWidth::Eight, offsets) => {
                let offsets = offsets.typed_data::<i64>();
                let first = offsets.first().copied().unwrap_or(0);
                for (target, offset) in values.as_chunks_mut().0.iter_mut().zip(offsets) {
                    *target = offset.wrapping_sub(first).to_le_bytes();
                }
            }
            Self::ViewOffsets(views) => {
                let mut end = 0i32;
                let ends = view_lengths(views).map(|length| {
                    // A plan has at most `MAX_BATCH_BYTES`, so this does not overflow.
                    end += length as i32;
                    end
                });
                for (target, offset) in values.as_chunks_mut().0.iter_mut().zip(std::iter::once(0).chain(ends)) {
                    *target = offset.to_le_bytes();
                }
            }
            Self::ViewValues(views, _) => {
                let mut rest = values;
                for value in views.iter().flatten() {
                    let (target, after) = rest.split_at_mut(value.len());
                    target.copy_from_slice(value);
                    rest = after;
                }
            }
        }
        padding.fill(0);
    }
}

/// Fills `target`, whose size is a multiple of 64, with words and then zeros.
fn write_words(words: impl Iterator<Item = u64>, target: &mut [u8]) {
    let words = words.chain(std::iter::repeat(0));
    for (target, word) in target.as_chunks_mut().0.iter_mut().zip(words) {
        *target = word.to_le_bytes();
    }
}
