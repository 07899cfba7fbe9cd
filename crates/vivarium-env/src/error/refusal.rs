//! Why an entry was not written: sentences without the archive's and the entry's name, which the caller adds.

use std::io;

/// A reason to refuse an entry of an archive, a wheel or a directory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's message documents it and its fields")]
#[non_exhaustive]
pub enum Refusal {
    #[error("its name is absolute")]
    Absolute,
    #[error("its name leaves the directory it is extracted to")]
    Outside,
    #[error("its name contains a '..' component")]
    ParentComponent,
    #[error("its name is empty")]
    EmptyName,
    #[error("its name is not valid UTF-8")]
    NotUtf8,
    #[error("its name contains a NUL byte")]
    Nul,
    #[error("its name contains a backslash")]
    Backslash,
    #[error("its name is {bytes} bytes long, more than {limit}")]
    LongName { bytes: usize, limit: usize },
    #[error("its name has a component of {bytes} bytes, more than {limit}")]
    LongComponent { bytes: usize, limit: usize },
    #[error("its name is {depth} directories deep, more than {limit}")]
    Deep { depth: usize, limit: usize },
    #[error("it is a symbolic link to '{}', which leaves the directory it is extracted to", display_name(target))]
    SymlinkEscapes { target: Vec<u8> },
    #[error("it is a hard link to '{}', which is not a file extracted before it", display_name(target))]
    HardLinkTarget { target: Vec<u8> },
    #[error("it is a {0}, not a file, a directory or a link")]
    SpecialFile(&'static str),
    #[error("it is a sparse file")]
    Sparse,
    #[error("its name appears twice")]
    Duplicate,
    #[error("its name differs from '{other}' only in the case of letters")]
    CaseCollision { other: String },
    #[error("'{parent}' in its path is not a directory")]
    ParentNotDirectory { parent: String },
    #[error("it is encrypted")]
    Encrypted,
    #[error("it is compressed with a method other than 'stored' and 'deflated'; pack it again with plain zip")]
    CompressionMethod,
    #[error("it shares bytes with another entry")]
    Overlap,
    #[error("it holds {actual} bytes where its header says {declared}")]
    Size { declared: u64, actual: u64 },
    #[error("its headers disagree about {0}")]
    Headers(&'static str),
    #[error("its metadata takes more than {limit} bytes")]
    LongMetadata { limit: u64 },
    #[error("there are more than {limit} entries")]
    TooManyEntries { limit: u64 },
    #[error("the names of all entries take more than {limit} bytes")]
    TooManyNameBytes { limit: u64 },
    #[error("the environment would take more than {limit} bytes")]
    TooManyBytes { limit: u64 },
    #[error("it takes more than {limit} bytes")]
    FileTooBig { limit: u64 },
    #[error("it makes the archive more than {limit} times bigger than its file: a decompression bomb")]
    CompressionRatio { limit: u64 },
    #[error("its content does not have the hash that the wheel's RECORD gives")]
    RecordHash,
    #[error("the wheel's RECORD has no hash for it")]
    NotInRecord,
}

/// Why an entry could not be written.
#[derive(Debug)]
pub(crate) enum WriteError {
    Refused(Refusal),
    /// The entry's content could not be read.
    Read(io::Error),
    /// The environment's directory could not be written.
    Write(io::Error),
}

impl From<Refusal> for WriteError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// A name from the outside in a form that is safe to print: hostile characters escaped, at most 800 bytes of it.
pub(crate) fn display_name(name: &[u8]) -> String {
    vivarium_text::line(&String::from_utf8_lossy(name), 800)
}
