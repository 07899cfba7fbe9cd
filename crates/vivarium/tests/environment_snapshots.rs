//! Snapshots of environments: what a job ships is imported once, and every task is as if it had imported it itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use vivarium::{
    EnvironmentSnapshots, FunctionSource, Image, Module, Runtime, RuntimeConfig, SandboxConfig, TaskOptions,
    guest_python, in_environment,
};
use vivarium_env::{
    EnvironmentSettings, JobId, PythonDependencyInfo, PythonEnvironment, PythonEnvironmentManager, PythonFile, Store,
    TenantId,
};
use vivarium_guest::{ImageLocation, ImageStore};

async fn location() -> ImageLocation {
    ImageStore::open().unwrap().ensure(&mut |event| eprintln!("{event:?}")).await.unwrap()
}

async fn image() -> Image {
    static IMAGE: tokio::sync::OnceCell<Image> = tokio::sync::OnceCell::const_new();
    let open = async || {
        let runtime = Runtime::new(RuntimeConfig::default().with_sandboxes(16)).unwrap();
        Image::open(&runtime, location().await.directory).unwrap()
    };
    IMAGE.get_or_init(open).await.clone()
}

/// An environment with one module, `shipped.py`, in a store of its own.
struct Job {
    _manager: PythonEnvironmentManager,
    environment: PythonEnvironment,
}

impl Job {
    async fn new(directory: &Path, tenant: &str, module: &str) -> Self {
        let file = directory.join("shipped.py");
        std::fs::write(&file, module).unwrap();
        let info = PythonDependencyInfo::default().with_python_files(vec![PythonFile::new(file, "shipped.py")]);
        let settings = EnvironmentSettings::default()
            .with_guest(guest_python(&location().await.manifest().unwrap()).unwrap())
            .with_temporary_directories(vec![directory.join("tmp")])
            .with_store(Some(Arc::new(Store::open(directory.join("store")).unwrap())))
            .with_tenant(TenantId::new(tenant).unwrap());
        let job = JobId::new(format!("{tenant}-{}", directory.file_name().unwrap().display())).unwrap();
        let mut manager = PythonEnvironmentManager::new(info, Arc::new(settings), job);
        manager.open().unwrap();
        let environment = manager.create_environment().unwrap();
        Self { _manager: manager, environment }
    }

    /// What `expression` is in a new task, as text, and whether the task started from a snapshot.
    async fn evaluate(
        &self,
        snapshots: &EnvironmentSnapshots,
        expression: &str,
        variables: &[(&str, &str)],
    ) -> (String, bool) {
        let variables: BTreeMap<_, _> =
            variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let config = SandboxConfig::default().with_variables(variables);
        let config = in_environment(config, &self.environment).unwrap();
        let text =
            format!("import os, shipped\nimport random\n\ndef f(x: int) -> str:\n    return str({expression})\n");
        let source = FunctionSource::inline("f.py", text);
        let config = snapshots.warm(&image().await, config, &self.environment, &source).await;
        let warm = config.snapshot.is_some();
        let module = Module::load(&image().await, config, source).await.unwrap();
        let rows = RecordBatch::try_from_iter([("x", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap();
        let task = module.function("f").unwrap().bind(&rows.schema(), TaskOptions::default()).await.unwrap();
        (task.invoke(&rows, 0).await.unwrap().result.as_string::<i32>().value(0).to_owned(), warm)
    }

    fn files(&self) -> Vec<PathBuf> {
        let directory = self.environment.derived_directory().unwrap();
        std::fs::read_dir(directory).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
    }
}

/// Different each time it is imported.
const UNIQUE: &str = "import uuid\nID = uuid.uuid4().hex\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_module_is_imported_once_for_all_tasks_and_processes() {
    let directory = tempfile::tempdir().unwrap();
    let job = Job::new(directory.path(), "a", UNIQUE).await;
    let cold = EnvironmentSnapshots::default();
    let (first, warm) = job.evaluate(&cold, "shipped.ID", &[]).await;
    assert!(warm);
    assert_eq!(job.evaluate(&cold, "shipped.ID", &[]).await.0, first);
    // Another process knows nothing of this one's, but finds the file.
    assert_eq!(job.evaluate(&EnvironmentSnapshots::default(), "shipped.ID", &[]).await.0, first);
    assert_eq!(job.files().len(), 1);
    let stored = Store::open(directory.path().join("store"))
        .unwrap()
        .tenant(&TenantId::new("a").unwrap())
        .unwrap()
        .list()
        .unwrap();
    assert!(stored[0].bytes > std::fs::metadata(&job.files()[0]).unwrap().len(), "{stored:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_with_equal_environments_share_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let snapshots = EnvironmentSnapshots::default();
    let mut found = Vec::new();
    for tenant in ["a", "b"] {
        let job = Job::new(directory.path(), tenant, UNIQUE).await;
        found.push(job.evaluate(&snapshots, "shipped.ID", &[]).await.0);
    }
    assert_ne!(found[0], found[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn seeds_and_variables_are_each_tasks_own() {
    let directory = tempfile::tempdir().unwrap();
    let job = Job::new(directory.path(), "a", UNIQUE).await;
    let snapshots = EnvironmentSnapshots::default();
    let first = job.evaluate(&snapshots, "random.getrandbits(128)", &[]).await;
    let second = job.evaluate(&snapshots, "random.getrandbits(128)", &[]).await;
    assert!(first.1 && second.1);
    assert_ne!(first.0, second.0);
    for region in ["north", "south"] {
        let (value, warm) = job.evaluate(&snapshots, "os.environ['REGION']", &[("REGION", region)]).await;
        assert_eq!((value.as_str(), warm), (region, true));
    }
    // Nobody's variable is in the file.
    let content = std::fs::read(&job.files()[0]).unwrap();
    assert!(!content.windows(5).any(|window| window == b"north"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_reads_a_variable_is_imported_by_tasks_that_have_it() {
    let directory = tempfile::tempdir().unwrap();
    let job = Job::new(directory.path(), "a", "import os\nREGION = os.environ.get('REGION', 'none')\n").await;
    let snapshots = EnvironmentSnapshots::default();
    assert_eq!(job.evaluate(&snapshots, "shipped.REGION", &[]).await, ("none".to_owned(), true));
    assert_eq!(job.evaluate(&snapshots, "shipped.REGION", &[("OTHER", "x")]).await, ("none".to_owned(), true));
    assert_eq!(job.evaluate(&snapshots, "shipped.REGION", &[("REGION", "north")]).await, ("north".to_owned(), false));
    // The file remembers it too.
    let another = EnvironmentSnapshots::default();
    assert_eq!(job.evaluate(&another, "shipped.REGION", &[("REGION", "south")]).await, ("south".to_owned(), false));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_snapshot_cannot_hold_is_imported_by_every_task() {
    for (what, module) in [
        ("more memory than a snapshot holds", "HELD = b'x' * (65 << 20)\nID = 1\n"),
        ("a file in scratch", "open('/tmp/cache', 'w').write('x')\nID = len(open('/tmp/cache').read())\n"),
        ("an open file", "HELD = open('/env/python-files/shipped.py/shipped.py')\nID = 1\n"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let job = Job::new(directory.path(), "a", module).await;
        let evaluated = job.evaluate(&EnvironmentSnapshots::default(), "shipped.ID", &[]).await;
        assert_eq!(evaluated, ("1".to_owned(), false), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_snapshot_is_made_again() {
    let directory = tempfile::tempdir().unwrap();
    let job = Job::new(directory.path(), "a", UNIQUE).await;
    let (first, _) = job.evaluate(&EnvironmentSnapshots::default(), "shipped.ID", &[]).await;
    let file = job.files().remove(0);
    let whole = std::fs::read(&file).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for damaged in [&whole[..whole.len() - 1], &whole[..10], &[], &flipped] {
        std::fs::write(&file, damaged).unwrap();
        let (again, warm) = job.evaluate(&EnvironmentSnapshots::default(), "shipped.ID", &[]).await;
        assert!(warm);
        assert_ne!(again, first);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_fails_says_why_when_the_function_is_loaded() {
    let directory = tempfile::tempdir().unwrap();
    let job = Job::new(directory.path(), "a", "raise RuntimeError('no such luck')\n").await;
    let config = in_environment(SandboxConfig::default(), &job.environment).unwrap();
    let source = FunctionSource::inline("f.py", "import shipped\n\ndef f(x: int) -> int:\n    return x\n");
    let config = EnvironmentSnapshots::default().warm(&image().await, config, &job.environment, &source).await;
    let error = Module::load(&image().await, config, source).await.unwrap_err();
    assert!(error.to_string().contains("no such luck"), "{error}");
}
