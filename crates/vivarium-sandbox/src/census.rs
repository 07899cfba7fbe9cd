//! The tenants of a runtime, for those who watch it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::share::ShareId;
use crate::tenant::Tenant;

/// Tenants to look at how many are gone, at first.
const FEW: usize = 64;

/// All tenants that have, or had, sandboxes or pools in a runtime, as long as somebody has them.
#[derive(Debug, Default)]
pub(crate) struct Census(Mutex<Noted>);

#[derive(Debug, Default)]
struct Noted {
    tenants: BTreeMap<ShareId, Weak<Tenant>>,
    /// From so many on, those that are gone are swept out.
    sweep_at: usize,
}

impl Census {
    pub(crate) fn note(&self, tenant: &Arc<Tenant>) {
        let mut noted = self.lock();
        noted.tenants.entry(tenant.share.id()).or_insert_with(|| Arc::downgrade(tenant));
        // At a cost that is in proportion to how many were noted.
        if noted.tenants.len() > noted.sweep_at {
            noted.tenants.retain(|_, tenant| tenant.strong_count() > 0);
            noted.sweep_at = FEW.max(2 * noted.tenants.len());
        }
    }

    pub(crate) fn tenants(&self) -> Vec<Arc<Tenant>> {
        self.lock().tenants.values().filter_map(Weak::upgrade).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        // Entries are added and removed whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenant::{TenantId, TenantLimits};

    #[test]
    fn tenants_that_are_gone_are_forgotten() {
        let census = Census::default();
        let tenant = || Tenant::new(TenantId::new("a").unwrap(), &TenantLimits::default());
        let kept = tenant();
        census.note(&kept);
        for _ in 0..10 * FEW {
            census.note(&tenant());
            census.note(&kept);
        }
        assert!(census.lock().tenants.len() <= 2 * FEW);
        assert!(matches!(&census.tenants()[..], [only] if Arc::ptr_eq(only, &kept)));
    }
}
