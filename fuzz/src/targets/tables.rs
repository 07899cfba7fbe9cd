//! Readers of tables in text: CSV and JSON.

use std::collections::BTreeSet;
use std::io::{Cursor, Read};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::error::ArrowError;
use arrow_schema::{DataType, Schema, SchemaRef, TimeUnit};
use vivarium_textfiles::{self as text, Inferred, TextFormat};

/// Bytes of text that are read: compressed ones may be few.
const TEXT: u64 = 1 << 18;

/// Rows of a batch.
const ROWS: usize = 100;

/// A byte of options, the name of a type and the text, as a CSV file: when all of it told the types, all of it is read; and what is written of
/// it is read again.
pub fn csv(bytes: &[u8]) {
    let Some((format, text)) = chosen(bytes) else { return };
    let Some(Ok(columns)) = plain(text).map(|text| text::csv::infer(text, &format, format.infer_rows)) else { return };
    let inferred = columns.inferred(&format);
    let read = plain(text).map(|text| {
        let (schema, all) = columns_of(&inferred);
        let reader = text::csv::Reader::new(text, schema, all, format.clone(), ROWS)?;
        reader.collect::<Result<Vec<_>, _>>()
    });
    let Some(batches) = complete(read, &inferred, &format, |_| false) else { return };
    let schema = batches.first().map_or_else(|| Arc::new(inferred.strings_for_nulls()), RecordBatch::schema);
    let Ok(mut writer) = text::csv::Writer::new(Vec::new(), &schema) else { return };
    // Years of six digits are read, and not written.
    if batches.iter().any(|batch| writer.write(batch).is_err()) {
        return;
    }
    let types = schema.fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect();
    let told = TextFormat { types, ..TextFormat::default() };
    let columns: Vec<_> = (0..schema.fields().len()).collect();
    let again = text::csv::Reader::new(Cursor::new(writer.into_inner()), Arc::clone(&schema), columns, told, ROWS);
    let again: Vec<_> = again.expect("the types are read").collect::<Result<_, _>>().expect("what was written is read");
    let whole = |batches: &[RecordBatch]| concat_batches(&schema, batches).expect("the batches are of one table");
    // Where a file has no column, it has no rows.
    if !schema.fields().is_empty() {
        assert_eq!(whole(&again).num_rows(), whole(&batches).num_rows());
        // NaN is no value that equals itself.
        if !schema.fields().iter().any(|field| field.data_type().is_floating()) {
            assert_eq!(whole(&again), whole(&batches));
        }
    }
}

/// The same as a file of JSON.
pub fn json(bytes: &[u8]) {
    let Some((format, text)) = chosen(bytes) else { return };
    let Some(Ok(columns)) = plain(text).map(|text| text::json::infer(text, &format, format.infer_rows)) else { return };
    let (inferred, mixed): (Inferred, BTreeSet<String>) = columns.inferred(&format);
    let read = plain(text).map(|text| {
        let (schema, all) = columns_of(&inferred);
        text::json::Reader::new(text, &schema, all, (format.clone(), &mixed), None, ROWS)?
            .collect::<Result<Vec<_>, _>>()
    });
    complete(read, &inferred, &format, |error| error.to_string().contains(" twice"));
}

/// The batches of a file. When all of it told the types, nothing but what `may_fail` is wrong with it, and no row is missing.
fn complete(
    read: Option<Result<Vec<RecordBatch>, ArrowError>>,
    inferred: &Inferred,
    format: &TextFormat,
    may_fail: fn(&ArrowError) -> bool,
) -> Option<Vec<RecordBatch>> {
    let told = inferred.whole && format.types.is_empty();
    match read? {
        Ok(batches) => {
            let rows: u64 = batches.iter().map(|batch| batch.num_rows() as u64).sum();
            assert!(!inferred.whole || rows == inferred.rows, "{rows} rows, and {} told the types", inferred.rows);
            Some(batches)
        }
        Err(error) => {
            assert!(!told || may_fail(&error), "what told the types is not of them: {error}");
            None
        }
    }
}

fn columns_of(inferred: &Inferred) -> (SchemaRef, Vec<usize>) {
    let schema: Schema = inferred.strings_for_nulls();
    let all = (0..schema.fields().len()).collect();
    (Arc::new(schema), all)
}

fn plain(text: &[u8]) -> Option<impl Read> {
    Some(text::plain(Cursor::new(text.to_vec())).ok()?.take(TEXT))
}

/// How a file is read, by the first two bytes: its options, and the type of the column `a`.
fn chosen(bytes: &[u8]) -> Option<(TextFormat, &[u8])> {
    let (&[options, of], text) = bytes.split_first_chunk()?;
    let pick = |bit: u8| options >> bit & 1 == 1;
    let told = [
        DataType::Boolean,
        DataType::Int8,
        DataType::UInt64,
        DataType::Float32,
        DataType::Decimal128(10, 2),
        DataType::Decimal256(76, 38),
        DataType::Date32,
        DataType::Date64,
        DataType::Time32(TimeUnit::Second),
        DataType::Time64(TimeUnit::Nanosecond),
        DataType::Timestamp(TimeUnit::Nanosecond, None),
        DataType::Timestamp(TimeUnit::Second, Some("+02:00".into())),
        DataType::Binary,
        DataType::FixedSizeBinary(2),
        DataType::Utf8,
        DataType::LargeUtf8,
    ];
    let format = TextFormat {
        // Most texts are read by what they have.
        types: told.get(usize::from(of)).map(|told| ("a".to_owned(), told.clone())).into_iter().collect(),
        infer_rows: if pick(0) { 1 } else { 100_000 },
        delimiter: if pick(1) { b';' } else { b',' },
        quote: (!pick(2)).then_some(if pick(3) { b'\'' } else { b'"' }),
        header: !pick(4),
        nulls: if pick(5) { vec!["NA".to_owned(), "-".to_owned()] } else { Vec::new() },
        ..TextFormat::default()
    };
    Some((format, text))
}

/// The options of a seed: none, and every type by what the file has.
fn seed(options: u8, told: u8, text: &[u8]) -> Vec<u8> {
    [&[options, told], text].concat()
}

pub fn csv_seeds() -> Vec<Vec<u8>> {
    vec![
        seed(0, 255, b"a,b\n1,x\n,\"\"\n\"say \"\"x\"\"\",\"two\nlines\"\n"),
        seed(0, 255, b"\xef\xbb\xbfa\r\n2024-02-29\r\n\r\n1969-12-31\r\n"),
        seed(0, 255, b"a,b,c\n0.1,true,2024-01-01T00:00:00+02:00\n-1e5,FALSE,2024-07-01 12:00:00.123456789Z\nNaN,,\n"),
        seed(0, 255, b"a\n01220\n18446744073709551615\n9007199254740993\n1e400\n"),
        seed(2 | 8 | 16 | 32, 255, b"1;'a;b'\n-;NA\n'-';'NA'\n"),
        seed(4 | 16, 255, b"1,\"a\n2,b\"\n"),
        seed(1, 255, b"a,b\n1,1\n2.5,x\n"),
        seed(0, 4, b"a\n1.50\n-99999999.99\n"),
        seed(0, 5, b"a\n15e-1\n-9e37\n00.000e-39999\n"),
        seed(0, 10, b"a\n2024-01-01 00:00:00.000000001\n2262-04-11\n"),
        seed(0, 12, b"a\n00ff\n\"\"\n"),
    ]
}

pub fn json_seeds() -> Vec<Vec<u8>> {
    vec![
        seed(0, 255, b"{\"a\": 1, \"b\": \"x\"}\n{\"b\": null, \"a\": -0}\r\n\n{\"c\": [1, 2.5, null]}\n"),
        seed(0, 255, b"{\"a\": {\"x\": [{\"y\": true}], \"z\": {}}, \"\\u00e9\\ud83d\\ude00\": []}\n{\"a\": null}\n"),
        seed(0, 255, b"{\"a\": 18446744073709551615}\n{\"a\": 1e400}\n{\"a\": \"text\"}\n"),
        seed(1, 255, b"{\"a\": 1}\n{\"a\": 2.9}\n"),
        seed(0, 4, b"{\"a\": 1.50}\n{\"a\": \"2.25\"}\n"),
        seed(0, 11, b"{\"a\": \"2024-01-01T00:00:00+01:00\"}\n"),
        seed(0, 14, b"{\"a\": [1, {\"b\": 2}]}\n{\"a\": \"x\"}\n"),
    ]
}
