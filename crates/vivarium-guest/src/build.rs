//! Runs the recipe, snapshots what it linked, and puts the image in its place.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use crate::description::ImageDescription;
use crate::error::Error;
use crate::image::Manifest;
use crate::progress::{Event, StepState};
use crate::script::Goal;
use crate::{recipe, script};

/// Builds an image into `directory`, with everything else below `root`. The caller holds the lock.
pub(crate) async fn build(
    image: &'static ImageDescription,
    root: &Path,
    directory: &Path,
    progress: &mut (dyn FnMut(Event) + Send),
) -> Result<(), Error> {
    let output = output_directory(image, root);
    let steps = script::run(image, &write_recipe(image, root)?, root, &output, Goal::Image, progress).await?;
    snapshot_step(&output, directory, steps + 1, progress).await
}

/// Lays out the tests of what is in an image in the folder `tests` of [`output_directory`]. The caller holds the lock.
pub(crate) async fn test_trees(
    image: &'static ImageDescription,
    root: &Path,
    progress: &mut (dyn FnMut(Event) + Send),
) -> Result<(), Error> {
    let output = output_directory(image, root);
    script::run(image, &write_recipe(image, root)?, root, &output, Goal::TestTrees, progress).await?;
    Ok(())
}

/// `NAME-KEY`: an image by its name and its recipe.
pub(crate) fn versioned_name(image: &ImageDescription) -> String {
    format!("{}-{}", image.name, recipe::key(image))
}

/// Where `build.py` puts what it makes.
pub(crate) fn output_directory(image: &ImageDescription, root: &Path) -> PathBuf {
    root.join("work").join(format!("out-{}", versioned_name(image)))
}

/// The recipe as files; written anew when a process died while writing it.
fn write_recipe(image: &ImageDescription, root: &Path) -> Result<PathBuf, Error> {
    let folder = root.join("recipes").join(versioned_name(image));
    replace_folder(&folder, |folder| recipe::write(image, folder))?;
    Ok(folder)
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
        let path = folder.join("guest.wasm.gz");
        write_compressed(&path, &module).map_err(Error::io("write", &path))?;
        manifest.write(&folder.join("manifest.json"))
    })?;
    tell(StepState::Finished, Some(seconds));
    Ok(())
}

/// A third of the size; it is only read to be compiled.
pub(crate) fn write_compressed(path: &Path, module: &[u8]) -> std::io::Result<()> {
    let mut writer = GzEncoder::new(std::fs::File::create(path)?, Compression::default());
    writer.write_all(module)?;
    writer.finish()?.sync_all()
}

/// Fills a new folder and moves it to `folder` when it is complete.
pub(crate) fn replace_folder(folder: &Path, fill: impl FnOnce(&Path) -> Result<(), Error>) -> Result<(), Error> {
    let partial = folder.with_extension("partial");
    new_folder(&partial)?;
    fill(&partial)?;
    move_into_place(&partial, folder)
}

/// Creates an empty folder in place of what is there.
pub(crate) fn new_folder(folder: &Path) -> Result<(), Error> {
    remove(folder)?;
    std::fs::create_dir_all(folder).map_err(Error::io("create", folder))
}

/// Moves a folder that is complete to where it is looked for.
pub(crate) fn move_into_place(complete: &Path, folder: &Path) -> Result<(), Error> {
    remove(folder)?;
    std::fs::rename(complete, folder).map_err(Error::io("move into place", folder))
}

/// Removes a folder with all that is in it, if it is there.
pub(crate) fn remove(folder: &Path) -> Result<(), Error> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", folder)(error)),
        _ => Ok(()),
    }
}
