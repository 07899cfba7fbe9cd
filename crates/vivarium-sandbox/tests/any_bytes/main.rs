//! Whatever is in linear memory, decoding a result ends in an error or in an array that arrow accepts.

mod check;

use check::check;
use proptest::prelude::*;

/// Linear memory in words that can pass for lengths, counts, addresses and offsets, so that some of it makes sense.
fn memory() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        8 => Just(0u32),
        8 => 0..4u32,
        4 => (0..64u32).prop_map(|word| word * 8),
        1 => any::<u32>(),
        1 => prop::sample::select(vec![u32::MAX, i32::MAX as u32, 1 << 31]),
    ];
    prop::collection::vec(word, 0..128).prop_map(|words| words.iter().flat_map(|word| word.to_le_bytes()).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, ..ProptestConfig::default() })]

    #[test]
    fn plausible_memory(start in prop::collection::vec(any::<u8>(), 4..16), rows in 0..4u8, memory in memory()) {
        let mut input = start;
        input.extend([0, rows, 8]);
        input.extend(memory);
        check(&input);
    }

    #[test]
    fn random_memory(input in prop::collection::vec(any::<u8>(), 0..600)) {
        check(&input);
    }
}

/// The check itself is no stub: an honest array gets through it.
#[test]
fn an_honest_array() {
    // int8, nullable, two rows, at address 8: length 2, two buffers whose table is at 72; values at 80.
    let mut input = vec![2, 0, 2, 8];
    let words = [2, 0, 0, 2, 0].map(|word: i64| word.to_le_bytes());
    input.extend([0; 8]);
    input.extend(words.concat());
    input.extend([72u32, 0, 0, 0, 0, 0].map(u32::to_le_bytes).concat());
    input.extend([0u32, 80].map(u32::to_le_bytes).concat());
    input.extend([7, 8]);
    assert!(check(&input));
}
