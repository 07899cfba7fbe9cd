//! The columns that a statement declares for files which say theirs themselves.
//!
//! The engine reads a column of a file by a cast to the declared type, and many casts round, cut or shift without a word. So a column may be
//! declared with a type that takes every value of the file's as it is, or refuses it when it comes.

use arrow_schema::{DataType, FieldRef, Fields, Schema, TimeUnit};

/// Why a file of Arrow is none of a table; `None` when it is one. Its reader takes columns by their places.
pub fn other_columns(file: &Schema, table: &Schema) -> Option<String> {
    let same =
        |(one, other): (&FieldRef, &FieldRef)| one.name() == other.name() && one.data_type() == other.data_type();
    let is_same = file.fields().len() == table.fields().len() && file.fields().iter().zip(table.fields()).all(same);
    (!is_same).then(|| {
        let listed = |schema: &Schema| {
            let columns =
                schema.fields().iter().map(|field| format!("{:?} {}", field.name(), printed(field.data_type())));
            columns.collect::<Vec<_>>().join(", ")
        };
        format!(
            "its columns are ({}), and the table's ({}); a file of Arrow is read with its own",
            listed(file),
            listed(table)
        )
    })
}

/// Why a file cannot be read with the declared columns; `None` when it can.
pub fn difference(file: &Schema, declared: &Schema) -> Option<String> {
    declared.fields().iter().find_map(|declared| {
        let (_, found) = file.fields().find(declared.name())?;
        (!becomes(found.data_type(), declared.data_type())).then(|| {
            format!(
                "column {:?} is of type {}, and the statement says {}, which does not hold each of its values as it is; leave the columns out \
                 of the statement, and CAST in the query",
                declared.name(),
                printed(found.data_type()),
                printed(declared.data_type())
            )
        })
    })
}

fn printed(data_type: &DataType) -> String {
    vivarium::types::print(data_type).unwrap_or_else(|_| data_type.to_string())
}

/// Whether a cast changes no value, and fails for those that the other type does not have.
fn becomes(from: &DataType, to: &DataType) -> bool {
    use DataType::{
        Date32, Decimal32, Decimal64, Decimal128, Decimal256, Dictionary, FixedSizeBinary, FixedSizeList, Float16,
        Float32, Float64, LargeList, List, Map, Null, RunEndEncoded, Struct, Time32, Time64, Timestamp,
    };
    match (from, to) {
        (from, to) if from == to => true,
        (Null, _) => true,
        (Dictionary(_, from), to) => becomes(from, to),
        (RunEndEncoded(_, from), to) => becomes(from.data_type(), to),
        (from, Dictionary(_, to)) => becomes(from, to),
        (from, to) if is_text(from) && is_text(to) => true,
        // Bytes that are no UTF-8 are refused.
        (from, to) if (from.is_binary() || is_text(from)) && (to.is_binary() || is_text(to)) => true,
        (FixedSizeBinary(_), to) => to.is_binary(),
        (from, to) if from.is_integer() && to.is_integer() => true,
        (from, Decimal32(..) | Decimal64(..) | Decimal128(..) | Decimal256(..)) if from.is_integer() => true,
        (from, Float64) if from.is_integer() => bits(from) <= 32,
        (from, Float32) if from.is_integer() => bits(from) <= 16,
        (Float16, Float32 | Float64) | (Float32, Float64) => true,
        (from, to) if from.is_decimal() && to.is_decimal() => scale(from) <= scale(to),
        (Date32, Timestamp(unit, None)) => *unit != TimeUnit::Nanosecond,
        (Timestamp(from, zone), Timestamp(to, other)) => zone.is_some() == other.is_some() && from <= to,
        (Time32(from), Time32(to)) | (Time32(from) | Time64(from), Time64(to)) => from <= to,
        (List(from) | LargeList(from) | FixedSizeList(from, _), List(to) | LargeList(to)) => {
            becomes(from.data_type(), to.data_type())
        }
        (FixedSizeList(from, size), FixedSizeList(to, other)) => {
            size == other && becomes(from.data_type(), to.data_type())
        }
        (Map(from, _), Map(to, _)) => becomes(from.data_type(), to.data_type()),
        (Struct(from), Struct(to)) => becomes_struct(from, to),
        _ => false,
    }
}

/// Fields count by their names; those that are not declared are left out, as columns are.
fn becomes_struct(from: &Fields, to: &Fields) -> bool {
    to.iter().all(|to| from.find(to.name()).is_some_and(|(_, from)| becomes(from.data_type(), to.data_type())))
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn bits(data_type: &DataType) -> usize {
    data_type.primitive_width().map_or(usize::MAX, |bytes| 8 * bytes)
}

fn scale(data_type: &DataType) -> i8 {
    match data_type {
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale)
        | DataType::Decimal256(_, scale) => *scale,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_schema::Field;

    use super::*;

    #[test]
    fn a_type_is_declared_that_takes_every_value_as_it_is() {
        let utc = || Some("UTC".into());
        let list = |item| DataType::List(Arc::new(Field::new_list_field(item, true)));
        for (from, to) in [
            (DataType::Int64, DataType::Int8),
            (DataType::UInt64, DataType::Decimal128(5, 2)),
            (DataType::Int32, DataType::Float64),
            (DataType::Utf8View, DataType::Utf8),
            (DataType::Binary, DataType::Utf8),
            (DataType::Decimal128(10, 2), DataType::Decimal128(8, 4)),
            (
                DataType::Timestamp(TimeUnit::Second, utc()),
                DataType::Timestamp(TimeUnit::Nanosecond, Some("+01:00".into())),
            ),
            (DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8)), DataType::Utf8View),
            (list(DataType::Int8), list(DataType::Int64)),
        ] {
            assert!(becomes(&from, &to), "{from} as {to}");
        }
        for (from, to) in [
            (DataType::Float64, DataType::Int64),
            (DataType::Int64, DataType::Float64),
            (DataType::Float64, DataType::Float32),
            (DataType::Decimal128(10, 2), DataType::Decimal128(20, 1)),
            (DataType::Timestamp(TimeUnit::Microsecond, None), DataType::Timestamp(TimeUnit::Millisecond, None)),
            (DataType::Timestamp(TimeUnit::Second, utc()), DataType::Timestamp(TimeUnit::Second, None)),
            (DataType::Timestamp(TimeUnit::Second, None), DataType::Date32),
            (DataType::Int64, DataType::Utf8),
            (DataType::Utf8, DataType::Int64),
            (DataType::Date32, DataType::Timestamp(TimeUnit::Nanosecond, None)),
            (list(DataType::Float64), list(DataType::Int64)),
        ] {
            assert!(!becomes(&from, &to), "{from} as {to}");
        }
    }
}
