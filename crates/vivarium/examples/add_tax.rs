//! Adds a column that a Python function computes: `cargo run --release -p vivarium --example add_tax`.

use std::sync::Arc;

use arrow::array::{Float64Array, Int64Array, RecordBatch};
use arrow::util::pretty::pretty_format_batches;
use futures::TryStreamExt;
use futures::stream;
use vivarium::guest::ImageStore;
use vivarium::{FunctionSource, Image, Limits, Module, Runtime, RuntimeConfig, SandboxConfig, TaskOptions};

const SOURCE: &str = r#"
from vivarium import udf

@udf
def with_tax(price: float, quantity: int) -> float:
    return price * quantity * 1.19
"#;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let batch = RecordBatch::try_from_iter([
        ("price", Arc::new(Float64Array::from(vec![Some(1.0), None, Some(3.5)])) as _),
        ("quantity", Arc::new(Int64Array::from(vec![2, 1, 4])) as _),
    ])?;
    let schema = batch.schema();

    // The guest: built the first time, which takes a while.
    let image = ImageStore::open()?.ensure(&mut |event| println!("{event:?}")).await?;
    let runtime = Runtime::new(RuntimeConfig::default())?;
    let image = Image::open(&runtime, image.directory)?;

    let sandbox = SandboxConfig::default().with_limits(Limits::default().with_memory(128 << 20));
    let source = FunctionSource::inline("tax.py", SOURCE);
    let options = TaskOptions::default();
    // What the file declares, and whether it fits the columns, is known before data flows.
    let task = Module::load(&image, sandbox, source).await?.function("with_tax")?.bind(&schema, options).await?;

    // One batch ...
    println!("{:?}", task.invoke(&batch, 0).await?.result);
    // ... or a stream of them, on all cores, in order.
    let stream_of_batches = stream::iter([Ok::<_, std::io::Error>(batch)]);
    let batches = task.run(stream_of_batches);
    let outputs: Vec<_> = batches.try_collect().await?;
    let batches: Vec<_> = outputs.into_iter().map(|output| output.batch).collect();
    println!("{}", pretty_format_batches(&batches)?);
    Ok(())
}
