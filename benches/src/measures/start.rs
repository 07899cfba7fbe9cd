//! How long until there is a first row.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::DataType;
use vivarium::{FunctionSource, Image, Module, SandboxConfig, TaskOptions};
use vivarium_sandbox::{Pool, Sandbox};

use super::{bind, bound, measure};
use crate::results::Measure;
use crate::workshop::Workshop;

const ADD_ONE: &str = "def add_one(x: int) -> int:\n    return x + 1\n";
/// Ten lines, as small functions have them.
const TEN_LINES: &str = "from vivarium import udf\n\n\
    RATES = {'a': 0.1, 'b': 0.2}\n\n\
    @udf\ndef price(amount: float, code: str) -> float:\n    rate = RATES.get(code)\n    if rate is None:\n        rate = 0.0\n    return amount * (1 - rate)\n";

/// Packages of an environment that is worth keeping.
const PACKAGES: usize = 20;

/// Instances, tasks and checkouts.
///
/// # Errors
/// When the sandbox fails.
pub async fn instances(image: &Image, rounds: usize) -> Result<Vec<Measure>> {
    let (mut started, mut cold) = (Vec::new(), Vec::new());
    let amount: ArrayRef = Arc::new(Float64Array::from(vec![10.0]));
    let code: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
    for _ in 0..rounds * 4 {
        let start = Instant::now();
        let mut sandbox = Sandbox::start(image, &SandboxConfig::default()).await?;
        started.push(start.elapsed().as_secs_f64());
        let handle = bind(&mut sandbox, TEN_LINES, "price", &["double", "string"]).await?;
        sandbox.invoke(handle, 0, 1, &[amount.clone(), code.clone()], &DataType::Float64).await?;
        cold.push(start.elapsed().as_secs_f64());
    }
    Ok(vec![
        checkout(image).await?,
        measure("start/instance", "an instance starts its interpreter", "s", started),
        measure("start/cold", "instantiate, load ten lines, first row", "s", cold),
        task(image, rounds * 4).await?,
    ])
}

async fn checkout(image: &Image) -> Result<Measure> {
    let pool = Pool::new(image, SandboxConfig::default(), 2, |sandbox| {
        Box::pin(async move { bind(sandbox, ADD_ONE, "add_one", &["int64"]).await })
    });
    pool.warm_up().await?;
    let mut samples = Vec::new();
    for _ in 0..2000 {
        let start = Instant::now();
        let lease = pool.checkout().await?;
        samples.push(start.elapsed().as_secs_f64());
        drop(lease);
    }
    Ok(measure("start/checkout", "checkout of a warm instance", "s", samples))
}

/// From a loaded module to a task's first result.
async fn task(image: &Image, rounds: usize) -> Result<Measure> {
    let module = Module::load(image, SandboxConfig::default(), FunctionSource::inline("udf.py", ADD_ONE)).await?;
    let rows = RecordBatch::try_from_iter([("x", Arc::new(Int64Array::from(vec![1])) as ArrayRef)])?;
    let mut samples = Vec::new();
    for _ in 0..rounds {
        let start = Instant::now();
        let options = TaskOptions::default().with_instances(Some(1));
        module.function("add_one")?.bind(&rows.schema(), options).await?.invoke(&rows, 0).await?;
        samples.push(start.elapsed().as_secs_f64());
    }
    Ok(measure("start/task", "a new task of a known function: bind and first row", "s", samples))
}

/// Processes of `wasm_run`: a run over 1,000 rows, and the first and second use of an environment of twenty packages.
///
/// # Errors
/// When a process fails.
pub async fn processes(workshop: &Workshop, wasm_run: &Path, rounds: usize) -> Result<Vec<Measure>> {
    let folder = tempfile::tempdir()?;
    let (udf, input) = (folder.path().join("udf.py"), folder.path().join("in.csv"));
    std::fs::write(&udf, ADD_ONE)?;
    let rows: String = (0..1000).map(|row| format!("{row}\n")).collect();
    std::fs::write(&input, format!("x\n{rows}"))?;
    let run = |source: &Path, more: &[&Path]| -> Result<f64> {
        let mut function = source.as_os_str().to_owned();
        function.push("::add_one");
        let mut command = Command::new(wasm_run);
        command.arg("run").arg(function).arg("--input").arg(&input);
        command.arg("--output").arg(folder.path().join("out.csv")).arg("--quiet").args(more);
        let start = Instant::now();
        let output = command.stdin(Stdio::null()).stdout(Stdio::null()).output()?;
        let seconds = start.elapsed().as_secs_f64();
        ensure!(output.status.success(), "wasm-run: {}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(seconds)
    };
    run(&udf, &[])?; // may compile the image
    let process = (0..rounds).map(|_| run(&udf, &[])).collect::<Result<Vec<_>>>()?;

    let packages = folder.path().join("packages");
    let mut write = workshop.script(Path::new("python3"), "packages.py");
    let written = write.arg(&packages).arg(PACKAGES.to_string()).status().await.context("python3")?;
    ensure!(written.success(), "the packages cannot be written");
    let (uses, requirements) = (packages.join("uses.py"), packages.join("requirements.txt"));
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for round in 0..rounds.div_ceil(5) {
        let store = folder.path().join(format!("store-{round}"));
        let [offline, links, pyreq, kept] = ["--offline", "--find-links", "-pyreq", "--env-store"].map(Path::new);
        let options = [offline, links, &packages, pyreq, &requirements, kept, &store];
        first.push(run(&uses, &options)?);
        second.push(run(&uses, &options)?);
    }
    Ok(vec![
        measure("start/process", "`wasm-run run` on 1,000 rows, the whole process", "s", process),
        measure(
            "start/packages-first",
            "the same with an environment of 20 packages, used for the first time (pip chooses them)",
            "s",
            first,
        ),
        measure("start/packages-again", "the same, from then on", "s", second),
    ])
}

/// A sandbox with the row loop's function, for others.
pub(super) async fn with_add_one(image: &Image) -> Result<(Sandbox, u32), vivarium_sandbox::Error> {
    bound(image, ADD_ONE, "add_one", &["int64"]).await
}
