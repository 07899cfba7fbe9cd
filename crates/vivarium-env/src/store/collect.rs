//! Listing and removing stored environments.

use std::io;
use std::time::{Duration, SystemTime};

use super::entry::{Manifest, count};
use super::lock::Lock;
use super::{DERIVED, StoreError, TenantStore};
use crate::tree::{open_directory, remove_tree};

/// What collection keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CollectPolicy {
    /// Environments not used for longer are removed.
    pub max_age: Duration,
    /// When the rest takes more than this, those not used for longest are removed too. In bytes.
    pub max_bytes: u64,
}

impl Default for CollectPolicy {
    fn default() -> Self {
        Self { max_age: Duration::from_secs(30 * 24 * 3600), max_bytes: 20 << 30 }
    }
}

vivarium_tenancy::__setters!(CollectPolicy {
    with_max_age: max_age: Duration,
    with_max_bytes: max_bytes: u64,
});

/// What collection did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Collected {
    /// Keys of the environments removed.
    pub removed: Vec<String>,
    /// Bytes of their files.
    pub freed_bytes: u64,
    /// Environments kept.
    pub kept: u64,
    /// Bytes of their files.
    pub kept_bytes: u64,
}

/// A stored environment.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct StoredEnvironment {
    /// The hash of everything that went into it.
    pub key: String,
    /// Files, directories and links.
    pub entries: u64,
    /// Bytes of all files, what was computed from them included.
    pub bytes: u64,
    /// When it was last opened.
    pub last_used: SystemTime,
    /// Whether some process has it open.
    pub in_use: bool,
}

impl TenantStore {
    /// All environments, those not used for longest first.
    pub fn list(&self) -> Result<Vec<StoredEnvironment>, StoreError> {
        let failed = self.failed("listed environments");
        let mut environments = Vec::new();
        for entry in self.entries.entries().map_err(&failed)? {
            let Ok(key) = entry.map_err(&failed)?.file_name().into_string() else { continue };
            if let Some(environment) = self.describe(&key).map_err(&failed)? {
                environments.push(environment);
            }
        }
        environments.sort_by(|a, b| (a.last_used, &a.key).cmp(&(b.last_used, &b.key)));
        Ok(environments)
    }

    /// Removes one environment; `false` when there is none or it is in use.
    pub fn remove(&self, key: &str) -> Result<bool, StoreError> {
        let failed = self.failed("removed an environment");
        if !key.bytes().all(|byte| byte.is_ascii_hexdigit()) || !self.entries.exists(key) {
            return Ok(false);
        }
        let Some(lock) = Lock::try_exclusive(&self.locks, key).map_err(&failed)? else { return Ok(false) };
        // Out of sight in one step; what is left of it after a crash is swept like a half-made one.
        remove_tree(&self.making, key).map_err(&failed)?;
        match self.entries.rename(key, &self.making, key) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            renamed => renamed.map_err(&failed)?,
        }
        remove_tree(&self.making, key).map_err(&failed)?;
        lock.remove(&self.locks, key).map_err(&failed)?;
        Ok(true)
    }

    /// Removes environments that nobody uses, by age and then by size.
    pub fn collect(&self, policy: &CollectPolicy) -> Result<Collected, StoreError> {
        let now = SystemTime::now();
        let environments = self.list()?;
        let mut total: u64 = environments.iter().map(|environment| environment.bytes).sum();
        let mut collected = Collected::default();
        for environment in environments {
            let age = now.duration_since(environment.last_used).unwrap_or_default();
            let is_due = age > policy.max_age || total > policy.max_bytes;
            if is_due && !environment.in_use && self.remove(&environment.key)? {
                total -= environment.bytes;
                collected.freed_bytes += environment.bytes;
                collected.removed.push(environment.key);
            } else {
                collected.kept += 1;
                collected.kept_bytes += environment.bytes;
            }
        }
        self.forget_resolutions(policy.max_age)?;
        Ok(collected)
    }

    /// Removes environments that nobody uses, those not used for longest first, until `bytes` more are within `quota`.
    pub(super) fn make_room(&self, bytes: u64, quota: u64) -> Result<(), StoreError> {
        let policy = CollectPolicy { max_age: Duration::MAX, max_bytes: quota.saturating_sub(bytes) };
        let kept = self.collect(&policy)?.kept_bytes;
        match kept.checked_add(bytes) {
            Some(all) if all <= quota => Ok(()),
            _ => Err(StoreError::Full { path: self.path.clone(), bytes, kept, quota }),
        }
    }

    /// Removes trees that were being made, or removed, by a process that is gone.
    pub(super) fn remove_half_made(&self) -> Result<(), StoreError> {
        let failed = self.failed("removed half-made environments");
        for entry in self.making.entries().map_err(&failed)? {
            let Ok(key) = entry.map_err(&failed)?.file_name().into_string() else { continue };
            if let Some(_lock) = Lock::try_exclusive(&self.locks, &key).map_err(&failed)? {
                remove_tree(&self.making, &key).map_err(&failed)?;
            }
        }
        Ok(())
    }

    fn describe(&self, key: &str) -> io::Result<Option<StoredEnvironment>> {
        let entry = match open_directory(&self.entries, key) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            entry => entry?,
        };
        let (entries, bytes) = Manifest::read(&entry)?.map_or((0, 0), |manifest| (manifest.entries, manifest.bytes));
        // Snapshots come and go while this looks; one that is missed is counted the next time.
        let derived =
            open_directory(&entry, DERIVED).and_then(|directory| count(&directory)).map_or(0, |found| found.1);
        let bytes = bytes + derived;
        let last_used = match self.locks.symlink_metadata(key) {
            Ok(metadata) => metadata.modified()?.into_std(),
            Err(_) => SystemTime::UNIX_EPOCH,
        };
        let in_use = Lock::try_exclusive(&self.locks, key)?.is_none();
        Ok(Some(StoredEnvironment { key: key.to_owned(), entries, bytes, last_used, in_use }))
    }
}
