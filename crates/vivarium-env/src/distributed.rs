//! The names under which Flink distributes a job's dependencies to its workers.

use sha2::{Digest, Sha256};

use crate::options::{PythonOptions, split_list, split_parameter};

/// A dependency in Flink's distributed cache: the key it is registered under, and the name it had.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DistributedFile {
    /// `python_file_<sha256hex>`, `python_archive_<sha256hex>`, `python_requirements_file_<sha256hex>` or
    /// `python_requirements_cache_<sha256hex>`.
    pub key: String,
    /// `name`, or `name#target` for an archive with a target.
    pub value: String,
    /// Where the client found it: a path or a URI.
    pub path: String,
}

/// Everything a client distributes, in the order given and without duplicates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DistributedDependencies {
    /// Entries of `python.files`.
    pub files: Vec<DistributedFile>,
    /// Entries of `python.archives`.
    pub archives: Vec<DistributedFile>,
    /// The requirements file.
    pub requirements_file: Option<DistributedFile>,
    /// The directory of packages to install from.
    pub requirements_cache: Option<DistributedFile>,
}

impl DistributedDependencies {
    /// Names what the options list. Equal entries collapse; the first keeps its place.
    pub fn from_options(options: &PythonOptions) -> Self {
        let mut dependencies = Self::default();
        for path in split_list(&options.files) {
            push_new(&mut dependencies.files, DistributedFile::new("python_file", path, path, base_name(path)));
        }
        for entry in split_list(&options.archives) {
            let (path, target) = split_parameter(entry);
            let value = match target {
                Some(target) => format!("{}#{target}", base_name(path)),
                None => base_name(path).to_owned(),
            };
            let identity = format!("{path}#{value}");
            push_new(&mut dependencies.archives, DistributedFile::new("python_archive", &identity, path, &value));
        }
        if let Some(requirements) = options.requirements.as_deref().filter(|requirements| !requirements.is_empty()) {
            let (file, cache) = split_parameter(requirements);
            dependencies.requirements_file =
                Some(DistributedFile::new("python_requirements_file", file, file, base_name(file)));
            dependencies.requirements_cache =
                cache.map(|cache| DistributedFile::new("python_requirements_cache", cache, cache, base_name(cache)));
        }
        dependencies
    }
}

impl DistributedFile {
    fn new(prefix: &str, identity: &str, path: &str, value: &str) -> Self {
        let key = format!("{prefix}_{}", hex(&Sha256::digest(identity.as_bytes())));
        Self { key, value: value.to_owned(), path: path.to_owned() }
    }
}

fn push_new(files: &mut Vec<DistributedFile>, file: DistributedFile) {
    if !files.iter().any(|known| known.key == file.key) {
        files.push(file);
    }
}

/// The last component of a path or URI, whose trailing slashes do not count.
fn base_name(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
