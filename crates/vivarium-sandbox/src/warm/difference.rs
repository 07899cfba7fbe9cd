//! The pages in which one linear memory differs from another.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// The unit of copy-on-write, on every machine this runs on.
const PAGE: usize = 4096;

/// Linear memory grows in these, by the WebAssembly specification.
pub(crate) const WASM_PAGE: u64 = 65536;

/// Pages of a linear memory, in rising order of their addresses, neighbours joined.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    memory_size: u64,
    runs: Vec<Run>,
    /// The runs' contents, one after the other.
    data: Vec<u8>,
}

/// Neighbouring pages, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Run {
    address: u64,
    length: u64,
}

impl Run {
    fn range(self) -> Range<usize> {
        self.address as usize..(self.address + self.length) as usize
    }
}

impl Difference {
    /// What has to be written into a copy of `base`, grown to `memory`'s size, to make it `memory`; `None` when that is more
    /// than `most` bytes.
    pub(crate) fn between(base: &[u8], memory: &[u8], most: u64) -> Option<Self> {
        const ZEROS: [u8; PAGE] = [0; PAGE];
        let (mut runs, mut data) = (Vec::<Run>::new(), Vec::new());
        for (page, content) in memory.chunks(PAGE).enumerate() {
            let address = page * PAGE;
            let before = base.get(address..address + content.len()).unwrap_or(&ZEROS[..content.len()]);
            if before == content {
                continue;
            }
            if (data.len() + content.len()) as u64 > most {
                return None;
            }
            data.extend_from_slice(content);
            let (address, length) = (address as u64, content.len() as u64);
            match runs.last_mut() {
                Some(last) if last.address + last.length == address => last.length += length,
                _ => runs.push(Run { address, length }),
            }
        }
        Some(Self { memory_size: memory.len() as u64, runs, data })
    }

    /// A difference from its stored parts, if they can be one: runs in order, within memory, with all their contents.
    pub(super) fn from_parts(memory_size: u64, runs: Vec<Run>, data: Vec<u8>) -> Option<Self> {
        let mut end = 0u64;
        let mut total = 0u64;
        for run in &runs {
            if run.address < end || run.length == 0 {
                return None;
            }
            end = run.address.checked_add(run.length)?;
            total = total.checked_add(run.length)?;
        }
        let fits = end <= memory_size && memory_size <= 1 << 32 && memory_size.is_multiple_of(WASM_PAGE);
        (fits && total == data.len() as u64).then_some(Self { memory_size, runs, data })
    }

    pub(super) fn parts(&self) -> (&[Run], &[u8]) {
        (&self.runs, &self.data)
    }

    /// Size of the memory in bytes.
    pub(crate) fn memory_size(&self) -> u64 {
        self.memory_size
    }

    /// Bytes that differ.
    pub(super) fn size(&self) -> u64 {
        self.data.len() as u64
    }

    /// Writes the pages. `memory` is a copy of the base, and at least as large as [`memory_size`](Self::memory_size).
    pub(crate) fn apply(&self, memory: &mut [u8]) {
        let mut data = self.data.as_slice();
        for run in &self.runs {
            let (content, rest) = data.split_at(run.length as usize);
            memory[run.range()].copy_from_slice(content);
            data = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn applied_to_the_base_it_gives_the_memory(
            base in prop::collection::vec(0u8..4, 1..6),
            memory in prop::collection::vec(0u8..4, 1..6),
        ) {
            // Each number stands for a quarter of a WebAssembly page; zeros are what memory grows by.
            let expand = |pages: &[u8]| -> Vec<u8> {
                let mut bytes: Vec<u8> = pages.iter().flat_map(|&value| vec![value; WASM_PAGE as usize / 4]).collect();
                bytes.resize(bytes.len().next_multiple_of(WASM_PAGE as usize), 0);
                bytes
            };
            let (mut base, mut memory) = (expand(&base), expand(&memory));
            memory.resize(memory.len().max(base.len()), 0);
            let difference = Difference::between(&base, &memory, u64::MAX).unwrap();
            if let Some(less) = difference.size().checked_sub(1) {
                prop_assert_eq!(Difference::between(&base, &memory, less), None);
            }
            base.resize(memory.len(), 0);
            difference.apply(&mut base);
            prop_assert_eq!(&base, &memory);
            let (runs, data) = difference.parts();
            prop_assert_eq!(Difference::from_parts(memory.len() as u64, runs.to_vec(), data.to_vec()), Some(difference));
        }
    }

    #[test]
    fn parts_that_are_no_difference_are_refused() {
        let run = |address, length| Run { address, length };
        for (name, size, runs, bytes) in [
            ("contents are missing", WASM_PAGE, vec![run(0, 4096)], 4095),
            ("contents are too many", WASM_PAGE, vec![run(0, 4096)], 4097),
            ("behind the end", WASM_PAGE, vec![run(WASM_PAGE - 4096, 8192)], 8192),
            ("overlapping", WASM_PAGE, vec![run(0, 8192), run(4096, 4096)], 12288),
            ("wrapping", WASM_PAGE, vec![run(u64::MAX - 1, 4)], 4),
            ("an odd memory", 5000, vec![], 0),
            ("more than 32 bits address", (1 << 32) + WASM_PAGE, vec![], 0),
        ] {
            assert_eq!(Difference::from_parts(size, runs, vec![0; bytes]), None, "{name}");
        }
    }
}
