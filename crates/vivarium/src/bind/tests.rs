use arrow_schema::{DataType, Field, Schema, TimeUnit};

use super::*;
use crate::signature::{Kind, NullHandling};

fn parameter(name: &str, data_type: impl Into<Option<DataType>>) -> Parameter {
    Parameter { name: name.to_owned(), data_type: data_type.into(), nullable: false, default: false, variadic: false }
}

fn function(parameters: Vec<Parameter>) -> Signature {
    Signature {
        name: "price".to_owned(),
        attribute: "price".to_owned(),
        kind: Kind::Scalar,
        parameters,
        result: None,
        null_handling: NullHandling::Skip,
        deterministic: true,
        on_error: None,
        doc: None,
        line: 4,
        decorated: true,
    }
}

fn schema(columns: &[(&str, DataType)]) -> Schema {
    Schema::new(columns.iter().map(|(name, data_type)| Field::new(*name, data_type.clone(), true)).collect::<Vec<_>>())
}

fn bound(parameters: Vec<Parameter>, schema: &Schema, arguments: &[&str]) -> Result<Vec<String>, String> {
    let arguments = match arguments {
        [] => Arguments::ByName,
        names => Arguments::Columns(names.iter().map(|name| name.to_string()).collect()),
    };
    let bound = bind(&function(parameters), "pricing.py", schema, &arguments);
    bound
        .map(|bound| bound.into_iter().map(|argument| argument.column_name).collect())
        .map_err(|error| error.to_string())
}

#[test]
fn a_parameter_takes_the_column_of_its_name() {
    let schema = schema(&[("A", DataType::Int64), ("b", DataType::Int64), ("B", DataType::Int64)]);
    assert_eq!(
        bound(vec![parameter("b", DataType::Int64), parameter("a", DataType::Int64)], &schema, &[]).unwrap(),
        ["b", "A"]
    );
    assert_eq!(bound(vec![parameter("B", None)], &schema, &[]).unwrap(), ["B"]);
}

#[test]
fn named_columns_go_to_the_parameters_in_order() {
    let schema = schema(&[("x", DataType::Int64), ("y", DataType::Int64)]);
    let two = || vec![parameter("a", DataType::Int64), parameter("b", DataType::Int64)];
    assert_eq!(bound(two(), &schema, &["y", "x"]).unwrap(), ["y", "x"]);
    assert_eq!(bound(two(), &schema, &["x", "x"]).unwrap(), ["x", "x"]);
    let variadic = Parameter { variadic: true, ..parameter("rest", DataType::Int64) };
    assert_eq!(bound(vec![parameter("a", None), variadic], &schema, &["x", "y", "x"]).unwrap(), ["x", "y", "x"]);
}

#[test]
fn parameters_with_defaults_need_no_column() {
    let schema = schema(&[("a", DataType::Int64), ("c", DataType::Int64)]);
    let optional = |name| Parameter { default: true, ..parameter(name, DataType::Int64) };
    assert_eq!(bound(vec![parameter("a", DataType::Int64), optional("b")], &schema, &[]).unwrap(), ["a"]);
    assert_eq!(bound(vec![optional("a")], &schema, &["c"]).unwrap(), ["c"]);
    // Arguments are positional: behind a default that stays, the others stay too.
    assert_eq!(bound(vec![optional("b"), optional("c")], &schema, &[]).unwrap(), Vec::<String>::new());
}

#[test]
fn messages_say_what_where_and_what_to_do() {
    let schema = schema(&[
        ("name", DataType::Utf8),
        ("Name", DataType::Utf8),
        ("at", DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()))),
        ("dup", DataType::Int64),
        ("dup", DataType::Int64),
    ]);
    for (parameters, arguments, message) in [
        (
            vec![parameter("x", DataType::Int64)],
            &[][..],
            "there is no column for parameter \"x\" of price (pricing.py:4); the input has \"name\", \"Name\", \"at\", \"dup\", \
             \"dup\"; rename the parameter or name the columns in order (--args)",
        ),
        (
            vec![parameter("NAME", DataType::Utf8)],
            &[],
            "several columns could be parameter \"NAME\" of price (pricing.py:4): \"name\", \"Name\"; rename the parameter to one \
             of them or name the columns in order (--args)",
        ),
        (
            vec![parameter("name", DataType::Int64)],
            &[],
            "column \"name\" is of type string, but parameter \"name\" of price (pricing.py:4) takes int64; declare the parameter \
             as `str`, convert the column, or name other columns in order (--args)",
        ),
        (
            vec![parameter("at", DataType::Timestamp(TimeUnit::Microsecond, None))],
            &[],
            "column \"at\" is of type timestamp[ns, tz=UTC], but parameter \"at\" of price (pricing.py:4) takes timestamp[us]; \
             declare the parameter as the type \"timestamp[ns, tz=UTC]\", convert the column, or name other columns in order (--args)",
        ),
        (
            vec![parameter("x", DataType::Utf8)],
            &["nam"],
            "there is no single column \"nam\" for price (pricing.py:4); the input has \"name\", \"Name\", \"at\", \"dup\", \"dup\"",
        ),
        (
            vec![parameter("x", DataType::Int64)],
            &["dup"],
            "there is no single column \"dup\" for price (pricing.py:4); the input has \"name\", \"Name\", \"at\", \"dup\", \"dup\"",
        ),
        (
            vec![parameter("x", DataType::Int64)],
            &["name", "Name"],
            "price (pricing.py:4) takes 1 argument, but 2 columns were named",
        ),
    ] {
        assert_eq!(bound(parameters, &schema, arguments).unwrap_err(), message);
    }
}
