//! What Python functions cost in SQL, with the runtime's own loop and DataFusion's own expressions measured in the same run.
//!
//! ```text
//! cargo bench --profile dev --bench sql -- [--rounds 7] [--scale 1]
//! ```
//!
//! The table is TPC-H's `lineitem`, 6 M rows at scale 1. The columns that queries read are generated once and kept as
//! `target/bench-data/lineitem-SCALE.parquet`. The two of a pair take turns, after one round that is not counted; what is shown is the
//! median of the pairs' ratios with its quartiles, and both medians. The process has two worker threads, as many as partitions.

#[path = "common/mod.rs"]
mod common;

use std::fs::File;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use arrow::array::{RecordBatch, RecordBatchReader};
use common::{Samples, rounds};
use datafusion::datasource::MemTable;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use futures::StreamExt;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::{ArrowWriter, ProjectionMask};
use tpchgen::generators::LineItemGenerator;
use tpchgen_arrow::LineItemArrow;
use vivarium::{Arguments, FunctionSource, Module, TaskOptions};
use vivarium_datafusion::{HostFiles, PythonFunctions};
use vivarium_env::{EnvironmentSettings, Store};
use vivarium_guest::ImageStore;
use vivarium_sandbox::{Image, Runtime, RuntimeConfig, SandboxConfig};

const ADD_ONE: &str = "def add_one(x: int) -> int:\n    return x + 1\n";

const CREATE: [&str; 2] = [
    "CREATE FUNCTION add_one(x BIGINT) RETURNS BIGINT LANGUAGE PYTHON AS $$
def add_one(x: int) -> int:
    return x + 1
$$",
    "CREATE FUNCTION charge(price DOUBLE, discount DOUBLE, tax DOUBLE) RETURNS DOUBLE LANGUAGE PYTHON AS $$
from vivarium import udf
@udf(vectorized=True)
def charge(price: float, discount: float, tax: float) -> float:
    return price * (1 - discount) * (1 + tax)
$$",
];

fn main() -> Result<()> {
    let rounds = rounds()?;
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(measure(rounds))
}

fn scale() -> Result<f64> {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().position(|argument| argument == "--scale") {
        None => Ok(1.0),
        Some(position) => arguments.get(position + 1).context("--scale takes a number")?.parse().context("--scale"),
    }
}

async fn measure(rounds: usize) -> Result<()> {
    let location = ImageStore::open()?.ensure(&mut |event| eprintln!("{event:?}")).await?;
    let runtime = Runtime::new(RuntimeConfig::default())?;
    let image = Image::open(&runtime, &location.directory)?;
    let file = lineitem(scale()?)?;
    let keys = keys(&file)?;
    let rows = keys.iter().map(RecordBatch::num_rows).sum::<usize>() as f64;

    println!("{rows} rows, {rounds} rounds, {} cores\n", std::thread::available_parallelism()?);
    println!("| figure | reached | asked |\n|---|---|---|");
    row_form(&image, &keys, rows, rounds).await?;
    let two = session(&image, 2, &file, &keys).await?;
    two_partitions(&session(&image, 1, &file, &keys).await?, &two, rows, rounds).await?;
    let price = "l_extendedprice, l_discount, l_tax";
    let charge = format!("SELECT sum(charge({price})) FROM lineitem");
    let built_in = "SELECT sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)) FROM lineitem";
    let (ours, theirs) =
        pairs(rounds, async || timed(&two, &charge).await, async || timed(&two, built_in).await).await?;
    row("vectorized form against the built-in expression, over Parquet", &compared(&ours, &theirs, rows), "at most 3x");
    registering(&image, rounds).await?;
    trivial(&image, rounds).await
}

/// A file with the columns of lineitem that the queries read.
fn lineitem(scale: f64) -> Result<PathBuf> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench-data");
    let file = target.join(format!("lineitem-{scale}.parquet"));
    if !file.exists() {
        std::fs::create_dir_all(&target)?;
        let unfinished = tempfile::NamedTempFile::new_in(&target)?;
        generate(scale, unfinished.as_file())?;
        unfinished.persist(&file)?;
    }
    Ok(file)
}

/// The first column of a file, in batches.
fn keys(file: &Path) -> Result<Vec<RecordBatch>> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(file)?)?;
    let keys = ProjectionMask::roots(builder.parquet_schema(), [0]);
    Ok(builder.with_projection(keys).with_batch_size(8192).build()?.collect::<Result<_, _>>()?)
}

fn generate(scale: f64, file: &File) -> Result<()> {
    let table = LineItemArrow::new(LineItemGenerator::new(scale, 1, 1)).with_batch_size(8192);
    let columns = ["l_orderkey", "l_extendedprice", "l_discount", "l_tax"];
    let columns: Vec<_> = columns.iter().map(|name| table.schema().index_of(name)).collect::<Result<_, _>>()?;
    let schema = Arc::new(table.schema().project(&columns)?);
    // Prices as floating point numbers, which is what the functions take.
    let fields = schema.fields().iter().map(|field| match field.data_type().is_decimal() {
        true => Arc::new(field.as_ref().clone().with_data_type(arrow::datatypes::DataType::Float64)),
        false => Arc::clone(field),
    });
    let schema = Arc::new(arrow::datatypes::Schema::new(fields.collect::<Vec<_>>()));
    let mut writer = ArrowWriter::try_new(file, Arc::clone(&schema), None)?;
    for batch in table {
        let batch = batch?.project(&columns)?;
        let cast = batch.columns().iter().zip(schema.fields());
        let cast = cast.map(|(column, field)| arrow::compute::cast(column, field.data_type()));
        let batch = RecordBatch::try_new(Arc::clone(&schema), cast.collect::<Result<_, _>>()?)?;
        writer.write(&batch)?;
    }
    writer.close()?;
    Ok(())
}

async fn session(image: &Image, partitions: usize, file: &Path, keys: &[RecordBatch]) -> Result<SessionContext> {
    let session = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(partitions));
    PythonFunctions::builder(image.clone()).build().install(&session)?;
    for create in CREATE {
        session.sql(create).await?;
    }
    session.register_parquet("lineitem", file.to_string_lossy(), ParquetReadOptions::default()).await?;
    let split = keys.chunks(keys.len().div_ceil(partitions)).map(<[RecordBatch]>::to_vec).collect();
    session.register_table("keys", Arc::new(MemTable::try_new(keys[0].schema(), split)?))?;
    Ok(session)
}

/// Seconds of a query, from text to the last row.
async fn timed(session: &SessionContext, sql: &str) -> Result<f64> {
    let start = Instant::now();
    let mut rows = session.sql(sql).await?.execute_stream().await?;
    while let Some(batch) = rows.next().await {
        batch?;
    }
    Ok(start.elapsed().as_secs_f64())
}

/// Seconds of both, alternating; the first round warms up.
async fn pairs(
    rounds: usize,
    mut one: impl AsyncFnMut() -> Result<f64>,
    mut other: impl AsyncFnMut() -> Result<f64>,
) -> Result<(Vec<f64>, Vec<f64>)> {
    let (mut ones, mut others) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let (first, second) = (one().await?, other().await?);
        if round > 0 {
            ones.push(first);
            others.push(second);
        }
    }
    Ok((ones, others))
}

/// The ratio of the seconds of two, and what each takes for a row.
fn compared(ones: &[f64], others: &[f64], rows: f64) -> String {
    let ratio = Samples::new(ones.iter().zip(others).map(|(one, other)| one / other).collect());
    let each = |seconds: &[f64]| Samples::new(seconds.to_vec()).show(1e9 / rows);
    format!("{}x: {} against {} ns a row", ratio.show(1.0), each(ones), each(others))
}

/// A projection on one partition against the runtime's own loop over the same batches, on one instance.
async fn row_form(image: &Image, keys: &[RecordBatch], rows: f64, rounds: usize) -> Result<()> {
    let session = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
    PythonFunctions::builder(image.clone()).build().install(&session)?;
    session.sql(CREATE[0]).await?;
    session.register_table("keys", Arc::new(MemTable::try_new(keys[0].schema(), vec![keys.to_vec()])?))?;
    let source = FunctionSource::inline("add_one.py", ADD_ONE);
    let module = Module::load(image, SandboxConfig::default(), source).await?;
    let arguments = Arguments::Columns(vec!["l_orderkey".to_owned()]);
    let options = TaskOptions::default().with_arguments(arguments).with_instances(Some(1));
    let task = module.function("add_one")?.bind(&keys[0].schema(), options).await?;
    let runtime = async || {
        let start = Instant::now();
        let mut first_row = 0;
        for batch in keys {
            task.invoke(batch, first_row).await?;
            first_row += batch.num_rows() as u64;
        }
        Ok(start.elapsed().as_secs_f64())
    };
    let projection = async || timed(&session, "SELECT add_one(l_orderkey) FROM keys").await;
    let (ours, theirs) = pairs(rounds, projection, runtime).await?;
    row("row form in a projection against the runtime's own loop", &compared(&ours, &theirs, rows), "at most 1.15x");
    Ok(())
}

/// Two partitions against one, and in the same rounds two threads of plain arithmetic against one: no query can gain more
/// from a second partition than the machine has to give, and a virtual machine's two cores are seldom two whole ones.
async fn two_partitions(one: &SessionContext, two: &SessionContext, rows: f64, rounds: usize) -> Result<()> {
    let call = "SELECT sum(add_one(l_orderkey)) FROM keys";
    let (mut machine_one, mut machine_two) = (Vec::new(), Vec::new());
    let (alone, both) = pairs(
        rounds,
        async || {
            machine_one.push(arithmetic(1));
            timed(one, call).await
        },
        async || {
            machine_two.push(arithmetic(2));
            timed(two, call).await
        },
    )
    .await?;
    row("row form: two partitions against one", &compared(&alone, &both, rows), "at least 1.8x");
    let machine = Samples::new(machine_one.iter().zip(&machine_two).skip(1).map(|(one, two)| one / two).collect());
    row("two threads of integer arithmetic against one, in the same rounds", &format!("{}x", machine.show(1.0)), "");
    Ok(())
}

/// Seconds of a fixed piece of integer arithmetic, cut in equal parts for `threads` threads.
fn arithmetic(threads: u64) -> f64 {
    const STEPS: u64 = 200_000_000;
    let start = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || (0..STEPS / threads).fold(thread, |sum, step| black_box(sum.wrapping_mul(3) ^ step)));
        }
    });
    start.elapsed().as_secs_f64()
}

/// A thousand functions in a session: statement by statement, and from one file.
async fn registering(image: &Image, rounds: usize) -> Result<()> {
    let python = PythonFunctions::builder(image.clone()).build();
    let fresh = || -> Result<SessionContext> {
        let session = SessionContext::new();
        python.install(&session)?;
        Ok(session)
    };
    let mut statements = Vec::new();
    let mut file = Vec::new();
    for _ in 0..rounds.min(5) {
        let session = fresh()?;
        let start = Instant::now();
        for number in 0..1000 {
            let create = format!(
                "CREATE FUNCTION f{number}(x BIGINT) RETURNS BIGINT LANGUAGE PYTHON AS $$\ndef f{number}(x):\n    return x + {number}\n$$"
            );
            session.sql(&create).await?;
        }
        statements.push(start.elapsed().as_secs_f64());
        let functions: String = (0..1000).map(|i| format!("@udf\ndef f{i}(x: int) -> int: return x + {i}\n")).collect();
        let source = FunctionSource::inline("many.py", format!("from vivarium import udf\n{functions}"));
        let session = fresh()?;
        let start = Instant::now();
        python.register(&session, source, None).await?;
        file.push(start.elapsed().as_secs_f64());
    }
    row("1,000 functions, each by CREATE FUNCTION", &format!("{} s", Samples::new(statements).show(1.0)), "under 2 s");
    row("1,000 functions of one file", &format!("{} s", Samples::new(file).show(1.0)), "under 2 s");
    Ok(())
}

/// A query of one row, with a function whose environment has been made before.
async fn trivial(image: &Image, rounds: usize) -> Result<()> {
    let directory = tempfile::tempdir()?;
    std::fs::write(directory.path().join("rates.py"), "RATE = 3\n")?;
    let manifest = ImageStore::open()?.locate()?.manifest()?;
    let settings = EnvironmentSettings::default()
        .with_store(Some(Arc::new(Store::open(directory.path().join("store"))?)))
        .with_guest(vivarium::guest_python(&manifest)?);
    let python = PythonFunctions::builder(image.clone())
        .environments(Arc::new(settings))
        .host_files(HostFiles::within(directory.path()))
        .build();
    let create = "CREATE FUNCTION rated(x BIGINT) RETURNS BIGINT LANGUAGE PYTHON AS $$
from rates import RATE
def rated(x): return x * RATE
$$";
    let (mut first, mut later) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let session = SessionContext::new();
        python.install(&session)?;
        let start = Instant::now();
        session.sql("SET python.files = 'rates.py'").await?;
        session.sql(create).await?;
        timed(&session, "SELECT rated(column1) FROM (VALUES (14))").await?;
        let created = start.elapsed().as_secs_f64();
        let query = timed(&session, "SELECT rated(column1) FROM (VALUES (14))").await?;
        if round > 0 {
            first.push(created);
            later.push(query);
        }
    }
    row("one row, in a known environment", &format!("{} ms", Samples::new(later).show(1e3)), "under 20 ms");
    row("the same with SET and CREATE FUNCTION", &format!("{} ms", Samples::new(first).show(1e3)), "");
    Ok(())
}

/// Prints a row of the report.
fn row(figure: &str, measured: &str, asked: &str) {
    println!("| {figure} | {measured} | {asked} |");
}
