//! Machine code is used only when nobody else can have written it and it is what was recorded.

mod common;

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use common::{Guest, config, runtime};
use tempfile::TempDir;
use vivarium_sandbox::{CompileEvent, Error, Image, ImageError, Runtime, Sandbox};

/// A directory that nobody else can write to, nor any above it: images below `/tmp` are refused, and the checkout may lie there.
fn private_directory() -> tempfile::TempDir {
    let home = std::env::home_dir().expect("a home directory");
    tempfile::Builder::new().prefix(".vivarium-test-").tempdir_in(home).unwrap()
}

/// A directory that others cannot write, unlike those in `/tmp`.
fn image_directory(guest: &Guest) -> TempDir {
    let directory = private_directory();
    fs::write(directory.path().join("guest.wasm"), guest.wasm()).unwrap();
    directory
}

/// Opens the image and tells whether it had to be compiled.
fn compiles(runtime: &Runtime, directory: &Path) -> bool {
    let mut compiled = false;
    Image::compile(runtime, directory, |event| compiled |= matches!(event, CompileEvent::Compiled { .. })).unwrap();
    compiled
}

fn compiled_file(directory: &Path, extension: &str) -> PathBuf {
    let files = fs::read_dir(directory.join("compiled")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

#[tokio::test]
async fn an_image_is_compiled_once() {
    let (runtime, directory) = (runtime(), image_directory(&Guest::default()));
    assert!(compiles(&runtime, directory.path()));
    assert!(!compiles(&runtime, directory.path()));
    let image = Image::open(&runtime, directory.path()).unwrap();
    assert_eq!(image.hash(), Guest::default().image().hash());
    Sandbox::start(&image, &config()).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory.path().join("compiled")), 0o700);
    assert_eq!(mode(&compiled_file(directory.path(), "cwasm")), 0o600);
}

#[tokio::test]
async fn a_compressed_image_is_compiled_like_any_other() {
    let (runtime, directory) = (runtime(), private_directory());
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    writer.write_all(&Guest::default().wasm()).unwrap();
    let mut compressed = writer.finish().unwrap();
    fs::write(directory.path().join("guest.wasm.gz"), &compressed).unwrap();
    assert!(compiles(&runtime, directory.path()));
    assert!(!compiles(&runtime, directory.path()));
    Sandbox::start(&Image::open(&runtime, directory.path()).unwrap(), &config()).await.unwrap();
    compressed.truncate(compressed.len() / 2);
    fs::write(directory.path().join("guest.wasm.gz"), &compressed).unwrap();
    let error = Image::open(&runtime, directory.path()).unwrap_err().to_string();
    assert!(error.contains("cannot decompress") && error.contains("guest.wasm.gz"), "{error}");
}

#[test]
fn a_changed_guest_is_compiled_again() {
    let (runtime, directory) = (runtime(), image_directory(&Guest::default()));
    assert!(compiles(&runtime, directory.path()));
    let changed = Guest { memory: 9, ..Guest::default() };
    fs::write(directory.path().join("guest.wasm"), changed.wasm()).unwrap();
    assert!(compiles(&runtime, directory.path()));
    assert_eq!(Image::open(&runtime, directory.path()).unwrap().hash(), changed.image().hash());
}

#[test]
fn a_copied_image_is_not_compiled_again() {
    let (runtime, directory) = (runtime(), image_directory(&Guest::default()));
    assert!(compiles(&runtime, directory.path()));
    for path in [directory.path().join("guest.wasm"), compiled_file(directory.path(), "cwasm")] {
        let content = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }
    let record = fs::read(compiled_file(directory.path(), "json")).unwrap();
    assert!(!compiles(&runtime, directory.path()));
    assert_ne!(fs::read(compiled_file(directory.path(), "json")).unwrap(), record, "the record was not renewed");
    assert!(!compiles(&runtime, directory.path()));
}

#[test]
fn tampered_machine_code_is_not_run() {
    let (runtime, directory) = (runtime(), image_directory(&Guest::default()));
    for extension in ["cwasm", "json"] {
        assert!(compiles(&runtime, directory.path()) || extension == "json");
        let path = compiled_file(directory.path(), extension);
        let mut content = fs::read(&path).unwrap();
        let middle = content.len() / 2;
        content[middle] ^= 1;
        fs::write(&path, content).unwrap();
        assert!(compiles(&runtime, directory.path()), "{extension}");
        fs::write(&path, b"").unwrap();
        assert!(compiles(&runtime, directory.path()), "{extension} emptied");
    }
}

#[test]
fn what_others_can_write_is_refused() {
    let (runtime, directory) = (runtime(), image_directory(&Guest::default()));
    assert!(compiles(&runtime, directory.path()));
    let compiled = directory.path().join("compiled");
    let code = compiled_file(directory.path(), "cwasm");
    for path in [directory.path(), &compiled, &code, &directory.path().join("guest.wasm")] {
        let before = fs::metadata(path).unwrap().permissions();
        fs::set_permissions(path, Permissions::from_mode(before.mode() | 0o020)).unwrap();
        match Image::open(&runtime, directory.path()) {
            Err(Error::Image(error @ ImageError::Untrusted { .. })) => {
                assert!(error.to_string().contains("chmod go-w"), "{error}")
            }
            other => panic!("{}: {other:?}", path.display()),
        }
        fs::set_permissions(path, before).unwrap();
    }
    Image::open(&runtime, directory.path()).unwrap();

    // World-writable as /tmp is, sticky or not.
    let open = tempfile::tempdir_in("/tmp").unwrap();
    fs::write(open.path().join("guest.wasm"), Guest::default().wasm()).unwrap();
    assert!(
        matches!(Image::open(&runtime, open.path()), Err(Error::Image(ImageError::Untrusted { path, .. })) if path == Path::new("/tmp"))
    );
}

#[test]
fn a_link_in_place_of_the_code_is_not_followed() {
    let (runtime, directory) = (runtime(), image_directory(&Guest::default()));
    assert!(compiles(&runtime, directory.path()));
    let code = compiled_file(directory.path(), "cwasm");
    let elsewhere = directory.path().join("elsewhere");
    fs::rename(&code, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &code).unwrap();
    assert!(matches!(Image::open(&runtime, directory.path()), Err(Error::Image(ImageError::Io { .. }))));
}

#[test]
fn a_missing_image_says_where_it_should_be() {
    let runtime = runtime();
    let error = Image::open(&runtime, "/no/such/image").unwrap_err().to_string();
    assert!(error.contains("/no/such/image"), "{error}");
    let directory = private_directory();
    let error = Image::open(&runtime, directory.path()).unwrap_err().to_string();
    assert!(error.contains("guest.wasm"), "{error}");
}

#[test]
fn processes_that_compile_at_once_leave_one_result() {
    let directory = image_directory(&Guest::default());
    let compiled: usize = std::thread::scope(|scope| {
        // Each with its own runtime, as separate processes would.
        let threads: Vec<_> =
            (0..4).map(|_| scope.spawn(|| usize::from(compiles(&runtime(), directory.path())))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(compiled, 1);
}
