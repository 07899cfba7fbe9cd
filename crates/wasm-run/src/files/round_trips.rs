//! What is written is read back equal, in every format and for every type that it has.

use std::fs::File;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Date64Array, Decimal128Array, Float32Array, Float64Array,
    Int8Array, Int64Array, LargeStringArray, ListArray, PrimitiveArray, RecordBatch, StringArray, StringViewArray,
    StructArray, UInt64Array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{
    ArrowTimestampType, Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use proptest::prelude::*;
use vivarium_textfiles::TextFormat;

use super::input::{Opened, Opening, Spool, open_blocking};
use super::writer::{Sink, Writer};
use super::{Format, Location};

/// Rows of a table.
const ROWS: usize = 7;

/// Seconds of the years that every format's text has four digits for.
const SECONDS: std::ops::Range<i64> = -62_135_596_800..253_402_300_800;

fn rows<T: std::fmt::Debug + Clone>(
    value: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Vec<Option<T>>> {
    prop::collection::vec(prop::option::weighted(0.8, value), ROWS)
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("NULL".to_owned()),
        Just("007".to_owned()),
        "[ -~]{0,8}",
        "[a,\"'\n\r\t ;é\u{feff}😀]{0,6}",
        any::<String>(),
    ]
}

fn floats() -> impl Strategy<Value = f64> {
    prop_oneof![any::<f64>(), any::<i32>().prop_map(f64::from), Just(-0.0), Just(0.1), Just(1e300), Just(5e-324)]
}

fn timestamps<T: ArrowTimestampType>(per_second: i64, zone: Option<&'static str>) -> BoxedStrategy<ArrayRef> {
    let value = match per_second {
        1_000_000_000 => any::<i64>().boxed(),
        _ => (SECONDS.start * per_second..SECONDS.end * per_second).boxed(),
    };
    rows(value).prop_map(move |v| Arc::new(PrimitiveArray::<T>::from_iter(v).with_timezone_opt(zone)) as _).boxed()
}

/// Columns of types that text has a spelling for.
fn scalar() -> BoxedStrategy<ArrayRef> {
    prop_oneof![
        rows(any::<bool>()).prop_map(|v| Arc::new(BooleanArray::from(v)) as ArrayRef),
        rows(any::<i8>()).prop_map(|v| Arc::new(Int8Array::from(v)) as _),
        rows(any::<i64>()).prop_map(|v| Arc::new(Int64Array::from(v)) as _),
        rows(any::<u64>()).prop_map(|v| Arc::new(UInt64Array::from(v)) as _),
        rows(floats()).prop_map(|v| Arc::new(Float64Array::from(v)) as _),
        rows(any::<f32>()).prop_map(|v| Arc::new(Float32Array::from(v)) as _),
        rows(text()).prop_map(|v| Arc::new(StringArray::from(v)) as _),
        rows(text()).prop_map(|v| Arc::new(LargeStringArray::from(v)) as _),
        rows(prop::collection::vec(any::<u8>(), 0..5)).prop_map(|v| Arc::new(BinaryArray::from_iter(v)) as _),
        rows(-719_162..2_932_897).prop_map(|v| Arc::new(Date32Array::from(v)) as _),
        rows(0..86_400).prop_map(|v| Arc::new(PrimitiveArray::<Time32SecondType>::from(v)) as _),
        rows(0..86_400_000).prop_map(|v| Arc::new(PrimitiveArray::<Time32MillisecondType>::from(v)) as _),
        rows(0..86_400_000_000_i64).prop_map(|v| Arc::new(PrimitiveArray::<Time64MicrosecondType>::from(v)) as _),
        rows(0..86_400_000_000_000_i64).prop_map(|v| Arc::new(PrimitiveArray::<Time64NanosecondType>::from(v)) as _),
        timestamps::<TimestampSecondType>(1, None),
        timestamps::<TimestampMillisecondType>(1000, Some("UTC")),
        timestamps::<TimestampMicrosecondType>(1_000_000, None),
        timestamps::<TimestampMicrosecondType>(1_000_000, Some("UTC")),
        timestamps::<TimestampSecondType>(1, Some("Asia/Kathmandu")),
        timestamps::<TimestampMicrosecondType>(1_000_000, Some("America/St_Johns")),
        timestamps::<TimestampNanosecondType>(1_000_000_000, None),
        rows(-719_162..2_932_897_i64).prop_map(|v| {
            Arc::new(Date64Array::from_iter(v.into_iter().map(|day| day.map(|day| day * 86_400_000)))) as _
        }),
        rows(-(10_i128.pow(20))..10_i128.pow(20))
            .prop_map(|v| { Arc::new(Decimal128Array::from(v).with_precision_and_scale(20, 5).unwrap()) as _ }),
    ]
    .boxed()
}

fn nested(inner: BoxedStrategy<ArrayRef>) -> BoxedStrategy<ArrayRef> {
    let valid = prop::collection::vec(prop::bool::weighted(0.8), ROWS);
    let lists =
        (inner.clone(), prop::collection::vec(0..3_usize, ROWS), valid.clone()).prop_map(|(items, lengths, valid)| {
            // No more items than there are, and none in a list that is NULL.
            let mut left = ROWS;
            let lengths: Vec<_> = lengths
                .iter()
                .zip(&valid)
                .map(|(length, valid)| {
                    let length = if *valid { (*length).min(left) } else { 0 };
                    left -= length;
                    length
                })
                .collect();
            let items = items.slice(0, lengths.iter().sum());
            let field = Arc::new(Field::new("item", items.data_type().clone(), true));
            Arc::new(ListArray::new(field, OffsetBuffer::from_lengths(lengths), items, Some(NullBuffer::from(valid))))
                as _
        });
    let structs = (inner.clone(), inner, valid).prop_map(|(a, b, valid)| {
        let fields = vec![Field::new("a", a.data_type().clone(), true), Field::new("b", b.data_type().clone(), true)];
        Arc::new(StructArray::new(fields.into(), vec![a, b], Some(NullBuffer::from(valid)))) as _
    });
    prop_oneof![lists, structs].boxed()
}

fn any_column() -> BoxedStrategy<ArrayRef> {
    let others = prop_oneof![
        rows(text()).prop_map(|v| Arc::new(StringViewArray::from(v)) as ArrayRef),
        rows(text()).prop_map(|v| {
            let text: ArrayRef = Arc::new(StringArray::from(v));
            cast(&text, &DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))).unwrap()
        }),
    ];
    prop_oneof![4 => scalar(), 1 => others, 2 => nested(scalar()), 1 => nested(nested(scalar()))].boxed()
}

fn table(columns: impl Strategy<Value = ArrayRef>) -> impl Strategy<Value = RecordBatch> {
    prop::collection::vec(columns, 1..4).prop_map(|columns| {
        let fields = columns.iter().enumerate();
        let fields = fields.map(|(index, column)| Field::new(format!("c{index}"), column.data_type().clone(), true));
        RecordBatch::try_new(Arc::new(Schema::new(fields.collect::<Vec<_>>())), columns.clone()).unwrap()
    })
}

/// The table after it was written to a file, in two batches, and read again.
fn again(table: &RecordBatch, format: Format, told: bool) -> Result<RecordBatch, String> {
    let half = table.num_rows() / 2;
    again_in_batches(&[table.slice(0, half), table.slice(half, table.num_rows() - half)], format, told)
}

fn again_in_batches(batches: &[RecordBatch], format: Format, told: bool) -> Result<RecordBatch, String> {
    let schema = batches[0].schema();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t");
    let said = |error: &dyn std::fmt::Display| error.to_string();
    let sink = Sink::file(File::create(&path).unwrap());
    let mut writer = Writer::new(format, sink, &schema).map_err(|error| said(&error))?;
    for batch in batches {
        writer.write(batch).map_err(|error| said(&error))?;
    }
    writer.finish().map_err(|error| said(&error))?;
    let types = schema.fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect();
    let text = TextFormat { types: if told { types } else { Vec::new() }, may_miss: false, ..TextFormat::default() };
    let location = Location::File(path);
    let spool = Spool::of(&location, format).unwrap();
    let Opened { reader, .. } =
        open_blocking(&Opening { location, format, text }, spool).map_err(|error| said(&error))?;
    let schema = reader.schema();
    let batches: Vec<_> = reader.collect::<Result<_, _>>().map_err(|error| said(&error))?;
    concat_batches(&schema, &batches).map_err(|error| said(&error))
}

fn has(data_type: &DataType, is: &dyn Fn(&DataType) -> bool) -> bool {
    is(data_type)
        || match data_type {
            DataType::List(item) => has(item.data_type(), is),
            DataType::Struct(fields) => fields.iter().any(|field| has(field.data_type(), is)),
            _ => false,
        }
}

/// The values as text. (What lies below a NULL does not count.)
fn shown(column: &ArrayRef) -> Vec<Option<String>> {
    let options = FormatOptions::default().with_null("\u{0}");
    let formatter = ArrayFormatter::try_new(column, &options).unwrap();
    let nulls = column.logical_nulls();
    let is_null = |row| nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
    (0..column.len()).map(|row| (!is_null(row)).then(|| formatter.value(row).to_string())).collect()
}

fn assert_same(found: &ArrayRef, expected: &ArrayRef) -> Result<(), TestCaseError> {
    let found = cast(found, expected.data_type()).unwrap();
    prop_assert_eq!(shown(&found), shown(expected));
    Ok(())
}

#[test]
fn dictionaries_may_differ_from_batch_to_batch() {
    let batch = |values: &[&str]| {
        let text: ArrayRef = Arc::new(StringArray::from(values.to_vec()));
        let keys = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8));
        RecordBatch::try_from_iter([("c", cast(&text, &keys).unwrap())]).unwrap()
    };
    let batches = [batch(&["a", "b"]), batch(&["c", "a"]), batch(&["d", "d"])];
    for format in [Format::Arrow, Format::Parquet, Format::Csv, Format::Json] {
        let found = again_in_batches(&batches, format, false).unwrap();
        let found = found.columns()[0].clone();
        let texts: Vec<_> = shown(&found).into_iter().flatten().collect();
        assert_eq!(texts, ["a", "b", "c", "a", "d", "d"], "{format:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn csv_holds_every_value(table in table(scalar())) {
        let found = again(&table, Format::Csv, true).map_err(TestCaseError::fail)?;
        prop_assert_eq!(found.num_rows(), table.num_rows());
        for (found, expected) in found.columns().iter().zip(table.columns()) {
            assert_same(found, expected)?;
        }
    }

    #[test]
    fn json_holds_every_value_but_nan(table in table(prop_oneof![3 => scalar(), 1 => nested(scalar())])) {
        match again(&table, Format::Json, true) {
            // What it has no number for is refused.
            Err(error) => prop_assert!(error.contains("NaN or infinite"), "{}", error),
            Ok(found) => {
                prop_assert_eq!(found.num_rows(), table.num_rows());
                for (index, field) in table.schema().fields().iter().enumerate() {
                    assert_same(found.column_by_name(field.name()).unwrap(), table.column(index))?;
                }
            }
        }
    }

    #[test]
    fn parquet_holds_every_value(table in table(any_column())) {
        let found = again(&table, Format::Parquet, false).map_err(TestCaseError::fail)?;
        for (found, expected) in found.columns().iter().zip(table.columns()) {
            // The units that a Parquet file does not have.
            let lacks = |data_type: &DataType| {
                matches!(data_type, DataType::Timestamp(TimeUnit::Second, _) | DataType::Time32(TimeUnit::Second) | DataType::Date64)
            };
            prop_assert!(!has(found.data_type(), &lacks), "{}", found.data_type());
            assert_same(found, expected)?;
        }
    }

    #[test]
    fn arrow_holds_every_value_and_type(table in table(any_column())) {
        let found = again(&table, Format::Arrow, false).map_err(TestCaseError::fail)?;
        for (found, expected) in found.columns().iter().zip(table.columns()) {
            // Dictionaries of several batches have no place in a file.
            match expected.data_type() {
                DataType::Dictionary(_, values) => prop_assert_eq!(found.data_type(), &**values),
                expected => prop_assert_eq!(found.data_type(), expected),
            }
            assert_same(found, expected)?;
        }
    }

    #[test]
    fn types_that_are_found_change_no_value(table in table(scalar())) {
        // Without a word about types: what is not of its type is text, and the text is what was written.
        let found = again(&table, Format::Csv, false).map_err(TestCaseError::fail)?;
        for (found, expected) in found.columns().iter().zip(table.columns()) {
            if found.data_type() == &DataType::Utf8 {
                prop_assert_eq!(shown(found), shown(expected));
            } else if found.data_type() == expected.data_type() {
                assert_same(found, expected)?;
            } else {
                // An empty string, as `""`, is NULL in a column that is no text: where all others look like numbers.
                let empty = shown(expected).iter().flatten().filter(|text| text.is_empty()).count();
                prop_assert_eq!(found.null_count(), expected.null_count() + empty);
            }
        }
    }
}
