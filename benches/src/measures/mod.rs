//! What is measured of the sandbox alone: starting, memory, limits, copying, growth, columns that are of no use, and tenants beside each other.

pub mod fallback;
pub mod growth;
pub mod limits;
pub mod memory;
pub mod start;
pub mod tenants;

use serde_json::json;
use vivarium_sandbox::{Error, Image, Sandbox, SandboxConfig};

use crate::results::Measure;
use crate::statistics::Samples;

/// A quantity.
fn measure(key: &str, what: &str, unit: &str, samples: Vec<f64>) -> Measure {
    Measure { key: key.to_owned(), what: what.to_owned(), unit: unit.to_owned(), samples: Samples(samples) }
}

/// An instance with a function bound in it, as low as the library goes.
async fn bound(image: &Image, source: &str, function: &str, arguments: &[&str]) -> Result<(Sandbox, u32), Error> {
    let mut sandbox = Sandbox::start(image, &SandboxConfig::default()).await?;
    let handle = bind(&mut sandbox, source, function, arguments).await?;
    Ok((sandbox, handle))
}

/// Loads a source and binds a function of it.
async fn bind(sandbox: &mut Sandbox, source: &str, function: &str, arguments: &[&str]) -> Result<u32, Error> {
    sandbox.control(&json!({"op": "load", "source": source, "filename": "udf.py"})).await?;
    let arguments: Vec<_> = arguments.iter().map(|name| json!({"type": name, "nullable": true})).collect();
    let request = json!({"op": "bind", "function": function, "arguments": arguments, "on_error": "fail"});
    Ok(sandbox.control(&request).await?["handle"].as_u64().unwrap_or_default() as u32)
}
