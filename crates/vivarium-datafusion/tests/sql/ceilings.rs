//! What the owner of a session gave is the most that its statements can have.

use std::time::Duration;

use vivarium::{ErrorClass, Limits, SandboxConfig};
use vivarium_datafusion::{PythonFunctions, find_error};

use crate::support::{image, rows, run, session, shown};

const KEEPS: &str = "CREATE FUNCTION keeps(mebibytes BIGINT) RETURNS BIGINT LANGUAGE PYTHON AS $$
def keeps(mebibytes): return len(bytearray(mebibytes << 20)) >> 20
$$";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_lower_limits_and_never_lift_them() {
    let limits = Limits::default().with_memory(96 << 20).with_batch_time(Duration::from_secs(10));
    let config = SandboxConfig::default().with_limits(limits);
    let python = PythonFunctions::builder(image().await).sandbox(config).instances(2).build();
    let session = session(&python);
    run(&session, &[KEEPS]).await;
    for (statement, most) in [
        ("SET vivarium.memory = '4GiB'", "96 MiB"),
        ("SET vivarium.batch_time = '1h'", "10 s"),
        ("SET vivarium.log_bytes_per_second = 'none'", "1 MiB"),
        ("SET vivarium.instances = 1024", "2"),
        ("SET vivarium.output_bytes = '1GiB'", "64 MiB"),
        ("SET vivarium.output_items = 1000000000", "16777216"),
        ("SET vivarium.scratch_files = 10001", "10000"),
    ] {
        let error = rows(&session, statement).await.unwrap_err();
        let found = find_error(&error).unwrap_or_else(|| panic!("{statement}: {error}"));
        assert_eq!(found.class(), ErrorClass::Usage, "{statement}");
        let said = found.to_string();
        assert!(said.contains(&format!("the session's owner allows at most {most}, and")), "{statement}: {said}");
    }
    // Nothing was changed, and the limit holds.
    assert!(shown(&session, "SHOW vivarium.memory").await.contains("96 MiB"));
    let error = rows(&session, "SELECT keeps(120)").await.unwrap_err();
    assert_eq!(find_error(&error).map(|error| error.class()), Some(ErrorClass::Limit), "{error}");
    // What is lowered can be raised again, up to what was given; none is what the default for processor time is.
    run(
        &session,
        &[
            "SET vivarium.memory = '64MiB'",
            "SET vivarium.memory = '96MiB'",
            "SET vivarium.cpu_time = '1h'",
            "SET vivarium.cpu_time = 'none'",
            "SET vivarium.instances = 1",
            "SET vivarium.job_parameters = 'tax=0.25'",
            "SET vivarium.env = 'REGION=eu'",
            "SELECT keeps(1)",
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_word_of_the_owner_the_defaults_are_the_most() {
    let session = session(&PythonFunctions::builder(image().await).build());
    let error = rows(&session, "SET vivarium.memory = '257MiB'").await.unwrap_err().to_string();
    assert!(error.contains("at most 256 MiB, and 257MiB is more"), "{error}");
    assert!(rows(&session, "SET vivarium.instances = 1024").await.is_err());
}
