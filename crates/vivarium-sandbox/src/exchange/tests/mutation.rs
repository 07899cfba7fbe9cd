//! Honest arrays with random damage: whatever comes of it is an error or an array that arrow accepts, within the limit.

use arrow::array::*;
use arrow_data::ArrayData;
use arrow_schema::{DataType, Field};
use proptest::prelude::*;

use super::arrays::{Random, any_type, sliced};
use crate::exchange::{DecodeLimits, Plan, RowCount, decode, guest_type};

const ARENA: u32 = 64;

/// Values that turn lengths, pointers and offsets into something dangerous.
const DANGEROUS: [u64; 12] = [
    0,
    1,
    2,
    ARENA as u64,
    0x7f,
    0xff,
    i32::MAX as u64,
    u32::MAX as u64,
    i64::MAX as u64,
    i64::MIN as u64,
    u64::MAX,
    1 << 32,
];

/// Overwrites one to eight bytes. Half of the damage goes into the structures, which are at the start.
fn damage(memory: &mut [u8], random: &mut Random) {
    let arena = ARENA as usize;
    let most = if random.below(2) == 0 { 512 } else { memory.len() };
    let at = arena + random.below(most.min(memory.len()) - arena);
    let value = match random.below(4) {
        0 => random.next(),
        1 => random.below(memory.len()) as u64,
        2 => u64::from(memory[at]) ^ (1 << random.below(8)),
        _ => DANGEROUS[random.below(DANGEROUS.len())],
    };
    let width = [1, 4, 8][random.below(3)].min(memory.len() - at);
    memory[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
}

/// Bytes of the buffers of an array, counted as they are used and not as they were allocated.
fn bytes_of(data: &ArrayData) -> usize {
    let buffers: usize = data.buffers().iter().map(|buffer| buffer.len()).sum();
    let validity = data.nulls().map_or(0, |nulls| nulls.buffer().len());
    buffers + validity + data.child_data().iter().map(bytes_of).sum::<usize>()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn damage_is_refused_or_harmless(
        types in prop::collection::vec(any_type(), 1..4),
        rows in 0..40usize,
        times in 1..12usize,
        seed: u64,
    ) {
        let mut random = Random(seed);
        let columns: Vec<_> = types.iter().map(|ty| sliced(ty, rows, true, &mut random)).collect();
        let field = |column: &ArrayRef| Field::new("column", guest_type(column.data_type()).unwrap(), true);
        let batch = DataType::Struct(columns.iter().map(field).collect());
        let plan = Plan::new(&columns, rows).unwrap();
        let mut honest = vec![0; ARENA as usize + plan.size()];
        plan.write(&mut honest, ARENA).unwrap();

        let limits = DecodeLimits { max_bytes: 4 * plan.size(), max_items: 4 * plan.size() };
        // Making the arrays is the expensive part: damage each of them in many ways.
        for _ in 0..50 {
            let mut memory = honest.clone();
            for _ in 0..times {
                damage(&mut memory, &mut random);
            }
            let rows = if random.below(2) == 0 { RowCount::Exactly(rows) } else { RowCount::AtMost(1 << 40) };
            if let Ok(array) = decode(&memory, ARENA, &batch, true, rows, &limits) {
                let data = array.to_data();
                data.validate_full().unwrap();
                // An empty array still has its one offset, which arrow allocates for it.
                prop_assert!(bytes_of(&data) <= limits.max_bytes + 8 * 100);
            }
        }
    }
}
