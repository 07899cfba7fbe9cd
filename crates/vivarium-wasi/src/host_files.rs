//! Descriptors of the host that guests hold open, counted over several guests.
//!
//! Files and directories of the environment that a guest has open are descriptors of the host, which has a limit on them for all that the
//! process does.

use std::sync::Arc;

use vivarium_tenancy::Account;

use crate::errno::{Errno, Result};

/// One descriptor, until it is dropped.
#[derive(Debug)]
pub(crate) struct HostFile(Vec<Arc<Account>>);

impl HostFile {
    /// Counts one more in all of these.
    ///
    /// # Errors
    /// `EMFILE` when one of them has no more.
    pub fn count(accounts: &[Arc<Account>]) -> Result<Self> {
        let mut counted = Self(Vec::with_capacity(accounts.len()));
        for account in accounts {
            if !account.try_charge(1) {
                return Err(Errno::Mfile);
            }
            counted.0.push(Arc::clone(account));
        }
        Ok(counted)
    }
}

impl Drop for HostFile {
    fn drop(&mut self) {
        self.0.iter().for_each(|account| account.release(1));
    }
}
