//! The guest image, built and compiled when it is missing.

use std::path::PathBuf;

use vivarium_guest::{ImageLocation, ImageStore};
use vivarium_sandbox::{Image, Runtime, RuntimeConfig};

use crate::failure::Failure;
use crate::options::{OutputOptions, WantedImage};
use crate::progress::{BuildProgress, ProgressMode};
use crate::supervisor::memory;

/// Finds an image, and builds it when it is missing.
///
/// # Errors
/// When it cannot be built, or is not built and only a file asks for it.
pub async fn ensure(options: &OutputOptions, image: &WantedImage) -> Result<ImageLocation, Failure> {
    let store = ImageStore::open()?.of(image.name.clone());
    if !image.may_be_built
        && let Err(vivarium_guest::Error::Missing { .. }) = store.locate()
    {
        return Err(Failure::environment(format!(
            "the image `{0}`, which a file or statement asks for, has not been built on this machine; build it with \
             `wasm-run guest build --image {0}`, or ask for it with --image {0}",
            image.name
        )));
    }
    let mut progress = BuildProgress::new(ProgressMode::new(options));
    Ok(store.ensure(&mut |event| progress.event(&event)).await?)
}

/// Opens an image for at most `instances` sandboxes at a time, after building and compiling it where that is needed.
///
/// # Errors
/// When it cannot be built or opened, or is not built and only a file asks for it.
pub async fn open(options: &OutputOptions, image: &WantedImage, instances: usize) -> Result<Image, Failure> {
    let directory = ensure(options, image).await?.directory;
    let mut progress = BuildProgress::new(ProgressMode::new(options));
    if ImageStore::open()?.of(image.name.clone()).info()?.compiled_bytes.is_empty() {
        progress.spin("compiling the guest for this machine, once".to_owned());
    }
    tokio::task::spawn_blocking(move || open_blocking(directory, instances)).await.map_err(Failure::internal)?
}

fn open_blocking(directory: PathBuf, instances: usize) -> Result<Image, Failure> {
    // Compiling an image takes a gibibyte, and it is ours.
    let _lifted = memory::Lifted::now();
    // One more for the sandbox that loads a file to see what is in it, one for a replacement that starts early.
    let sandboxes = u32::try_from(instances.saturating_add(2)).unwrap_or(u32::MAX);
    let config = RuntimeConfig::default().with_sandboxes(sandboxes);
    let opened = Runtime::new(config).and_then(|runtime| Image::open(&runtime, directory));
    opened.map_err(|error| vivarium::Error::from(error).into())
}
