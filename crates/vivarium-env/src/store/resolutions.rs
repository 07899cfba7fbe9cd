//! Remembered resolutions of requirements.

use std::io::{self, Read, Write};
use std::time::{Duration, SystemTime};

use cap_std::fs::OpenOptions;

use super::{StoreError, TenantStore};

impl TenantStore {
    /// The lock file that requirements were resolved to, unless that is longer ago than `max_age`.
    pub(crate) fn resolution(&self, key: &str, max_age: Duration) -> Result<Option<String>, StoreError> {
        let failed = self.failed("read a resolution");
        let mut file = match self.resolutions.open(key) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(&failed)?,
        };
        let modified = file.metadata().and_then(|metadata| metadata.modified()).map_err(&failed)?.into_std();
        if SystemTime::now().duration_since(modified).unwrap_or_default() > max_age {
            return Ok(None);
        }
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(&failed)?;
        Ok(Some(text))
    }

    /// Remembers what requirements were resolved to.
    pub(crate) fn remember_resolution(&self, key: &str, lock: &str) -> Result<(), StoreError> {
        let failed = self.failed("wrote a resolution");
        let new = format!("{key}.{}.new", std::process::id());
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        let mut file = self.resolutions.open_with(&new, &options).map_err(&failed)?;
        file.write_all(lock.as_bytes()).and_then(|()| file.sync_all()).map_err(&failed)?;
        self.resolutions.rename(&new, &self.resolutions, key).map_err(&failed)
    }

    pub(super) fn forget_resolutions(&self, max_age: Duration) -> Result<(), StoreError> {
        let failed = self.failed("removed old resolutions");
        for entry in self.resolutions.entries().map_err(&failed)? {
            let entry = entry.map_err(&failed)?;
            let modified = entry.metadata().and_then(|metadata| metadata.modified()).map_err(&failed)?.into_std();
            if SystemTime::now().duration_since(modified).unwrap_or_default() > max_age {
                entry.remove_file().map_err(&failed)?;
            }
        }
        Ok(())
    }
}
