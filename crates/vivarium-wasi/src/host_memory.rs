//! What the host has to remember of the environment for a guest, charged to an account.
//!
//! An environment has as many files as its author likes, and a guest can look at all of them: for each, its number is remembered; for a
//! listing, the names of a directory. (`/tmp` has books of its own: `scratch/quota`.)

use std::sync::Arc;

use vivarium_tenancy::Account;

use crate::errno::{Errno, Result};

/// Bytes that are held, until this is dropped.
#[derive(Debug, Default)]
pub(crate) struct HostMemory {
    account: Option<Arc<Account>>,
    bytes: u64,
}

impl HostMemory {
    pub(crate) fn new(account: Option<Arc<Account>>) -> Self {
        Self { account, bytes: 0 }
    }

    /// Nothing yet, charged to the same account.
    pub(crate) fn another(&self) -> Self {
        Self::new(self.account.clone())
    }

    /// Before so many bytes are allocated.
    ///
    /// # Errors
    /// `ENOMEM` when the account has no more.
    pub(crate) fn take(&mut self, bytes: u64) -> Result<()> {
        if self.account.as_ref().is_some_and(|account| !account.try_charge(bytes)) {
            return Err(Errno::Nomem);
        }
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for HostMemory {
    fn drop(&mut self) {
        if let Some(account) = &self.account {
            account.release(self.bytes);
        }
    }
}
