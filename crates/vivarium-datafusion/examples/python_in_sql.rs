//! A DataFusion program whose users write functions in Python: `cargo run --release -p vivarium-datafusion --example python_in_sql`.

use std::time::Duration;

use datafusion::prelude::{SessionConfig, SessionContext};
use vivarium::{Image, Limits, Runtime, RuntimeConfig, SandboxConfig};
use vivarium_datafusion::PythonFunctions;
use vivarium_guest::ImageStore;
use vivarium_sandbox::{JobId, Tenant, TenantId, TenantLimits};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Once for the process: the guest, which is built the first time, and the engine that runs it.
    let image = ImageStore::open()?.ensure(&mut |event| println!("{event:?}")).await?;
    let image = Image::open(&Runtime::new(RuntimeConfig::default())?, image.directory)?;

    // Once for a tenant: what all its functions may use together.
    let tenant = Tenant::new(TenantId::new("acme")?, &TenantLimits::default().with_memory(1 << 30));
    let limits = Limits::default().with_memory(128 << 20).with_batch_time(Duration::from_secs(5));
    let python = PythonFunctions::builder(image)
        .sandbox(SandboxConfig::default().with_limits(limits))
        .tenant(&tenant, JobId::new("reports")?)
        .build();

    // For each session: one line.
    let session = SessionContext::new_with_config(SessionConfig::new().with_information_schema(true));
    python.install(&session)?;

    for statement in [
        "CREATE FUNCTION slug(title VARCHAR) RETURNS VARCHAR LANGUAGE PYTHON AS $$
import re
def slug(title):
    return re.sub('[^a-z0-9]+', '-', title.lower()).strip('-')
$$",
        "CREATE TABLE posts AS VALUES (1, 'Hello, World!'), (2, 'Rust & Python'), (3, NULL)",
        "SET vivarium.memory = '64MiB'",
        "SELECT column1 AS id, slug(column2) AS slug FROM posts WHERE column1 < 3",
        "EXPLAIN ANALYZE SELECT slug(column2) FROM posts",
    ] {
        session.sql(statement).await?.show().await?;
    }
    Ok(())
}
