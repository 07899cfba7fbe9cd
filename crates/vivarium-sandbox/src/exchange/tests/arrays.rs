//! Random types and random arrays of them.

use std::sync::Arc;

use arrow::array::types::*;
use arrow::array::*;
use arrow::buffer::{BooleanBuffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::i256;
use arrow_schema::{DataType, Field, FieldRef, Fields, IntervalUnit, TimeUnit};
use proptest::prelude::*;

/// A random type that crosses, nested up to three levels.
pub(super) fn any_type() -> impl Strategy<Value = DataType> {
    leaf().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            field(inner.clone()).prop_map(DataType::List),
            field(inner.clone()).prop_map(DataType::LargeList),
            (field(inner.clone()), 1..4i32).prop_map(|(item, size)| DataType::FixedSizeList(item, size)),
            prop::collection::vec(field(inner.clone()), 0..3).prop_map(|fields| DataType::Struct(Fields::from(fields))),
            (inner.clone(), field(inner.clone())).prop_map(|(key, value)| map_of(key, value)),
            encodable(inner.clone())
                .prop_map(|values| DataType::Dictionary(Box::new(DataType::Int8), Box::new(values))),
            encodable(inner).prop_map(|values| DataType::RunEndEncoded(
                Arc::new(Field::new("run_ends", DataType::Int32, false)),
                Arc::new(Field::new("values", values, true)),
            )),
        ]
    })
}

fn field(data_type: impl Strategy<Value = DataType>) -> impl Strategy<Value = FieldRef> {
    (data_type, any::<bool>()).prop_map(|(data_type, nullable)| {
        // Arrays of type null are NULL and nothing else.
        let nullable = nullable || holds_null(&data_type);
        Arc::new(Field::new("field", data_type, nullable))
    })
}

/// Arrow's own kernels, with which results are compared, lose the number of values that have no bytes when they gather.
fn encodable(data_type: impl Strategy<Value = DataType>) -> impl Strategy<Value = DataType> {
    data_type.prop_filter("values without bytes", |data_type| !holds_empty_values(data_type))
}

fn holds_empty_values(data_type: &DataType) -> bool {
    match data_type {
        DataType::FixedSizeBinary(0) | DataType::FixedSizeList(_, 0) => true,
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            holds_empty_values(item.data_type())
        }
        DataType::Map(entries, _) => holds_empty_values(entries.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| holds_empty_values(field.data_type())),
        // Encodings are made of types that passed already.
        _ => false,
    }
}

fn holds_null(data_type: &DataType) -> bool {
    match data_type {
        DataType::Null => true,
        DataType::Dictionary(_, values) => holds_null(values),
        DataType::RunEndEncoded(_, values) => holds_null(values.data_type()),
        _ => false,
    }
}

fn map_of(key: DataType, value: FieldRef) -> DataType {
    let key = if holds_null(&key) { DataType::Utf8 } else { key };
    let fields = Fields::from(vec![Arc::new(Field::new("keys", key, false)), value]);
    DataType::Map(Arc::new(Field::new("entries", DataType::Struct(fields), false)), false)
}

/// Every type without children, or without values in them, once.
pub(super) fn leaf_types() -> Vec<DataType> {
    use DataType as T;
    use TimeUnit::*;
    let mut types = vec![
        T::Null,
        T::Boolean,
        T::Int8,
        T::Int16,
        T::Int32,
        T::Int64,
        T::UInt8,
        T::UInt16,
        T::UInt32,
        T::UInt64,
        T::Float16,
        T::Float32,
        T::Float64,
        T::Utf8,
        T::LargeUtf8,
        T::Utf8View,
        T::Binary,
        T::LargeBinary,
        T::BinaryView,
        T::FixedSizeBinary(0),
        T::FixedSizeBinary(5),
        T::Date32,
        T::Date64,
        T::Time32(Second),
        T::Time32(Millisecond),
        T::Time64(Microsecond),
        T::Time64(Nanosecond),
        T::Interval(IntervalUnit::YearMonth),
        T::Interval(IntervalUnit::DayTime),
        T::Interval(IntervalUnit::MonthDayNano),
        T::Decimal32(9, 2),
        T::Decimal64(18, -3),
        T::Decimal128(38, 10),
        T::Decimal256(76, 10),
        // Not a leaf, but arrow's `cast` loses its length when it recurses.
        T::FixedSizeList(Arc::new(Field::new("item", T::Int8, true)), 0),
    ];
    for unit in [Second, Millisecond, Microsecond, Nanosecond] {
        types.push(T::Timestamp(unit, None));
        types.push(T::Timestamp(unit, Some("Europe/Berlin".into())));
        types.push(T::Duration(unit));
    }
    types
}

fn leaf() -> impl Strategy<Value = DataType> {
    prop::sample::select(leaf_types())
}

/// Numbers from a seed (splitmix64): arrays are made from few inputs, so that failures shrink to small types and
/// lengths.
pub(super) struct Random(pub u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn i128(&mut self) -> i128 {
        (i128::from(self.next()) << 64) | i128::from(self.next())
    }

    fn bytes(&mut self) -> Vec<u8> {
        (0..self.below(20)).map(|_| self.next() as u8).collect()
    }

    fn text(&mut self) -> String {
        (0..self.below(20)).map(|_| ['a', 'Z', ' ', 'é', '水', '🦀'][self.below(6)]).collect()
    }
}

/// A random array that is a slice of a longer one, so that buffers start in the middle.
pub(super) fn sliced(data_type: &DataType, len: usize, nullable: bool, random: &mut Random) -> ArrayRef {
    let (before, after) = (random.below(10), random.below(10));
    array(data_type, before + len + after, nullable, random).slice(before, len)
}

/// A random array.
pub(super) fn array(data_type: &DataType, len: usize, nullable: bool, random: &mut Random) -> ArrayRef {
    use DataType as T;
    let nulls = nulls(len, nullable, random);
    match data_type {
        T::Null => Arc::new(NullArray::new(len)),
        T::Boolean => Arc::new(BooleanArray::new(BooleanBuffer::collect_bool(len, |_| random.below(2) == 0), nulls)),
        T::Int8 => primitive::<Int8Type>(data_type, len, nulls, || random.next() as i8),
        T::Int16 => primitive::<Int16Type>(data_type, len, nulls, || random.next() as i16),
        T::Int32 => primitive::<Int32Type>(data_type, len, nulls, || random.next() as i32),
        T::Int64 => primitive::<Int64Type>(data_type, len, nulls, || random.next() as i64),
        T::UInt8 => primitive::<UInt8Type>(data_type, len, nulls, || random.next() as u8),
        T::UInt16 => primitive::<UInt16Type>(data_type, len, nulls, || random.next() as u16),
        T::UInt32 => primitive::<UInt32Type>(data_type, len, nulls, || random.next() as u32),
        T::UInt64 => primitive::<UInt64Type>(data_type, len, nulls, || random.next()),
        T::Float16 => primitive::<Float16Type>(data_type, len, nulls, || {
            <Float16Type as ArrowPrimitiveType>::Native::from_bits(random.next() as u16)
        }),
        T::Float32 => primitive::<Float32Type>(data_type, len, nulls, || f32::from_bits(random.next() as u32)),
        T::Float64 => primitive::<Float64Type>(data_type, len, nulls, || f64::from_bits(random.next())),
        T::Date32 => primitive::<Date32Type>(data_type, len, nulls, || random.next() as i32),
        T::Date64 => primitive::<Date64Type>(data_type, len, nulls, || i64::from(random.next() as i16) * 86_400_000),
        T::Time32(TimeUnit::Second) => {
            primitive::<Time32SecondType>(data_type, len, nulls, || random.below(86_400) as i32)
        }
        T::Time32(_) => primitive::<Time32MillisecondType>(data_type, len, nulls, || random.below(86_400_000) as i32),
        T::Time64(TimeUnit::Microsecond) => {
            primitive::<Time64MicrosecondType>(data_type, len, nulls, || random.below(86_400_000_000) as i64)
        }
        T::Time64(_) => {
            primitive::<Time64NanosecondType>(data_type, len, nulls, || random.below(86_400_000_000_000) as i64)
        }
        T::Timestamp(TimeUnit::Second, _) => {
            primitive::<TimestampSecondType>(data_type, len, nulls, || random.next() as i64)
        }
        T::Timestamp(TimeUnit::Millisecond, _) => {
            primitive::<TimestampMillisecondType>(data_type, len, nulls, || random.next() as i64)
        }
        T::Timestamp(TimeUnit::Microsecond, _) => {
            primitive::<TimestampMicrosecondType>(data_type, len, nulls, || random.next() as i64)
        }
        T::Timestamp(TimeUnit::Nanosecond, _) => {
            primitive::<TimestampNanosecondType>(data_type, len, nulls, || random.next() as i64)
        }
        T::Duration(TimeUnit::Second) => {
            primitive::<DurationSecondType>(data_type, len, nulls, || random.next() as i64)
        }
        T::Duration(TimeUnit::Millisecond) => {
            primitive::<DurationMillisecondType>(data_type, len, nulls, || random.next() as i64)
        }
        T::Duration(TimeUnit::Microsecond) => {
            primitive::<DurationMicrosecondType>(data_type, len, nulls, || random.next() as i64)
        }
        T::Duration(TimeUnit::Nanosecond) => {
            primitive::<DurationNanosecondType>(data_type, len, nulls, || random.next() as i64)
        }
        T::Interval(IntervalUnit::YearMonth) => {
            primitive::<IntervalYearMonthType>(data_type, len, nulls, || random.next() as i32)
        }
        T::Interval(IntervalUnit::DayTime) => primitive::<IntervalDayTimeType>(data_type, len, nulls, || {
            IntervalDayTimeType::make_value(random.next() as i32, random.next() as i32)
        }),
        T::Interval(IntervalUnit::MonthDayNano) => primitive::<IntervalMonthDayNanoType>(data_type, len, nulls, || {
            IntervalMonthDayNanoType::make_value(random.next() as i32, random.next() as i32, random.next() as i64)
        }),
        T::Decimal32(..) => primitive::<Decimal32Type>(data_type, len, nulls, || random.below(999_999_999) as i32),
        T::Decimal64(..) => {
            primitive::<Decimal64Type>(data_type, len, nulls, || random.below(999_999_999_999_999_999) as i64)
        }
        T::Decimal128(..) => primitive::<Decimal128Type>(data_type, len, nulls, || random.i128() % 10i128.pow(38)),
        T::Decimal256(..) => primitive::<Decimal256Type>(data_type, len, nulls, || i256::from_i128(random.i128())),
        T::Utf8 => Arc::new(text(len, nulls, random).collect::<StringArray>()),
        T::LargeUtf8 => Arc::new(text(len, nulls, random).collect::<LargeStringArray>()),
        T::Utf8View => Arc::new(text(len, nulls, random).collect::<StringViewArray>()),
        T::Binary => Arc::new(bytes(len, nulls, random).collect::<BinaryArray>()),
        T::LargeBinary => Arc::new(bytes(len, nulls, random).collect::<LargeBinaryArray>()),
        T::BinaryView => Arc::new(bytes(len, nulls, random).collect::<BinaryViewArray>()),
        T::FixedSizeBinary(size) => {
            let values: Vec<u8> = (0..len * *size as usize).map(|_| random.next() as u8).collect();
            Arc::new(FixedSizeBinaryArray::try_new_with_len(*size, values.into(), nulls, len).unwrap())
        }
        T::List(item) => Arc::new(list::<i32>(item, len, nulls, random)),
        T::LargeList(item) => Arc::new(list::<i64>(item, len, nulls, random)),
        T::FixedSizeList(item, size) => {
            let items = sliced(item.data_type(), len * *size as usize, item.is_nullable(), random);
            Arc::new(FixedSizeListArray::try_new_with_length(item.clone(), *size, items, nulls, len).unwrap())
        }
        T::Struct(fields) => {
            let child = |field: &FieldRef| sliced(field.data_type(), len, field.is_nullable(), random);
            let children = fields.iter().map(child).collect();
            Arc::new(StructArray::try_new_with_length(fields.clone(), children, nulls, len).unwrap())
        }
        T::Map(entries, sorted) => {
            let (offsets, count) = offsets::<i32>(len, random);
            let values = sliced(entries.data_type(), count, false, random).as_struct().clone();
            Arc::new(MapArray::new(entries.clone(), offsets, values, nulls, *sorted))
        }
        T::Dictionary(_, values) => {
            let values = sliced(values, 1 + random.below(8), nullable, random);
            let keys = (0..len).map(|_| random.below(values.len()) as i8).collect::<Vec<_>>();
            Arc::new(DictionaryArray::<Int8Type>::new(Int8Array::new(keys.into(), nulls), values))
        }
        T::RunEndEncoded(_, values) => runs(values.data_type(), len, nullable, random),
        other => unreachable!("{other} is not among the types under test"),
    }
}

fn nulls(len: usize, nullable: bool, random: &mut Random) -> Option<NullBuffer> {
    match (nullable, random.below(4)) {
        (false, _) | (_, 0) => None,
        (_, 1) => Some(NullBuffer::new_null(len)),
        _ => Some(NullBuffer::new(BooleanBuffer::collect_bool(len, |_| random.below(3) > 0))),
    }
}

fn primitive<T: ArrowPrimitiveType>(
    data_type: &DataType,
    len: usize,
    nulls: Option<NullBuffer>,
    mut value: impl FnMut() -> T::Native,
) -> ArrayRef {
    let values: ScalarBuffer<T::Native> = (0..len).map(|_| value()).collect::<Vec<_>>().into();
    Arc::new(PrimitiveArray::<T>::new(values, nulls).with_data_type(data_type.clone()))
}

fn text(len: usize, nulls: Option<NullBuffer>, random: &mut Random) -> impl Iterator<Item = Option<String>> {
    (0..len).map(move |row| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)).then(|| random.text()))
}

fn bytes(len: usize, nulls: Option<NullBuffer>, random: &mut Random) -> impl Iterator<Item = Option<Vec<u8>>> {
    (0..len).map(move |row| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)).then(|| random.bytes()))
}

/// Offsets of `len` lists, NULL lists among them, and how many items they have.
fn offsets<O: OffsetSizeTrait>(len: usize, random: &mut Random) -> (OffsetBuffer<O>, usize) {
    let offsets = OffsetBuffer::<O>::from_lengths((0..len).map(|_| random.below(4)));
    let count = offsets[len].as_usize();
    (offsets, count)
}

fn list<O: OffsetSizeTrait>(
    item: &FieldRef,
    len: usize,
    nulls: Option<NullBuffer>,
    random: &mut Random,
) -> GenericListArray<O> {
    let (offsets, count) = offsets(len, random);
    let items = sliced(item.data_type(), count, item.is_nullable(), random);
    GenericListArray::new(item.clone(), offsets, items, nulls)
}

fn runs(values: &DataType, len: usize, nullable: bool, random: &mut Random) -> ArrayRef {
    let mut ends = Vec::new();
    let mut end = 0;
    while end < len {
        end = (end + 1 + random.below(5)).min(len);
        ends.push(end as i32);
    }
    let values = sliced(values, ends.len(), nullable, random);
    Arc::new(RunArray::<Int32Type>::try_new(&Int32Array::from(ends), &values).unwrap())
}
