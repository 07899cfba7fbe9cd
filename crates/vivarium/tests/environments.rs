//! An environment through the library: what a job ships is there in every instance of its tasks, and goes when it goes.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use futures::{TryStreamExt, stream};
use vivarium::{
    FunctionSource, Image, Module, Runtime, RuntimeConfig, SandboxConfig, TaskOptions, guest_python, in_environment,
};
use vivarium_env::{
    EnvironmentSettings, JobId, PythonDependencyInfo, PythonEnvironmentManager, PythonFile, PythonOptions, Store,
};
use vivarium_guest::{ImageLocation, ImageStore};

async fn location() -> ImageLocation {
    ImageStore::open().unwrap().ensure(&mut |event| eprintln!("{event:?}")).await.unwrap()
}

async fn image() -> Image {
    static IMAGE: tokio::sync::OnceCell<Image> = tokio::sync::OnceCell::const_new();
    let open = async || {
        let runtime = Runtime::new(RuntimeConfig::default().with_sandboxes(8)).unwrap();
        Image::open(&runtime, location().await.directory).unwrap()
    };
    IMAGE.get_or_init(open).await.clone()
}

async fn settings(directory: &Path) -> Arc<EnvironmentSettings> {
    let guest = guest_python(&location().await.manifest().unwrap()).unwrap();
    let temporary_directories = vec![directory.join("tmp")];
    Arc::new(EnvironmentSettings::default().with_guest(guest).with_temporary_directories(temporary_directories))
}

/// A job that no other test has: they run in one process.
fn job_in(directory: &Path, name: &str) -> JobId {
    JobId::new(format!("{}-{name}", directory.file_name().unwrap().display())).unwrap()
}

async fn open(directory: &Path, info: PythonDependencyInfo) -> PythonEnvironmentManager {
    let job = job_in(directory, "");
    let mut manager = PythonEnvironmentManager::new(info, settings(directory).await, job);
    manager.open().unwrap();
    manager
}

fn shipped(directory: &Path, name: &str, text: &str) -> PythonDependencyInfo {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    PythonDependencyInfo::default().with_python_files(vec![PythonFile::new(path, name)])
}

fn numbers(rows: std::ops::Range<i64>) -> RecordBatch {
    RecordBatch::try_from_iter([("x", Arc::new(Int64Array::from_iter_values(rows)) as ArrayRef)]).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_instance_of_a_task_has_the_jobs_environment() {
    let directory = tempfile::tempdir().unwrap();
    let manager = open(directory.path(), shipped(directory.path(), "rates.py", "RATE = 3\n")).await;
    let config = in_environment(SandboxConfig::default(), &manager.create_environment().unwrap()).unwrap();
    let source = FunctionSource::inline("f.py", "import rates\n\ndef f(x: int) -> int:\n    return x * rates.RATE\n");
    let module = Module::load(&image().await, config, source).await.unwrap();
    let options = TaskOptions::default().with_instances(Some(3));
    let task = module.function("f").unwrap().bind(&numbers(0..0).schema(), options).await.unwrap();
    let batches = (0..6).map(|batch| Ok::<_, std::convert::Infallible>(numbers(batch * 8192..(batch + 1) * 8192)));
    let outputs: Vec<_> = task.run(stream::iter(batches)).try_collect().await.unwrap();
    let last = outputs.last().unwrap().batch.column(1).as_primitive::<arrow::datatypes::Int64Type>().values().to_vec();
    assert_eq!(last.last(), Some(&(3 * (6 * 8192 - 1))));
    // A function may be a module of the environment as well.
    let config = in_environment(SandboxConfig::default(), &manager.create_environment().unwrap()).unwrap();
    assert_eq!(Module::load(&image().await, config, FunctionSource::module("rates")).await.unwrap().name(), "rates");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_jobs_do_not_see_each_other() {
    let code = "import os\ntry:\n    import theirs\n    found = True\nexcept ImportError:\n    found = False\n\
                def f(x: int) -> bool:\n    return found\n";
    let mut found = Vec::new();
    for name in ["theirs.py", "mine.py"] {
        let directory = tempfile::tempdir().unwrap();
        let manager = open(directory.path(), shipped(directory.path(), name, "X = 1\n")).await;
        let config = in_environment(SandboxConfig::default(), &manager.create_environment().unwrap()).unwrap();
        let module = Module::load(&image().await, config, FunctionSource::inline("f.py", code)).await.unwrap();
        let task = module.function("f").unwrap().bind(&numbers(0..0).schema(), TaskOptions::default()).await.unwrap();
        found.push(task.invoke(&numbers(0..1), 0).await.unwrap().result.as_boolean().value(0));
    }
    assert_eq!(found, [true, false]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_keeps_its_own_variables_and_paths() {
    let directory = tempfile::tempdir().unwrap();
    let info = shipped(directory.path(), "rates.py", "");
    let manager = open(directory.path(), info.with_python_path(Some("/env/a:/env/b".into()))).await;
    let variables = [("python", "mine"), ("OTHER", "x")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = SandboxConfig::default().with_variables(variables.into()).with_path(vec!["/env/behind".into()]);
    let config = in_environment(config, &manager.create_environment().unwrap()).unwrap();
    assert_eq!((config.variables["python"].as_str(), config.variables["OTHER"].as_str()), ("mine", "x"));
    assert_eq!(config.variables["BOOT_LOG_DIR"], "/env");
    assert_eq!(config.path, ["/env/a", "/env/b", "/env/python-files/rates.py", "/env/behind"]);
    assert_eq!(config.directory, "/tmp");
}

#[tokio::test(flavor = "multi_thread")]
async fn stored_environments_are_used_again_and_the_guests_packages_count_as_installed() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("requirements.txt"), "numpy>=2\n").unwrap();
    std::fs::create_dir(directory.path().join("wheels")).unwrap();
    let text = |name: &str| directory.path().join(name).display().to_string();
    let options =
        PythonOptions::default().with_requirements(Some(format!("{}#{}", text("requirements.txt"), text("wheels"))));
    let info = PythonDependencyInfo::from_options(&options).unwrap();
    let store = Arc::new(Store::open(directory.path().join("store")).unwrap());
    let settings = (*settings(directory.path()).await).clone().with_store(Some(store));
    let mut paths = Vec::new();
    for job in ["first", "second"] {
        let job = job_in(directory.path(), job);
        let mut manager = PythonEnvironmentManager::new(info.clone(), Arc::new(settings.clone()), job);
        manager.open().unwrap();
        let environment = manager.create_environment().unwrap();
        let config = in_environment(SandboxConfig::default(), &environment).unwrap();
        let source = FunctionSource::inline("f.py", "import numpy\n");
        Module::load(&image().await, config, source).await.unwrap();
        paths.push(environment.host_path().to_owned());
    }
    assert_eq!(paths[0], paths[1]);
}
