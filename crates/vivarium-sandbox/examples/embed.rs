//! Runs a Python function over record batches in a pool of sandboxes, as an engine would.
//!
//! ```text
//! cargo run --release -p vivarium-sandbox --example embed -- IMAGE-DIRECTORY
//! ```
//!
//! `wasm-run guest path` prints the image directory.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array};
use arrow::datatypes::{DataType, Float64Type};
use futures::FutureExt;
use futures::future::try_join_all;
use serde_json::json;
use vivarium_sandbox::{
    CompileEvent, Error, Image, JobId, Limits, Pool, Runtime, RuntimeConfig, SandboxConfig, TaskId, Tenant, TenantId,
    TenantLimits,
};

const SOURCE: &str = "
def price(quantity: int, unit: float) -> float:
    discount = 0.1 if quantity >= 100 else 0.0
    return quantity * unit * (1 - discount)
";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::args().nth(1).ok_or("usage: embed IMAGE-DIRECTORY")?;

    // Once per process.
    let runtime = Runtime::new(RuntimeConfig::default())?;
    Image::compile(&runtime, &directory, |event| {
        if let CompileEvent::Compiling { bytes } = event {
            eprintln!("compiling the image ({} MiB), once on this machine ...", bytes >> 20);
        }
    })?;
    let image = Image::open(&runtime, &directory)?;

    // Once per tenant, and once per task.
    let tenant = Tenant::new(TenantId::new("acme")?, &TenantLimits::default().with_memory(1 << 30));
    let task = tenant.task(JobId::new("orders")?, TaskId::new("price-0")?);
    let limits = Limits::default().with_memory(128 << 20).with_batch_time(Duration::from_secs(5));
    let config = SandboxConfig::default().with_task(Arc::clone(&task)).with_limits(limits);
    let pool = Pool::new(&image, config, 2, |sandbox| {
        async move {
            sandbox.control(&json!({"op": "load", "source": SOURCE, "filename": "prices.py"})).await?;
            let arguments = json!([{"type": "int64", "nullable": true}, {"type": "double", "nullable": true}]);
            let bind = json!({"op": "bind", "function": "price", "arguments": arguments, "on_error": "fail"});
            let bound = sandbox.control(&bind).await?;
            Ok(bound["handle"].as_u64().and_then(|handle| u32::try_from(handle).ok()).unwrap_or_default())
        }
        .boxed()
    });

    // For each batch.
    let rows = 8192;
    let quantity: ArrayRef = Arc::new(Int64Array::from_iter_values((0..rows).map(|row| row % 200)));
    let unit: ArrayRef = Arc::new(Float64Array::from_iter_values((0..rows).map(|row| row as f64 / 10.0)));
    let batches = (0..20).map(|_| async {
        let mut lease = pool.checkout().await?;
        let handle = *lease.value();
        let columns = [Arc::clone(&quantity), Arc::clone(&unit)];
        let prices = lease.invoke(handle, 0, rows as usize, &columns, &DataType::Float64).await?;
        Ok::<f64, Error>(prices.array.as_primitive::<Float64Type>().values().iter().sum())
    });
    let sums = try_join_all(batches).await?;

    println!("{} batches, sum of the first {}", sums.len(), sums[0]);
    println!("{:#?}", pool.metrics());
    println!("{:#?}", tenant.usage());
    Ok(())
}
