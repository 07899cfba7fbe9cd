//! The guest image, built and compiled when it is missing.

use std::path::PathBuf;

use vivarium_guest::{ImageLocation, ImageStore};
use vivarium_sandbox::{Image, Runtime, RuntimeConfig};

use crate::failure::Failure;
use crate::options::OutputOptions;
use crate::progress::{BuildProgress, ProgressMode};

/// Finds the image, and builds it when it is missing.
///
/// # Errors
/// When it cannot be built.
pub async fn ensure(options: &OutputOptions) -> Result<ImageLocation, Failure> {
    let store = ImageStore::open()?;
    let mut progress = BuildProgress::new(ProgressMode::new(options));
    Ok(store.ensure(&mut |event| progress.event(&event)).await?)
}

/// Opens the image for at most `instances` sandboxes at a time, after building and compiling it where that is needed.
///
/// # Errors
/// When it cannot be built or opened.
pub async fn open(options: &OutputOptions, instances: usize) -> Result<Image, Failure> {
    let directory = ensure(options).await?.directory;
    let mut progress = BuildProgress::new(ProgressMode::new(options));
    if ImageStore::open()?.info()?.compiled_bytes.is_empty() {
        progress.spin("compiling the guest for this machine, once".to_owned());
    }
    tokio::task::spawn_blocking(move || open_blocking(directory, instances)).await.map_err(Failure::internal)?
}

fn open_blocking(directory: PathBuf, instances: usize) -> Result<Image, Failure> {
    // One more for the sandbox that loads a file to see what is in it, one for a replacement that starts early.
    let sandboxes = u32::try_from(instances.saturating_add(2)).unwrap_or(u32::MAX);
    let config = RuntimeConfig { sandboxes, ..RuntimeConfig::default() };
    let opened = Runtime::new(config).and_then(|runtime| Image::open(&runtime, directory));
    opened.map_err(|error| vivarium::Error::from(error).into())
}
