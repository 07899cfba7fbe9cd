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
        let (words, _) = bytes.as_chunks();
        let [length, null_count, offset, n_buffers, n_children, tables, dictionary] =
            std::array::from_fn(|index| u64::from_le_bytes(words[index]));
        Self {
            length: length as i64,
            null_count: null_count as i64,
            offset: offset as i64,
            n_buffers: n_buffers as i64,
            n_children: n_children as i64,
            buffers: tables as u32,
            children: (tables >> 32) as u32,
            // The other half of the word is `release`.
            dictionary: dictionary as u32,
        }
    }

    pub(super) fn to_bytes(self) -> [u8; ARRAY_BYTES] {
        let words = [
            self.length as u64,
            self.null_count as u64,
            self.offset as u64,
            self.n_buffers as u64,
            self.n_children as u64,
            u64::from(self.buffers) | u64::from(self.children) << 32,
            u64::from(self.dictionary),
            0,
        ];
        let mut bytes = [0; ARRAY_BYTES];
        for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
            *bytes = word.to_le_bytes();
        }
        bytes
    }
}

/// `bytes` rounded up to a multiple of [`ALIGNMENT`].
pub(super) fn padded(bytes: usize) -> usize {
    bytes.next_multiple_of(ALIGNMENT)
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
