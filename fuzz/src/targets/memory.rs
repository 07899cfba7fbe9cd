//! The decoder of results, over a linear memory whose every byte is chosen.

use super::check;

/// Decodes a result: an error, or an array that arrow accepts and that stays within the limit.
pub fn decode(input: &[u8]) {
    check::check(input);
}

/// Address of the array in the seeds.
const ARRAY: u8 = 8;

/// The head that [`check::check`] reads, then a memory with one `ArrowArray` at [`ARRAY`] and what follows it.
fn seed(data_type: &[u8], rows: i64, buffers: u32, children: u32, tables: &[u32], data: &[u8]) -> Vec<u8> {
    let mut input = data_type.to_vec();
    input.extend([0, rows as u8, ARRAY]);
    input.extend([0; ARRAY as usize]);
    for word in [rows, 0, 0, i64::from(buffers), i64::from(children)] {
        input.extend(word.to_le_bytes());
    }
    // Addresses: the table of buffers, the table of children behind it, no dictionary, no release, no private data.
    let table = u32::from(ARRAY) + 5 * 8 + 6 * 4;
    let child_table = if children == 0 { 0 } else { table + 4 * buffers };
    for word in [table, child_table, 0, 0, 0, 0] {
        input.extend(word.to_le_bytes());
    }
    tables.iter().for_each(|address| input.extend(address.to_le_bytes()));
    input.extend(data);
    input
}

pub fn seeds() -> Vec<Vec<u8>> {
    let text: Vec<u8> = [0u32, 1, 3].iter().flat_map(|offset| offset.to_le_bytes()).chain(*b"abc").collect();
    let child: Vec<u8> = seed(&[], 2, 2, 0, &[0, 80], &[7, 8]).split_off(3);
    vec![
        // Two int8 at 80, behind the table of two buffers at 72.
        seed(&[2], 2, 2, 0, &[0, 80], &[7, 8]),
        // Three bools, all valid but the second.
        seed(&[1], 3, 2, 0, &[80, 84], &[5, 0, 0, 0, 3]),
        // Two strings: offsets at 84, text at 96.
        seed(&[13], 2, 3, 0, &[0, 84, 96], &text),
        // Two lists' offsets at 84, their child at 96.
        seed(&[27, 0, 2], 2, 2, 1, &[0, 84, 96], &[text.as_slice(), &child].concat()),
        // A struct of one int8 with NULLs.
        seed(&[30, 1, 0, 2], 2, 1, 1, &[80, 84], &[vec![3, 0, 0, 0], child.clone()].concat()),
        // decimal128(9, 2)
        seed(&[25, 9, 2], 1, 2, 0, &[0, 80], &[1; 16]),
    ]
}
