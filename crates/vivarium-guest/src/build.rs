//! Runs the recipe, snapshots what it linked, and puts the image in its place.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;

use crate::error::Error;
use crate::image::Manifest;
use crate::progress::{Event, StepState};
use crate::recipe;

/// How much of a failed step's log an error shows.
const TAIL_LINES: usize = 20;
/// How much of the script's standard error is kept.
const STDERR_BYTES: usize = 16 << 10;

/// Builds the image into `image`, with everything else below `root`. The caller holds the lock.
pub(crate) async fn build(root: &Path, image: &Path, progress: &mut (dyn FnMut(Event) + Send)) -> Result<(), Error> {
    let recipe_folder = write_recipe(root)?;
    let work = root.join("work");
    let output = work.join(format!("out-{}", recipe::key()));
    let steps = run_script(&recipe_folder, &work, &output, progress).await?;
    snapshot_step(&output, image, steps + 1, progress).await
}

/// The recipe as files; written anew when a process died while writing it.
fn write_recipe(root: &Path) -> Result<PathBuf, Error> {
    let folder = root.join("recipes").join(recipe::key());
    replace_folder(&folder, recipe::write)?;
    Ok(folder)
}

/// Runs `build.py` and passes its events on. Returns the number of its steps.
async fn run_script(
    recipe_folder: &Path,
    work: &Path,
    output: &Path,
    progress: &mut (dyn FnMut(Event) + Send),
) -> Result<u32, Error> {
    let mut child = Command::new("python3")
        .arg(recipe_folder.join("build.py"))
        .arg("--work")
        .arg(work)
        .arg("--output")
        .arg(output)
        .arg("--json-progress")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| Error::Program { program: "python3", package: "python3", source })?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let errors = tokio::spawn(async move {
        let mut text = Vec::new();
        if let Some(mut stderr) = stderr {
            let _ = stderr.read_to_end(&mut text).await;
        }
        let from = text.len().saturating_sub(STDERR_BYTES);
        String::from_utf8_lossy(&text[from..]).into_owned()
    });
    let (mut steps, mut failed) = (0, None);
    if let Some(stdout) = stdout {
        let mut lines = BufReader::new(stdout).lines();
        while let Some(line) = lines.next_line().await.map_err(Error::io("read the progress of", recipe_folder))? {
            let Ok(mut event) = serde_json::from_str::<Event>(&line) else {
                tracing::debug!(line, "the guest build wrote a line that is no event");
                continue;
            };
            if let Event::Step { name, total, state, log, .. } = &mut event {
                steps = *total;
                *total += 1; // the snapshot, which is ours
                if *state == StepState::Failed {
                    failed = Some((name.clone(), log.clone()));
                }
            }
            progress(event);
        }
    }
    let status = child.wait().await.map_err(Error::io("wait for", recipe_folder))?;
    if status.success() {
        return Ok(steps);
    }
    match failed {
        Some((step, Some(log))) => Err(Error::Step { step, tail: tail(&log), log }),
        _ => Err(Error::Script { status, stderr: errors.await.unwrap_or_default() }),
    }
}

/// Initialises the interpreter once and keeps the memory it leaves as the image.
async fn snapshot_step(
    output: &Path,
    image: &Path,
    index: u32,
    progress: &mut (dyn FnMut(Event) + Send),
) -> Result<(), Error> {
    let mut tell = |state, seconds| {
        progress(Event::Step {
            name: "snapshot".to_owned(),
            about: "start the interpreter, import what every job needs, keep the memory".to_owned(),
            index,
            total: index,
            state,
            seconds,
            log: None,
        });
    };
    tell(StepState::Started, None);
    let start = Instant::now();
    let mut manifest = Manifest::read(&output.join("manifest.json"))?;
    let linked = output.join("guest.wasm");
    let linked = std::fs::read(&linked).map_err(Error::io("read", &linked))?;
    let module = match vivarium_sandbox::snapshot(&linked, &output.join("home")).await {
        Ok(module) => module,
        Err(error) => {
            tell(StepState::Failed, Some(start.elapsed().as_secs_f64()));
            return Err(Error::Snapshot(error));
        }
    };
    let seconds = start.elapsed().as_secs_f64();
    manifest.image_sha256 = Some(recipe::hex(&Sha256::digest(&module)));
    manifest.seconds.insert("snapshot".to_owned(), seconds);
    replace_folder(image, |folder| {
        let path = folder.join("guest.wasm");
        std::fs::write(&path, &module).map_err(Error::io("write", &path))?;
        manifest.write(&folder.join("manifest.json"))
    })?;
    tell(StepState::Finished, Some(seconds));
    Ok(())
}

/// Fills a new folder and moves it to `folder` when it is complete.
fn replace_folder(folder: &Path, fill: impl FnOnce(&Path) -> Result<(), Error>) -> Result<(), Error> {
    let remove = |path: &Path| match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        _ => Ok(()),
    };
    let partial = folder.with_extension("partial");
    remove(&partial)?;
    std::fs::create_dir_all(&partial).map_err(Error::io("create", &partial))?;
    fill(&partial)?;
    remove(folder)?;
    std::fs::rename(&partial, folder).map_err(Error::io("move into place", folder))
}

/// The last lines of a log.
fn tail(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}
