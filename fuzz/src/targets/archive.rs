//! What unpacks archives: an environment that is opened and closed, and the store of images.

use std::io::{Cursor, Write};
use std::path::Path;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use vivarium_env::{
    EnvironmentSettings, JobId, MaterializeLimits, PythonArchive, PythonDependencyInfo, PythonEnvironmentManager,
};
use vivarium_guest::ImageStore;
use zip::write::SimpleFileOptions;

/// Extracts a zip file.
pub fn zip(bytes: &[u8]) {
    extract(bytes, "a.zip");
}

/// Extracts a tar file. The first byte says how it comes: as it is, with the sums of its headers made right (else few
/// changes get past them), or compressed.
pub fn tar(bytes: &[u8]) {
    let Some((how, archive)) = bytes.split_first() else { return };
    match how % 4 {
        0 => extract(archive, "a.tar"),
        1 => extract(archive, "a.tgz"),
        2 => extract(&with_sums(archive), "a.tar"),
        _ => extract(&gzip(&with_sums(archive)), "a.tgz"),
    }
}

/// Extracts `bytes` under a name. Whatever is in them, nothing may panic, nothing may be written beside the base
/// directory, and nothing may be left.
fn extract(bytes: &[u8], name: &str) {
    // In memory where that is possible: a disk takes milliseconds over each file.
    let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a temporary directory");
    let archive = directory.path().join("archive");
    std::fs::write(&archive, bytes).expect("the archive is written");
    let settings = Arc::new(
        EnvironmentSettings::default()
            .with_temporary_directories(vec![directory.path().join("tmp")])
            .with_limits(MaterializeLimits::default().with_entries(1_000).with_total_bytes(1 << 20)),
    );
    let info = PythonDependencyInfo::default().with_archives(vec![PythonArchive::new(&archive, name)]);
    let mut manager =
        PythonEnvironmentManager::new(info, settings, JobId::new(name).expect("a constant that is a valid identifier"));
    if manager.open().is_ok() {
        let environment = manager.create_environment().expect("it is open");
        environment.inspect().expect("the tree can be read");
    }
    manager.close();
    assert!(count(directory.path()) <= 2, "something was written beside the base directory");
    assert_eq!(count(&directory.path().join("tmp")), 0, "something was left");
}

/// Imports an image, with the sums of its headers made right. Nothing but a whole image may be there afterwards.
pub fn image(bytes: &[u8]) {
    let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a temporary directory");
    let store = ImageStore::at(directory.path().to_owned());
    let imported = store.import(with_sums(bytes).as_slice(), None, &mut |_| {});
    assert_eq!(imported.is_ok(), store.locate().is_ok());
    // The lock, and the image.
    assert_eq!(count(&directory.path().join("images")), 1 + usize::from(imported.is_ok()));
    if imported.is_ok() {
        let manifest = store.info().expect("it was imported").manifest;
        assert!(manifest.native_python.as_os_str().is_empty(), "a stranger's program would be run");
    }
}

fn count(directory: &Path) -> usize {
    std::fs::read_dir(directory).map_or(0, Iterator::count)
}

/// Every block that has tar's mark gets the sum that a header of its bytes has.
fn with_sums(archive: &[u8]) -> Vec<u8> {
    let mut archive = archive.to_vec();
    for block in archive.chunks_exact_mut(512).filter(|block| block[257..262] == *b"ustar") {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    archive
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}

pub fn image_seeds() -> Vec<Vec<u8>> {
    let module = gzip(b"\0asm");
    let folder = ImageStore::at("/".into()).directory();
    let name = folder.file_name().and_then(|name| name.to_str()).expect("an image has a name").to_owned();
    let manifest = serde_json::json!({
        "format": 1, "name": "base", "python": "3.13.5", "packages": {}, "inputs": {}, "guest_sha256": "", "home_sha256": "",
        "native_python": "/bin/sh", "image_sha256": "cd5d4935a48c0672cb06407bb443bc0087aff947c6b864bac886982c73b3027f",
    });
    let mut builder = tar::Builder::new(Vec::new());
    for (file, content) in [("manifest.json", manifest.to_string().as_bytes()), ("guest.wasm.gz", &module)] {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, format!("{name}/{file}"), content).expect("a file");
    }
    vec![builder.into_inner().expect("an archive")]
}

pub fn zip_seeds() -> Vec<Vec<u8>> {
    let archive = |options: SimpleFileOptions| {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        writer.add_directory("package", options).expect("a directory");
        writer.start_file("package/__init__.py", options).expect("a file");
        writer.write_all(b"x = 1\n".repeat(20).as_slice()).expect("content");
        writer.add_symlink("package/link.py", "__init__.py", options).expect("a link");
        writer.start_file("data \u{e9}.txt", options.unix_permissions(0o755)).expect("a file");
        writer.finish().expect("an archive").into_inner()
    };
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let deflated = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    vec![archive(stored), archive(deflated), archive(stored.large_file(true))]
}

pub fn tar_seeds() -> Vec<Vec<u8>> {
    let archive = |gnu: bool| {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = if gnu { tar::Header::new_gnu() } else { tar::Header::new_ustar() };
        header.set_mode(0o644);
        header.set_size(6);
        for path in ["package/__init__.py", &"long/".repeat(30)] {
            builder.append_data(&mut header, path.trim_end_matches('/'), &b"x = 1\n"[..]).ok();
        }
        header.set_size(0);
        for (kind, path) in [(tar::EntryType::Symlink, "package/link.py"), (tar::EntryType::Link, "package/hard.py")] {
            header.set_entry_type(kind);
            builder.append_link(&mut header, path, "__init__.py").expect("a link");
        }
        builder.append_pax_extensions([("path", b"other/name.py".as_slice())]).expect("a record");
        header.set_entry_type(tar::EntryType::Regular);
        builder.append_data(&mut header, "short.py", &b""[..]).expect("a file");
        builder.into_inner().expect("an archive")
    };
    let [gnu, ustar] = [archive(true), archive(false)];
    let forms = [(0, gnu.clone()), (1, gzip(&gnu)), (2, gnu.clone()), (2, ustar.clone()), (3, ustar)];
    forms.into_iter().map(|(how, archive)| [vec![how], archive].concat()).collect()
}
