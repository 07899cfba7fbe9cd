//! Images that came with the program: `PREFIX/share/vivarium/images/NAME-KEY` for a program in `PREFIX/bin`.
//!
//! They are copied into the cache, not used where they are: each user keeps machine code beside an image, and the cache's rules of trust
//! apply. A folder that others could write is ignored, and so is a module without its recorded hash: somebody else could have chosen
//! that guest. Installed machine code is copied with its record. It is for the kind of processor that the program was packed on; on
//! another kind the first use compiles the image, as without installed machine code.

use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};

use crate::description::ImageDescription;
use crate::error::Error;
use crate::image::ImageLocation;
use crate::{build, recipe};

/// The folder of images of the program that runs, if its place has one.
pub(crate) fn folder() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?.canonicalize().ok()?;
    let folder = program.parent()?.parent()?.join("share/vivarium/images");
    folder.is_dir().then_some(folder)
}

/// Copies the image of this version's recipe from `folder` to `target`; `false` when it is not there.
///
/// # Errors
/// When it is there and cannot be trusted, or not be copied.
pub(crate) fn copy(image: &ImageDescription, folder: &Path, target: &Path) -> Result<bool, Error> {
    let source = ImageLocation { directory: folder.join(build::versioned_name(image)) };
    if !source.directory.is_dir() {
        return Ok(false);
    }
    vivarium_sandbox::trusted_directory(&source.directory).map_err(Error::Installed)?;
    let manifest = source.manifest()?;
    let module = std::fs::read(source.module()).map_err(Error::io("read", &source.module()))?;
    if manifest.image_sha256.is_none() || manifest.image_sha256 != sha256(module.as_slice()) {
        return Err(Error::Damaged { path: source.module() });
    }
    build::replace_folder(target, |target| {
        let target = ImageLocation { directory: target.to_owned() };
        std::fs::write(target.module(), &module).map_err(Error::io("write", &target.module()))?;
        vivarium_sandbox::copy_compiled(&source.directory, &target.directory).map_err(Error::Installed)?;
        manifest.write(&target.directory.join("manifest.json"))
    })?;
    Ok(true)
}

/// More of a module is not read: `vivarium_sandbox` opens none that is larger.
const MAX_MODULE: u64 = 1 << 30;

/// Of the module that is compressed here; none when it is damaged.
pub(crate) fn sha256(compressed: impl Read) -> Option<String> {
    let mut reader = GzDecoder::new(compressed).take(MAX_MODULE);
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 64 << 10]);
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Some(recipe::hex(&hash.finalize())),
            Ok(length) => hash.update(&buffer[..length]),
            Err(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::ImageStore;

    /// An image of the default description with this module, whose manifest says the hash of `recorded`.
    fn install(folder: &Path, module: &[u8], recorded: &[u8]) -> ImageLocation {
        let image = ImageLocation { directory: folder.join(build::versioned_name(&crate::images()[0])) };
        std::fs::create_dir_all(&image.directory).unwrap();
        build::write_compressed(&image.module(), module).unwrap();
        let manifest = serde_json::json!({
            "format": 1, "name": "base", "python": "3.13.5", "packages": {}, "inputs": {}, "guest_sha256": "", "home_sha256": "",
            "native_python": "", "image_sha256": recipe::hex(&Sha256::digest(recorded)),
        });
        std::fs::write(image.directory.join("manifest.json"), manifest.to_string()).unwrap();
        image
    }

    /// Not in `/tmp`, below which nothing is trusted.
    fn folder() -> tempfile::TempDir {
        let home = std::env::var_os("HOME").expect("HOME is set");
        tempfile::Builder::new().prefix(".vivarium-test-").tempdir_in(home).unwrap()
    }

    #[test]
    fn an_installed_image_is_copied_with_its_module_and_manifest() {
        let (folder, cache) = (folder(), tempfile::tempdir().unwrap());
        let image = install(folder.path(), b"module", b"module");
        let target = cache.path().join("image");
        assert!(copy(&crate::images()[0], folder.path(), &target).unwrap());
        let copied = ImageLocation { directory: target };
        assert_eq!(std::fs::read(copied.module()).unwrap(), std::fs::read(image.module()).unwrap());
        assert_eq!(copied.manifest().unwrap(), image.manifest().unwrap());
    }

    #[test]
    fn machine_code_is_copied_with_its_record_unless_others_can_write_it() {
        let (folder, cache) = (folder(), tempfile::tempdir().unwrap());
        let compiled = install(folder.path(), b"module", b"module").directory.join("compiled");
        std::fs::create_dir(&compiled).unwrap();
        for name in ["1.cwasm", "1.json", "lock"] {
            std::fs::write(compiled.join(name), name).unwrap();
            std::fs::set_permissions(compiled.join(name), std::fs::Permissions::from_mode(0o644)).unwrap();
        }
        let target = cache.path().join("image");
        assert!(copy(&crate::images()[0], folder.path(), &target).unwrap());
        assert_eq!(std::fs::read_to_string(target.join("compiled/1.cwasm")).unwrap(), "1.cwasm");
        assert_eq!(std::fs::read_to_string(target.join("compiled/1.json")).unwrap(), "1.json");
        assert!(!target.join("compiled/lock").exists());
        assert_eq!(target.join("compiled/1.cwasm").metadata().unwrap().permissions().mode() & 0o777, 0o600);

        std::fs::set_permissions(compiled.join("1.cwasm"), std::fs::Permissions::from_mode(0o666)).unwrap();
        let another = cache.path().join("another");
        let error = copy(&crate::images()[0], folder.path(), &another).unwrap_err();
        assert!(matches!(error, Error::Installed(_)) && error.to_string().contains("others can write"), "{error}");
        assert!(!another.exists());
    }

    #[test]
    fn an_image_of_another_recipe_is_none() {
        let (folder, cache) = (folder(), tempfile::tempdir().unwrap());
        let image = install(folder.path(), b"module", b"module");
        std::fs::rename(&image.directory, folder.path().join("base-0123456789abcdef")).unwrap();
        assert!(!copy(&crate::images()[0], folder.path(), &cache.path().join("image")).unwrap());
        assert!(ImageStore::at(cache.path().to_owned()).locate().is_err());
    }

    #[test]
    fn a_module_without_its_recorded_hash_is_refused() {
        let (folder, cache) = (folder(), tempfile::tempdir().unwrap());
        install(folder.path(), b"module", b"another");
        let error = copy(&crate::images()[0], folder.path(), &cache.path().join("image")).unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "{error}");
        assert!(!cache.path().join("image").exists());
    }

    #[test]
    fn a_folder_that_others_can_write_is_refused() {
        let (folder, cache) = (folder(), tempfile::tempdir().unwrap());
        let image = install(folder.path(), b"module", b"module");
        std::fs::set_permissions(&image.directory, std::fs::Permissions::from_mode(0o777)).unwrap();
        let error = copy(&crate::images()[0], folder.path(), &cache.path().join("image")).unwrap_err();
        assert!(matches!(error, Error::Installed(_)) && error.to_string().contains("others can write"), "{error}");
    }
}
