//! What functions depend on: `SET python.*` and headers, for sessions that are given environments.

use std::sync::Arc;

use vivarium_datafusion::HostFiles;
use vivarium_env::{EnvironmentSettings, PythonDependencyInfo, PythonEnvironmentManager, PythonFile, Store};
use vivarium_guest::ImageStore;

use crate::support::{functions, image, rows, run, session, shown};

const RATED: &str = "CREATE OR REPLACE FUNCTION rated(x BIGINT) RETURNS BIGINT LANGUAGE PYTHON AS $$
from rates import RATE
def rated(x): return x * RATE
$$";

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("rates.py"), "RATE = 3\n").unwrap();
        std::fs::create_dir(directory.path().join("other")).unwrap();
        std::fs::write(directory.path().join("other/rates.py"), "RATE = 5\n").unwrap();
        Self(directory)
    }

    fn settings(&self) -> Arc<EnvironmentSettings> {
        let manifest = ImageStore::open().unwrap().locate().unwrap().manifest().unwrap();
        Arc::new(
            EnvironmentSettings::default()
                .with_store(Some(Arc::new(Store::open(self.0.path().join("store")).unwrap())))
                .with_guest(vivarium::guest_python(&manifest).unwrap()),
        )
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_files_of_a_session() {
    let files = Files::new();
    let python = functions().await.environments(files.settings()).host_files(HostFiles::within(files.0.path())).build();
    let (one, other) = (session(&python), session(&python));
    run(&one, &["SET python.files = 'rates.py'", RATED]).await;
    run(&other, &["SET python.files = 'other/rates.py'", RATED]).await;
    let module = "CREATE FUNCTION divisor(a BIGINT, b BIGINT) RETURNS BIGINT LANGUAGE PYTHON AS 'helpers.divisor'";
    let helpers =
        "from vivarium import udf\nfrom math import gcd\n@udf\ndef divisor(a: int, b: int) -> int: return gcd(a, b)\n";
    std::fs::write(files.0.path().join("helpers.py"), helpers).unwrap();
    run(&one, &["SET python.files = 'rates.py,helpers.py'", module]).await;
    // Functions keep the environment they were created in.
    let found = shown(&one, "SELECT rated(x), divisor(x * 6, 9) FROM (VALUES (14)) AS t(x)").await;
    assert!(found.contains("42") && found.contains(" 3 "), "{found}");
    let found = shown(&other, "SELECT rated(x) FROM (VALUES (14)) AS t(x)").await;
    assert!(found.contains("70"), "{found}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_a_session_may_not_name() {
    let files = Files::new();
    let allowed = files.0.path().join("other");
    let python = functions().await.environments(files.settings()).host_files(HostFiles::within(allowed)).build();
    let session = session(&python);
    for path in ["/etc/hostname", "../rates.py", "missing.py"] {
        run(&session, &[&format!("SET python.files = '{path}'")]).await;
        let error = rows(&session, RATED).await.unwrap_err().to_string();
        assert!(error.contains("SQL may not read the file"), "{path}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_environment_that_was_opened_before() {
    let files = Files::new();
    let info = PythonDependencyInfo::default()
        .with_python_files(vec![PythonFile::new(files.0.path().join("rates.py"), "rates.py")]);
    let mut manager = PythonEnvironmentManager::new(info, files.settings(), vivarium_env::JobId::new("job").unwrap());
    manager.open().unwrap();
    let environment = Arc::new(manager.create_environment().unwrap());
    let refusal = "give -pyfs on the command line";
    let python = functions().await.environment(environment).environments_refused(refusal).build();
    let session = session(&python);
    // A header asks for what the environment is taken to have.
    run(&session, &[&RATED.replace("$$\nfrom", "$$\n# /// script\n# dependencies = []\n# ///\nfrom")]).await;
    let found = shown(&session, "SELECT rated(14)").await;
    assert!(found.contains("42"), "{found}");
    run(&session, &["SET python.files = 'rates.py'"]).await;
    let error = rows(&session, RATED).await.unwrap_err().to_string();
    assert!(error.contains(refusal), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_run_in_the_image_that_is_asked_for() {
    // The second one has environments, and the first has none: that tells them apart.
    let files = Files::new();
    let python = functions().await.another_image("second", image().await, Some(files.settings()));
    let session = session(&python.host_files(HostFiles::within(files.0.path())).build());
    let of_the_second = "CREATE OR REPLACE FUNCTION headed(x BIGINT) RETURNS BIGINT LANGUAGE PYTHON AS $$
# /// script
# [tool.vivarium]
# image = \"second\"
# ///
from rates import RATE
def headed(x): return x + RATE
$$";
    run(&session, &["SET python.files = 'rates.py'", of_the_second]).await;
    let error = rows(&session, RATED).await.unwrap_err().to_string();
    assert!(error.contains("no Python environments"), "{error}");
    run(&session, &["SET vivarium.image = 'second'", RATED, "SET vivarium.image = ''", "SET python.files = ''"]).await;
    run(
        &session,
        &["CREATE FUNCTION plain(x BIGINT) RETURNS BIGINT LANGUAGE PYTHON AS $$\ndef plain(x): return -x\n$$"],
    )
    .await;
    let found = shown(&session, "SELECT rated(x), headed(x), plain(x) FROM (VALUES (14)) AS t(x)").await;
    assert!(found.contains(" 42 ") && found.contains(" 17 ") && found.contains(" -14 "), "{found}");
    let shown = shown(&session, "SHOW vivarium.image").await;
    assert!(shown.contains("base"), "{shown}");
    for (statement, said) in [
        ("SET vivarium.image = 'third'", "vivarium.image: this session has no image `third`, but base, second"),
        (&of_the_second.replace("\"second\"", "\"third\""), "has no image `third`, but base, second"),
    ] {
        let error = rows(&session, statement).await.unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}
