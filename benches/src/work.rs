//! The work: functions of `work.py`, the columns they get, and the SQL that says the same.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray, StructArray,
    TimestampMicrosecondArray,
};
use arrow::error::ArrowError;
use arrow_schema::{DataType, Field, Fields, TimeUnit};
use serde::{Deserialize, Serialize};

/// The Python file of all work.
pub const SOURCE: &str = include_str!("../work.py");

/// Rows of the columns, and of the largest batch.
pub const ROWS: usize = 65_536;

/// Rows that are grouped, and their groups.
pub const GROUPED_ROWS: usize = 1_000_000;
/// Groups of [`GROUPED_ROWS`].
pub const GROUPS: i64 = 10_000;

/// How a function is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A value for each row.
    Scalar,
    /// An array for a batch.
    Vectorized,
    /// Rows for each row.
    Table,
    /// A value for each group.
    Aggregate,
}

/// One function and what it is about.
#[derive(Debug, Clone)]
pub struct Work {
    /// Its short name in reports.
    pub name: &'static str,
    /// The function in `work.py`.
    pub function: &'static str,
    /// How it is called.
    pub kind: Kind,
    /// The type of a value of its result.
    pub result: DataType,
    /// What DataFusion has for it, over the columns `a`, `b`, ...; none when it has nothing.
    pub sql: Option<&'static str>,
    columns: fn(std::ops::Range<i64>) -> Vec<ArrayRef>,
}

impl Work {
    /// Columns for all rows, named as the function's parameters are; an aggregate's key comes first.
    ///
    /// # Errors
    /// None that a caller could mend: columns of one length make a batch.
    pub fn data(&self) -> Result<RecordBatch, ArrowError> {
        let rows = if self.kind == Kind::Aggregate { GROUPED_ROWS } else { ROWS };
        let names = ["a", "b", "c", "d", "e"];
        let columns = (self.columns)(0..rows as i64);
        RecordBatch::try_from_iter(names.into_iter().zip(columns))
    }
}

/// All work, in the order of the report.
pub fn all() -> Vec<Work> {
    use DataType::{Float64, Int64, Utf8};
    use Kind::{Aggregate, Scalar, Table, Vectorized};
    let time = DataType::Timestamp(TimeUnit::Microsecond, None);
    let work = |name, function, kind, result, sql, columns| Work { name, function, kind, result, sql, columns };
    vec![
        work("add one", "add_one", Scalar, Int64, Some("a + 1"), |rows| vec![integers(rows, |row| row * 7919)]),
        work("gcd", "gcd", Scalar, Int64, Some("gcd(a, b)"), |rows| {
            vec![integers(rows.clone(), |row| row * 7919 + 12), integers(rows, |row| row * 104_729 % 1_000_003 * 6 + 6)]
        }),
        work("substring", "substring", Scalar, Utf8, Some("substr(a, 10, 6)"), |rows| vec![names(rows)]),
        work("upper", "upper", Scalar, Utf8, Some("upper(a)"), |rows| vec![names(rows)]),
        work("decimal", "taxed", Scalar, DataType::Decimal128(38, 4), Some("a * CAST(1.19 AS DECIMAL(3, 2))"), amounts),
        work("json", "json_price", Scalar, Float64, None, |rows| {
            let line = |row| format!(r#"{{"id": {row}, "line": {{"price": {row}.25, "tags": ["a", "b"]}}}}"#);
            vec![texts(rows, line)]
        }),
        work("parse time", "parse_time", Scalar, time.clone(), Some("to_timestamp_micros(a)"), |rows| {
            let moment = |row| format!("2024-01-{:02} {:02}:30:{:02}", row % 28 + 1, row % 24, row % 60);
            vec![texts(rows, moment)]
        }),
        work("add a day", "next_day", Scalar, time, Some("a + INTERVAL '1 day'"), |rows| {
            vec![Arc::new(TimestampMicrosecondArray::from_iter_values(
                rows.map(|row| row * 86_400_000_123 % (1 << 51)),
            ))]
        }),
        work("regex", "domain", Scalar, Utf8, Some("regexp_match(a, '@([a-z0-9-]+)\\.(?:com|org)')[1]"), |rows| {
            vec![texts(rows, |row| format!("person.{row}@host-{}.com", row % 100))]
        }),
        work("struct", "order", Scalar, DataType::Struct(order_fields()), None, |rows| vec![orders(rows)]),
        work("business rule", "rule", Scalar, Float64, None, |rows| {
            let choose = |of: [&'static str; 3]| move |row: i64| of[(row % 3) as usize].to_owned();
            vec![
                integers(rows.clone(), |row| row % 50 + 1),
                floats(rows.clone(), |row| (row % 10_000) as f64 / 7.0),
                floats(rows.clone(), |row| (row % 11) as f64 / 100.0),
                texts(rows.clone(), choose(["AIR", "RAIL", "MAIL"])),
                texts(rows, choose(["R", "A", "N"])),
            ]
        }),
        work("vectorized add", "vector_add", Vectorized, Float64, Some("a + b"), |rows| {
            vec![floats(rows.clone(), |row| row as f64 / 3.0), floats(rows, |row| row as f64 / 7.0)]
        }),
        work(
            "vectorized price",
            "vector_price",
            Vectorized,
            Float64,
            Some("a * (1.0 - b) + CASE WHEN b > 0.05 THEN 1.0 ELSE 0.0 END"),
            |rows| vec![floats(rows.clone(), |row| row as f64 / 3.0), floats(rows, |row| (row % 11) as f64 / 100.0)],
        ),
        work("vectorized upper", "vector_upper", Vectorized, Utf8, Some("upper(a)"), |rows| vec![names(rows)]),
        work("table: words", "words", Table, Utf8, Some("unnest(string_to_array(a, ' '))"), |rows| {
            vec![texts(rows, |row| format!("furiously even {row} requests"))]
        }),
        work("grouped sum", "Total", Aggregate, Int64, Some("sum(b)"), grouped),
        work("grouped sum, vectorized", "Totals", Aggregate, Int64, Some("sum(b)"), grouped),
    ]
}

fn integers(rows: std::ops::Range<i64>, value: impl Fn(i64) -> i64) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(rows.map(value)))
}

fn floats(rows: std::ops::Range<i64>, value: impl Fn(i64) -> f64) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(rows.map(value)))
}

fn texts(rows: std::ops::Range<i64>, value: impl Fn(i64) -> String) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(rows.map(value)))
}

/// As TPC-H's customers are called.
fn names(rows: std::ops::Range<i64>) -> ArrayRef {
    texts(rows, |row| format!("Customer#{row:09}"))
}

fn amounts(rows: std::ops::Range<i64>) -> Vec<ArrayRef> {
    let amounts = Decimal128Array::from_iter_values(rows.map(|row| i128::from(row) * 100 + 25));
    vec![Arc::new(amounts.with_data_type(DataType::Decimal128(15, 2)))]
}

fn grouped(rows: std::ops::Range<i64>) -> Vec<ArrayRef> {
    vec![integers(rows.clone(), |row| row * 7919 % GROUPS), integers(rows, |row| row)]
}

fn order_fields() -> Fields {
    let field = |name, data_type| Field::new(name, data_type, true);
    vec![field("a", DataType::Int64), field("b", DataType::Float64), field("c", DataType::Utf8)].into()
}

fn orders(rows: std::ops::Range<i64>) -> ArrayRef {
    let columns = vec![
        integers(rows.clone(), |row| row),
        floats(rows.clone(), |row| row as f64 / 3.0),
        texts(rows, |row| format!("{row:05}")),
    ];
    Arc::new(StructArray::new(order_fields(), columns, None))
}
