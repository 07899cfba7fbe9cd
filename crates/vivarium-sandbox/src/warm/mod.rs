//! Environment snapshots: instances that have imported a job's packages already.
//!
//! Importing packages can take a second; copying the memory in which that has happened takes milliseconds. All state of
//! a guest between two calls is its linear memory: the module's globals are back at their values, and its table never
//! changes. So an environment's snapshot is the pages that differ from the image:
//!
//! ```text
//!   image ──instantiate──> start, no variables ──"warm": import──> settle ──compare with the image──> pages
//!   image ──instantiate──> grow memory, write the pages ──> start, with the task's variables and seeds ──> load ...
//! ```
//!
//! Nothing of a task is in it: neither variables nor seeds, which every instance gets when it starts, and no code of the
//! function's own file. The snapshot remembers which variables packages asked for, and is not for tasks that have them.
//! A snapshot belongs to the tenant whose packages ran in it. It is data, not code: a forged one can do no more in a
//! sandbox than its tenant's packages can.

mod difference;
mod file;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use vivarium_tenancy::{HostCharge, Tenant};

use crate::error::{Error, ImageError, LimitError};
use crate::host_memory::NoHostMemory;
use crate::image::Image;
pub(crate) use difference::{Difference, WASM_PAGE};

/// What importing packages changed in an instance's memory.
#[derive(Debug)]
pub struct EnvironmentSnapshot {
    /// Hash of the image it differs from.
    image: String,
    /// Names of the environment variables that packages asked for while they were imported; `*` for all.
    variables: Vec<String>,
    difference: Difference,
    /// What its tenant is charged for it.
    held: OnceLock<HostCharge>,
}

impl PartialEq for EnvironmentSnapshot {
    fn eq(&self, other: &Self) -> bool {
        (&self.image, &self.variables, &self.difference) == (&other.image, &other.variables, &other.difference)
    }
}

impl Eq for EnvironmentSnapshot {}

/// Why an environment has no snapshot. Its functions work all the same; each instance imports for itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WarmError {
    /// The sandbox failed while it imported.
    #[error("the packages could not be imported for the snapshot: {0}")]
    Import(#[source] Box<Error>),
    /// The packages changed more memory than a snapshot may hold, in bytes.
    #[error("importing changed more than the {0} bytes that a snapshot may hold")]
    TooLarge(u64),
    /// The tenant may hold no more of the host's memory.
    #[error(transparent)]
    HostMemory(LimitError),
    /// State outside linear memory would be lost.
    #[error("importing left {0} behind, which a snapshot cannot hold")]
    State(&'static str),
    /// The image is not one that can be settled.
    #[error("the image does not export `vv_settle`")]
    Image,
    /// A stored snapshot is of another image, or damaged.
    #[error("the environment snapshot {} cannot be used: {problem}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The thread that worked on it was stopped, or panicked.
    #[error("making the environment snapshot was interrupted: {0}")]
    Interrupted(String),
    /// A stored snapshot could have been written by others.
    #[error(transparent)]
    Untrusted(#[from] ImageError),
}

impl EnvironmentSnapshot {
    /// The most bytes that a snapshot holds: packages decide how much memory they change, and snapshots are kept in memory
    /// and on disk. The largest package tried (sympy) changes 30 MB.
    pub const MAX_SIZE: u64 = 64 << 20;

    /// What packages that asked for these `variables` changed in an instance of `image`.
    pub(crate) fn new(image: &Image, variables: Vec<String>, difference: Difference) -> Self {
        Self::of_parts(image.hash(), variables, difference)
    }

    fn of_parts(image: String, variables: Vec<String>, difference: Difference) -> Self {
        Self { image, variables, difference, held: OnceLock::new() }
    }

    /// Charges its pages to its tenant ([`TenantLimits::host_memory`](crate::TenantLimits::host_memory)), once, for as long as it is kept.
    ///
    /// # Errors
    /// [`WarmError::HostMemory`] when the tenant may hold no more.
    pub fn charge_to(&self, tenant: &Arc<Tenant>) -> Result<(), WarmError> {
        if self.held.get().is_none() {
            let charge = HostCharge::new(tenant, self.size());
            let refused = || WarmError::HostMemory(NoHostMemory::new(tenant, self.size()).into());
            // Whoever comes second gives its charge back.
            let _ = self.held.set(charge.ok_or_else(refused)?);
        }
        Ok(())
    }

    /// Whether an instance with these variables is as if it had imported the packages itself: they asked for none of them.
    pub fn suits<'a>(&self, mut variables: impl Iterator<Item = &'a String>) -> bool {
        variables.all(|name| !self.variables.iter().any(|asked| asked == name || asked == "*"))
    }

    /// Bytes of the pages it holds.
    pub fn size(&self) -> u64 {
        self.difference.size()
    }

    /// Size of the linear memory of an instance that starts from it, in bytes.
    pub fn memory_size(&self) -> u64 {
        self.difference.memory_size()
    }

    /// Whether instances of `image` can start from it.
    pub fn is_of(&self, image: &Image) -> bool {
        self.image == image.hash()
    }

    /// Writes it to a new file, which appears under its name only when it is complete.
    ///
    /// # Errors
    /// [`WarmError::File`] when the file cannot be written.
    pub fn write(&self, path: impl Into<PathBuf>) -> Result<(), WarmError> {
        file::write(self, &path.into())
    }

    /// Reads a snapshot of `image`; None when there is no such file.
    ///
    /// # Errors
    /// [`WarmError::Untrusted`] when others could have written it; [`WarmError::File`] when it is of another image or not
    /// what was written.
    pub fn read(path: impl Into<PathBuf>, image: &Image) -> Result<Option<Arc<Self>>, WarmError> {
        Ok(file::read(&path.into(), image)?.map(Arc::new))
    }

    pub(crate) fn difference(&self) -> &Difference {
        &self.difference
    }
}

/// Reads a stored snapshot from anything, and writes its pages into a memory of its size unless that is larger than `most` bytes.
/// Returns how many bytes it holds, or none when it is damaged.
pub fn read_snapshot(file: impl std::io::Read, most: u64) -> Option<u64> {
    let snapshot = file::parse(file).ok()?;
    if snapshot.memory_size() <= most {
        snapshot.difference.apply(&mut vec![0; snapshot.memory_size() as usize]);
    }
    Some(snapshot.size())
}
