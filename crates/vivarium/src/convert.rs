//! From a column's type to a parameter's type, when no value can change on the way.
//!
//! | column | parameter | |
//! |---|---|---|
//! | any | the same type | passed as it is; names of list items do not matter |
//! | dictionary, run-end encoded | whatever their values convert to | gathered |
//! | (large) string, string view | string, large string | |
//! | (large) binary, binary view, fixed size binary | binary, large binary | |
//! | integer | wider integer of the same or a signed kind | |
//! | uint64 | int64 | every value must fit |
//! | float | wider float | |
//! | integer | float | every value must be representable exactly |
//! | decimal (of 32 and 64 bits: as one of 128) | decimal | passed as it is: a Python `Decimal` has no digits of its own |
//! | list, map, struct | the same, of items and fields that always convert; a list of a fixed size is a list | |
//! | timestamp, time, duration | the same in another unit (and the same time zone) | every value must be a multiple of the unit |
//!
//! Anything else is a type mismatch: a value that would be rounded, cut, parsed or formatted is for the user to convert.

use arrow::array::{Array, ArrayRef, new_null_array};
use arrow::compute::kernels::cmp::distinct;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::error::ArrowError;
use arrow::util::display::array_value_to_string;
use arrow_schema::{DataType, Field};

/// How the values of one column become those of one parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Conversion {
    /// The column is passed as it is; encodings (views, dictionaries) are undone when it is copied.
    Identity,
    /// Every value of the column's type has its equal in this type.
    Widen(DataType),
    /// Values may have no equal in this type; each is checked.
    Check(DataType),
}

/// A value that has no equal in the parameter's type.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Inexact {
    /// Row within the array.
    pub row: usize,
    /// The value as text.
    pub value: String,
}

/// Why a column's values cannot be converted.
#[derive(Debug)]
pub(crate) enum ConversionError {
    Inexact(Inexact),
    Arrow(ArrowError),
}

/// The type in which a column's values cross for a parameter of this type.
///
/// The parameter's own, except for decimals: declared digits are those of results, and rounding or padding an argument to
/// them would change what it prints.
pub(crate) fn crossing_type(column: &DataType, parameter: &DataType) -> DataType {
    match plain(column) {
        column if column.is_decimal() && parameter.is_decimal() => column,
        _ => parameter.clone(),
    }
}

/// Whether a column of one type can be the argument of a parameter of another without a change of any value: always, or as far
/// as each value turns out to have its equal there.
pub fn converts(column: &DataType, parameter: &DataType) -> bool {
    Conversion::between(column, &crossing_type(column, parameter)).is_some()
}

impl Conversion {
    /// The conversion from `column` to `parameter`, or `None` when there is none.
    pub(crate) fn between(column: &DataType, parameter: &DataType) -> Option<Self> {
        let encoded = column;
        let column = plain(column);
        if fits(&column, parameter) {
            // Narrow decimals are no encoding that is undone when values are copied.
            return Some(if has_narrow_decimals(encoded) { Self::Widen(parameter.clone()) } else { Self::Identity });
        }
        match step(&column, parameter)? {
            Exactness::Always => Some(Self::Widen(parameter.clone())),
            Exactness::PerValue => Some(Self::Check(parameter.clone())),
        }
    }

    /// Converts one column.
    ///
    /// # Errors
    /// The first value that has no equal in the target type.
    pub(crate) fn apply(&self, column: &ArrayRef) -> Result<ArrayRef, ConversionError> {
        match self {
            Self::Identity => Ok(ArrayRef::clone(column)),
            Self::Widen(target) if column.data_type().is_null() => Ok(new_null_array(target, column.len())),
            Self::Widen(target) => cast(column, target, false),
            Self::Check(target) => {
                // Encodings off first: the comparison below wants plain values.
                let column = cast(column, &plain(column.data_type()), false)?;
                let converted = cast(&column, target, true)?;
                let back = cast(&converted, column.data_type(), true)?;
                let changed = distinct(&column, &back).map_err(ConversionError::Arrow)?;
                match changed.values().set_indices().next() {
                    None => Ok(converted),
                    Some(row) => {
                        let value = array_value_to_string(&column, row).map_err(ConversionError::Arrow)?;
                        Err(ConversionError::Inexact(Inexact { row, value }))
                    }
                }
            }
        }
    }
}

fn cast(column: &ArrayRef, target: &DataType, safe: bool) -> Result<ArrayRef, ConversionError> {
    let options = CastOptions { safe, ..CastOptions::default() };
    cast_with_options(column, target, &options).map_err(ConversionError::Arrow)
}

enum Exactness {
    Always,
    PerValue,
}

fn step(column: &DataType, parameter: &DataType) -> Option<Exactness> {
    use DataType::{
        Binary, Duration, FixedSizeBinary, FixedSizeList, Float16, Float32, Float64, Int64, LargeBinary, LargeList,
        LargeUtf8, List, Map, Struct, Time32, Time64, Timestamp, UInt64, Utf8,
    };
    let always = |exact: bool| exact.then_some(Exactness::Always);
    match (column, parameter) {
        (DataType::Null, _) => Some(Exactness::Always),
        (Utf8 | LargeUtf8, Utf8 | LargeUtf8) | (Binary | LargeBinary | FixedSizeBinary(_), Binary | LargeBinary) => {
            Some(Exactness::Always)
        }
        (Float16, Float32 | Float64) | (Float32, Float64) => Some(Exactness::Always),
        (UInt64, Int64) => Some(Exactness::PerValue),
        (from, to) if from.is_integer() && to.is_integer() => always(widens(from, to)),
        (from, to) if from.is_integer() && to.is_floating() => {
            let digits = match to {
                Float16 => 11,
                Float32 => 24,
                _ => 53,
            };
            Some(if value_bits(from)? <= digits { Exactness::Always } else { Exactness::PerValue })
        }
        (List(a) | LargeList(a) | FixedSizeList(a, _), List(b) | LargeList(b)) | (Map(a, _), Map(b, _)) => {
            always(widens_within(a, b))
        }
        (FixedSizeList(a, n), FixedSizeList(b, m)) => always(n == m && widens_within(a, b)),
        (Struct(a), Struct(b)) => {
            always(a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.name() == b.name() && widens_within(a, b)))
        }
        (Timestamp(_, from_zone), Timestamp(_, zone)) if from_zone == zone => Some(Exactness::PerValue),
        (Time32(_) | Time64(_), Time32(_) | Time64(_)) | (Duration(_), Duration(_)) => Some(Exactness::PerValue),
        _ => None,
    }
}

/// Whether every value within a column has its equal within the parameter's type. (What has to be checked value by value is not looked for
/// within lists.)
fn widens_within(column: &Field, parameter: &Field) -> bool {
    let converts = || match (column.data_type(), parameter.data_type()) {
        // The names of a map's parts do not matter.
        (DataType::Struct(a), DataType::Struct(b)) if column.name() == "entries" || parameter.name() == "entries" => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| widens_within(a, b))
        }
        (a, b) => matches!(Conversion::between(a, b), Some(Conversion::Identity | Conversion::Widen(_))),
    };
    (parameter.is_nullable() || !column.is_nullable()) && converts()
}

fn widens(from: &DataType, to: &DataType) -> bool {
    match (from.is_signed_integer(), to.is_signed_integer()) {
        (true, false) => false,
        _ => value_bits(from) <= value_bits(to),
    }
}

/// How many bits an integer type's values take without the sign.
fn value_bits(integer: &DataType) -> Option<u32> {
    let bits = integer.primitive_width()? as u32 * 8;
    Some(if integer.is_signed_integer() { bits - 1 } else { bits })
}

/// Whether a type holds decimals of 32 or 64 bits, at any level.
fn has_narrow_decimals(data_type: &DataType) -> bool {
    match data_type {
        DataType::Decimal32(..) | DataType::Decimal64(..) => true,
        DataType::Dictionary(_, values) => has_narrow_decimals(values),
        DataType::RunEndEncoded(_, field)
        | DataType::List(field)
        | DataType::LargeList(field)
        | DataType::FixedSizeList(field, _)
        | DataType::Map(field, _) => has_narrow_decimals(field.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| has_narrow_decimals(field.data_type())),
        _ => false,
    }
}

/// The type without encodings that only save space, at every level: what crosses into the guest.
pub fn plain(data_type: &DataType) -> DataType {
    let field = |field: &Field| field.clone().with_data_type(plain(field.data_type()));
    match data_type {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::Dictionary(_, values) => plain(values),
        DataType::RunEndEncoded(_, values) => plain(values.data_type()),
        DataType::List(item) => DataType::List(field(item).into()),
        DataType::LargeList(item) => DataType::LargeList(field(item).into()),
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(field(item).into(), *size),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(|f| field(f)).collect()),
        DataType::Map(entries, sorted) => DataType::Map(field(entries).into(), *sorted),
        other => other.clone(),
    }
}

/// Whether an array of type `column` is also one of type `parameter`: the same layout, names of struct fields and no NULLs
/// where none may be.
fn fits(column: &DataType, parameter: &DataType) -> bool {
    let child = |column: &Field, parameter: &Field| {
        fits(column.data_type(), parameter.data_type()) && (parameter.is_nullable() || !column.is_nullable())
    };
    match (column, parameter) {
        (DataType::List(a), DataType::List(b)) | (DataType::LargeList(a), DataType::LargeList(b)) => child(a, b),
        (DataType::FixedSizeList(a, n), DataType::FixedSizeList(b, m)) => n == m && child(a, b),
        (DataType::Struct(a), DataType::Struct(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.name() == b.name() && child(a, b))
        }
        (DataType::Map(a, _), DataType::Map(b, _)) => match (a.data_type(), b.data_type()) {
            (DataType::Struct(a), DataType::Struct(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| child(a, b))
            }
            _ => false,
        },
        (a, b) => a == b,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        Float64Array, Int64Array, StringDictionaryBuilder, StringViewArray, TimestampNanosecondArray, UInt64Array,
    };
    use arrow::datatypes::Int32Type;
    use arrow_schema::TimeUnit::{Microsecond, Millisecond, Nanosecond, Second};
    use proptest::prelude::*;

    use super::*;

    fn list(name: &str, item: DataType, nullable: bool) -> DataType {
        DataType::List(Arc::new(Field::new(name, item, nullable)))
    }

    fn structure(fields: &[(&str, DataType)]) -> DataType {
        DataType::Struct(fields.iter().map(|(name, data_type)| Field::new(*name, data_type.clone(), true)).collect())
    }

    #[test]
    fn which_types_go_together() {
        use Conversion::{Check, Identity, Widen};
        use DataType::*;
        let dictionary = || Dictionary(Box::new(Int32), Box::new(LargeUtf8));
        let timestamp = |unit, zone: Option<&str>| Timestamp(unit, zone.map(Into::into));
        for (column, parameter, expected) in [
            (Int64, Int64, Some(Identity)),
            (Int8, Int64, Some(Widen(Int64))),
            (UInt32, Int64, Some(Widen(Int64))),
            (UInt64, Int64, Some(Check(Int64))),
            (UInt8, UInt16, Some(Widen(UInt16))),
            (Int8, UInt16, None),
            (Int64, Int32, None),
            (Float32, Float64, Some(Widen(Float64))),
            (Float64, Float32, None),
            (Int32, Float64, Some(Widen(Float64))),
            (Int64, Float64, Some(Check(Float64))),
            (Float64, Int64, None),
            (Boolean, Int64, None),
            (Null, Int64, Some(Widen(Int64))),
            (Null, list("item", Utf8, true), Some(Widen(list("item", Utf8, true)))),
            (Utf8View, Utf8, Some(Identity)),
            (LargeUtf8, Utf8, Some(Widen(Utf8))),
            (dictionary(), Utf8, Some(Widen(Utf8))),
            (dictionary(), LargeUtf8, Some(Identity)),
            (Utf8, Binary, None),
            (Int64, Utf8, None),
            (Date32, timestamp(Microsecond, None), None),
            (timestamp(Nanosecond, None), timestamp(Microsecond, None), Some(Check(timestamp(Microsecond, None)))),
            (timestamp(Microsecond, Some("UTC")), timestamp(Microsecond, None), None),
            (
                timestamp(Second, Some("UTC")),
                timestamp(Millisecond, Some("UTC")),
                Some(Check(timestamp(Millisecond, Some("UTC")))),
            ),
            (Decimal128(15, 2), Float64, None),
            (Decimal32(5, 2), Decimal128(5, 2), Some(Widen(Decimal128(5, 2)))),
            (Decimal64(15, 2), Decimal128(15, 2), Some(Widen(Decimal128(15, 2)))),
            (list("item", Decimal32(5, 2), true), list("item", Decimal128(5, 2), true), {
                Some(Widen(list("item", Decimal128(5, 2), true)))
            }),
            (list("element", Utf8View, false), list("item", Utf8, true), Some(Identity)),
            (list("item", Utf8, true), list("item", Utf8, false), None),
            (list("item", Int32, true), list("item", Int64, true), Some(Widen(list("item", Int64, true)))),
            (list("item", Float32, true), list("item", Float64, false), None),
            (list("item", Int64, true), list("item", Float64, true), None),
            (
                FixedSizeList(Arc::new(Field::new("item", Int8, true)), 3),
                list("item", Int64, true),
                Some(Widen(list("item", Int64, true))),
            ),
            (
                structure(&[("a", Int32), ("b", Null)]),
                structure(&[("a", Int64), ("b", Utf8)]),
                Some(Widen(structure(&[("a", Int64), ("b", Utf8)]))),
            ),
            (structure(&[("a", Int32)]), structure(&[("b", Int64)]), None),
        ] {
            assert_eq!(Conversion::between(&column, &parameter), expected, "{column} to {parameter}");
        }
    }

    #[test]
    fn decimals_cross_as_they_are() {
        let (column, parameter) = (DataType::Decimal128(15, 2), DataType::Decimal128(38, 18));
        assert_eq!(crossing_type(&column, &parameter), column);
        assert_eq!(crossing_type(&DataType::Int8, &DataType::Int64), DataType::Int64);
    }

    fn converted(column: impl Array + 'static, parameter: &DataType) -> Result<ArrayRef, Inexact> {
        let column: ArrayRef = Arc::new(column);
        let conversion = Conversion::between(column.data_type(), parameter).unwrap();
        conversion.apply(&column).map_err(|error| match error {
            ConversionError::Inexact(inexact) => inexact,
            ConversionError::Arrow(error) => panic!("{error}"),
        })
    }

    #[test]
    fn the_first_value_that_would_change_is_named() {
        let inexact = |row, value: &str| Inexact { row, value: value.to_owned() };
        let large = (1 << 53) + 1;
        let integers = Int64Array::from(vec![Some(1 << 53), None, Some(large), Some(i64::MAX)]);
        assert_eq!(converted(integers, &DataType::Float64).unwrap_err(), inexact(2, "9007199254740993"));
        let unsigned = UInt64Array::from(vec![7, u64::MAX]);
        assert_eq!(converted(unsigned, &DataType::Int64).unwrap_err(), inexact(1, "18446744073709551615"));
        let nanoseconds = TimestampNanosecondArray::from(vec![-1000, 1]);
        let microseconds = DataType::Timestamp(Microsecond, None);
        assert_eq!(converted(nanoseconds, &microseconds).unwrap_err(), inexact(1, "1970-01-01T00:00:00.000000001"));
    }

    #[test]
    fn encodings_are_undone() {
        let mut builder = StringDictionaryBuilder::<Int32Type>::new();
        builder.extend([Some("a"), None, Some("a")]);
        let text = converted(builder.finish(), &DataType::LargeUtf8).unwrap();
        assert_eq!(text.data_type(), &DataType::LargeUtf8);
        assert_eq!((text.len(), text.null_count()), (3, 1));
        let views = StringViewArray::from(vec!["a view"]);
        assert_eq!(converted(views, &DataType::Utf8).unwrap().len(), 1);
    }

    proptest! {
        #[test]
        fn integers_become_equal_floats_or_errors(values in prop::collection::vec(any::<i64>(), 1..20)) {
            let exact = |value: &i64| *value as f64 as i128 == i128::from(*value);
            match converted(Int64Array::from(values.clone()), &DataType::Float64) {
                Ok(floats) => {
                    let expected = Float64Array::from_iter_values(values.iter().map(|&value| value as f64));
                    prop_assert!(values.iter().all(exact));
                    prop_assert_eq!(floats.to_data(), expected.to_data());
                }
                Err(inexact) => prop_assert_eq!(values.iter().position(|value| !exact(value)), Some(inexact.row)),
            }
        }
    }
}
