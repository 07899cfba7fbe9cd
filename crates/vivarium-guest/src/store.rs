//! The cache directory: where images, the build's work folder and the lock lie.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::archive::{self, ImageArchive};
use crate::description::{ImageDescription, ImageName};
use crate::error::Error;
use crate::image::{ImageInfo, ImageLocation};
use crate::progress::Event;
use crate::test_trees::TestTrees;
use crate::{build, installed, recipe};

/// Images of this machine's user, built when they are first needed. It speaks of one of them at a time: [`of`](Self::of).
#[derive(Debug, Clone)]
pub struct ImageStore {
    root: PathBuf,
    image: ImageName,
}

impl ImageStore {
    /// The store in the user's cache directory: `$VIVARIUM_CACHE_DIR`, else `$XDG_CACHE_HOME/vivarium`, else
    /// `~/.cache/vivarium`.
    ///
    /// # Errors
    /// When none of the three variables names a directory.
    pub fn open() -> Result<Self, Error> {
        let named = |variable: &str, below: &str| {
            let value = std::env::var_os(variable).filter(|value| !value.is_empty())?;
            Some(PathBuf::from(value).join(below))
        };
        named("VIVARIUM_CACHE_DIR", "")
            .or_else(|| named("XDG_CACHE_HOME", "vivarium"))
            .or_else(|| named("HOME", ".cache/vivarium"))
            .map(Self::at)
            .ok_or(Error::NoCacheDirectory)
    }

    /// The store in `root`, which is created, readable by its owner only, when it is first written to.
    pub fn at(root: PathBuf) -> Self {
        Self { root, image: ImageName::default() }
    }

    /// The same store, of which the methods then mean the image of this name; they mean the default one otherwise.
    pub fn of(self, image: ImageName) -> Self {
        Self { image, ..self }
    }

    /// The image that the methods mean.
    pub fn image(&self) -> &'static ImageDescription {
        self.image.description()
    }

    /// The cache directory; other things of this program's may be kept in it, beside the images.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the image of this version's recipe lies when it has been built: `images/NAME-KEY`.
    pub fn directory(&self) -> PathBuf {
        self.root.join("images").join(build::versioned_name(self.image()))
    }

    /// The image of this version's recipe.
    ///
    /// # Errors
    /// [`Error::Missing`] when it has not been built.
    pub fn locate(&self) -> Result<ImageLocation, Error> {
        let location = ImageLocation { directory: self.directory() };
        match location.directory.join("manifest.json").try_exists() {
            Ok(true) => Ok(location),
            Ok(false) => Err(Error::Missing { name: self.image.clone(), root: self.root.clone() }),
            Err(source) => Err(Error::io("look for", &location.directory)(source)),
        }
    }

    /// Whether the image was installed with this program, so that [`ensure`](Self::ensure) only copies it.
    pub fn is_installed(&self) -> bool {
        installed::folder().is_some_and(|folder| folder.join(build::versioned_name(self.image())).is_dir())
    }

    /// The image of this version's recipe. If it is missing it is copied from the folder that was installed with the program
    /// (`../share/vivarium/images`, seen from it), else built now: [`Event::Plan`] says what that takes.
    ///
    /// `progress` hears of every step. Two processes never build at once: the second one says [`Event::Waiting`].
    /// Dropping the future stops the build; the next call goes on behind the last finished step.
    ///
    /// # Errors
    /// When others could write to the cache directory, a program is missing, a step fails or the disk does not take what is written.
    pub async fn ensure(&self, progress: &mut (dyn FnMut(Event) + Send)) -> Result<ImageLocation, Error> {
        if let Ok(location) = self.locate() {
            return Ok(location);
        }
        let images = self.root.join("images");
        create_private(&images)?;
        let _lock = lock(&images.join("build.lock"), progress).await?;
        if let Ok(location) = self.locate() {
            return Ok(location);
        }
        let installed = match installed::folder() {
            Some(folder) => installed::copy(self.image(), &folder, &self.directory())?,
            None => false,
        };
        if !installed {
            // Machine code beside the image would not be trusted there: that is told now, and not in a quarter of an hour.
            vivarium_sandbox::trusted_directory(&images).map_err(Error::Cache)?;
            build::build(self.image(), &self.root, &self.directory(), progress).await?;
        }
        self.locate()
    }

    /// Writes the image as one file, which [`import`](Self::import) reads on another machine. Machine code is not in it.
    ///
    /// # Errors
    /// [`Error::Missing`] when it has not been built, and when it cannot be read or written.
    pub fn export(&self, to: impl Write) -> Result<ImageArchive, Error> {
        archive::write(&self.image, &self.locate()?, to)
    }

    /// Takes an image of this version out of what [`export`](Self::export) wrote, whichever one it is, in place of one that is there.
    /// `sha256`, in hexadecimal digits, is what the whole file has to have.
    ///
    /// It blocks, also while another process builds: `progress` then hears of [`Event::Waiting`].
    ///
    /// # Errors
    /// [`Error::Archive`] when it is none or another one, and when it cannot be read or written. An image that was there is then still there.
    pub fn import(
        &self,
        from: impl Read,
        sha256: Option<&str>,
        progress: &mut dyn FnMut(Event),
    ) -> Result<ImageArchive, Error> {
        let images = self.root.join("images");
        create_private(&images)?;
        let (file, is_locked) = try_lock(&images.join("build.lock"))?;
        if !is_locked {
            progress(Event::Waiting { lock: images.join("build.lock") });
            file.lock().map_err(Error::io("lock", &images.join("build.lock")))?;
        }
        let partial = images.join("import.partial");
        build::new_folder(&partial)?;
        let imported = archive::read(from, sha256, &partial).and_then(|archive| {
            let target = images.join(build::versioned_name(archive.image.description()));
            build::move_into_place(&partial, &target)?;
            Ok(archive)
        });
        if imported.is_err() {
            // It may be a gigabyte; the error to tell is the first one.
            let _ = build::remove(&partial);
        }
        imported
    }

    /// The tests that CPython and the linked packages ship, of the image's versions, laid out now if they are missing: their pinned
    /// sources are then fetched.
    ///
    /// # Errors
    /// As [`ImageStore::ensure`].
    pub async fn test_trees(&self, progress: &mut (dyn FnMut(Event) + Send)) -> Result<TestTrees, Error> {
        let trees = TestTrees::below(&build::output_directory(self.image(), &self.root).join("tests"));
        if trees.exist() {
            return Ok(trees);
        }
        let images = self.root.join("images");
        create_private(&images)?;
        let _lock = lock(&images.join("build.lock"), progress).await?;
        if !trees.exist() {
            build::test_trees(self.image(), &self.root, progress).await?;
        }
        Ok(trees)
    }

    /// What the image was built from, contains and weighs.
    ///
    /// # Errors
    /// [`Error::Missing`] when it has not been built.
    pub fn info(&self) -> Result<ImageInfo, Error> {
        let location = self.locate()?;
        let size = |path: &Path| path.metadata().map(|data| data.len()).map_err(Error::io("read the size of", path));
        let mut compiled_bytes = BTreeMap::new();
        for path in files_below(&location.directory)? {
            if path.extension().is_some_and(|extension| extension == "cwasm") {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                compiled_bytes.insert(name, size(&path)?);
            }
        }
        Ok(ImageInfo {
            recipe: recipe::key(self.image()),
            manifest: location.manifest()?,
            module_bytes: size(&location.module())?,
            compiled_bytes,
            directory: location.directory,
        })
    }
}

/// Regular files in `directory` and its folders.
fn files_below(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let (mut files, mut folders) = (Vec::new(), vec![directory.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(Error::io("list", &folder))? {
            let entry = entry.map_err(Error::io("list", &folder))?;
            match entry.file_type().map_err(Error::io("read the kind of", &entry.path()))? {
                kind if kind.is_dir() => folders.push(entry.path()),
                kind if kind.is_file() => files.push(entry.path()),
                _ => {}
            }
        }
    }
    Ok(files)
}

/// Creates `directory` and what is above it, for its owner only: compiled code is never trusted from a folder that
/// others can write to.
fn create_private(directory: &Path) -> Result<(), Error> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(Error::io("create", directory))
}

/// Takes the lock at `path`, held until the returned file is dropped or the process ends.
async fn lock(path: &Path, progress: &mut (dyn FnMut(Event) + Send)) -> Result<File, Error> {
    let (file, is_locked) = try_lock(path)?;
    if is_locked {
        return Ok(file);
    }
    progress(Event::Waiting { lock: path.to_owned() });
    let waited = tokio::task::spawn_blocking(move || file.lock().map(|()| file)).await;
    waited.map_err(std::io::Error::other).and_then(|locked| locked).map_err(Error::io("lock", path))
}

/// The file of a lock, and whether it could be taken at once.
fn try_lock(path: &Path) -> Result<(File, bool), Error> {
    let file = File::options().create(true).truncate(false).write(true).open(path).map_err(Error::io("open", path))?;
    match file.try_lock() {
        Ok(()) => Ok((file, true)),
        Err(TryLockError::WouldBlock) => Ok((file, false)),
        Err(TryLockError::Error(source)) => Err(Error::io("lock", path)(source)),
    }
}
