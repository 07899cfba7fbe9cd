//! Guests against each other: whether a change of the guest made its interpreter faster, and the counting that its profile comes from.
//!
//! Every guest runs the same work row by row, in turns, forwards and backwards. What the machine does besides hits all of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
use arrow_schema::DataType;
use serde_json::json;
use vivarium::sandbox::{Capture, OutputTarget, Sandbox};
use vivarium::{Image, Limits, Runtime, RuntimeConfig, SandboxConfig};

use crate::contender::Contender;
use crate::contenders::Sandboxed;
use crate::material::{Case, Material};
use crate::standard::BATCH;
use crate::statistics::{Ratio, Samples, significant};
use crate::work::{self, Kind};

/// Length of a turn.
const TURN: Duration = Duration::from_millis(60);

/// Prints, for each work, nanoseconds a row in the first guest, and what the others take of it; then the geometric means of that.
///
/// `guests` are names and folders, of images or of what `wasm-python/build.py` has built. `work` leaves out work whose name contains none of these words; none: all of it.
///
/// # Errors
/// When a folder has no image, or a function fails.
pub async fn compare(guests: &[(String, PathBuf)], work: &[String], rounds: usize) -> Result<()> {
    ensure!(!guests.is_empty(), "no guest to measure");
    let files = tempfile::tempdir()?;
    let mut sandboxes = Vec::new();
    for (name, folder) in guests {
        let image = open(folder).await.with_context(|| format!("the guest {name}"))?;
        sandboxes.push(Sandboxed::row_by_row(&image, SandboxConfig::default()));
    }
    let names: Vec<_> = guests.iter().map(|(name, _)| name.as_str()).collect();
    println!("work\tns a row in {}\t{}", names[0], names[1..].join("\t"));
    let mut medians: Vec<Vec<f64>> = vec![Vec::new(); guests.len()];
    for work in work::all().into_iter().filter(|one| work.is_empty() || work.iter().any(|word| one.name.contains(word)))
    {
        if !matches!(work.kind, Kind::Scalar | Kind::Vectorized) {
            continue;
        }
        let material = Material::of_work(&work, files.path())?;
        let case = Case { material: &material, rows: BATCH, threads: 1 };
        for sandbox in &mut sandboxes {
            sandbox.run(case, 2).await?;
        }
        let once = sandboxes[0].run(case, 2).await?.as_secs_f64() / 2.0;
        let repetitions = ((TURN.as_secs_f64() / once).round() as usize).max(1);
        let mut samples = vec![Samples::default(); guests.len()];
        for round in 0..rounds {
            let mut order: Vec<_> = (0..guests.len()).collect();
            if round % 2 == 1 {
                order.reverse();
            }
            for place in order {
                let time = sandboxes[place].run(case, repetitions).await?;
                samples[place].0.push(time.as_secs_f64() / (repetitions * BATCH) as f64);
            }
        }
        let mut line = format!("{}\t{}", work.name, significant(samples[0].median() * 1e9));
        for (place, taken) in samples.iter().enumerate().skip(1) {
            let ratio = Ratio::of(taken, &samples[0]).context("a round took no time")?;
            medians[place].push(ratio.median.ln());
            line += &format!("\t{}", ratio.show());
        }
        println!("{line}");
    }
    let mean = |logarithms: &Vec<f64>| (logarithms.iter().sum::<f64>() / logarithms.len() as f64).exp();
    let means: Vec<_> = medians[1..].iter().map(|found| format!("{:.3}x", mean(found))).collect();
    println!("geometric mean\t\t{}", means.join("\t"));
    Ok(())
}

/// Opens an image, or what `wasm-python/build.py` has built: that is started and compiled first, which takes half a minute.
async fn open(folder: &Path) -> Result<Image> {
    let runtime = Runtime::new(RuntimeConfig::default().with_sandboxes(8))?;
    if !folder.join("home").is_dir() {
        return Ok(Image::open(&runtime, folder)?);
    }
    let built = folder.join("guest.wasm");
    let wasm = std::fs::read(&built).with_context(|| format!("cannot read {}", built.display()))?;
    let started = vivarium::sandbox::snapshot(&wasm, &folder.join("home")).await?;
    Ok(Image::from_wasm_bytes(&runtime, &started)?)
}

/// Functions that count: a mix of what Python does over rows. None of those that are measured is in it.
const TRAINING: &str = include_str!("../training.py");
/// How long each of them runs.
const COUNTED: Duration = Duration::from_millis(250);
/// The most that a guest has counted, in bytes of the profile's raw form.
const RAW_BYTES: usize = 16 << 20;

/// Lets functions run in a guest that counts its branches (`wasm-python/build.py --count`), and writes what it has counted before and
/// after each of them into `folder`, for `wasm-python/training/merge.py`.
///
/// # Errors
/// When the guest in `built` does not count, a function fails, or a file cannot be written.
pub async fn count(built: &Path, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let image = open(built).await?;
    for function in functions(TRAINING) {
        let name = function.name;
        let run = async {
            let columns: Vec<_> = function.parameters.iter().map(column).collect();
            let output = Capture::new(RAW_BYTES);
            let limits = Limits::default().with_log_bytes_per_second(None);
            let config =
                SandboxConfig::default().with_limits(limits).with_stdout(OutputTarget::Capture(output.clone()));
            let mut sandbox = Sandbox::start(&image, &config).await?;
            sandbox.control(&json!({"op": "load", "source": TRAINING, "filename": "training.py"})).await?;
            let arguments: Vec<_> =
                function.parameters.iter().map(|kind| json!({"type": kind.arrow, "nullable": true})).collect();
            // Rows of the interpreter are what the profile is for; what runs as columns are loops that need none.
            let request =
                json!({"op": "bind", "function": name, "arguments": arguments, "on_error": "fail", "columns": "off"});
            let handle = sandbox.control(&request).await?["handle"].as_u64().context("no handle")? as u32;
            let rows = |count| columns.iter().map(|column| column.slice(0, count)).collect::<Vec<_>>();
            sandbox.invoke(handle, 0, 64, &rows(64), &function.result).await?;
            write_counts(&mut sandbox, &output, &folder.join(format!("{name}.before"))).await?;
            let start = Instant::now();
            while start.elapsed() < COUNTED {
                sandbox.invoke(handle, 0, ROWS, &rows(ROWS), &function.result).await?;
            }
            write_counts(&mut sandbox, &output, &folder.join(format!("{name}.after"))).await
        };
        run.await.with_context(|| name.to_owned())?;
        println!("{name}");
    }
    Ok(())
}

async fn write_counts(sandbox: &mut Sandbox, output: &Capture, file: &Path) -> Result<()> {
    output.take();
    let request = json!({"op": "eval", "source": "import _vivarium_counted\nresult = _vivarium_counted.write()"});
    sandbox.control(&request).await.context("the guest does not count")?;
    std::fs::write(file, output.take()).with_context(|| format!("cannot write {}", file.display()))
}

/// Rows of a batch.
const ROWS: usize = 1024;

/// A function of the training, as its `def` declares it.
struct Counted<'a> {
    name: &'a str,
    parameters: Vec<Declared>,
    result: DataType,
}

#[derive(Clone)]
struct Declared {
    arrow: &'static str,
    data_type: DataType,
}

/// The functions behind `@udf`: on one line, with parameters of ints, floats and strings.
fn functions(source: &str) -> Vec<Counted<'_>> {
    let declared = |annotation: &str| match annotation.trim().split(' ').next() {
        Some("int") => Declared { arrow: "int64", data_type: DataType::Int64 },
        Some("float") => Declared { arrow: "double", data_type: DataType::Float64 },
        _ => Declared { arrow: "string", data_type: DataType::Utf8 },
    };
    let lines = source.lines().zip(source.lines().skip(1)).filter(|(before, _)| *before == "@udf");
    lines
        .filter_map(|(_, line)| {
            let (name, rest) = line.strip_prefix("def ")?.split_once('(')?;
            let (parameters, result) = rest.split_once(") -> ")?;
            let parameters =
                parameters.split(", ").filter_map(|one| one.split_once(": ")).map(|(_, kind)| declared(kind));
            Some(Counted {
                name,
                parameters: parameters.collect(),
                result: declared(result.trim_end_matches(':')).data_type,
            })
        })
        .collect()
}

fn column(kind: &Declared) -> ArrayRef {
    let rows = 0..ROWS as i64;
    match kind.data_type {
        DataType::Int64 => Arc::new(Int64Array::from_iter_values(rows.map(|row| row * 7919))),
        DataType::Float64 => Arc::new(Float64Array::from_iter_values(rows.map(|row| row as f64 * 1.75))),
        _ => Arc::new(StringArray::from_iter_values(rows.map(|row| format!("Customer#{row:09}")))),
    }
}
