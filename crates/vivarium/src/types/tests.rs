use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, IntervalUnit, TimeUnit, UnionFields, UnionMode};
use proptest::prelude::*;

use super::{MAX_TYPE_DEPTH, MAX_TYPE_TEXT, MAX_VALUE_BYTES, TypeError, parse, print};

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
        ("dictionary<values=string, indices=int32, ordered=0>", 0),
        ("timestamp[us, tz=a b]", 19),
        ("decimal128(5, -39)", 14),
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
    let zone = |name: &str| DataType::Timestamp(TimeUnit::Second, Some(name.into()));
    let encoded = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    for data_type in [
        DataType::Union(UnionFields::empty(), UnionMode::Sparse),
        zone("a]b"),
        zone("a b"),
        zone(""),
        encoded.clone(),
        DataType::List(Arc::new(Field::new("item", encoded, true))),
        DataType::Utf8View,
        DataType::Interval(IntervalUnit::YearMonth),
        DataType::Interval(IntervalUnit::DayTime),
        DataType::Decimal32(5, 2),
        DataType::Decimal128(5, 10),
        DataType::Decimal128(5, -39),
        DataType::FixedSizeBinary(0),
        DataType::FixedSizeBinary(-1),
    ] {
        assert!(matches!(print(&data_type), Err(TypeError::Unsupported(_))), "{data_type}");
    }
}

#[test]
fn the_grammar_that_host_and_guest_share() {
    for line in include_str!("../../../../wasm-python/tests/type_grammar.txt").lines() {
        let Some((sort, text)) = line.split_once(' ').filter(|(sort, _)| !sort.starts_with('#')) else { continue };
        match sort {
            "=" => assert_eq!(parse(text).and_then(|data_type| print(&data_type)).as_deref(), Ok(text)),
            "~" => {
                let (_, written) = text.split_once(" => ").unwrap();
                assert_eq!(parse(written).and_then(|data_type| print(&data_type)).as_deref(), Ok(written));
            }
            "!" => assert!(parse(text).is_err(), "{text}"),
            other => panic!("{other} is no sort of line"),
        }
    }
}

/// What one value takes is bounded at every level, for types that are read and for types of columns, which are only written.
#[test]
fn one_value_is_bounded() {
    let list = |item, size| DataType::FixedSizeList(Arc::new(Field::new("item", item, true)), size);
    let bytes = |data_type: &DataType| match print(data_type) {
        Ok(_) => 0,
        Err(TypeError::LargeValue { bytes, .. }) => bytes,
        Err(other) => panic!("{other}"),
    };
    let most = MAX_VALUE_BYTES as i32;
    for (data_type, expected) in [
        (DataType::FixedSizeBinary(most), 0),
        (DataType::FixedSizeBinary(most + 1), MAX_VALUE_BYTES + 1),
        (DataType::FixedSizeBinary(i32::MAX), i32::MAX as u64),
        (list(DataType::Null, i32::MAX), i32::MAX as u64),
        (list(DataType::Struct(Fields::empty()), most + 1), MAX_VALUE_BYTES + 1),
        (list(list(DataType::Boolean, most), most), MAX_VALUE_BYTES * MAX_VALUE_BYTES),
        (list(DataType::Float64, 4096), 0),
        (list(DataType::Float64, 4097), 8 * 4097),
        (DataType::List(Arc::new(Field::new("item", DataType::FixedSizeBinary(i32::MAX), true))), i32::MAX as u64),
    ] {
        assert_eq!(bytes(&data_type), expected, "{data_type}");
    }
    assert_eq!(
        parse("fixed_size_binary[999999999]").unwrap_err().to_string(),
        "a value of type fixed_size_binary[999999999] takes 999999999 bytes, also when it is NULL, and at most 32768 are possible; \
         use binary or a list without a fixed size"
    );
}

#[test]
fn a_struct_has_no_two_fields_of_one_name() {
    let twice =
        DataType::Struct(vec![Field::new("a", DataType::Int8, true), Field::new("a", DataType::Utf8, true)].into());
    assert_eq!(print(&twice), Err(TypeError::SameName("a".to_owned())));
    assert_eq!(parse("list<item: struct<a: int8, a: int8>>"), Err(TypeError::SameName("a".to_owned())));
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
    let zone = prop::option::of("[A-Za-z0-9+:/_é-]{1,20}");
    let leaf = prop_oneof![
        prop::sample::select(vec![
            DataType::Null,
            DataType::Boolean,
            DataType::Int8,
            DataType::Int64,
            DataType::UInt16,
            DataType::Float32,
            DataType::Utf8,
            DataType::LargeUtf8,
            DataType::LargeBinary,
            DataType::Date32,
            DataType::Time32(TimeUnit::Second),
            DataType::Time64(TimeUnit::Microsecond),
            DataType::Interval(IntervalUnit::MonthDayNano),
        ]),
        (1..100).prop_map(DataType::FixedSizeBinary),
        (unit, zone).prop_map(|(unit, zone)| DataType::Timestamp(unit, zone.map(Arc::from))),
        (1u8..=38)
            .prop_flat_map(|precision| (Just(precision), -38..=precision as i8))
            .prop_map(|(p, s)| DataType::Decimal128(p, s)),
    ];
    leaf.prop_recursive(5, 32, 4, |inner| {
        let field = (".{0,12}", inner.clone(), any::<bool>())
            .prop_map(|(name, inner, nullable)| Field::new(name, inner, nullable));
        let value = (inner.clone(), any::<bool>()).prop_map(|(inner, nullable)| Field::new("value", inner, nullable));
        prop_oneof![
            field.clone().prop_map(|item| DataType::List(Arc::new(item))),
            field.clone().prop_map(|item| DataType::LargeList(Arc::new(item))),
            (field.clone(), 0..3).prop_map(|(item, size)| DataType::FixedSizeList(Arc::new(item), size)),
            prop::collection::vec(field, 0..4).prop_map(|fields| {
                let numbered = fields.into_iter().enumerate().map(|(index, field)| {
                    let name = format!("{}{index}", field.name());
                    field.with_name(name)
                });
                DataType::Struct(numbered.collect())
            }),
            (inner, value, any::<bool>()).prop_map(|(key, value, sorted)| map(key, value, sorted)),
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
