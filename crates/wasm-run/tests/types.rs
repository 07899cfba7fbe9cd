//! Every type of column goes into a function and comes back equal, NULLs included.

mod support;

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::Int32Type;
use support::{Folder, batch, read_parquet, write_parquet};

fn identity(data_type: &str, vectorized: bool) -> String {
    let vectorized = if vectorized { "True" } else { "False" };
    format!(
        "from vivarium import udf\n@udf(input_types=[{data_type:?}], result_type={data_type:?}, vectorized={vectorized})\n\
         def identity(x):\n    return x\n"
    )
}

fn columns() -> Vec<(&'static str, ArrayRef)> {
    vec![
        ("bool", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]))),
        ("int8", Arc::new(Int8Array::from(vec![Some(i8::MIN), None, Some(i8::MAX)]))),
        ("int16", Arc::new(Int16Array::from(vec![Some(i16::MIN), None, Some(i16::MAX)]))),
        ("int32", Arc::new(Int32Array::from(vec![Some(i32::MIN), None, Some(i32::MAX)]))),
        ("int64", Arc::new(Int64Array::from(vec![Some(i64::MIN), None, Some(i64::MAX)]))),
        ("uint8", Arc::new(UInt8Array::from(vec![Some(0), None, Some(u8::MAX)]))),
        ("uint16", Arc::new(UInt16Array::from(vec![Some(0), None, Some(u16::MAX)]))),
        ("uint32", Arc::new(UInt32Array::from(vec![Some(0), None, Some(u32::MAX)]))),
        ("uint64", Arc::new(UInt64Array::from(vec![Some(0), None, Some(u64::MAX)]))),
        ("float", Arc::new(Float32Array::from(vec![Some(f32::MIN_POSITIVE), None, Some(f32::NEG_INFINITY)]))),
        ("double", Arc::new(Float64Array::from(vec![Some(-0.0), None, Some(f64::MAX)]))),
        ("string", Arc::new(StringArray::from(vec![Some(""), None, Some("zażółć 日本 🦀")]))),
        ("binary", Arc::new(BinaryArray::from_opt_vec(vec![Some(b""), None, Some(b"\x00\xff\xfe")]))),
        ("date32[day]", Arc::new(Date32Array::from(vec![Some(-719_162), None, Some(2_932_896)]))),
        (
            "timestamp[us]",
            Arc::new(TimestampMicrosecondArray::from(vec![
                Some(-62_135_596_800_000_000),
                None,
                Some(253_402_300_799_999_999),
            ])),
        ),
    ]
}

#[test]
fn values_come_back_equal() {
    let folder = Folder::new();
    for (data_type, column) in columns() {
        write_parquet(&folder.path("in.parquet"), &batch(&[("x", Arc::clone(&column))]));
        for vectorized in [false, true] {
            folder.write("f.py", &identity(data_type, vectorized));
            folder.run(&["run", "f.py", "-i", "in.parquet", "-o", "out.parquet", "--instances", "1"]).ok();
            let result = read_parquet(&folder.path("out.parquet"));
            assert_eq!(result.column(1), &column, "{data_type}, vectorized: {vectorized}");
        }
    }
}

#[test]
fn annotations_stand_for_types() {
    let source = "import datetime\nfrom vivarium import udf\n\
        @udf\ndef f(b: bool, i: int, f: float, s: str, y: bytes, d: datetime.date, t: datetime.datetime) -> str:\n    \
        return ' '.join(repr(v) for v in (b, i, f, s, y, d, t))\n";
    let folder = Folder::with(&[("f.py", source)]);
    let input = batch(&[
        ("b", Arc::new(BooleanArray::from(vec![true]))),
        ("i", Arc::new(Int16Array::from(vec![-7]))),
        ("f", Arc::new(Int32Array::from(vec![3]))),
        ("s", Arc::new(DictionaryArray::<Int32Type>::from_iter([Some("a")]))),
        ("y", Arc::new(LargeBinaryArray::from(vec![b"\x01" as &[u8]]))),
        ("d", Arc::new(Date32Array::from(vec![0]))),
        ("t", Arc::new(TimestampNanosecondArray::from(vec![-1000]))),
    ]);
    write_parquet(&folder.path("in.parquet"), &input);
    let ended = folder.run(&["run", "f.py", "-i", "in.parquet", "-o", "out.parquet", "--as", "text"]).ok();
    let result = read_parquet(&folder.path("out.parquet"));
    let text = result.column(7).as_string::<i32>().value(0);
    let expected =
        "True -7 3.0 'a' b'\\x01' datetime.date(1970, 1, 1) datetime.datetime(1969, 12, 31, 23, 59, 59, 999999)";
    assert_eq!(text, expected, "{ended}");
}

#[test]
fn a_value_that_would_change_is_an_error_with_its_row() {
    let folder = Folder::with(&[("f.py", "def f(x: float) -> float:\n    return x\n")]);
    let mut values: Vec<i64> = (0..20_000).collect();
    values[12_345] = (1 << 53) + 1;
    write_parquet(&folder.path("in.parquet"), &batch(&[("x", Arc::new(Int64Array::from(values)))]));
    let ended = folder.run(&["run", "f.py::f", "-i", "in.parquet", "-o", "out.parquet"]);
    insta::assert_snapshot!(ended, @r#"
    exit status 5
    --- stderr ---
    wasm-run: row 12345 of column "x" holds 9007199254740993, which parameter "x" of f (f.py:1) (double) cannot hold exactly; declare the parameter as int64 or convert the column
    "#);
    assert_eq!(folder.files(), ["f.py", "in.parquet"]);
}

#[test]
fn a_value_that_python_cannot_hold_is_an_input_problem() {
    let folder = Folder::with(&[("f.py", "import datetime\ndef f(t: datetime.datetime) -> int:\n    return t.year\n")]);
    let times = TimestampMicrosecondArray::from(vec![0, i64::MAX]);
    write_parquet(&folder.path("in.parquet"), &batch(&[("t", Arc::new(times))]));
    let ended = folder.run(&["run", "f.py::f", "-i", "in.parquet", "-o", "out.parquet"]);
    assert_eq!(ended.status, 5, "{ended}");
    assert!(ended.stderr.contains("row 1 of the input"), "{ended}");
}
