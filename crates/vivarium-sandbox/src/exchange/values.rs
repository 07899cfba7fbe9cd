//! Checks of values, after they were copied.

use arrow::array::types::{
    ArrowPrimitiveType, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, DecimalType,
    Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType,
};
use arrow::array::{Array, ArrayRef, AsArray, OffsetSizeTrait};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, TimeUnit};

use super::error::ExchangeError;
use super::path::Path;

const SECONDS_PER_DAY: i32 = 86_400;

/// Refuses values that their type does not allow: decimals with more digits than its precision, times outside the
/// day, and dates in milliseconds that are not whole days. What is stored under a NULL does not matter.
pub(super) fn check_values(array: &ArrayRef, path: &Path<'_>) -> Result<(), ExchangeError> {
    use DataType as T;
    match array.data_type() {
        T::Decimal32(precision, _) => check_decimals::<Decimal32Type>(array, *precision, path),
        T::Decimal64(precision, _) => check_decimals::<Decimal64Type>(array, *precision, path),
        T::Decimal128(precision, _) => check_decimals::<Decimal128Type>(array, *precision, path),
        T::Decimal256(precision, _) => check_decimals::<Decimal256Type>(array, *precision, path),
        T::Time32(TimeUnit::Second) => {
            check::<Time32SecondType>(array, path, |time| (0..SECONDS_PER_DAY).contains(&time))
        }
        T::Time32(_) => {
            check::<Time32MillisecondType>(array, path, |time| (0..SECONDS_PER_DAY * 1_000).contains(&time))
        }
        T::Time64(TimeUnit::Microsecond) => {
            let day = i64::from(SECONDS_PER_DAY) * 1_000_000;
            check::<Time64MicrosecondType>(array, path, |time| (0..day).contains(&time))
        }
        T::Time64(_) => {
            let day = i64::from(SECONDS_PER_DAY) * 1_000_000_000;
            check::<Time64NanosecondType>(array, path, |time| (0..day).contains(&time))
        }
        T::Date64 => {
            let day = i64::from(SECONDS_PER_DAY) * 1_000;
            check::<Date64Type>(array, path, |milliseconds| milliseconds % day == 0)
        }
        _ => Ok(()),
    }
}

fn check_decimals<T: DecimalType>(array: &ArrayRef, precision: u8, path: &Path<'_>) -> Result<(), ExchangeError> {
    check::<T>(array, path, |value| T::is_valid_decimal_precision(value, precision))
}

fn check<T: ArrowPrimitiveType>(
    array: &ArrayRef,
    path: &Path<'_>,
    allowed: impl Fn(T::Native) -> bool,
) -> Result<(), ExchangeError> {
    let values = array.as_primitive::<T>();
    let wrong = |index: &usize| values.is_valid(*index) && !allowed(values.value(*index));
    match (0..values.len()).find(wrong) {
        None => Ok(()),
        Some(index) => Err(ExchangeError::Value {
            at: path.item("values", index),
            index,
            value: format!("{:?}", values.value(index)),
            data_type: Box::new(array.data_type().clone()),
        }),
    }
}

/// Refuses NULLs, except those that are NULL in `outer` too: values of a NULL struct or list.
pub(super) fn refuse_nulls(array: &ArrayRef, outer: Option<&NullBuffer>, path: &Path<'_>) -> Result<(), ExchangeError> {
    let Some(nulls) = array.logical_nulls() else { return Ok(()) };
    let seen = |index: &usize| nulls.is_null(*index) && outer.is_none_or(|outer| outer.is_valid(*index));
    match nulls.null_count() {
        0 => Ok(()),
        _ => match (0..nulls.len()).find(seen) {
            None => Ok(()),
            Some(index) => Err(ExchangeError::Null { at: path.item("values", index), index }),
        },
    }
}

/// Finds the first value that is not UTF-8. The offsets must lie within the values.
pub(super) fn check_utf8<O: OffsetSizeTrait>(
    offsets: &OffsetBuffer<O>,
    values: &[u8],
    path: &Path<'_>,
) -> Result<(), ExchangeError> {
    let invalid = |pair: &[O]| {
        let value = values.get(pair[0].as_usize()..pair[1].as_usize());
        value.is_none_or(|value| std::str::from_utf8(value).is_err())
    };
    match offsets.windows(2).position(invalid) {
        None => Ok(()),
        Some(index) => Err(ExchangeError::Utf8 { at: path.item("values", index), index }),
    }
}
