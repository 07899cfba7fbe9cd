//! Snapshots of environments: the second task of a job does not import its packages again.
//!
//! ```text
//!   source's import lines + environment + image ──> key ──> held by a task of this process? on disk? else import once
//!                                                                        └── SandboxConfig::snapshot ──> every instance
//! ```
//!
//! A stored environment keeps its snapshots beside its tree, in its tenant's part of the store, and loses them when it is
//! collected. Others have theirs for as long as a task uses them. No snapshot is ever shared between tenants, and while one is held its
//! tenant is charged for it.

use std::collections::HashMap;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use vivarium_env::PythonEnvironment;
use vivarium_sandbox::{EnvironmentSnapshot, Image, OutputTarget, SandboxConfig, WarmError};
use vivarium_text::OneLine;

use crate::source::FunctionSource;

/// How many snapshots a stored environment keeps: one for each set of import lines, the latest ones.
const KEPT: usize = 8;

/// The snapshots of one process. Cloning it is cheap and gives the same one.
#[derive(Debug, Clone, Default)]
pub struct EnvironmentSnapshots {
    held: Arc<Mutex<HashMap<String, Arc<Slot>>>>,
}

/// One key's snapshot. Of several tasks that want it at once, one makes it and the others wait.
type Slot = tokio::sync::Mutex<Weak<EnvironmentSnapshot>>;

impl EnvironmentSnapshots {
    /// `config`, which is in `environment` ([`in_environment`](crate::in_environment)), with instances that have imported
    /// already what `source` imports at its top level.
    ///
    /// Importing happens without the task's variables and with fixed seeds, so that neither is kept; what packages print
    /// then goes to the log. Where no snapshot fits, because importing leaves files in `/tmp` or packages look at one of the
    /// task's variables meanwhile, `config` comes back as it is and every instance imports for itself.
    pub async fn warm(
        &self,
        image: &Image,
        config: SandboxConfig,
        environment: &PythonEnvironment,
        source: &FunctionSource,
    ) -> SandboxConfig {
        let Some(imports) = import_lines(source) else { return config };
        let key = key(image, environment, &config, &imports);
        let slot = self.slot(&key);
        let mut held = slot.lock().await;
        let snapshot = match held.upgrade() {
            Some(snapshot) => snapshot,
            None => match make(image, &config, environment, &imports, &key).await.and_then(|snapshot| {
                snapshot.charge_to(config.task.tenant())?;
                Ok(snapshot)
            }) {
                Ok(snapshot) => snapshot,
                Err(error) => {
                    tracing::info!(error = %OneLine(&error), "the environment has no snapshot; every instance imports for itself");
                    return config;
                }
            },
        };
        *held = Arc::downgrade(&snapshot);
        if !snapshot.suits(config.variables.keys()) {
            tracing::info!(
                "packages look at the task's variables while they are imported; every instance imports for itself"
            );
            return config;
        }
        config.with_snapshot(Some(snapshot))
    }

    /// Where an environment's snapshots are kept for later processes, made if it is not there; `None` for an environment
    /// that is not stored, or when it cannot be made.
    pub fn directory(environment: &PythonEnvironment) -> Option<PathBuf> {
        let directory = environment.derived_directory()?;
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&directory);
        made.map(|()| directory).ok()
    }

    fn slot(&self, key: &str) -> Arc<Slot> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        // What nobody uses or waits for any more.
        held.retain(|_, slot| Arc::strong_count(slot) > 1 || slot.try_lock().is_ok_and(|held| held.strong_count() > 0));
        Arc::clone(held.entry(key.to_owned()).or_default())
    }
}

/// The lines of a source that import something at its top level; None when there are none. A statement that goes on over
/// several lines counts by its first: the lines only tell snapshots apart, and what is missing from one is imported later.
fn import_lines(source: &FunctionSource) -> Option<String> {
    let text = match source.text() {
        Some(text) => text.to_owned(),
        None => format!("import {}", source.name()),
    };
    let lines = text.lines().filter(|line| line.starts_with("import ") || line.starts_with("from "));
    let lines: Vec<&str> = lines.collect();
    (!lines.is_empty()).then(|| lines.join("\n") + "\n")
}

fn key(image: &Image, environment: &PythonEnvironment, config: &SandboxConfig, imports: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    let tree = environment.host_path().to_string_lossy();
    for part in [image.hash().as_str(), &tree, &config.directory, imports] {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    for part in &config.path {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    hasher.finalize().to_hex()[..32].to_owned()
}

async fn make(
    image: &Image,
    config: &SandboxConfig,
    environment: &PythonEnvironment,
    imports: &str,
    key: &str,
) -> Result<Arc<EnvironmentSnapshot>, WarmError> {
    let file = EnvironmentSnapshots::directory(environment).map(|directory| directory.join(format!("{key}.snapshot")));
    if let Some(file) = file.clone() {
        let image = image.clone();
        match blocking(move || EnvironmentSnapshot::read(file, &image)).await {
            Ok(Some(snapshot)) => return Ok(snapshot),
            Ok(None) => {}
            Err(error) => tracing::warn!(error = %OneLine(&error), "an environment's snapshot is made again"),
        }
    }
    let start = Instant::now();
    let quiet = config.clone().with_stdout(OutputTarget::Log).with_stderr(OutputTarget::Log);
    let snapshot = Arc::new(EnvironmentSnapshot::take(image, &quiet, imports).await?);
    tracing::debug!(bytes = snapshot.size(), elapsed = ?start.elapsed(), "took a snapshot of an environment");
    if let Some(file) = file {
        let kept = Arc::clone(&snapshot);
        if let Err(error) = blocking(move || keep(&kept, &file)).await {
            tracing::warn!(error = %OneLine(&error), "an environment's snapshot was not kept for later processes");
        }
    }
    Ok(snapshot)
}

/// Does what takes a disk or tens of milliseconds of processor time on a thread where nothing else waits for it.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, WarmError> + Send + 'static,
) -> Result<T, WarmError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(WarmError::Interrupted(error.to_string())))
}

fn keep(snapshot: &EnvironmentSnapshot, file: &Path) -> Result<(), WarmError> {
    if let Some(directory) = file.parent() {
        remove_oldest(directory);
    }
    snapshot.write(file)
}

/// Makes room for one more snapshot.
fn remove_oldest(directory: &Path) {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut files: Vec<(std::time::SystemTime, PathBuf)> =
        entries.filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path()))).collect();
    files.sort();
    let surplus = (files.len() + 1).saturating_sub(KEPT);
    for (_, path) in files.into_iter().take(surplus) {
        let _ = std::fs::remove_file(path);
    }
}
