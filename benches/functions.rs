//! What types and kinds of functions cost, with the native side measured in the same run.
//!
//! ```text
//! cargo bench --bench functions [-- --rounds 15]
//! ```
//!
//! The functions are those of `wasm-python/benches/functions.py`. Types are compared as in `figures`: the same C shim on native
//! CPython, the sandbox with both copies. Groups are rows per second of a whole aggregation on one instance, keys and
//! results included; the native figure beside them is a loop in Python over the same methods, without columns.

#[path = "common/mod.rs"]
mod common;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use arrow::array::{
    Array, ArrayRef, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray, StructArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Fields};
use common::{Case, Native, ROWS, Samples, compare, rounds, row};
use futures::{StreamExt, stream};
use serde_json::json;
use vivarium::{FunctionSource, GroupBy, Module, TaskOptions};
use vivarium_guest::ImageStore;
use vivarium_sandbox::{Image, Runtime, RuntimeConfig, Sandbox, SandboxConfig};

const SOURCE: &str = include_str!("../wasm-python/benches/functions.py");
const GROUPED_ROWS: i64 = 1_000_000;
const GROUPS: i64 = 10_000;

fn main() -> Result<()> {
    let rounds = rounds()?;
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(measure(rounds))
}

async fn measure(rounds: usize) -> Result<()> {
    let location = ImageStore::open()?.ensure(&mut |event| eprintln!("{event:?}")).await?;
    let runtime = Runtime::new(RuntimeConfig::default())?;
    let image = Image::open(&runtime, &location.directory)?;
    let mut native = Native::start(&location.manifest()?.native_python)?;

    println!("| figure | measured | asked |\n|---|---|---|");
    for case in cases() {
        ratio(&image, &mut native, case, rounds).await?;
    }
    let native = 1e-6 / native.seconds_per_row("grouped")?;
    for (function, form, asked) in
        [("Total", "row by row", "at least 1.5 M rows/s"), ("Totals", "vectorized", "at least 5 M rows/s")]
    {
        let rate = grouped(&image, function, rounds).await?;
        let measured = format!("{} M rows/s; a native loop {native:.1}", rate.show(1e-6));
        row(&format!("grouped sum, 10,000 groups of 1 M rows, {form}"), &measured, asked);
    }
    Ok(())
}

/// A function of one type, before it is bound.
struct Typed {
    figure: &'static str,
    function: &'static str,
    argument: &'static str,
    column: ArrayRef,
    result: DataType,
    asked: &'static str,
}

fn cases() -> Vec<Typed> {
    let rows = 0..ROWS as i64;
    let case = |figure, function, argument, column: ArrayRef, asked| {
        let result = column.data_type().clone();
        Typed { figure, function, argument, column, result, asked }
    };
    let texts = StringArray::from_iter_values(rows.clone().map(|row| format!("Customer#{row:09}")));
    let days = TimestampMicrosecondArray::from_iter_values(rows.clone().map(|row| row * 86_400_000_123));
    let amounts = Decimal128Array::from_iter_values(rows.clone().map(|row| i128::from(row) * 100));
    let order = StructArray::new(
        order_fields(),
        vec![
            Arc::new(Int64Array::from_iter_values(rows.clone())),
            Arc::new(Float64Array::from_iter_values(rows.clone().map(|row| row as f64 / 3.0))),
            Arc::new(StringArray::from_iter_values(rows.map(|row| format!("{row:05}")))),
        ],
        None,
    );
    let amounts = amounts.with_data_type(DataType::Decimal128(38, 2));
    vec![
        case("`upper` of utf8", "upper", "string", Arc::new(texts), "at most 3.5x"),
        case("`+ 1` on Decimal", "price", "decimal128(38, 2)", Arc::new(amounts), "at most 5x"),
        case("`+ 1 day` on Timestamp", "next_day", "timestamp[us]", Arc::new(days), "at most 5x"),
        case("a 3-field Struct", "order", "struct<a: int64, b: double, c: string>", Arc::new(order), "at most 5x"),
    ]
}

fn order_fields() -> Fields {
    let field = |name, data_type| Field::new(name, data_type, true);
    vec![field("a", DataType::Int64), field("b", DataType::Float64), field("c", DataType::Utf8)].into()
}

/// Binds a function in a sandbox of its own and compares it with the native side.
async fn ratio(image: &Image, native: &mut Native, typed: Typed, rounds: usize) -> Result<()> {
    let Typed { figure, function, argument, column, result, asked } = typed;
    let mut sandbox = Sandbox::start(image, &SandboxConfig::default()).await?;
    sandbox.control(&json!({"op": "load", "source": SOURCE, "filename": "functions.py"})).await?;
    let arguments = json!([{"type": argument, "nullable": true}]);
    let bind = json!({"op": "bind", "function": function, "arguments": arguments, "on_error": "fail"});
    let handle = sandbox.control(&bind).await?["handle"].as_u64().context("a handle")? as u32;
    let case = Case { figure, native: function, handle, columns: vec![column], result, asked };
    compare(&mut sandbox, native, case, rounds).await
}

/// Rows per second of an aggregation on one instance.
async fn grouped(image: &Image, function: &str, rounds: usize) -> Result<Samples> {
    let source = FunctionSource::inline("functions.py", SOURCE);
    let module = Module::load(image, SandboxConfig::default(), source).await?;
    let batches: Vec<RecordBatch> = (0..GROUPED_ROWS)
        .step_by(ROWS)
        .map(|first| {
            let rows = first..GROUPED_ROWS.min(first + ROWS as i64);
            let keys = Int64Array::from_iter_values(rows.clone().map(|row| row * 7919 % GROUPS));
            let columns: [(&str, ArrayRef); 2] =
                [("key", Arc::new(keys)), ("x", Arc::new(Int64Array::from_iter_values(rows)))];
            RecordBatch::try_from_iter(columns)
        })
        .collect::<Result<_, _>>()?;
    let group_by = GroupBy { columns: vec!["key".to_owned()], ..GroupBy::default() };
    let mut rates = Vec::new();
    for round in 0..=rounds {
        let options = TaskOptions { instances: Some(1), ..TaskOptions::default() };
        let task = module.function(function)?.bind_aggregate(&batches[0].schema(), &group_by, options).await?;
        let input = stream::iter(batches.clone().into_iter().map(Ok::<_, Infallible>));
        let start = Instant::now();
        let mut groups = 0;
        let mut output = std::pin::pin!(task.run(input));
        while let Some(output) = output.next().await {
            groups += output?.batch.num_rows();
        }
        anyhow::ensure!(groups as i64 == GROUPS, "{groups} groups");
        if round > 0 {
            rates.push(GROUPED_ROWS as f64 / start.elapsed().as_secs_f64());
        }
    }
    Ok(Samples::new(rates))
}
