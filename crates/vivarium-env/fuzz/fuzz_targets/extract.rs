//! What the extractors' fuzz targets share: one archive in, one environment opened and closed.

use std::path::Path;
use std::sync::Arc;

use vivarium_env::{
    EnvironmentSettings, JobId, MaterializeLimits, PythonArchive, PythonDependencyInfo, PythonEnvironmentManager,
};

/// Extracts `bytes` under every name in `names`. Whatever is in them, nothing may panic, nothing may be written beside
/// the base directory, and nothing may be left.
pub fn extract(bytes: &[u8], names: &[&str]) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let archive = directory.path().join("archive");
    std::fs::write(&archive, bytes).expect("the archive is written");
    let settings = Arc::new(EnvironmentSettings {
        temporary_directories: vec![directory.path().join("tmp")],
        limits: MaterializeLimits { entries: 1_000, total_bytes: 1 << 20, ..Default::default() },
        ..Default::default()
    });
    for name in names {
        let info = PythonDependencyInfo { archives: vec![PythonArchive::new(&archive, name)], ..Default::default() };
        let mut manager = PythonEnvironmentManager::new(info, settings.clone(), JobId::new(*name));
        if manager.open().is_ok() {
            let environment = manager.create_environment().expect("it is open");
            environment.inspect().expect("the tree can be read");
        }
        manager.close();
    }
    assert_eq!(count(directory.path()), 2, "something was written beside the base directory");
    assert_eq!(count(&directory.path().join("tmp")), 0, "something was left");
}

fn count(directory: &Path) -> usize {
    std::fs::read_dir(directory).expect("a directory").count()
}
