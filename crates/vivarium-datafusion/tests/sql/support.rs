//! Sessions to test.

use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::util::pretty::pretty_format_batches;
use datafusion::error::DataFusionError;
use datafusion::prelude::{SessionConfig, SessionContext};
use vivarium::{Image, Limits, Runtime, RuntimeConfig};
use vivarium_datafusion::{PythonFunctions, PythonFunctionsBuilder};
use vivarium_guest::ImageStore;

/// The guest image, built when it is missing.
pub async fn image() -> Image {
    static IMAGE: tokio::sync::OnceCell<Image> = tokio::sync::OnceCell::const_new();
    let open = async || {
        let location = ImageStore::open().unwrap().ensure(&mut |event| eprintln!("{event:?}")).await.unwrap();
        let runtime = Runtime::new(RuntimeConfig::default().with_sandboxes(96)).unwrap();
        Image::open(&runtime, location.directory).unwrap()
    };
    IMAGE.get_or_init(open).await.clone()
}

/// Statements may allow more than the defaults: some tests are about what is stopped before a limit is reached.
pub async fn functions() -> PythonFunctionsBuilder {
    let most = Limits::default().with_memory(1 << 30).with_batch_time(Duration::from_secs(3600));
    PythonFunctions::builder(image().await).ceiling(most).most_instances(8)
}

/// Small batches and several partitions, so that results come out of many calls.
pub fn config() -> SessionConfig {
    SessionConfig::new().with_information_schema(true).with_target_partitions(3).with_batch_size(100)
}

pub fn session(python: &PythonFunctions) -> SessionContext {
    let session = SessionContext::new_with_config(config());
    python.install(&session).unwrap();
    session
}

/// All rows that a statement gives.
pub async fn rows(session: &SessionContext, sql: &str) -> Result<Vec<RecordBatch>, DataFusionError> {
    session.sql(sql).await?.collect().await
}

/// They as text.
pub async fn shown(session: &SessionContext, sql: &str) -> String {
    match rows(session, sql).await {
        Ok(batches) => pretty_format_batches(&batches).unwrap().to_string(),
        Err(error) => panic!("{sql}: {error}"),
    }
}

pub async fn run(session: &SessionContext, statements: &[&str]) {
    for statement in statements {
        rows(session, statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
}

/// A session with functions in it.
pub async fn session_with(statements: &[&str]) -> SessionContext {
    let session = session(&functions().await.build());
    run(&session, statements).await;
    session
}
