//! Rows for rows: the numbers by which a hostile guest would make the host join what does not belong together.

use arrow::array::{Array, AsArray, Int64Array};
use arrow::datatypes::Int64Type;
use arrow_schema::{DataType, Field, Fields};
use proptest::prelude::*;

use super::guest::{Guest, ROOMY};
use crate::exchange::{ExchangeError, RowsOfRows, RowsWithin, decode_rows};

fn columns() -> Fields {
    vec![Field::new("value", DataType::Int64, true)].into()
}

/// A result with these row numbers, whose rows hold their position.
fn result(numbers: &[u32], within: RowsWithin) -> Result<RowsOfRows, ExchangeError> {
    let mut guest = Guest::new();
    let length = numbers.len() as i64;
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    let numbers = guest.bytes(&bytes);
    let numbers = guest.honest(length, &[0, numbers], &[]);
    let values = guest.i64s(&(0..length).collect::<Vec<_>>());
    let values = guest.honest(length, &[0, values], &[]);
    let rows = guest.honest(length, &[0], &[values]);
    let address = guest.honest(length, &[0], &[numbers, rows]);
    decode_rows(&guest.memory, address, &columns(), within, &ROOMY)
}

fn within(first: u32, batch: usize, most: usize) -> RowsWithin {
    RowsWithin { first, batch, most }
}

#[test]
fn honest_rows_are_accepted() {
    let found = result(&[2, 2, 5], within(2, 6, 3)).unwrap();
    assert_eq!(found.numbers.values(), &[2, 2, 5]);
    assert_eq!(found.rows.column(0).as_primitive::<Int64Type>(), &Int64Array::from(vec![0, 1, 2]));
    assert!(result(&[], within(0, 0, 0)).unwrap().is_empty());
}

#[test]
fn rows_of_no_row_of_the_batch_are_refused() {
    for (numbers, first, batch, said) in [
        (&[6][..], 0, 6, "row 0 of the result belongs to row 6 of the batch, not to one of 0 to 6"),
        (&[0, u32::MAX], 0, 6, "belongs to row 4294967295"),
        (&[0, 3, 2], 0, 6, "row 2 of the result belongs to row 2 of the batch, not to one of 3 to 6"),
        (&[1], 2, 6, "not to one of 2 to 6"),
        (&[0], 0, 0, "not to one of 0 to 0"),
    ] {
        let error = result(numbers, within(first, batch, 10)).unwrap_err();
        assert!(matches!(error, ExchangeError::RowNumber { .. }));
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[test]
fn more_rows_than_a_result_may_have_are_refused() {
    let error = result(&[0, 0, 0], within(0, 1, 2)).unwrap_err();
    assert!(error.to_string().contains("at most 2"), "{error}");
}

proptest! {
    #[test]
    fn whatever_the_numbers_are_they_can_be_joined_by(
        numbers in prop::collection::vec(prop_oneof![0_u32..8, any::<u32>()], 0..12),
        first in 0_u32..4,
        batch in 0_usize..9,
    ) {
        match result(&numbers, within(first, batch, 12)) {
            Ok(found) => {
                prop_assert_eq!(found.rows.len(), numbers.len());
                prop_assert!(found.numbers.values().is_sorted());
                prop_assert!(found.numbers.values().iter().all(|&number| number >= first && (number as usize) < batch));
            }
            Err(error) => prop_assert!(matches!(error, ExchangeError::RowNumber { .. }), "{}", error),
        }
    }
}
