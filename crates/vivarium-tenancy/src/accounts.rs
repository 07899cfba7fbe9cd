//! What a tenant's sandboxes hold together.

use std::sync::Arc;

use crate::account::Account;
use crate::rate::{RateAccount, RateLimit};
use crate::tenant_limits::TenantLimits;

/// Accounts that sandboxes charge before they get something, and that they give it back to. Their limits are those of [`TenantLimits`].
#[derive(Debug)]
#[non_exhaustive]
pub struct TenantAccounts {
    /// Linear memory, in bytes.
    pub memory: Account,
    /// Bytes of the host's memory besides linear memory and scratch: see [`HostCharge`](crate::HostCharge).
    pub host_memory: Arc<Account>,
    /// Sandboxes alive.
    pub instances: Account,
    /// Bytes in scratch directories.
    pub scratch_bytes: Arc<Account>,
    /// Files in scratch directories.
    pub scratch_files: Arc<Account>,
    /// Files and directories of environments that are open.
    pub host_files: Arc<Account>,
    /// Bytes of log lines.
    pub log: Arc<RateAccount>,
}

impl TenantAccounts {
    pub(crate) fn new(limits: &TenantLimits) -> Self {
        Self {
            memory: Account::new(limits.memory),
            host_memory: Arc::new(Account::new(limits.host_memory)),
            instances: Account::new(limits.instances.into()),
            scratch_bytes: Arc::new(Account::new(limits.scratch_bytes)),
            scratch_files: Arc::new(Account::new(limits.scratch_files.into())),
            host_files: Arc::new(Account::new(limits.host_files.into())),
            log: Arc::new(RateAccount::new(limits.log_bytes_per_second.map(RateLimit::per_second))),
        }
    }

    pub(crate) fn set_limits(&self, limits: &TenantLimits) {
        self.memory.set_limit(limits.memory);
        self.host_memory.set_limit(limits.host_memory);
        self.instances.set_limit(limits.instances.into());
        self.scratch_bytes.set_limit(limits.scratch_bytes);
        self.scratch_files.set_limit(limits.scratch_files.into());
        self.host_files.set_limit(limits.host_files.into());
        self.log.set_limit(limits.log_bytes_per_second.map(RateLimit::per_second));
    }
}
