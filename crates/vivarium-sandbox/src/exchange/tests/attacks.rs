//! Arrays a hostile guest returns, each named as the attack, and the sentence with which it is refused.

use std::sync::Arc;

use arrow::array::*;
use arrow_schema::{DataType, Field, Fields, TimeUnit};

use super::guest::{Guest, ROOMY};
use crate::exchange::layout::ArrowArray;
use crate::exchange::{DecodeLimits, ExchangeError, RowCount, decode};

/// An honest array of three `int64`, changed by the attack.
fn refused(change: impl FnOnce(&mut ArrowArray)) -> String {
    let mut guest = Guest::new();
    let values = guest.i64s(&[1, 2, 3]);
    let mut array = guest.describe(3, &[0, values], &[]);
    change(&mut array);
    let address = guest.array(array);
    guest.refusal(address, &DataType::Int64, 3)
}

#[track_caller]
fn assert_says(message: &str, part: &str) {
    assert!(message.contains(part), "{message:?} does not say {part:?}");
}

fn struct_of(field: Field) -> DataType {
    DataType::Struct(Fields::from(vec![field]))
}

fn list_of(item: DataType, nullable: bool) -> DataType {
    DataType::List(Arc::new(Field::new("item", item, nullable)))
}

#[test]
fn an_honest_unaligned_array_is_accepted() {
    let mut guest = Guest::new();
    let values = guest.i64s(&[1, 2, 3]);
    let validity = guest.bytes(&[0b1111_1101]);
    assert_ne!(values % 8, 0);
    let address = guest.honest(3, &[validity, values], &[]);
    let array = guest.decode(address, &DataType::Int64, 3).unwrap();
    assert_eq!(array.as_ref(), &Int64Array::from(vec![Some(1), None, Some(3)]));
}

#[test]
fn the_structure_itself_lies_outside_memory() {
    let mut guest = Guest::new();
    guest.bytes(&[0; 100]);
    let end = guest.memory.len() as u32;
    for address in [0, end - 63, end, u32::MAX, u32::MAX - 63, 1 << 31] {
        assert_says(&guest.refusal(address, &DataType::Int64, 0), "not all in the sandbox's memory");
    }
    let result = decode(&[], 64, &DataType::Int64, true, RowCount::AtMost(9), &ROOMY);
    assert!(matches!(result, Err(ExchangeError::OutOfBounds { memory: 0, .. })));
}

#[test]
fn lengths_that_are_not_the_batch_s() {
    for length in [i64::MAX, i64::MIN, -1, 0, 2, 4, 1 << 32, (1 << 32) + 3, 1 << 61] {
        assert_eq!(
            refused(|array| array.length = length),
            format!("result has {length} values, but exactly 3 are expected")
        );
    }
}

#[test]
fn more_rows_than_allowed() {
    let mut guest = Guest::new();
    let values = guest.i64s(&[1, 2, 3]);
    let address = guest.honest(3, &[0, values], &[]);
    let decode = |rows| decode(&guest.memory, address, &DataType::Int64, true, rows, &ROOMY);
    assert_eq!(decode(RowCount::AtMost(3)).unwrap().len(), 3);
    assert_says(
        &decode(RowCount::AtMost(2)).unwrap_err().to_string(),
        "result has 3 values, but at most 2 are expected",
    );
}

#[test]
fn fields_that_the_type_fixes() {
    assert_says(&refused(|array| array.offset = 1), "result.offset is 1, but the type and the ABI require 0");
    assert_says(&refused(|array| array.offset = i64::MIN), "result.offset");
    assert_says(&refused(|array| array.dictionary = 8), "result.dictionary is 8");
    for count in [0, 1, 3, -2, i64::MAX, (1 << 32) + 2] {
        assert_says(&refused(|array| array.n_buffers = count), "result.n_buffers");
    }
    for count in [1, -1, i64::MAX, 1 << 32] {
        assert_says(&refused(|array| array.n_children = count), "result.n_children");
    }
}

#[test]
fn null_counts_that_lie() {
    for count in [1, 3, 4, -2, i64::MIN, i64::MAX] {
        assert_says(&refused(|array| array.null_count = count), "0 of 3 values are NULL");
    }
    let mut guest = Guest::new();
    let values = guest.i64s(&[1, 2, 3]);
    let validity = guest.bytes(&[0b010]);
    for (count, accepted) in [(-1, true), (2, true), (0, false), (1, false), (3, false), (i64::MIN, false)] {
        let array = guest.describe(3, &[validity, values], &[]);
        let address = guest.array(ArrowArray { null_count: count, ..array });
        assert_eq!(guest.decode(address, &DataType::Int64, 3).is_ok(), accepted, "{count}");
    }
}

#[test]
fn tables_outside_memory() {
    for address in [0, u32::MAX, u32::MAX - 3, 1 << 31, 4000] {
        assert_says(&refused(|array| array.buffers = address), "result.buffers[0]");
    }
    let mut guest = Guest::new();
    let child = struct_of(Field::new("a", DataType::Int8, true));
    for address in [0, u32::MAX, u32::MAX - 3, 1 << 31, 4000] {
        let array = guest.describe(3, &[0], &[64]);
        let address = guest.array(ArrowArray { children: address, ..array });
        assert_says(&guest.refusal(address, &child, 3), "result.children[0] has 4 bytes");
    }
}

#[test]
fn buffers_outside_memory_and_wrapping_pointers() {
    let mut guest = Guest::new();
    guest.bytes(&[0; 200]);
    for pointer in [0, u32::MAX, u32::MAX - 7, u32::MAX - 23, 1 << 31, 190] {
        let address = guest.honest(1000, &[0, pointer], &[]);
        assert_says(&guest.refusal(address, &DataType::Int64, 1000), "result.buffers[1] has 8000 bytes");
    }
    for pointer in [u32::MAX, 1 << 31] {
        let address = guest.honest(1000, &[pointer, 16], &[]);
        assert_says(&guest.refusal(address, &DataType::Int64, 1000), "result.buffers[0] has 125 bytes");
    }
}

#[test]
fn a_buffer_that_ends_with_memory_is_accepted_and_one_byte_more_is_not() {
    let mut guest = Guest::new();
    let address = guest.honest(1, &[0, 0], &[]);
    let table = guest.read(address).buffers as usize;
    let values = guest.i64s(&[7]);
    guest.memory[table + 4..table + 8].copy_from_slice(&values.to_le_bytes());
    assert!(guest.decode(address, &DataType::Int64, 1).is_ok());
    guest.memory.pop();
    assert_says(&guest.refusal(address, &DataType::Int64, 1), "result.buffers[1] has 8 bytes");
}

#[test]
fn empty_arrays_may_have_null_pointers() {
    let mut guest = Guest::new();
    let nested = list_of(DataType::Utf8, true);
    let text = guest.honest(0, &[0, 0, 0], &[]);
    let list = guest.honest(0, &[0, 0], &[text]);
    let number = guest.honest(0, &[0, 0], &[]);
    assert_eq!(guest.decode(text, &DataType::Utf8, 0).unwrap().len(), 0);
    assert_eq!(guest.decode(list, &nested, 0).unwrap().len(), 0);
    assert_eq!(guest.decode(number, &DataType::Decimal256(10, 2), 0).unwrap().len(), 0);
}

#[test]
fn offsets_that_do_not_start_at_zero_or_go_backwards() {
    let mut guest = Guest::new();
    let values = guest.bytes(b"abcdefgh");
    for (offsets, says) in [
        ([1, 2, 3, 4], "result.offsets[0] is 1, but must be 0"),
        ([-1, 2, 3, 4], "result.offsets[0] is -1"),
        ([0, 3, 2, 4], "result.offsets[2] is 2, but must be at least 3"),
        ([0, -1, 3, 4], "result.offsets[1] is -1"),
        ([0, 1, 2, i32::MIN], "result.offsets[3] is -2147483648"),
        ([0, i32::MAX, 2, 4], "result.offsets[2] is 2"),
    ] {
        let narrow = guest.i32s(&offsets);
        let wide = guest.i64s(&offsets.map(i64::from));
        let narrow = guest.honest(3, &[0, narrow, values], &[]);
        let wide = guest.honest(3, &[0, wide, values], &[]);
        assert_says(&guest.refusal(narrow, &DataType::Utf8, 3), says);
        assert_says(&guest.refusal(narrow, &DataType::Binary, 3), says);
        assert_says(&guest.refusal(wide, &DataType::LargeUtf8, 3), says);
    }
}

#[test]
fn offsets_past_the_end_of_memory() {
    let mut guest = Guest::new();
    let values = guest.bytes(b"abc");
    let offsets = guest.i32s(&[0, 1, i32::MAX]);
    let address = guest.honest(2, &[0, offsets, values], &[]);
    assert_says(&guest.refusal(address, &DataType::Utf8, 2), "result.buffers[2] has 2147483647 bytes");
    for end in [i64::MAX, 1 << 40, 1 << 32] {
        let offsets = guest.i64s(&[0, 1, end]);
        let address = guest.honest(2, &[0, offsets, values], &[]);
        assert_says(&guest.refusal(address, &DataType::LargeBinary, 2), "result.buffers[2]");
    }
}

#[test]
fn offsets_past_the_end_of_a_list_s_items() {
    let mut guest = Guest::new();
    let values = guest.bytes(&[1, 2, 3]);
    let items = guest.honest(3, &[0, values], &[]);
    for end in [2, 4, i32::MAX] {
        let offsets = guest.i32s(&[0, end]);
        let list = guest.honest(1, &[0, offsets], &[items]);
        let says = format!("result.children[0] has 3 values, but exactly {end} are expected");
        assert_eq!(guest.refusal(list, &list_of(DataType::Int8, true), 1), says);
    }
}

#[test]
fn text_that_is_not_utf8() {
    let mut guest = Guest::new();
    let cases: [(&[u8], &[i32], usize); 7] = [
        (b"ab\xff", &[0, 1, 2, 3], 2),
        // A lone surrogate, as Python writes it with `surrogatepass`.
        (b"ab\xed\xa0\x80", &[0, 2, 5, 5], 1),
        // A character cut in two: valid as a whole, invalid as values.
        ("é".as_bytes(), &[0, 1, 2, 2], 0),
        // An overlong encoding of NUL.
        (b"\xc0\x80", &[0, 0, 0, 2], 2),
        // Beyond U+10FFFF.
        (b"\xf4\x90\x80\x80", &[0, 4, 4, 4], 0),
        ("aé".as_bytes(), &[0, 1, 2, 3], 1),
        (b"\xe2\x82", &[0, 0, 2, 2], 1),
    ];
    for (values, offsets, row) in cases {
        let values = guest.bytes(values);
        let offsets = guest.i32s(offsets);
        let address = guest.honest(3, &[0, offsets, values], &[]);
        assert_eq!(guest.refusal(address, &DataType::Utf8, 3), format!("result.values[{row}] is not valid UTF-8"));
        assert!(guest.decode(address, &DataType::Binary, 3).is_ok());
    }
}

#[test]
fn nulls_where_none_were_declared() {
    let mut guest = Guest::new();
    let values = guest.bytes(&[1, 2, 3]);
    let validity = guest.bytes(&[0b101]);
    let array = guest.honest(3, &[validity, values], &[]);
    let none = guest.honest(3, &[], &[]);
    let none = { ArrowArray { null_count: 3, ..guest.read(none) } };
    let none = guest.array(none);
    let strict = |address, data_type: &DataType| {
        decode(&guest.memory, address, data_type, false, RowCount::Exactly(3), &ROOMY).unwrap_err().to_string()
    };
    assert_eq!(strict(array, &DataType::Int8), "result.values[1] is NULL, but was declared not nullable");
    assert_says(&strict(none, &DataType::Null), "result.values[0] is NULL");

    let parent = guest.honest(3, &[0], &[array]);
    let strict = struct_of(Field::new("a", DataType::Int8, false));
    assert_says(&guest.refusal(parent, &strict, 3), "result.children[0].values[1] is NULL");
    let offsets = guest.i32s(&[0, 3, 3, 3]);
    let list = guest.honest(3, &[0, offsets], &[array]);
    assert_says(&guest.refusal(list, &list_of(DataType::Int8, false), 3), "result.children[0].values[1] is NULL");
    let fixed = DataType::FixedSizeList(Arc::new(Field::new("item", DataType::Int8, false)), 3);
    let list = guest.honest(1, &[0], &[array]);
    assert_says(&guest.refusal(list, &fixed, 1), "result.children[0].values[1] is NULL");
}

#[test]
fn nulls_below_a_null_are_nobody_s_values() {
    let mut guest = Guest::new();
    let values = guest.bytes(&[1, 2, 3]);
    let validity = guest.bytes(&[0b101]);
    let child = guest.honest(3, &[validity, values], &[]);
    let parent = guest.honest(3, &[validity], &[child]);
    let strict = struct_of(Field::new("a", DataType::Int8, false));
    assert_eq!(guest.decode(parent, &strict, 3).unwrap().null_count(), 1);
    let other = guest.bytes(&[0b110]);
    let parent = guest.honest(3, &[other], &[child]);
    assert_says(&guest.refusal(parent, &strict, 3), "result.children[0].values[1] is NULL");
}

#[test]
fn maps_with_null_entries_or_keys() {
    let mut guest = Guest::new();
    let values = guest.bytes(&[1, 2]);
    let validity = guest.bytes(&[0b01]);
    let offsets = guest.i32s(&[0, 2]);
    let fields = vec![Field::new("keys", DataType::Int8, false), Field::new("values", DataType::Int8, true)];
    let entries = Field::new("entries", DataType::Struct(Fields::from(fields)), false);
    let map = DataType::Map(Arc::new(entries), false);
    let plain = guest.honest(2, &[0, values], &[]);
    let nulls = guest.honest(2, &[validity, values], &[]);

    let mut attempt = |validity: u32, keys: u32, items: u32| {
        let entries = guest.honest(2, &[validity], &[keys, items]);
        let address = guest.honest(1, &[0, offsets], &[entries]);
        guest.decode(address, &map, 1).map_err(|error| error.to_string())
    };
    assert!(attempt(0, plain, nulls).is_ok());
    assert_says(&attempt(0, nulls, plain).unwrap_err(), "result.children[0].children[0].values[1] is NULL");
    assert_says(&attempt(validity, plain, plain).unwrap_err(), "result.children[0].values[1] is NULL");
}

#[test]
fn children_of_another_length() {
    let mut guest = Guest::new();
    let values = guest.bytes(&[1, 2, 3, 4]);
    let data_type = struct_of(Field::new("a", DataType::Int8, true));
    let fixed = DataType::FixedSizeList(Arc::new(Field::new("item", DataType::Int8, true)), 2);
    for length in [0, 1, 3, 4, -1, i64::MAX] {
        let child = guest.honest(length, &[0, values], &[]);
        let parent = guest.honest(2, &[0], &[child]);
        let says = format!("result.children[0] has {length} values");
        assert_says(&guest.refusal(parent, &data_type, 2), &says);
        if length != 4 {
            assert_says(&guest.refusal(parent, &fixed, 2), &says);
        }
    }
}

#[test]
fn a_structure_that_is_its_own_child() {
    let mut guest = Guest::new();
    let address = guest.honest(1, &[0], &[0]);
    let table = guest.read(address).children as usize;
    guest.memory[table..table + 4].copy_from_slice(&address.to_le_bytes());
    // The type ends the recursion: the innermost field is no struct.
    let data_type = (0..20).fold(DataType::Int8, |inner, _| struct_of(Field::new("a", inner, true)));
    assert_says(&guest.refusal(address, &data_type, 1), "n_buffers is 1, but the type and the ABI require 2");
}

/// A thousand children name the same buffer: a small memory, a result a thousand times as large.
#[test]
fn one_buffer_named_a_thousand_times() {
    let mut guest = Guest::new();
    let values = guest.bytes(&vec![1; 64 << 10]);
    let child = guest.honest(64 << 10, &[0, values], &[]);
    let parent = guest.honest(64 << 10, &[0], &vec![child; 1000]);
    let fields: Fields = (0..1000).map(|index| Field::new(format!("f{index}"), DataType::Int8, true)).collect();
    let data_type = DataType::Struct(fields);
    let decode = |max_bytes| {
        decode(
            &guest.memory,
            parent,
            &data_type,
            true,
            RowCount::Exactly(64 << 10),
            &DecodeLimits { max_bytes, max_items: usize::MAX },
        )
    };
    assert_eq!(
        decode(1 << 20).unwrap_err().to_string(),
        "result.children[16] makes the result larger than 1048576 bytes; return less per batch or allow more output"
    );
    assert!(decode(64_000 << 10).is_ok());
    assert!(decode((64_000 << 10) - 1).is_err());
}

/// Nothing in memory backs these values, so only their number can be limited.
#[test]
fn values_without_bytes_are_limited_by_their_number() {
    let mut guest = Guest::new();
    for (data_type, many) in [
        (DataType::Null, guest.describe(1 << 50, &[], &[])),
        (DataType::FixedSizeBinary(0), guest.describe(1 << 50, &[0, 0], &[])),
        (DataType::Struct(Fields::empty()), guest.describe(1 << 50, &[0], &[])),
    ] {
        let null_count = if data_type == DataType::Null { -1 } else { 0 };
        let items = guest.array(ArrowArray { null_count, ..many });
        let rows = decode(&guest.memory, items, &data_type, true, RowCount::AtMost(usize::MAX), &ROOMY);
        assert!(matches!(rows, Err(ExchangeError::TooLarge { .. })), "{data_type}");

        let offsets = guest.i64s(&[0, 1 << 50]);
        let list = guest.honest(1, &[0, offsets], &[items]);
        let item = Arc::new(Field::new("item", data_type, true));
        let says = "result.children[0] makes the result more than 1048576 values within its rows";
        assert_says(&guest.refusal(list, &DataType::LargeList(item.clone()), 1), says);

        let fixed = guest.honest(1 << 50, &[0], &[items]);
        let fixed_type = DataType::FixedSizeList(item.clone(), i32::MAX);
        let result = decode(&guest.memory, fixed, &fixed_type, true, RowCount::AtMost(usize::MAX), &ROOMY);
        assert!(matches!(result, Err(ExchangeError::Length { .. })));
    }
    let item = Arc::new(Field::new("item", DataType::Int8, true));
    let empty = guest.honest(0, &[0, 0], &[]);
    let lists = guest.honest(1 << 50, &[0], &[empty]);
    let no_items = DataType::FixedSizeList(item, 0);
    let result = decode(&guest.memory, lists, &no_items, true, RowCount::AtMost(usize::MAX), &ROOMY);
    assert!(matches!(result, Err(ExchangeError::TooLarge { .. })));
}

/// A reply of a few bytes that claims as many NULLs as offsets can name: refused before anything is made for them.
#[test]
fn a_list_of_two_billion_nulls() {
    let mut guest = Guest::new();
    let nulls = |guest: &mut Guest, count: i32| {
        let items = guest.describe(i64::from(count), &[], &[]);
        let items = guest.array(ArrowArray { null_count: -1, ..items });
        let offsets = guest.i32s(&[0, count]);
        guest.honest(1, &[0, offsets], &[items])
    };
    let list = |item: DataType| DataType::List(Arc::new(Field::new("item", item, true)));
    let data_type = list(DataType::Null);
    let decode = |guest: &Guest, address, data_type: &DataType, max_items| {
        let limits = DecodeLimits { max_bytes: usize::MAX, max_items };
        decode(&guest.memory, address, data_type, true, RowCount::Exactly(1), &limits)
    };
    let address = nulls(&mut guest, i32::MAX);
    let error = decode(&guest, address, &data_type, 1 << 24).unwrap_err().to_string();
    assert_eq!(
        error,
        "result.children[0] makes the result more than 16777216 values within its rows; return fewer or allow more"
    );
    // The bound is exact, and one for all columns of the result.
    let address = nulls(&mut guest, 1000);
    assert!(decode(&guest, address, &data_type, 1000).is_ok());
    assert!(decode(&guest, address, &data_type, 999).is_err());
    let both = guest.honest(1, &[0], &[address, address]);
    let fields: Fields = ["a", "b"].map(|name| Field::new(name, data_type.clone(), true)).into_iter().collect();
    // Two lists, and their items.
    assert!(decode(&guest, both, &DataType::Struct(fields.clone()), 2002).is_ok());
    assert!(decode(&guest, both, &DataType::Struct(fields), 2001).is_err());
}

#[test]
fn decimals_with_more_digits_than_declared() {
    let mut guest = Guest::new();
    let mut attempt = |data_type: &DataType, value: i128| {
        let mut bytes = value.to_le_bytes().to_vec();
        bytes.extend([if value < 0 { 0xff } else { 0 }; 16]);
        bytes.truncate(data_type.primitive_width().unwrap());
        let values = guest.bytes(&bytes);
        let address = guest.honest(1, &[0, values], &[]);
        guest.decode(address, data_type, 1).map_err(|error| error.to_string())
    };
    for data_type in
        [DataType::Decimal32(4, 2), DataType::Decimal64(4, 2), DataType::Decimal128(4, 2), DataType::Decimal256(4, 2)]
    {
        assert!(attempt(&data_type, 9999).is_ok() && attempt(&data_type, -9999).is_ok());
        for value in [10_000, -10_000] {
            let message = attempt(&data_type, value).unwrap_err();
            assert_says(&message, "result.values[0] holds");
            assert_says(&message, &data_type.to_string());
        }
    }
    assert!(attempt(&DataType::Decimal128(38, 0), i128::MIN).is_err());
}

#[test]
fn times_outside_the_day_and_dates_that_are_no_days() {
    let mut guest = Guest::new();
    let mut attempt = |data_type: &DataType, value: i64| {
        let values = guest.bytes(&value.to_le_bytes());
        let address = guest.honest(1, &[0, values], &[]);
        guest.decode(address, data_type, 1).map_err(|error| error.to_string())
    };
    for (data_type, per_day) in [
        (DataType::Time32(TimeUnit::Second), 86_400),
        (DataType::Time32(TimeUnit::Millisecond), 86_400_000),
        (DataType::Time64(TimeUnit::Microsecond), 86_400_000_000),
        (DataType::Time64(TimeUnit::Nanosecond), 86_400_000_000_000),
    ] {
        assert!(attempt(&data_type, 0).is_ok() && attempt(&data_type, per_day - 1).is_ok());
        assert!(attempt(&data_type, per_day).is_err() && attempt(&data_type, -1).is_err());
    }
    assert!(attempt(&DataType::Date64, -86_400_000).is_ok());
    let says = "result.values[0] holds 86400001, which Date64 does not allow";
    assert_eq!(attempt(&DataType::Date64, 86_400_001).unwrap_err(), says);
}

#[test]
fn what_is_stored_under_a_null_does_not_matter() {
    let mut guest = Guest::new();
    let values = guest.i64s(&[0, i64::MAX]);
    let validity = guest.bytes(&[0b01]);
    let address = guest.honest(2, &[validity, values], &[]);
    for data_type in [DataType::Time64(TimeUnit::Nanosecond), DataType::Decimal64(3, 0), DataType::Date64] {
        assert_eq!(guest.decode(address, &data_type, 2).unwrap().null_count(), 1);
    }
}

#[test]
fn encoded_types_are_not_results() {
    let dictionary = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8));
    for data_type in [dictionary, DataType::Utf8View, DataType::BinaryView] {
        let result = decode(&[0; 200], 64, &data_type, true, RowCount::Exactly(0), &ROOMY);
        assert!(matches!(result, Err(ExchangeError::UnsupportedType { .. })));
    }
}
