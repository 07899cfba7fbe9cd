//! Batches that are larger than the guest.

use std::sync::Arc;

use arrow::array::types::{Int8Type, Int32Type};
use arrow::array::*;
use arrow::buffer::OffsetBuffer;
use arrow_schema::{DataType, Field};
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
                        prop_assert!(Plan::within(&more, part.rows.len() + 1, room).is_err());
                    }
                }
                Err(ExchangeError::RowTooLarge { row, bytes, .. }) => {
                    prop_assert_eq!(row, next);
                    prop_assert!(bytes > room as u64);
                    let alone: Vec<_> = columns.iter().map(|c| c.slice(row, 1)).collect();
                    prop_assert!(!exact || Plan::within(&alone, 1, room).is_err());
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

/// Rows that take next to nothing, and stand for millions of values each.
#[test]
fn values_without_bytes_count_as_one_each() {
    const ITEMS: usize = 60_000_000;
    let list = |items: ArrayRef, lengths: &[usize]| -> ArrayRef {
        let item = Arc::new(Field::new("item", items.data_type().clone(), true));
        Arc::new(ListArray::new(item, OffsetBuffer::from_lengths(lengths.iter().copied()), items, None))
    };
    let nulls = |count| -> ArrayRef { Arc::new(NullArray::new(count)) };
    let structs: ArrayRef = Arc::new(StructArray::new_empty_fields(ITEMS, None));
    let item = Arc::new(Field::new("item", DataType::Int8, true));
    let none: ArrayRef = Arc::new(Int8Array::from(Vec::<i8>::new()));
    let no_items = FixedSizeListArray::try_new_with_length(item, 0, none, None, ITEMS).unwrap();
    // One run that stands for as many values as a list can have.
    let ends = Int32Array::from(vec![i32::MAX]);
    let run: ArrayRef = Arc::new(RunArray::<Int32Type>::try_new(&ends, &Int8Array::from(vec![7])).unwrap());
    let keys = Int8Array::from(vec![0; ITEMS]);
    let dictionary = DictionaryArray::new(keys, nulls(1));
    for (column, items) in [
        (list(nulls(ITEMS), &[ITEMS]), ITEMS),
        (list(structs, &[ITEMS]), ITEMS),
        (list(Arc::new(no_items), &[ITEMS]), ITEMS),
        (list(Arc::new(dictionary), &[ITEMS]), ITEMS),
        (list(run, &[i32::MAX as usize]), i32::MAX as usize),
    ] {
        match parts(&[column], 1, 16 << 20, 8192).next() {
            Some(Err(ExchangeError::RowTooLarge { row: 0, bytes, limit })) => {
                assert!(bytes >= items as u64 && limit == 16 << 20, "{bytes}");
            }
            other => panic!("{:?}", other.map(|part| part.map(|part| part.rows))),
        }
    }
    // Rows that fit one by one are sent one by one.
    let rows = list(nulls(4_000_000), &[1_000_000; 4]);
    let sizes: Vec<_> = parts(&[rows], 4, 2_500_000, 8192).map(|part| part.unwrap().rows.len()).collect();
    assert_eq!(sizes, [2, 2]);
}
