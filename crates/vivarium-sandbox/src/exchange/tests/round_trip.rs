//! What goes into the guest comes out of it.

use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::ScalarBuffer;
use arrow::compute::cast;
use arrow_schema::{DataType, Field, Fields, UnionFields};
use proptest::prelude::*;

use super::arrays::{Random, any_type, array, leaf_types, sliced};
use super::guest::ROOMY;
use crate::exchange::layout::ALIGNMENT;
use crate::exchange::{DecodeLimits, ExchangeError, MAX_DEPTH, Plan, RowCount, decode, guest_type};

/// Writes a batch into a memory that is dirty everywhere else and reads it back as a struct array.
fn through_memory(columns: &[ArrayRef], rows: usize, arena: u32) -> Vec<ArrayRef> {
    let plan = Plan::new(columns, rows).unwrap();
    let end = arena as usize + plan.size();
    let mut memory = vec![0xaa; end + 100];
    plan.write(&mut memory, arena).unwrap();
    assert!(memory[..arena as usize].iter().all(|byte| *byte == 0xaa), "wrote before the arena");
    assert!(memory[end..].iter().all(|byte| *byte == 0xaa), "wrote behind the arena");

    let field = |column: &ArrayRef| Field::new("column", guest_type(column.data_type()).unwrap(), true);
    let batch = DataType::Struct(columns.iter().map(field).collect());
    let limits = DecodeLimits { max_bytes: usize::MAX, max_items: usize::MAX };
    let batch = decode(&memory, arena, &batch, false, RowCount::Exactly(rows), &limits).unwrap();
    batch.to_data().validate_full().unwrap();
    batch.as_struct().columns().to_vec()
}

/// The plain array that an array stands for, as arrow's own cast has it.
fn plain(array: &ArrayRef) -> ArrayRef {
    cast(array, &guest_type(array.data_type()).unwrap()).unwrap()
}

#[test]
fn every_leaf_type_crosses() {
    for data_type in leaf_types() {
        for len in [0, 1, 7, 8, 9, 64, 65, 300] {
            let column = sliced(&data_type, len, true, &mut Random(len as u64));
            let came_out = through_memory(std::slice::from_ref(&column), len, 64);
            assert_eq!(&came_out[0], &plain(&column), "{data_type} with {len} rows");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn any_batch_crosses(
        types in prop::collection::vec((any_type(), any::<bool>()), 0..4),
        rows in 0..80usize,
        arena in 1..50u32,
        seed: u64,
    ) {
        let mut random = Random(seed);
        let columns: Vec<_> = types.iter().map(|(ty, nullable)| sliced(ty, rows, *nullable, &mut random)).collect();
        let came_out = through_memory(&columns, rows, arena * ALIGNMENT as u32);
        prop_assert_eq!(came_out.len(), columns.len());
        for (came_out, column) in came_out.iter().zip(&columns) {
            prop_assert_eq!(came_out, &plain(column));
        }
    }

    /// The limit is on what is copied, so a result fits exactly when its buffers do.
    #[test]
    fn the_limit_is_exact_for_plain_columns(rows in 1..500usize, short in any::<bool>()) {
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows as i64));
        let plan = Plan::new(&[column], rows).unwrap();
        let mut memory = vec![0; 64 + plan.size()];
        plan.write(&mut memory, 64).unwrap();
        let batch = DataType::Struct(Fields::from(vec![Field::new("column", DataType::Int64, false)]));
        let limits = DecodeLimits { max_bytes: rows * 8 - usize::from(short), max_items: rows };
        let result = decode(&memory, 64, &batch, false, RowCount::Exactly(rows), &limits);
        prop_assert_eq!(matches!(result, Err(ExchangeError::TooLarge { .. })), short);
    }
}

#[test]
fn the_same_batch_gives_the_same_bytes_in_a_dirty_arena() {
    let mut random = Random(3);
    let columns: Vec<_> = leaf_types().iter().map(|ty| sliced(ty, 13, true, &mut random)).collect();
    let plan = Plan::new(&columns, 13).unwrap();
    let mut clean = vec![0; 64 + plan.size()];
    let mut dirty = vec![0xff; 64 + plan.size()];
    plan.write(&mut clean, 64).unwrap();
    plan.write(&mut dirty, 64).unwrap();
    assert_eq!(clean[64..], dirty[64..], "bytes of an earlier batch stayed in the arena");
}

#[test]
fn a_batch_without_columns_has_its_rows() {
    let plan = Plan::new(&[], 5).unwrap();
    assert_eq!(plan.rows(), 5);
    let mut memory = vec![0; 64 + plan.size()];
    plan.write(&mut memory, 64).unwrap();
    let batch = decode(&memory, 64, &DataType::Struct(Fields::empty()), false, RowCount::Exactly(5), &ROOMY).unwrap();
    assert_eq!(batch.len(), 5);
}

#[test]
fn arrays_keep_their_fields_types_and_time_zones() {
    let list = DataType::List(Arc::new(Field::new("element", DataType::Utf8View, false)));
    let zoned = DataType::Timestamp(arrow_schema::TimeUnit::Microsecond, Some("Asia/Tokyo".into()));
    let fields = Fields::from(vec![Field::new("a", list, true), Field::new("b", zoned.clone(), false)]);
    let column = array(&DataType::Struct(fields), 10, true, &mut Random(1));
    let came_out = through_memory(&[column], 10, 64);
    let DataType::Struct(fields) = came_out[0].data_type() else { panic!("not a struct") };
    assert_eq!(fields[0].data_type(), &DataType::List(Arc::new(Field::new("element", DataType::Utf8, false))));
    assert_eq!(fields[1].as_ref(), &Field::new("b", zoned, false));
}

#[test]
fn a_dictionary_without_values_is_all_null() {
    let keys = Int8Array::from(vec![None, None, None]);
    let empty: ArrayRef = Arc::new(StringArray::from(Vec::<&str>::new()));
    let column: ArrayRef = Arc::new(DictionaryArray::new(keys, empty));
    assert_eq!(&through_memory(&[column], 3, 64)[0], &new_null_array(&DataType::Utf8, 3));
}

#[test]
fn views_under_a_null_take_no_space() {
    let text: ArrayRef = Arc::new(StringViewArray::from(vec![Some("x".repeat(1000)), None]));
    let valid = Plan::new(&[text.slice(0, 1)], 1).unwrap().size();
    let null = Plan::new(&[text.slice(1, 1)], 1).unwrap().size();
    assert!(valid > 1000 && null < 500, "{valid} {null}");
    assert_eq!(&through_memory(std::slice::from_ref(&text), 2, 64)[0], &plain(&text));
}

#[test]
fn unions_and_list_views_are_refused_by_name() {
    let fields = UnionFields::try_new([1], [Field::new("a", DataType::Int32, true)]).unwrap();
    let ids = ScalarBuffer::from(vec![1i8]);
    let union = UnionArray::try_new(fields, ids, None, vec![Arc::new(Int32Array::from(vec![1]))]).unwrap();
    let error = Plan::new(&[Arc::new(union)], 1).unwrap_err().to_string();
    assert!(error.starts_with("batch.children[0] is Union"), "{error}");

    let item = Arc::new(Field::new("item", DataType::Int32, true));
    let nested = DataType::List(Arc::new(Field::new("item", DataType::ListView(item), true)));
    assert!(matches!(guest_type(&nested), Err(ExchangeError::UnsupportedType { .. })));
}

#[test]
fn types_that_arrow_does_not_allow_are_refused_without_a_panic() {
    use arrow_schema::TimeUnit;
    let entries = |nullable| {
        let fields =
            Fields::from(vec![Field::new("keys", DataType::Int8, nullable), Field::new("v", DataType::Int8, true)]);
        DataType::Map(Arc::new(Field::new("entries", DataType::Struct(fields), false)), false)
    };
    assert!(guest_type(&entries(false)).is_ok());
    for data_type in [
        DataType::Decimal128(0, 0),
        DataType::Decimal128(39, 0),
        DataType::Decimal256(77, 0),
        DataType::Decimal128(10, 11),
        DataType::FixedSizeBinary(-1),
        DataType::FixedSizeList(Arc::new(Field::new("item", DataType::Int8, true)), -1),
        DataType::Time32(TimeUnit::Nanosecond),
        DataType::Time64(TimeUnit::Second),
        DataType::Map(Arc::new(Field::new("entries", DataType::Int8, false)), false),
        entries(true),
    ] {
        assert!(matches!(guest_type(&data_type), Err(ExchangeError::UnsupportedType { .. })), "{data_type}");
        let result = decode(&[0; 200], 64, &data_type, true, RowCount::Exactly(0), &ROOMY);
        assert!(matches!(result, Err(ExchangeError::UnsupportedType { .. })), "{data_type}");
    }
}

#[test]
fn types_nested_too_deeply_are_refused() {
    let nested =
        |levels| (0..levels).fold(DataType::Int8, |inner, _| DataType::List(Arc::new(Field::new("item", inner, true))));
    assert!(guest_type(&nested(MAX_DEPTH)).is_ok());
    assert!(matches!(guest_type(&nested(MAX_DEPTH + 1)), Err(ExchangeError::TooDeep { .. })));
    let deep = new_empty_array(&nested(MAX_DEPTH + 1));
    assert!(matches!(Plan::new(&[deep], 0), Err(ExchangeError::TooDeep { .. })));
}

#[test]
fn columns_of_unequal_length_are_refused() {
    let column: ArrayRef = Arc::new(Int8Array::from(vec![1, 2]));
    let error = Plan::new(&[column.clone(), column.slice(0, 1)], 2).unwrap_err();
    assert_eq!(error.to_string(), "column 1 has 1 rows in a batch of 2");
}

#[test]
fn an_arena_the_guest_lied_about_is_refused() {
    let column: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let plan = Plan::new(&[column], 1).unwrap();
    let mut memory = vec![0; 4096];
    let last = (memory.len() - plan.size()) as u32;
    plan.write(&mut memory, last).unwrap();
    for arena in [0, 8, last + 64, 4096, 1 << 31, u32::MAX - 63, u32::MAX] {
        let untouched = memory.clone();
        let refused = plan.write(&mut memory, arena);
        assert!(matches!(refused, Err(ExchangeError::Arena { .. })), "{arena:#x}");
        assert_eq!(memory, untouched);
    }
}

#[test]
fn encoded_values_without_bytes_keep_their_number() {
    let empty: ArrayRef = Arc::new(FixedSizeBinaryArray::try_new_with_len(0, (&[]).into(), None, 2).unwrap());
    let keys = Int8Array::from(vec![Some(0), None, Some(1), Some(1)]);
    let column: ArrayRef = Arc::new(DictionaryArray::new(keys, empty));
    let came_out = through_memory(&[column], 4, 64);
    assert_eq!((came_out[0].len(), came_out[0].null_count()), (4, 1));
}
