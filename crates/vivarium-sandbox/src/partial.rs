//! Names of files that are not complete yet.

use std::fs;
use std::path::Path;
use std::time::Duration;

/// Nobody writes one file for so long.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

const PREFIX: &str = "partial-";

/// A name that nobody else chooses. Process ids are not that: containers with one folder each begin to count at 1.
pub(crate) fn name() -> std::io::Result<String> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(std::io::Error::other)?;
    Ok(format!("{PREFIX}{:016x}", u64::from_le_bytes(random)))
}

/// Removes what writers left behind in a folder that were killed.
pub(crate) fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_partial = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        let age = || entry.metadata().ok()?.modified().ok()?.elapsed().ok();
        if is_partial && age().is_some_and(|age| age >= ABANDONED) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_abandoned_is_swept() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new, other) =
            (folder.path().join("partial-1"), folder.path().join("partial-2"), folder.path().join("code"));
        for path in [&old, &new, &other] {
            fs::write(path, "x").unwrap();
        }
        let long_ago = std::time::SystemTime::now() - 2 * ABANDONED;
        for path in [&old, &other] {
            fs::File::options().write(true).open(path).unwrap().set_modified(long_ago).unwrap();
        }
        sweep(folder.path());
        assert_eq!([&old, &new, &other].map(|path| path.exists()), [false, true, true]);
    }

    #[test]
    fn names_differ() {
        assert_ne!(name().unwrap(), name().unwrap());
    }
}
