//! Measures the first row of a new task whose environment is slow to import, with and without its snapshot.
//!
//! ```text
//! cargo run --package vivarium --example measure_environment_snapshot
//! ```
//!
//! The environment is one generated module of dataclasses, enough of them for a tenth of a second on the native CPython that
//! the guest's build leaves, which is measured in the same rounds.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use vivarium::{
    EnvironmentSnapshots, FunctionSource, Image, Module, Runtime, RuntimeConfig, SandboxConfig, TaskOptions,
    guest_python, in_environment,
};
use vivarium_env::{
    EnvironmentSettings, JobId, PythonDependencyInfo, PythonEnvironment, PythonEnvironmentManager, PythonFile, Store,
};
use vivarium_guest::ImageStore;

const ROUNDS: usize = 15;
const CLASSES: usize = 280;
const FUNCTION: &str = "import shipped\n\ndef f(x: int) -> int:\n    return shipped.C0(x, 1, 'a').total()\n";

#[tokio::main]
async fn main() -> Result<()> {
    let location = ImageStore::open()?.ensure(&mut |event| eprintln!("{event:?}")).await?;
    let manifest = location.manifest()?;
    let image = Image::open(&Runtime::new(RuntimeConfig::default())?, &location.directory)?;

    let directory = tempfile::tempdir()?;
    let file = directory.path().join("shipped.py");
    std::fs::write(&file, module())?;
    let info = PythonDependencyInfo::default().with_python_files(vec![PythonFile::new(file, "shipped.py")]);
    let settings = EnvironmentSettings::default()
        .with_guest(guest_python(&manifest)?)
        .with_store(Some(Arc::new(Store::open(directory.path().join("store"))?)));
    let mut manager = PythonEnvironmentManager::new(info, Arc::new(settings), JobId::new("measure")?);
    manager.open()?;
    let environment = manager.create_environment()?;

    let snapshots = EnvironmentSnapshots::default();
    let start = Instant::now();
    let warm = config(&snapshots, &image, &environment).await?;
    println!("taking the snapshot: {:.1} ms", milliseconds(start.elapsed()));
    let snapshot = warm.snapshot.clone().context("the environment has no snapshot")?;
    println!("its size: {:.1} MB", snapshot.size() as f64 / 1e6);

    let (mut native, mut checked) = (Vec::new(), Vec::new());
    let (mut cold, mut restored) = (Vec::new(), Vec::new());
    let importing = load(&image, in_environment(SandboxConfig::default(), &environment)?).await?;
    for _ in 0..ROUNDS {
        native.push(native_import(&manifest.native_python, directory.path())?);
        cold.push(first_row(&importing).await?);
        let start = Instant::now();
        let module = load(&image, warm.clone()).await?;
        checked.push(start.elapsed());
        restored.push(first_row(&module).await?);
    }
    for (what, times) in [
        ("importing on native CPython", &mut native),
        ("first row of a new task that imports", &mut cold),
        ("first row of a new task from the snapshot", &mut restored),
        ("loading the function's file from the snapshot, before the job's first task", &mut checked),
    ] {
        times.sort();
        println!("{what}: {:.1} ms", milliseconds(times[ROUNDS / 2]));
    }
    Ok(())
}

/// The environment's one module.
fn module() -> String {
    let mut text = String::from("from dataclasses import dataclass\n");
    for class in 0..CLASSES {
        text += &format!(
            "\n@dataclass(order=True)\nclass C{class}:\n    a: int\n    b: int\n    name: str = ''\n\n    def total(self):\n        return self.a + self.b + {class}\n"
        );
    }
    text
}

async fn config(
    snapshots: &EnvironmentSnapshots,
    image: &Image,
    environment: &PythonEnvironment,
) -> Result<SandboxConfig> {
    let config = in_environment(SandboxConfig::default(), environment)?;
    Ok(snapshots.warm(image, config, environment, &FunctionSource::inline("f.py", FUNCTION)).await)
}

async fn load(image: &Image, config: SandboxConfig) -> Result<Module> {
    Ok(Module::load(image, config, FunctionSource::inline("f.py", FUNCTION)).await?)
}

/// Time from a loaded module to a task's first result.
async fn first_row(module: &Module) -> Result<Duration> {
    let rows = RecordBatch::try_from_iter([("x", Arc::new(Int64Array::from(vec![1])) as ArrayRef)])?;
    let start = Instant::now();
    let options = TaskOptions::default().with_instances(Some(1));
    let task = module.function("f")?.bind(&rows.schema(), options).await?;
    task.invoke(&rows, 0).await?;
    Ok(start.elapsed())
}

fn native_import(python: &Path, directory: &Path) -> Result<Duration> {
    let code = "import time\nstart = time.perf_counter()\nimport shipped\nprint(time.perf_counter() - start)";
    let output = Command::new(python).args(["-B", "-c", code]).current_dir(directory).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(Duration::from_secs_f64(String::from_utf8(output.stdout)?.trim().parse()?))
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
