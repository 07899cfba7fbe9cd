//! `struct ArrowArray` of the Arrow C Data Interface, as a wasm32 compiler lays it out.
//!
//! ```text
//!   byte  0        8            16       24          32           40        44         48           52        56             60
//!         | length | null_count | offset | n_buffers | n_children | buffers | children | dictionary | release | private_data | - |
//!         |<------------------ five int64_t ------------------->|<--------------- five 32-bit pointers --------------->|  pad
//! ```

/// Bytes of one structure. Its alignment is 8, hence the four bytes of padding at the end.
pub(super) const ARRAY_BYTES: usize = 64;
/// Bytes of a pointer.
pub(super) const POINTER_BYTES: usize = 4;
/// Buffers start at multiples of this and are padded to multiples of it, as Arrow recommends for SIMD.
pub(super) const ALIGNMENT: usize = 64;

const LENGTH: usize = 0;
const NULL_COUNT: usize = 8;
const OFFSET: usize = 16;
const N_BUFFERS: usize = 24;
const N_CHILDREN: usize = 32;
const BUFFERS: usize = 40;
const CHILDREN: usize = 44;
const DICTIONARY: usize = 48;

/// The fields of the structure that are read or written. `release` and `private_data` are neither: memory has one
/// owner at any time, by the ABI, and is not released through the structure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ArrowArray {
    /// Number of values.
    pub length: i64,
    /// Number of NULLs, or -1: not counted.
    pub null_count: i64,
    /// Values to skip at the start of every buffer.
    pub offset: i64,
    /// Entries of the table at `buffers`.
    pub n_buffers: i64,
    /// Entries of the table at `children`.
    pub n_children: i64,
    /// Address of a table of buffer addresses.
    pub buffers: u32,
    /// Address of a table of `ArrowArray` addresses.
    pub children: u32,
    /// Address of the dictionary's `ArrowArray`, or 0.
    pub dictionary: u32,
}

impl ArrowArray {
    pub(super) fn from_bytes(bytes: &[u8; ARRAY_BYTES]) -> Self {
        Self {
            length: i64_at(bytes, LENGTH),
            null_count: i64_at(bytes, NULL_COUNT),
            offset: i64_at(bytes, OFFSET),
            n_buffers: i64_at(bytes, N_BUFFERS),
            n_children: i64_at(bytes, N_CHILDREN),
            buffers: u32_at(bytes, BUFFERS),
            children: u32_at(bytes, CHILDREN),
            dictionary: u32_at(bytes, DICTIONARY),
        }
    }

    pub(super) fn to_bytes(self) -> [u8; ARRAY_BYTES] {
        let mut bytes = [0; ARRAY_BYTES];
        let integers = [
            (LENGTH, self.length),
            (NULL_COUNT, self.null_count),
            (OFFSET, self.offset),
            (N_BUFFERS, self.n_buffers),
            (N_CHILDREN, self.n_children),
        ];
        for (at, value) in integers {
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        for (at, pointer) in [(BUFFERS, self.buffers), (CHILDREN, self.children), (DICTIONARY, self.dictionary)] {
            bytes[at..at + POINTER_BYTES].copy_from_slice(&pointer.to_le_bytes());
        }
        bytes
    }
}

/// `bytes` rounded up to a multiple of [`ALIGNMENT`].
pub(super) fn padded(bytes: usize) -> usize {
    bytes.next_multiple_of(ALIGNMENT)
}

fn i64_at(bytes: &[u8; ARRAY_BYTES], at: usize) -> i64 {
    let mut value = [0; 8];
    value.copy_from_slice(&bytes[at..at + 8]);
    i64::from_le_bytes(value)
}

fn u32_at(bytes: &[u8; ARRAY_BYTES], at: usize) -> u32 {
    let mut value = [0; POINTER_BYTES];
    value.copy_from_slice(&bytes[at..at + POINTER_BYTES]);
    u32::from_le_bytes(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The offsets as `offsetof` gives them in C with clang's wasm32 target.
    #[test]
    fn fields_lie_where_a_wasm32_compiler_puts_them() {
        let array = ArrowArray {
            length: 0x0101,
            null_count: -1,
            offset: 0x0303,
            n_buffers: 0x0404,
            n_children: 0x0505,
            buffers: 0x0606,
            children: 0x0707,
            dictionary: 0x0808,
        };
        let bytes = array.to_bytes();
        assert_eq!(bytes[0..2], [1, 1]);
        assert_eq!(bytes[8..16], [0xff; 8]);
        assert_eq!(bytes[16..18], [3, 3]);
        assert_eq!(bytes[24..26], [4, 4]);
        assert_eq!(bytes[32..34], [5, 5]);
        assert_eq!(bytes[40..44], [6, 6, 0, 0]);
        assert_eq!(bytes[44..48], [7, 7, 0, 0]);
        assert_eq!(bytes[48..52], [8, 8, 0, 0]);
        assert_eq!(bytes[52..], [0; 12]);
        assert_eq!(ArrowArray::from_bytes(&bytes), array);
    }
}
