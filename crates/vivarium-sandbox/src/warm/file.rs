//! Environment snapshots on disk.
//!
//! ```text
//!   "vivarium environment snapshot 1\n"   32 bytes
//!   BLAKE3 of all that follows            32 bytes
//!   length of the header                   4 bytes, little-endian
//!   header                                JSON: image, memory size, runs
//!   contents of the runs
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::difference::{Difference, Run};
use super::{EnvironmentSnapshot, WarmError};
use crate::image::{Image, trust};
use crate::partial;

const MAGIC: &[u8; 32] = b"vivarium environment snapshot 1\n";

#[derive(Serialize, Deserialize)]
struct Header {
    image: String,
    variables: Vec<String>,
    memory_size: u64,
    runs: Vec<Run>,
}

fn problem(path: &Path, problem: impl std::fmt::Display) -> WarmError {
    WarmError::File { path: path.to_owned(), problem: problem.to_string() }
}

pub(super) fn write(snapshot: &EnvironmentSnapshot, path: &Path) -> Result<(), WarmError> {
    let (runs, data) = snapshot.difference.parts();
    let header = Header {
        image: snapshot.image.clone(),
        variables: snapshot.variables.clone(),
        memory_size: snapshot.difference.memory_size(),
        runs: runs.to_vec(),
    };
    let header = serde_json::to_vec(&header).map_err(|error| problem(path, error))?;
    let length = u32::try_from(header.len()).map_err(|error| problem(path, error))?.to_le_bytes();
    let mut hasher = blake3::Hasher::new();
    hasher.update(&length).update(&header).update(data);
    let hash = hasher.finalize();

    let partial = path.with_file_name(partial::name().map_err(|error| problem(path, error))?);
    let attempt = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial)?;
        for part in [MAGIC.as_slice(), hash.as_bytes(), &length, &header, data] {
            file.write_all(part)?;
        }
        file.sync_all()?;
        fs::rename(&partial, path)
    };
    attempt().map_err(|error| {
        let _ = fs::remove_file(&partial);
        problem(path, error)
    })
}

pub(super) fn read(path: &Path, image: &Image) -> Result<Option<EnvironmentSnapshot>, WarmError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(problem(path, error)),
    };
    trust::check_file(&file, path)?;
    let snapshot = parse(file).map_err(|error| problem(path, error))?;
    if !snapshot.is_of(image) {
        return Err(problem(path, "it is of another image"));
    }
    Ok(Some(snapshot))
}

pub(super) fn parse(mut file: impl Read) -> io::Result<EnvironmentSnapshot> {
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "it is damaged; remove it and it is made again");
    let mut start = [0; MAGIC.len() + blake3::OUT_LEN + 4];
    file.read_exact(&mut start)?;
    let (magic, rest) = start.split_at(MAGIC.len());
    let (hash, length) = rest.split_at(blake3::OUT_LEN);
    if magic != MAGIC {
        return Err(damaged());
    }
    let mut content = Vec::new();
    file.read_to_end(&mut content)?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(length).update(&content);
    let length = length.iter().rev().fold(0, |value, byte| value << 8 | usize::from(*byte));
    if hasher.finalize().as_bytes() != hash || length > content.len() {
        return Err(damaged());
    }
    let data = content.split_off(length);
    let header: Header = serde_json::from_slice(&content)?;
    let difference = Difference::from_parts(header.memory_size, header.runs, data).ok_or_else(damaged)?;
    Ok(EnvironmentSnapshot::of_parts(header.image, header.variables, difference))
}
