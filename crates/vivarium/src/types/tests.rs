use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, IntervalUnit, TimeUnit, UnionFields, UnionMode};
use proptest::prelude::*;

use super::{MAX_TYPE_DEPTH, MAX_TYPE_TEXT, TypeError, parse, print};

#[test]
fn types_are_spelled_as_pyarrow_prints_them() {
    let utf8 = |name: &str| Field::new(name, DataType::Utf8, true);
    for (data_type, text) in [
        (DataType::Boolean, "bool"),
        (DataType::UInt8, "uint8"),
        (DataType::Float16, "halffloat"),
        (DataType::Float32, "float"),
        (DataType::Float64, "double"),
        (DataType::LargeBinary, "large_binary"),
        (DataType::FixedSizeBinary(16), "fixed_size_binary[16]"),
        (DataType::Date32, "date32[day]"),
        (DataType::Date64, "date64[ms]"),
        (DataType::Time32(TimeUnit::Millisecond), "time32[ms]"),
        (DataType::Time64(TimeUnit::Nanosecond), "time64[ns]"),
        (DataType::Timestamp(TimeUnit::Microsecond, None), "timestamp[us]"),
        (DataType::Timestamp(TimeUnit::Second, Some("Europe/Berlin".into())), "timestamp[s, tz=Europe/Berlin]"),
        (DataType::Duration(TimeUnit::Second), "duration[s]"),
        (DataType::Interval(IntervalUnit::MonthDayNano), "month_day_nano_interval"),
        (DataType::Decimal128(38, 10), "decimal128(38, 10)"),
        (DataType::Decimal256(76, -2), "decimal256(76, -2)"),
        (DataType::List(Arc::new(Field::new("item", DataType::Int32, false))), "list<item: int32 not null>"),
        (DataType::FixedSizeList(Arc::new(utf8("item")), 3), "fixed_size_list<item: string>[3]"),
        (DataType::Struct(vec![utf8("a"), utf8("b c")].into()), "struct<a: string, b c: string>"),
        (DataType::Struct(vec![utf8("a, b"), utf8("")].into()), "struct<\"a, b\": string, \"\": string>"),
        (DataType::Struct(Fields::empty()), "struct<>"),
        (map(DataType::Utf8, Field::new("value", DataType::Int64, true), false), "map<string, int64>"),
        (
            map(DataType::Utf8, Field::new("value", DataType::Int64, false), true),
            "map<string, int64 not null, keys_sorted>",
        ),
        (
            DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
            "dictionary<values=string, indices=int32, ordered=0>",
        ),
    ] {
        assert_eq!(print(&data_type).unwrap(), text);
        assert_eq!(parse(text).unwrap(), data_type, "{text}");
    }
}

#[test]
fn blanks_do_not_matter() {
    assert_eq!(parse("struct< a :int64 ,b:  string not null >"), parse("struct<a: int64, b: string not null>"));
    assert_eq!(parse("decimal128(5,2)"), Ok(DataType::Decimal128(5, 2)));
}

#[test]
fn what_is_no_type_is_an_error_that_says_where() {
    for (text, position) in [
        ("", 0),
        ("int", 0),
        ("int64 not null", 6),
        ("timestamp", 9),
        ("timestamp[m]", 10),
        ("time32[us]", 7),
        ("timestamp[us, tz=]", 17),
        ("decimal128(39, 0)", 11),
        ("decimal128(5, 6)", 14),
        ("decimal128(5)", 12),
        ("list<int64>", 10),
        ("struct<a: int64", 15),
        ("struct<: int64>", 7),
        ("struct<\"a\\q\": int64>", 7),
        ("fixed_size_binary[0]", 18),
        ("fixed_size_binary[99999999999]", 18),
        ("dictionary<values=string, indices=double, ordered=0>", 34),
        ("map<string>", 10),
        ("日本", 0),
    ] {
        match parse(text) {
            Err(TypeError::Syntax { position: found, .. }) => assert_eq!(found, position, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
    assert_eq!(
        parse("list<item: integer>").unwrap_err().to_string(),
        "the name of a type expected at character 11 of the type \"list<item: integer>\""
    );
}

#[test]
fn depth_and_length_are_bounded() {
    let nested = |depth: usize| format!("{}int64{}", "list<item: ".repeat(depth - 1), ">".repeat(depth - 1));
    assert!(parse(&nested(MAX_TYPE_DEPTH)).is_ok());
    assert_eq!(parse(&nested(MAX_TYPE_DEPTH + 1)), Err(TypeError::TooDeep));
    let long = " ".repeat(MAX_TYPE_TEXT + 1);
    assert_eq!(parse(&long), Err(TypeError::TooLong(long.len())));
    let deep = (0..100).fold(DataType::Int64, |inner, _| DataType::List(Arc::new(Field::new("item", inner, true))));
    assert_eq!(print(&deep), Err(TypeError::TooDeep));
}

#[test]
fn types_that_do_not_cross_have_no_text() {
    let union = DataType::Union(UnionFields::empty(), UnionMode::Sparse);
    let zone = DataType::Timestamp(TimeUnit::Second, Some("a]b".into()));
    for data_type in [union, zone] {
        assert!(matches!(print(&data_type), Err(TypeError::Unsupported(_))), "{data_type}");
    }
}

fn map(key: DataType, value: Field, sorted: bool) -> DataType {
    let entries = Fields::from(vec![Field::new("key", key, false), value]);
    DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entries), false)), sorted)
}

fn any_type() -> impl Strategy<Value = DataType> {
    let unit = prop_oneof![
        Just(TimeUnit::Second),
        Just(TimeUnit::Millisecond),
        Just(TimeUnit::Microsecond),
        Just(TimeUnit::Nanosecond)
    ];
    let zone = prop::option::of("[^\\]\u{0}-\u{1f}]{1,20}");
    let leaf = prop_oneof![
        prop::sample::select(vec![
            DataType::Null,
            DataType::Boolean,
            DataType::Int8,
            DataType::Int64,
            DataType::UInt16,
            DataType::Float32,
            DataType::Utf8,
            DataType::Utf8View,
            DataType::BinaryView,
            DataType::Date32,
            DataType::Time32(TimeUnit::Second),
            DataType::Time64(TimeUnit::Microsecond),
            DataType::Interval(IntervalUnit::YearMonth),
            DataType::Interval(IntervalUnit::DayTime),
        ]),
        (1..i32::MAX).prop_map(DataType::FixedSizeBinary),
        (unit, zone).prop_map(|(unit, zone)| DataType::Timestamp(unit, zone.map(Arc::from))),
        (1u8..=38)
            .prop_flat_map(|precision| (Just(precision), i8::MIN..=precision as i8))
            .prop_map(|(p, s)| DataType::Decimal128(p, s)),
    ];
    leaf.prop_recursive(5, 32, 4, |inner| {
        let field = (".{0,12}", inner.clone(), any::<bool>())
            .prop_map(|(name, inner, nullable)| Field::new(name, inner, nullable));
        let value = (inner.clone(), any::<bool>()).prop_map(|(inner, nullable)| Field::new("value", inner, nullable));
        prop_oneof![
            field.clone().prop_map(|item| DataType::List(Arc::new(item))),
            field.clone().prop_map(|item| DataType::LargeList(Arc::new(item))),
            (field.clone(), 0..i32::MAX).prop_map(|(item, size)| DataType::FixedSizeList(Arc::new(item), size)),
            prop::collection::vec(field, 0..4).prop_map(|fields| DataType::Struct(fields.into())),
            (inner.clone(), value, any::<bool>()).prop_map(|(key, value, sorted)| map(key, value, sorted)),
            inner.prop_map(|values| DataType::Dictionary(Box::new(DataType::UInt32), Box::new(values))),
        ]
    })
}

proptest! {
    #[test]
    fn every_printed_type_is_read_back(data_type in any_type()) {
        let text = print(&data_type).unwrap();
        prop_assert_eq!(parse(&text).unwrap(), data_type, "{}", text);
    }

    #[test]
    fn any_text_is_a_type_or_an_error(text in "[a-z0-9<>:,\\[\\]() \"\\\\=]{0,60}") {
        if let Ok(data_type) = parse(&text) {
            prop_assert_eq!(parse(&print(&data_type).unwrap()).unwrap(), data_type);
        }
    }

    #[test]
    fn a_damaged_type_never_panics(data_type in any_type(), at in any::<prop::sample::Index>(), with in ".") {
        let mut text: Vec<char> = print(&data_type).unwrap().chars().collect();
        let at = at.index(text.len());
        text.splice(at..=at, with.chars());
        let _ = parse(&text.into_iter().collect::<String>());
    }
}
