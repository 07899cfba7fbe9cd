//! What one job's environment may cost: every bound, with its default.

/// Bounds on everything that is unpacked or copied for one environment.
///
/// Entries and bytes are counted over the whole environment, so many small archives cannot do what one big one may
/// not. Input that reaches a bound is refused with an error that names the archive and the entry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MaterializeLimits {
    /// Files, directories and links together. A packed scientific Python has about 60,000.
    pub entries: u64,
    /// Bytes written to files.
    pub total_bytes: u64,
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Bytes of one archive as it was shipped.
    pub archive_bytes: u64,
    /// How many times bigger than itself an archive may get. Deflate reaches 1,032; source code and tables stay
    /// under 20.
    pub compression_ratio: u64,
    /// Archives may always grow to this many bytes, whatever their ratio: a small file of zeros is no bomb.
    pub compression_ratio_floor: u64,
    /// Bytes of one entry's whole path.
    pub path_bytes: usize,
    /// Bytes of one component of a path; file systems stop at 255.
    pub component_bytes: usize,
    /// Components of a path.
    pub path_depth: usize,
    /// Bytes of all names together. They are kept in memory to find duplicates, so this bounds memory.
    pub name_bytes: u64,
    /// Whether two names that differ only in case are refused. They overwrite each other on the file systems of macOS
    /// and Windows, which is a way to smuggle content past a reader. Packed conda environments hold such names
    /// (terminfo), so an operator may allow them where the file system keeps them apart.
    pub refuse_case_collisions: bool,
}

impl Default for MaterializeLimits {
    fn default() -> Self {
        Self {
            entries: 200_000,
            total_bytes: 4 << 30,
            file_bytes: 1 << 30,
            archive_bytes: 2 << 30,
            compression_ratio: 100,
            compression_ratio_floor: 16 << 20,
            path_bytes: 1024,
            component_bytes: 255,
            path_depth: 64,
            name_bytes: 32 << 20,
            refuse_case_collisions: true,
        }
    }
}

vivarium_tenancy::__setters!(MaterializeLimits {
    with_entries: entries: u64,
    with_total_bytes: total_bytes: u64,
    with_file_bytes: file_bytes: u64,
    with_archive_bytes: archive_bytes: u64,
    with_compression_ratio: compression_ratio: u64,
    with_compression_ratio_floor: compression_ratio_floor: u64,
    with_path_bytes: path_bytes: usize,
    with_component_bytes: component_bytes: usize,
    with_path_depth: path_depth: usize,
    with_name_bytes: name_bytes: u64,
    with_refuse_case_collisions: refuse_case_collisions: bool,
});
