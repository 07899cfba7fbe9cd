//! Environments that are made once and used by many.
//!
//! ```text
//!   <root>/v1/<tenant>/            one namespace per tenant: nothing is shared across
//!       locks/<key>                flock: shared while a tree is in use, exclusive to make or remove it
//!       making/<key>/              a tree being made, by the one holder of the exclusive lock
//!       entries/<key>/tree/        a finished tree, which is never written again
//!       entries/<key>/manifest.json
//!       entries/<key>/derived/      what was computed from it: counts as its size and goes with it
//!       resolutions/<key>          which packages requirements were resolved to
//! ```
//!
//! A key is the hash of everything that goes into a tree. A tree appears under `entries` by one rename, complete with
//! its manifest; what is under `making` without a lock holder was left by a process that died and is removed. Locks
//! belong to open files, so a process that dies drops its references with them. The system may die too: a tree's data is on disk
//! before its manifest is written, and a tree made before the last boot is compared with its manifest once.

mod collect;
mod directory;
mod entry;
mod lock;
mod resolutions;

use std::path::{Path, PathBuf};

use cap_std::fs::Dir;
use vivarium_tenancy::TenantId;
use vivarium_text::OneLine;

use crate::error::{EnvironmentError, StoreError};
use crate::report::TreeReport;

pub use collect::{CollectPolicy, Collected, StoredEnvironment};
pub use entry::StoreLease;

use entry::Manifest;
use lock::{Lock, LockKind};

/// Changes when the layout of the store or of trees does; older trees are then simply not found.
const FORMAT: &str = "v1";

/// The directory beside a tree for what is computed from it.
pub(crate) const DERIVED: &str = "derived";

/// A store of environments in a directory of this machine.
#[derive(Debug)]
pub struct Store {
    root: Dir,
    path: PathBuf,
}

/// How often a tree is made that somebody collects before it is taken.
const ATTEMPTS: usize = 16;

/// The lock of whoever compares a tenant's trees with its quota. Those of trees are named by hashes.
const ROOM: &str = "room";

/// One tenant's part of a [`Store`].
#[derive(Debug)]
pub struct TenantStore {
    path: PathBuf,
    locks: Dir,
    making: Dir,
    entries: Dir,
    resolutions: Dir,
}

impl Store {
    /// Opens a store, making its directory (mode 0700) when there is none. A directory that other users may write, or
    /// that lies in one where they may replace it, is refused.
    pub fn open(root: impl AsRef<Path>) -> Result<Self, StoreError> {
        let (root, path) = directory::open_private(root.as_ref())?;
        Ok(Self { root, path })
    }

    /// Opens a tenant's part, and removes what a process that died left half made in it.
    pub fn tenant(&self, tenant: &TenantId) -> Result<TenantStore, StoreError> {
        let name = blake3::hash(tenant.as_str().as_bytes()).to_hex()[..32].to_owned();
        let relative = Path::new(FORMAT).join(&name);
        let path = self.path.join(&relative);
        let open = |part: &str| {
            directory::ensure(&self.root, &relative.join(part)).map_err(|source| StoreError::Io {
                path: self.path.clone(),
                doing: "made a directory",
                source,
            })
        };
        let store = TenantStore {
            locks: open("locks")?,
            making: open("making")?,
            entries: open("entries")?,
            resolutions: open("resolutions")?,
            path,
        };
        store.remove_half_made()?;
        Ok(store)
    }
}

impl TenantStore {
    /// Takes a tree under `key`, or makes it with `make` when there is none. Of several that ask at once, in this
    /// process or in others, one makes it and the others wait.
    ///
    /// `make` gets an empty directory and describes what it put there. When it fails nothing stays behind. It is called again when
    /// its tree is collected before it is taken. All of the tenant's trees take at most `quota` bytes: unused ones are
    /// removed for a new one.
    pub(crate) fn lease(
        &self,
        key: &str,
        quota: u64,
        mut make: impl FnMut(&Dir) -> Result<TreeReport, EnvironmentError>,
    ) -> Result<StoreLease, EnvironmentError> {
        for _ in 0..ATTEMPTS {
            let lock = Lock::take(&self.locks, key, LockKind::Shared).map_err(self.failed("locked an environment"))?;
            if let Some(lease) = self.open_entry(key, lock)? {
                return Ok(lease);
            }
            let _exclusive =
                Lock::take(&self.locks, key, LockKind::Exclusive).map_err(self.failed("locked an environment"))?;
            self.discard_damaged(key)?;
            // The exclusive lock is given back before the shared one is taken: somebody may collect the tree in between.
            if !self.entries.exists(key) {
                self.make_entry(key, quota, &mut make)?;
            }
        }
        let source = std::io::ErrorKind::NotFound.into();
        Err(StoreError::Io { path: self.path.clone(), doing: "kept a new environment", source }.into())
    }

    fn make_entry(
        &self,
        key: &str,
        quota: u64,
        make: &mut dyn FnMut(&Dir) -> Result<TreeReport, EnvironmentError>,
    ) -> Result<(), EnvironmentError> {
        let failed = self.failed("made an environment");
        crate::tree::remove_tree(&self.making, key).map_err(&failed)?;
        let result = (|| {
            let directory = directory::ensure(&self.making, Path::new(key)).map_err(&failed)?;
            let tree = directory::ensure(&directory, Path::new("tree")).map_err(&failed)?;
            let report = make(&tree)?;
            // A manifest on disk says that all of its tree is there: not only names and sizes, which is all that is compared later.
            rustix::fs::syncfs(&tree).map_err(|error| failed(error.into()))?;
            let manifest = Manifest::describe(&tree, report).map_err(&failed)?;
            // Until the tree is among the others: two that come at once do not share what room there is.
            let _room = Lock::take(&self.locks, ROOM, LockKind::Exclusive).map_err(&failed)?;
            self.make_room(manifest.bytes, quota)?;
            manifest.write(&directory).map_err(&failed)?;
            self.making.rename(key, &self.entries, key).map_err(&failed)?;
            Ok(())
        })();
        if result.is_err()
            && let Err(error) = crate::tree::remove_tree(&self.making, key)
        {
            tracing::warn!(key, error = %OneLine(&error), "a half-made environment could not be removed; the next opening tries again");
        }
        result
    }

    fn failed(&self, doing: &'static str) -> impl Fn(std::io::Error) -> StoreError + '_ {
        move |source| StoreError::Io { path: self.path.clone(), doing, source }
    }
}
