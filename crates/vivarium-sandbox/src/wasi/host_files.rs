//! Descriptors of the host that guests hold open, counted over several guests.

use std::sync::Arc;

use vivarium_tenancy::Account;

use super::errno::{Errno, Result};

/// A total of the host's descriptors, for instance over all sandboxes of a tenant, or of a process.
///
/// Files and directories of the environment that a guest has open are descriptors of the host, which has a limit on them for all
/// that the process does. Past the total a guest sees `EMFILE`.
#[derive(Debug)]
pub struct HostFileBudget(Account);

impl HostFileBudget {
    /// A total of at most `most` descriptors.
    pub fn new(most: u64) -> Self {
        Self(Account::new(most))
    }

    /// Descriptors that are open now.
    pub fn open(&self) -> u64 {
        self.0.used()
    }

    /// Descriptors that there may be.
    pub fn limit(&self) -> u64 {
        self.0.limit()
    }
}

/// One descriptor, until it is dropped.
#[derive(Debug)]
pub(crate) struct HostFile(Vec<Arc<HostFileBudget>>);

impl HostFile {
    /// Counts one more in all of these.
    ///
    /// # Errors
    /// `EMFILE` when one of them has no more.
    pub fn count(budgets: &[Arc<HostFileBudget>]) -> Result<Self> {
        let mut counted = Self(Vec::with_capacity(budgets.len()));
        for budget in budgets {
            if !budget.0.try_charge(1) {
                return Err(Errno::Mfile);
            }
            counted.0.push(Arc::clone(budget));
        }
        Ok(counted)
    }
}

impl Drop for HostFile {
    fn drop(&mut self) {
        self.0.iter().for_each(|budget| budget.0.release(1));
    }
}
