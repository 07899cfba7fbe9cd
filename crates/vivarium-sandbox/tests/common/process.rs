//! Tests that change their process for good: each runs in one of its own.

use std::fs;
use std::path::Path;
use std::process::Command;

/// The variable that names the function for the child, and the one with its folder.
const INSIDE: &str = "VIVARIUM_TEST_INSIDE";
const FOLDER: &str = "VIVARIUM_TEST_FOLDER";

/// Runs the test `name` in a process of its own and shows what it says when it fails. In that process, does `inside`.
pub fn in_a_process(name: &str, inside: impl FnOnce(&Path)) {
    if std::env::var(INSIDE).as_deref() == Ok(name) {
        return inside(Path::new(&std::env::var_os(FOLDER).unwrap()));
    }
    let folder = tempfile::tempdir().unwrap();
    for part in ["in", "out", "elsewhere"] {
        fs::create_dir(folder.path().join(part)).unwrap();
        fs::write(folder.path().join(part).join("file"), part).unwrap();
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env(INSIDE, name)
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}
