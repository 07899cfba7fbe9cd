//! Texts to columns: each value is the text's exactly, or the text is refused.
//!
//! (A float of decimal digits is the nearest one, as everywhere; a whole number that no float equals is refused.)

use std::str::FromStr;
use std::sync::Arc;

use arrow::array::types::{
    ArrowPrimitiveType, ArrowTimestampType, Date32Type, Date64Type, Decimal128Type, Decimal256Type, DecimalType,
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Time32MillisecondType, Time32SecondType,
    Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, FixedSizeBinaryBuilder, LargeBinaryBuilder, LargeStringBuilder, NullArray,
    PrimitiveBuilder, StringBuilder, StringViewBuilder,
};
use arrow::compute::cast;
use arrow_schema::{DataType, TimeUnit};

use super::{decimal, shown, time};

/// A text that is none of its column's type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// Which one.
    pub row: usize,
    pub problem: String,
}

/// Whether texts can become values of the type.
pub fn is_read(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => matches!(**values, DataType::Utf8 | DataType::LargeUtf8),
        DataType::Interval(_) | DataType::Duration(_) | DataType::Float16 => false,
        DataType::Decimal32(..) | DataType::Decimal64(..) => false,
        DataType::BinaryView | DataType::RunEndEncoded(..) => false,
        other => !other.is_nested(),
    }
}

/// A column of `rows` texts, of which `get` knows each one or that it is NULL.
///
/// # Errors
/// The first text that is no value of the type.
pub fn column<'a>(
    data_type: &DataType,
    rows: usize,
    get: impl Fn(usize) -> Option<&'a str>,
) -> Result<ArrayRef, Wrong> {
    use DataType as T;
    let texts = Texts { data_type, rows, get };
    match data_type {
        T::Boolean => texts.booleans(),
        T::Int8 => texts.whole::<Int8Type>(),
        T::Int16 => texts.whole::<Int16Type>(),
        T::Int32 => texts.whole::<Int32Type>(),
        T::Int64 => texts.whole::<Int64Type>(),
        T::UInt8 => texts.whole::<UInt8Type>(),
        T::UInt16 => texts.whole::<UInt16Type>(),
        T::UInt32 => texts.whole::<UInt32Type>(),
        T::UInt64 => texts.whole::<UInt64Type>(),
        T::Float32 => texts.primitive::<Float32Type>(|text| float(text, |value: &f32| f64::from(*value), 1 << 24)),
        T::Float64 => texts.primitive::<Float64Type>(float64),
        T::Decimal128(precision, scale) => texts.decimal::<Decimal128Type>(*precision, *scale),
        T::Decimal256(precision, scale) => texts.decimal::<Decimal256Type>(*precision, *scale),
        T::Date32 => texts.primitive::<Date32Type>(|text| time::date(text.as_bytes())?.try_into().ok()),
        T::Date64 => texts.primitive::<Date64Type>(|text| midnight(text)?.checked_mul(86_400_000)),
        T::Time32(TimeUnit::Second) => texts.primitive::<Time32SecondType>(|text| of_day(text, 0)?.try_into().ok()),
        T::Time32(_) => texts.primitive::<Time32MillisecondType>(|text| of_day(text, 3)?.try_into().ok()),
        T::Time64(TimeUnit::Microsecond) => texts.primitive::<Time64MicrosecondType>(|text| of_day(text, 6)),
        T::Time64(_) => texts.primitive::<Time64NanosecondType>(|text| of_day(text, 9)),
        T::Timestamp(TimeUnit::Second, zone) => texts.timestamps::<TimestampSecondType>(zone.as_ref()),
        T::Timestamp(TimeUnit::Millisecond, zone) => texts.timestamps::<TimestampMillisecondType>(zone.as_ref()),
        T::Timestamp(TimeUnit::Microsecond, zone) => texts.timestamps::<TimestampMicrosecondType>(zone.as_ref()),
        T::Timestamp(TimeUnit::Nanosecond, zone) => texts.timestamps::<TimestampNanosecondType>(zone.as_ref()),
        T::Null => match (0..rows).find_map(|row| Some((row, (texts.get)(row)?))) {
            Some((row, text)) => Err(texts.wrong(row, text)),
            None => Ok(Arc::new(NullArray::new(rows))),
        },
        T::Utf8 => Ok(texts.strings()),
        T::LargeUtf8 => {
            let mut builder = LargeStringBuilder::with_capacity(rows, 0);
            texts.each(|text| builder.append_option(text));
            Ok(Arc::new(builder.finish()))
        }
        T::Utf8View => {
            let mut builder = StringViewBuilder::with_capacity(rows);
            texts.each(|text| builder.append_option(text));
            Ok(Arc::new(builder.finish()))
        }
        T::Binary => {
            let mut builder = BinaryBuilder::with_capacity(rows, 0);
            texts.bytes(|bytes| builder.append_option(bytes))?;
            Ok(Arc::new(builder.finish()))
        }
        T::LargeBinary => {
            let mut builder = LargeBinaryBuilder::with_capacity(rows, 0);
            texts.bytes(|bytes| builder.append_option(bytes))?;
            Ok(Arc::new(builder.finish()))
        }
        T::FixedSizeBinary(size) => {
            let mut builder = FixedSizeBinaryBuilder::with_capacity(rows, *size);
            for row in 0..rows {
                match (texts.get)(row) {
                    None => builder.append_null(),
                    Some(text) => {
                        let bytes = hexadecimal(text).ok_or_else(|| texts.wrong(row, text))?;
                        builder.append_value(bytes).map_err(|_| texts.wrong(row, text))?;
                    }
                }
            }
            Ok(Arc::new(builder.finish()))
        }
        _ => {
            let strings = texts.strings();
            cast(&strings, data_type).map_err(|error| Wrong { row: 0, problem: error.to_string() })
        }
    }
}

struct Texts<'t, Get> {
    data_type: &'t DataType,
    rows: usize,
    get: Get,
}

impl<'a, Get: Fn(usize) -> Option<&'a str>> Texts<'_, Get> {
    fn wrong(&self, row: usize, text: &str) -> Wrong {
        let named = vivarium::types::print(self.data_type).unwrap_or_else(|_| self.data_type.to_string());
        let hint = match (self.data_type, time::moment(text.as_bytes())) {
            (DataType::Timestamp(_, None), Some(time::Moment { offset: Some(_), .. })) => {
                ": it has an offset from UTC, and the type has no time zone"
            }
            (DataType::Timestamp(_, Some(_)), Some(time::Moment { offset: None, .. })) => {
                ": it has no offset from UTC, so no moment is meant"
            }
            _ => "",
        };
        Wrong { row, problem: format!("{} is no {named}{hint}", shown(text)) }
    }

    fn each(&self, mut append: impl FnMut(Option<&'a str>)) {
        for row in 0..self.rows {
            append((self.get)(row));
        }
    }

    fn strings(&self) -> ArrayRef {
        let bytes = (0..self.rows).filter_map(&self.get).map(str::len).sum();
        let mut builder = StringBuilder::with_capacity(self.rows, bytes);
        self.each(|text| builder.append_option(text));
        Arc::new(builder.finish())
    }

    fn booleans(&self) -> Result<ArrayRef, Wrong> {
        let mut builder = BooleanBuilder::with_capacity(self.rows);
        for row in 0..self.rows {
            builder.append_option(match (self.get)(row) {
                None => None,
                Some(text) if text.eq_ignore_ascii_case("true") => Some(true),
                Some(text) if text.eq_ignore_ascii_case("false") => Some(false),
                Some(text) => return Err(self.wrong(row, text)),
            });
        }
        Ok(Arc::new(builder.finish()))
    }

    fn whole<T: ArrowPrimitiveType<Native: FromStr>>(&self) -> Result<ArrayRef, Wrong> {
        self.primitive::<T>(|text| text.parse().ok())
    }

    fn primitive<T: ArrowPrimitiveType>(
        &self,
        parse: impl Fn(&'a str) -> Option<T::Native>,
    ) -> Result<ArrayRef, Wrong> {
        self.build(PrimitiveBuilder::<T>::with_capacity(self.rows), parse)
    }

    fn build<T: ArrowPrimitiveType>(
        &self,
        mut builder: PrimitiveBuilder<T>,
        parse: impl Fn(&'a str) -> Option<T::Native>,
    ) -> Result<ArrayRef, Wrong> {
        for row in 0..self.rows {
            match (self.get)(row) {
                None => builder.append_null(),
                Some(text) => builder.append_value(parse(text).ok_or_else(|| self.wrong(row, text))?),
            }
        }
        Ok(Arc::new(builder.finish()))
    }

    fn decimal<T: DecimalType>(&self, precision: u8, scale: i8) -> Result<ArrayRef, Wrong> {
        let builder =
            PrimitiveBuilder::<T>::with_capacity(self.rows).with_data_type(T::TYPE_CONSTRUCTOR(precision, scale));
        self.build(builder, |text| decimal::parse::<T>(text, precision, scale))
    }

    fn timestamps<T: ArrowTimestampType>(&self, zone: Option<&Arc<str>>) -> Result<ArrayRef, Wrong> {
        let digits = match T::UNIT {
            TimeUnit::Second => 0,
            TimeUnit::Millisecond => 3,
            TimeUnit::Microsecond => 6,
            TimeUnit::Nanosecond => 9,
        };
        // Without an offset a time is one of UTC only where nothing else can be meant.
        let is_utc = zone.is_some_and(|zone| matches!(&**zone, "UTC" | "Z" | "+00:00"));
        let builder = PrimitiveBuilder::<T>::with_capacity(self.rows)
            .with_data_type(DataType::Timestamp(T::UNIT, zone.map(Arc::clone)));
        self.build(builder, |text| {
            let moment = time::moment(text.as_bytes()).or_else(|| {
                let days = time::date(text.as_bytes())?;
                Some(time::Moment { seconds: days.checked_mul(86_400)?, nanoseconds: 0, digits: 0, offset: None })
            })?;
            let offset = match (moment.offset, zone) {
                (Some(offset), Some(_)) => i64::from(offset),
                (None, None) => 0,
                (None, Some(_)) if is_utc => 0,
                _ => return None,
            };
            let fraction = in_unit(i64::from(moment.nanoseconds), digits)?;
            moment.seconds.checked_sub(offset)?.checked_mul(10_i64.pow(digits))?.checked_add(fraction)
        })
    }

    fn bytes(&self, mut append: impl FnMut(Option<Vec<u8>>)) -> Result<(), Wrong> {
        for row in 0..self.rows {
            append(match (self.get)(row) {
                None => None,
                Some(text) => Some(hexadecimal(text).ok_or_else(|| self.wrong(row, text))?),
            });
        }
        Ok(())
    }
}

/// A number of nanoseconds below a second in units of `10^-digits` seconds, if it is a whole number of them.
fn in_unit(nanoseconds: i64, digits: u32) -> Option<i64> {
    let unit = 10_i64.pow(9 - digits);
    (nanoseconds % unit == 0).then(|| nanoseconds / unit)
}

/// The days since 1970-01-01 of a date, or of its beginning: other writers have date64 as a moment.
fn midnight(text: &str) -> Option<i64> {
    time::date(text.as_bytes()).or_else(|| {
        let moment =
            time::moment(text.as_bytes()).filter(|moment| moment.offset.is_none() && moment.nanoseconds == 0)?;
        (moment.seconds % 86_400 == 0).then_some(moment.seconds / 86_400)
    })
}

/// A time of day in units of `10^-digits` seconds.
fn of_day(text: &str, digits: u32) -> Option<i64> {
    let (nanoseconds, _) = time::time(text.as_bytes())?;
    let unit = 10_i64.pow(9 - digits);
    (nanoseconds % unit == 0).then(|| nanoseconds / unit)
}

/// The float of 64 bits that a number is.
pub fn float64(text: &str) -> Option<f64> {
    float(text, |value: &f64| *value, 1 << 53)
}

/// A float; `exact` is the number up to which it holds all whole ones.
fn float<F: FromStr>(text: &str, wide: impl Fn(&F) -> f64, exact: u64) -> Option<F> {
    let value = text.parse::<F>().ok()?;
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    // The nearest one of a number that is too large is an infinity, which is another value.
    if wide(&value).is_infinite() && !digits.starts_with(['i', 'I']) {
        return None;
    }
    // Few digits make no large number; and what has a point or an exponent asks for the nearest one.
    if digits.len() < 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(value);
    }
    let (number, value_as_float) = (text.parse::<i128>().ok()?, wide(&value));
    let is_equal = number.unsigned_abs() <= u128::from(exact) || value_as_float as i128 == number;
    is_equal.then_some(value)
}

/// Bytes as two digits each, which is how writers of text have them.
fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let text = text.as_bytes();
    text.len().is_multiple_of(2).then_some(())?;
    text.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;

    use super::*;

    fn read(data_type: &DataType, text: &'static str) -> Result<String, String> {
        let read = column(data_type, 1, |_| Some(text)).map_err(|wrong| wrong.problem)?;
        Ok(arrow::util::display::array_value_to_string(&read, 0).unwrap())
    }

    #[test]
    fn a_text_is_its_value_or_refused() {
        use DataType as T;
        let at = |unit, zone: Option<&str>| T::Timestamp(unit, zone.map(Into::into));
        for (data_type, text, expected) in [
            (T::Int8, "127", Some("127")),
            (T::Int8, "128", None),
            (T::Int64, "2.9", None),
            (T::UInt64, "18446744073709551615", Some("18446744073709551615")),
            (T::Float64, "9007199254740992", Some("9007199254740992.0")),
            (T::Float64, "9007199254740993", None),
            (T::Float64, "18014398509481984", Some("1.8014398509481984e16")),
            (T::Float32, "16777217", None),
            (T::Float64, "NaN", Some("NaN")),
            (T::Decimal128(5, 2), "1.50", Some("1.50")),
            (T::Decimal128(5, 2), "1.5000", Some("1.50")),
            (T::Decimal128(5, 2), "1.505", None),
            (T::Decimal128(5, 2), "1234.00", None),
            (T::Date32, "2024-02-29", Some("2024-02-29")),
            (T::Date32, "2023-02-29", None),
            (T::Time32(TimeUnit::Second), "01:02:03.5", None),
            (T::Time64(TimeUnit::Microsecond), "01:02:03.5", Some("01:02:03.500")),
            (at(TimeUnit::Second, None), "2024-01-31 10:00:00", Some("2024-01-31T10:00:00")),
            (at(TimeUnit::Second, None), "2024-01-31 10:00:00.5", None),
            (at(TimeUnit::Second, None), "2024-01-31 10:00:00Z", None),
            (at(TimeUnit::Second, Some("UTC")), "2024-01-31T10:00:00+02:00", Some("2024-01-31T08:00:00Z")),
            (at(TimeUnit::Nanosecond, None), "9999-12-31 00:00:00", None),
            (T::Binary, "00ff", Some("00ff")),
            (T::Binary, "0", None),
            (T::Boolean, "yes", None),
        ] {
            assert_eq!(read(&data_type, text).ok().as_deref(), expected, "{data_type} {text}");
        }
    }

    #[test]
    fn what_is_wrong_is_told() {
        let wrong = read(&DataType::Timestamp(TimeUnit::Second, None), "2024-01-31T10:00:00+02:00").unwrap_err();
        assert_eq!(
            wrong,
            "\"2024-01-31T10:00:00+02:00\" is no timestamp[s]: it has an offset from UTC, and the type has no time zone"
        );
        let texts = [Some("a"), None, Some("")];
        let read = column(&DataType::Utf8, 3, |row| texts[row]).unwrap();
        assert_eq!(read.as_string::<i32>().iter().collect::<Vec<_>>(), texts);
    }
}
