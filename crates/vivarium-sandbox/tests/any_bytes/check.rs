//! One run of the decoder over bytes that anybody chose: shared by the test beside this file and by `fuzz/`.
//!
//! The bytes are a type, whether it is nullable, the number of rows and the address of the array, a byte or a few each,
//! and then the linear memory.

use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, Fields, IntervalUnit, TimeUnit};
use vivarium_sandbox::exchange::{DecodeLimits, RowCount, decode};

const MAX_BYTES: usize = 1 << 16;
const MAX_DEPTH: usize = 4;

/// Decodes, and panics unless the outcome is an error or an array that arrow accepts and that stays within the limit.
/// Tells whether it was an array.
pub fn check(mut input: &[u8]) -> bool {
    let data_type = data_type(&mut input, MAX_DEPTH);
    let nullable = byte(&mut input) & 1 == 0;
    let rows = match byte(&mut input) {
        255 => RowCount::AtMost(usize::MAX),
        rows => RowCount::Exactly(usize::from(rows)),
    };
    let address = u32::from(byte(&mut input));
    let result = decode(
        input,
        address,
        &data_type,
        nullable,
        rows,
        &DecodeLimits { max_bytes: MAX_BYTES, max_items: MAX_BYTES },
    );
    let Ok(array) = result else { return false };
    array.to_data().validate_full().expect("arrow accepts what was decoded");
    assert!(nullable || array.logical_null_count() == 0, "NULLs in an array without");
    // Offsets that arrow allocates for empty arrays and the rounding of buffers are not counted against the limit.
    assert!(array.get_buffer_memory_size() <= MAX_BYTES + (1 << 14), "more was copied than allowed");
    true
}

/// The next byte of the input, 0 when it has ended.
fn byte(input: &mut &[u8]) -> u8 {
    let (first, rest) = input.split_first().unwrap_or((&0, &[]));
    *input = rest;
    *first
}

fn field(input: &mut &[u8], depth: usize) -> FieldRef {
    let nullable = byte(input) & 1 == 0;
    Arc::new(Field::new("field", data_type(input, depth - 1), nullable))
}

/// A type, impossible ones among them. At depth 0 it has no children.
fn data_type(input: &mut &[u8], depth: usize) -> DataType {
    use DataType as T;
    let unit = |input: &mut &[u8]| {
        [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond][byte(input) as usize % 4]
    };
    let kinds = if depth == 0 { 27 } else { 32 };
    match byte(input) % kinds {
        0 => T::Null,
        1 => T::Boolean,
        2 => T::Int8,
        3 => T::Int16,
        4 => T::Int32,
        5 => T::Int64,
        6 => T::UInt8,
        7 => T::UInt16,
        8 => T::UInt32,
        9 => T::UInt64,
        10 => T::Float16,
        11 => T::Float32,
        12 => T::Float64,
        13 => T::Utf8,
        14 => T::LargeUtf8,
        15 => T::Binary,
        16 => T::LargeBinary,
        17 => T::FixedSizeBinary(i32::from(byte(input) as i8)),
        18 => T::Date32,
        19 => T::Date64,
        20 => T::Time32(unit(input)),
        21 => T::Time64(unit(input)),
        22 => T::Timestamp(unit(input), None),
        23 => T::Duration(unit(input)),
        24 => T::Interval(IntervalUnit::MonthDayNano),
        25 => T::Decimal128(byte(input), byte(input) as i8),
        26 => T::Decimal256(byte(input), byte(input) as i8),
        27 => T::List(field(input, depth)),
        28 => T::LargeList(field(input, depth)),
        29 => T::FixedSizeList(field(input, depth), i32::from(byte(input) as i8)),
        30 => T::Struct((0..byte(input) % 4).map(|_| field(input, depth)).collect::<Fields>()),
        _ => T::Map(field(input, depth), false),
    }
}
