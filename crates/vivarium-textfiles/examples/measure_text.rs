//! What it costs that text is exact: the readers and writers of this crate beside Arrow's, over the same bytes in memory.
//!
//! ```console
//! $ cargo run --workspace --example measure_text                       # all, in turns, nine rounds: the ratio of the best ones
//! $ perf stat -e instructions:u target/debug/examples/measure_text read csv ours      # one of them, once
//! ```

use std::io::Cursor;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::error::ArrowError;
use arrow_schema::SchemaRef;
use vivarium_textfiles::{TextFormat, csv, json};

const ROWS: usize = 300_000;
const BATCH: usize = 8192;
const ROUNDS: usize = 9;

type Rows = Result<usize, ArrowError>;

/// Reads a file to its end.
type Reader<'a> = Box<dyn Fn() -> Rows + 'a>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let table = table()?;
    let text = [written_csv(&table)?, written_json(&table)?];
    let schema = table.schema();
    let works: Vec<(&str, &str, Reader<'_>, Reader<'_>)> = vec![
        ("read", "csv", Box::new(|| ours_csv(&text[0], &schema)), Box::new(|| arrows_csv(&text[0], &schema))),
        ("read", "json", Box::new(|| ours_json(&text[1], &schema)), Box::new(|| arrows_json(&text[1], &schema))),
        ("infer", "csv", Box::new(|| ours_infer_csv(&text[0])), Box::new(|| arrows_infer_csv(&text[0]))),
        ("infer", "json", Box::new(|| ours_infer_json(&text[1])), Box::new(|| arrows_infer_json(&text[1]))),
        ("write", "csv", Box::new(|| ours_write_csv(&table)), Box::new(|| arrows_write_csv(&table))),
    ];
    let wanted: Vec<_> = std::env::args().skip(1).collect();
    if let [what, format, whose] = &wanted[..] {
        let (.., ours, arrows) =
            works.iter().find(|(one, other, ..)| one == what && other == format).ok_or("there is no such work")?;
        assert_eq!(if whose == "ours" { ours()? } else { arrows()? }, ROWS);
        return Ok(());
    }
    println!("{ROWS} rows; {} MB of CSV, {} MB of JSON", text[0].len() >> 20, text[1].len() >> 20);
    for (what, format, ours, arrows) in &works {
        let mut best = [Duration::MAX; 2];
        for _ in 0..ROUNDS {
            for (best, work) in best.iter_mut().zip([ours, arrows]) {
                let started = Instant::now();
                assert_eq!(work()?, ROWS);
                *best = (*best).min(started.elapsed());
            }
        }
        let [ours, arrows] = best.map(|time| time.as_secs_f64());
        println!("{what} {format}: {:.2}x ({:.0} ms and {:.0} ms)", ours / arrows, ours * 1e3, arrows * 1e3);
    }
    Ok(())
}

fn table() -> Result<RecordBatch, ArrowError> {
    let rows = || (0..ROWS as i64).map(|row| (row, row.wrapping_mul(0x9E37_79B9_7F4A_7C15_u64 as i64) >> 17));
    let some = |row: i64| row % 11 != 0;
    let columns: [(&str, ArrayRef); 6] = [
        ("id", Arc::new(Int64Array::from_iter(rows().map(|(row, _)| Some(row))))),
        (
            "price",
            Arc::new(Float64Array::from_iter(
                rows().map(|(row, chance)| some(row).then(|| (chance % 1_000_000) as f64 / 100.0)),
            )),
        ),
        (
            "name",
            Arc::new(StringArray::from_iter(
                rows().map(|(row, chance)| some(row).then(|| format!("customer {}", chance % 50_000))),
            )),
        ),
        ("paid", Arc::new(BooleanArray::from_iter(rows().map(|(_, chance)| Some(chance % 2 == 0))))),
        ("day", Arc::new(Date32Array::from_iter(rows().map(|(_, chance)| Some((chance % 20_000) as i32))))),
        (
            "at",
            Arc::new(TimestampMicrosecondArray::from_iter(
                rows().map(|(row, chance)| some(row).then_some(chance % 1_700_000_000_000_000)),
            )),
        ),
    ];
    RecordBatch::try_from_iter(columns)
}

fn batches(table: &RecordBatch) -> impl Iterator<Item = RecordBatch> {
    (0..ROWS).step_by(BATCH).map(|row| table.slice(row, BATCH.min(ROWS - row)))
}

fn written_csv(table: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
    let mut writer = csv::Writer::new(Vec::new(), &table.schema())?;
    batches(table).try_for_each(|batch| writer.write(&batch))?;
    Ok(writer.into_inner())
}

fn written_json(table: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
    let mut writer = arrow::json::LineDelimitedWriter::new(Vec::new());
    batches(table).try_for_each(|batch| writer.write(&batch))?;
    writer.finish()?;
    Ok(writer.into_inner())
}

fn counted(batches: impl Iterator<Item = Result<RecordBatch, ArrowError>>) -> Rows {
    batches.map(|batch| Ok(batch?.num_rows())).sum()
}

fn ours_csv(text: &[u8], schema: &SchemaRef) -> Rows {
    let all = (0..schema.fields().len()).collect();
    counted(csv::Reader::new(Cursor::new(text), Arc::clone(schema), all, TextFormat::default(), BATCH)?)
}

fn arrows_csv(text: &[u8], schema: &SchemaRef) -> Rows {
    let builder = arrow::csv::ReaderBuilder::new(Arc::clone(schema)).with_header(true).with_batch_size(BATCH);
    counted(builder.build(Cursor::new(text))?)
}

fn ours_json(text: &[u8], schema: &SchemaRef) -> Rows {
    let all = (0..schema.fields().len()).collect();
    let how = (TextFormat::default(), &std::collections::BTreeSet::new());
    counted(json::Reader::new(Cursor::new(text), schema, all, how, None, BATCH)?)
}

fn arrows_json(text: &[u8], schema: &SchemaRef) -> Rows {
    counted(arrow::json::ReaderBuilder::new(Arc::clone(schema)).with_batch_size(BATCH).build(Cursor::new(text))?)
}

fn ours_infer_csv(text: &[u8]) -> Rows {
    Ok(csv::infer(Cursor::new(text), &TextFormat::default(), u64::MAX)?.rows() as usize)
}

fn arrows_infer_csv(text: &[u8]) -> Rows {
    Ok(arrow::csv::reader::Format::default().with_header(true).infer_schema(Cursor::new(text), None)?.1)
}

fn ours_infer_json(text: &[u8]) -> Rows {
    Ok(json::infer(Cursor::new(text), &TextFormat::default(), u64::MAX)?.rows() as usize)
}

fn arrows_infer_json(text: &[u8]) -> Rows {
    Ok(arrow::json::reader::infer_json_schema(Cursor::new(text), None)?.1)
}

fn ours_write_csv(table: &RecordBatch) -> Rows {
    let mut writer = csv::Writer::new(std::io::sink(), &table.schema())?;
    counted(batches(table).map(|batch| writer.write(&batch).map(|()| batch)))
}

fn arrows_write_csv(table: &RecordBatch) -> Rows {
    let mut writer = arrow::csv::Writer::new(std::io::sink());
    counted(batches(table).map(|batch| writer.write(&batch).map(|()| batch)))
}
