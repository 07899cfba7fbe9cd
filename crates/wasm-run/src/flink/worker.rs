//! The worker that Flink starts for each slot.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use vivarium::{guest_python, in_environment};
use vivarium_env::{EnvironmentError, EnvironmentSettings, JobId, PythonEnvironmentManager, Store};
use vivarium_flink::{JobVariables, ProcessSandboxPolicy, Sandboxes, Settings, WorkerOptions};
use vivarium_guest::{ImageName, ImageStore};
use vivarium_sandbox::{Image, ProcessSandbox, Runtime, SandboxConfig};

use crate::failure::Failure;
use crate::metrics::Publisher;
use crate::options::OutputOptions;

/// The image for clients of Python 3.11, the only version so far.
const IMAGE: &str = "flink";

/// What names of files with a worker's metrics begin with; its process's number follows.
const FILE: &str = "vivarium-worker-";

/// Sandboxes of one worker: a slot runs some operators of a job, each in its own.
const SANDBOXES: usize = 64;

/// Work for a TaskManager. The launcher calls this.
#[derive(Debug, Args)]
pub struct Worker {
    /// The Python version of the job's client.
    #[arg(long, value_name = "VERSION")]
    python_version: String,

    /// The file with the limits that no job exceeds.
    #[arg(long, value_name = "FILE")]
    limits: PathBuf,

    /// The worker's id.
    #[arg(long, value_name = "ID")]
    id: String,

    /// Where the worker asks for everything else.
    #[arg(long = "provision_endpoint", value_name = "HOST:PORT")]
    provision_endpoint: String,

    /// A folder that Beam's worker keeps files in; not used.
    #[arg(long = "semi_persist_dir", value_name = "DIR")]
    semi_persist_dir: Option<PathBuf>,
}

/// The image that functions run in.
fn image_name() -> Result<ImageName, Failure> {
    IMAGE.parse().map_err(Failure::internal)
}

/// The image of the launcher's Python version, built when it is missing.
pub async fn image(messages: &OutputOptions) -> Result<Image, Failure> {
    crate::guest::open(messages, &(&image_name()?).into(), SANDBOXES).await
}

pub async fn execute(command: Worker) -> Result<ExitCode, Failure> {
    let settings = Settings::read(&command.limits).map_err(|error| Failure::usage(error.to_string()))?;
    let (log, sink) = vivarium_flink::log();
    crate::log::start_with(log);
    let options = WorkerOptions { id: command.id, provision_endpoint: command.provision_endpoint };
    let worker = vivarium_flink::Worker::connect(&options, Some(sink)).await.map_err(failed)?;
    // From here on Flink hears of what goes wrong: a bundle fails with it.
    let variables = JobVariables::new(std::env::vars());
    let prepared = prepare(&settings, variables).await;
    let (sandboxes, _manager) = match prepared {
        Ok((sandboxes, manager)) => (Ok(sandboxes), manager),
        Err(failure) => (Err(failure.to_string()), None),
    };
    let runtime = sandboxes.as_ref().ok().map(|sandboxes| sandboxes.image.runtime());
    let _metrics = match (&settings.metrics.folder, runtime) {
        (Some(folder), Some(runtime)) => Some(publish(folder, runtime, &options.id)?),
        _ => None,
    };
    let process_sandbox = process_sandbox(settings.process_sandbox, sandboxes.as_ref().ok())?;
    worker.run(sandboxes, process_sandbox).await.map_err(failed)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes this worker's metrics into a file of the folder.
///
/// A TaskManager kills its workers, so files stay; those of processes that are gone are removed by the next worker.
fn publish(folder: &Path, runtime: &Runtime, worker: &str) -> Result<Publisher, Failure> {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(FILE)?.strip_suffix(".prom"));
        if process.is_some_and(|process| process.parse::<u32>().is_ok() && !Path::new("/proc").join(process).exists()) {
            let _ = std::fs::remove_file(entry.path()); // somebody else may have been quicker
        }
    }
    let file = folder.join(format!("{FILE}{}.prom", std::process::id()));
    Publisher::to_file(file, runtime, &[("worker", worker)])
}

/// What functions run in: of files, the job's environment can be read, and nothing else.
fn process_sandbox(policy: ProcessSandboxPolicy, sandboxes: Option<&Sandboxes>) -> Result<ProcessSandbox, Failure> {
    let mut sandbox = ProcessSandbox::new();
    if policy == ProcessSandboxPolicy::Require {
        sandbox = sandbox.require();
    }
    match sandboxes.and_then(|sandboxes| sandboxes.config.environment.as_deref()) {
        Some(environment) => sandbox.allow_reading_open(environment).map_err(Failure::internal),
        None => Ok(sandbox),
    }
}

/// What functions run in, and what keeps the job's environment there.
async fn prepare(
    settings: &Settings,
    variables: JobVariables,
) -> Result<(Sandboxes, Option<PythonEnvironmentManager>), Failure> {
    let image = image(&OutputOptions { quiet: true, ..OutputOptions::default() }).await?;
    let limits = variables.limits(&settings.limits).map_err(failed)?;
    let config = SandboxConfig::default().with_limits(limits).with_variables(variables.seen());
    let Some(info) = variables.dependencies().map_err(failed)? else {
        return Ok((Sandboxes { image, config }, None));
    };
    let opened = tokio::task::spawn_blocking(move || {
        let images = ImageStore::open()?.of(image_name()?);
        let guest = guest_python(&images.locate()?.manifest()?)?;
        let settings = EnvironmentSettings::default()
            .with_store(Some(Arc::new(
                Store::open(images.root().join("environments")).map_err(EnvironmentError::from)?,
            )))
            .with_guest(guest);
        let mut manager =
            PythonEnvironmentManager::new(info, Arc::new(settings), JobId::new("flink").map_err(Failure::internal)?);
        manager.open()?;
        let environment = manager.create_environment()?;
        Ok::<_, Failure>((environment, manager))
    });
    let (environment, manager) = opened.await.map_err(Failure::internal)??;
    let mut config = in_environment(config, &environment)?;
    if let Some(directory) = variables.working_directory() {
        config.directory = directory;
    }
    Ok((Sandboxes { image, config }, Some(manager)))
}

fn failed(error: vivarium_flink::Error) -> Failure {
    Failure::internal(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_workers_that_are_gone_are_removed() {
        let runtime = Runtime::new(vivarium_sandbox::RuntimeConfig::default().with_sandboxes(1)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        // No process has a number above 2^22. Files of others are none of ours.
        for name in ["vivarium-worker-4194305.prom", "vivarium-worker-x.prom", "other.prom"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let metrics = publish(folder.path(), &runtime, "1-1").unwrap();
        let mut names: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let own = format!("vivarium-worker-{}.prom", std::process::id());
        assert_eq!(names, ["other.prom", own.as_str(), "vivarium-worker-x.prom"]);
        let text = std::fs::read_to_string(folder.path().join(own)).unwrap();
        assert!(text.contains("vivarium_slots{worker=\"1-1\"} 1\n"), "{text}");
        drop(metrics);
    }
}
