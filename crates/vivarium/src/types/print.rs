//! Arrow type to text.

use std::collections::HashSet;

use arrow_schema::{DataType, Field, IntervalUnit, TimeUnit};

use super::{MAX_TYPE_DEPTH, MAX_TYPE_TEXT, TypeError, size};

/// Writes a type the way pyarrow prints it.
///
/// # Errors
/// Whatever [`parse`](super::parse) would not read: [`TypeError::Unsupported`] for unions, list views, intervals of months or days
/// alone, encodings, and names of time zones that cannot be written; [`TypeError::TooDeep`] beyond [`MAX_TYPE_DEPTH`];
/// [`TypeError::LargeValue`], [`TypeError::SameName`], and [`TypeError::TooLong`].
pub fn print(data_type: &DataType) -> Result<String, TypeError> {
    let text = unchecked(data_type)?;
    if text.len() > MAX_TYPE_TEXT {
        return Err(TypeError::TooLong(text.len()));
    }
    size::check(data_type)?;
    Ok(text)
}

/// The text, however long it or a value is.
pub(super) fn unchecked(data_type: &DataType) -> Result<String, TypeError> {
    let mut text = String::new();
    write_type(&mut text, data_type, 1)?;
    Ok(text)
}

/// The first characters of a text.
pub(super) fn shortened(text: &str, characters: usize) -> String {
    let mut shown: String = text.chars().take(characters).collect();
    if shown.len() < text.len() {
        shown.push_str("...");
    }
    shown
}

fn write_type(text: &mut String, data_type: &DataType, depth: usize) -> Result<(), TypeError> {
    if depth > MAX_TYPE_DEPTH {
        return Err(TypeError::TooDeep);
    }
    match data_type {
        DataType::Null => text.push_str("null"),
        DataType::Boolean => text.push_str("bool"),
        DataType::Int8 => text.push_str("int8"),
        DataType::Int16 => text.push_str("int16"),
        DataType::Int32 => text.push_str("int32"),
        DataType::Int64 => text.push_str("int64"),
        DataType::UInt8 => text.push_str("uint8"),
        DataType::UInt16 => text.push_str("uint16"),
        DataType::UInt32 => text.push_str("uint32"),
        DataType::UInt64 => text.push_str("uint64"),
        DataType::Float16 => text.push_str("halffloat"),
        DataType::Float32 => text.push_str("float"),
        DataType::Float64 => text.push_str("double"),
        DataType::Utf8 => text.push_str("string"),
        DataType::LargeUtf8 => text.push_str("large_string"),
        DataType::Binary => text.push_str("binary"),
        DataType::LargeBinary => text.push_str("large_binary"),
        DataType::FixedSizeBinary(size) if *size > 0 => text.push_str(&format!("fixed_size_binary[{size}]")),
        DataType::Date32 => text.push_str("date32[day]"),
        DataType::Date64 => text.push_str("date64[ms]"),
        DataType::Time32(unit) => text.push_str(&format!("time32[{}]", unit_name(*unit))),
        DataType::Time64(unit) => text.push_str(&format!("time64[{}]", unit_name(*unit))),
        DataType::Duration(unit) => text.push_str(&format!("duration[{}]", unit_name(*unit))),
        DataType::Timestamp(unit, None) => text.push_str(&format!("timestamp[{}]", unit_name(*unit))),
        DataType::Timestamp(unit, Some(zone)) => {
            if zone.is_empty() || !zone.chars().all(stands_in_zone) {
                return Err(unsupported(&data_type.to_string()));
            }
            text.push_str(&format!("timestamp[{}, tz={zone}]", unit_name(*unit)));
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => text.push_str("month_day_nano_interval"),
        DataType::Decimal128(precision, scale) if digits(38, *precision, *scale) => {
            text.push_str(&format!("decimal128({precision}, {scale})"));
        }
        DataType::Decimal256(precision, scale) if digits(76, *precision, *scale) => {
            text.push_str(&format!("decimal256({precision}, {scale})"));
        }
        DataType::List(item) => write_list(text, "list", item, depth)?,
        DataType::LargeList(item) => write_list(text, "large_list", item, depth)?,
        DataType::FixedSizeList(item, size) if *size >= 0 => {
            write_list(text, "fixed_size_list", item, depth)?;
            text.push_str(&format!("[{size}]"));
        }
        DataType::Struct(fields) => {
            distinct(fields.iter().map(|field| field.name().as_str()))?;
            text.push_str("struct<");
            for (index, field) in fields.iter().enumerate() {
                if index > 0 {
                    text.push_str(", ");
                }
                write_field(text, field, depth + 1)?;
            }
            text.push('>');
        }
        DataType::Map(entries, sorted) => write_map(text, entries, *sorted, depth)?,
        other => return Err(unsupported(&other.to_string())),
    }
    Ok(())
}

fn unsupported(data_type: &str) -> TypeError {
    TypeError::Unsupported(shortened(data_type, 200))
}

/// Whether a decimal type of at most `most` digits can have these. A negative scale stands for zeros before the point.
pub(super) fn digits(most: u8, precision: u8, scale: i8) -> bool {
    (1..=most).contains(&precision) && scale.unsigned_abs() <= most && i16::from(scale) <= i16::from(precision)
}

/// Whether a character can be in the name of a time zone.
pub(super) fn stands_in_zone(character: char) -> bool {
    character != ']' && !character.is_whitespace() && !character.is_control()
}

/// Checks that no two fields have the same name.
pub(super) fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), TypeError> {
    let mut seen = HashSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(TypeError::SameName(shortened(name, 40)));
        }
    }
    Ok(())
}

fn write_list(text: &mut String, name: &str, item: &Field, depth: usize) -> Result<(), TypeError> {
    text.push_str(name);
    text.push('<');
    write_field(text, item, depth + 1)?;
    text.push('>');
    Ok(())
}

fn write_map(text: &mut String, entries: &Field, sorted: bool, depth: usize) -> Result<(), TypeError> {
    let DataType::Struct(fields) = entries.data_type() else {
        return Err(unsupported(&format!("map of {}", entries.data_type())));
    };
    let [key, value] = fields.as_ref() else {
        return Err(unsupported(&format!("map of {} fields", fields.len())));
    };
    text.push_str("map<");
    write_type(text, key.data_type(), depth + 1)?;
    text.push_str(", ");
    write_type(text, value.data_type(), depth + 1)?;
    if !value.is_nullable() {
        text.push_str(" not null");
    }
    if sorted {
        text.push_str(", keys_sorted");
    }
    text.push('>');
    Ok(())
}

fn write_field(text: &mut String, field: &Field, depth: usize) -> Result<(), TypeError> {
    if is_plain_name(field.name()) {
        text.push_str(field.name());
    } else {
        text.push_str(&serde_json::Value::from(field.name().as_str()).to_string());
    }
    text.push_str(": ");
    write_type(text, field.data_type(), depth)?;
    if !field.is_nullable() {
        text.push_str(" not null");
    }
    Ok(())
}

/// Whether a field's name can stand in a type's text as it is.
fn is_plain_name(name: &str) -> bool {
    !name.is_empty()
        && name.trim() == name
        && !name
            .chars()
            .any(|c| matches!(c, '<' | '>' | '(' | ')' | '[' | ']' | ',' | ':' | '"' | '\\') || c.is_control())
}

pub(super) fn unit_name(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Second => "s",
        TimeUnit::Millisecond => "ms",
        TimeUnit::Microsecond => "us",
        TimeUnit::Nanosecond => "ns",
    }
}
