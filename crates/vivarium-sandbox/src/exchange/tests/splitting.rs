//! Batches that are larger than the guest.

use std::sync::Arc;

use arrow::array::types::Int8Type;
use arrow::array::*;
use proptest::prelude::*;

use super::arrays::{Random, any_type, sliced};
use crate::exchange::{ExchangeError, Plan, parts};

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn parts_cover_the_batch_in_order_and_fit(
        types in prop::collection::vec(any_type(), 0..3),
        rows in 0..60usize,
        room in 0..3000usize,
        max_rows in 0..50usize,
        seed: u64,
    ) {
        let mut random = Random(seed);
        let columns: Vec<_> = types.iter().map(|ty| sliced(ty, rows, true, &mut random)).collect();
        // Before encoded values are gathered their size is bounded, and what lies under NULLs counts although it may
        // not be gathered.
        let names = format!("{types:?}");
        let exact = !names.contains("Dictionary") && !names.contains("RunEndEncoded");
        let mut next = 0;
        for part in parts(&columns, rows, room, max_rows) {
            match part {
                Ok(part) => {
                    prop_assert_eq!(part.rows.start, next);
                    prop_assert!(!part.rows.is_empty() && part.rows.len() <= max_rows.max(1));
                    prop_assert!(part.plan.size() <= room);
                    prop_assert_eq!(part.plan.rows(), part.rows.len());
                    next = part.rows.end;
                    // As large as possible: another row would not fit.
                    if exact && next < rows && part.rows.len() < max_rows {
                        let more: Vec<_> = columns.iter().map(|c| c.slice(part.rows.start, part.rows.len() + 1)).collect();
                        prop_assert!(Plan::new(&more, part.rows.len() + 1).unwrap().size() > room);
                    }
                }
                Err(ExchangeError::RowTooLarge { row, bytes, .. }) => {
                    prop_assert_eq!(row, next);
                    prop_assert!(bytes > room as u64);
                    let alone: Vec<_> = columns.iter().map(|c| c.slice(row, 1)).collect();
                    prop_assert!(!exact || Plan::new(&alone, 1).unwrap().size() > room);
                    next = rows;
                }
                Err(error) => return Err(TestCaseError::fail(error.to_string())),
            }
        }
        prop_assert_eq!(next, rows);
    }
}

#[test]
fn a_row_that_does_not_fit_is_named() {
    let text = ["a".repeat(10), "b".repeat(10), "c".repeat(5000), "d".repeat(10)];
    let column: ArrayRef = Arc::new(StringArray::from_iter_values(text));
    let mut parts = parts(std::slice::from_ref(&column), 4, 1024, 100);
    assert_eq!(parts.next().unwrap().unwrap().rows, 0..2);
    let error = parts.next().unwrap().unwrap_err();
    assert!(matches!(error, ExchangeError::RowTooLarge { row: 2, .. }), "{error}");
    assert!(parts.next().is_none());
}

/// A batch of a few kilobytes can stand for terabytes of text: only what fits is ever gathered.
#[test]
fn a_dictionary_is_measured_before_it_is_gathered() {
    let large: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(1 << 20)]));
    let keys = Int8Array::from(vec![0; 100_000]);
    let column: ArrayRef = Arc::new(DictionaryArray::<Int8Type>::new(keys, large));
    let error = Plan::new(std::slice::from_ref(&column), column.len()).unwrap_err();
    assert!(matches!(error, ExchangeError::BatchTooLarge { bytes, .. } if bytes > 100_000 << 20), "{error}");
    let first = parts(std::slice::from_ref(&column), column.len(), 4 << 20, 8192).next().unwrap().unwrap();
    assert_eq!(first.rows, 0..3);
}

#[test]
fn runs_are_measured_before_they_are_gathered() {
    let large: ArrayRef = Arc::new(BinaryArray::from_iter_values([vec![7u8; 1 << 20]]));
    let column: ArrayRef = Arc::new(RunArray::try_new(&Int32Array::from(vec![1_000_000]), &large).unwrap());
    assert!(matches!(Plan::new(&[column], 1_000_000), Err(ExchangeError::BatchTooLarge { .. })));
}
