//! The guest image, built and compiled when it is missing.

use std::path::PathBuf;

use vivarium_guest::{ImageLocation, ImageName, ImageStore};
use vivarium_sandbox::{Image, Runtime, RuntimeConfig};

use crate::failure::Failure;
use crate::options::OutputOptions;
use crate::progress::{BuildProgress, ProgressMode};

/// Finds an image, and builds it when it is missing.
///
/// # Errors
/// When it cannot be built.
pub async fn ensure(options: &OutputOptions, image: &ImageName) -> Result<ImageLocation, Failure> {
    let store = ImageStore::open()?.of(image.clone());
    let mut progress = BuildProgress::new(ProgressMode::new(options));
    Ok(store.ensure(&mut |event| progress.event(&event)).await?)
}

/// Opens an image for at most `instances` sandboxes at a time, after building and compiling it where that is needed.
///
/// # Errors
/// When it cannot be built or opened.
pub async fn open(options: &OutputOptions, image: &ImageName, instances: usize) -> Result<Image, Failure> {
    let directory = ensure(options, image).await?.directory;
    let mut progress = BuildProgress::new(ProgressMode::new(options));
    if ImageStore::open()?.of(image.clone()).info()?.compiled_bytes.is_empty() {
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
