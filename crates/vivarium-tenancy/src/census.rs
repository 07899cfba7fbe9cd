//! The tenants of a process, for its metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::counters::TaskCounters;
use crate::id::TenantId;
use crate::share::ShareId;
use crate::tenant::Tenant;
use crate::totals::Totals;

/// Tenants to look at how many are gone, at first.
const FEW: usize = 64;

/// Names of tenants that are gone whose totals are kept, so that counters do not begin again with every query of a tenant's.
const MOST: usize = 4096;

/// All tenants that have, or had, sandboxes or pools in a process.
#[derive(Debug, Default)]
pub struct Census(Mutex<Noted>);

#[derive(Debug, Default)]
struct Noted {
    tenants: BTreeMap<ShareId, Known>,
    /// What those did that are gone, by their names.
    gone: BTreeMap<TenantId, Totals>,
    /// From so many tenants on, those that are gone are swept out.
    sweep_at: usize,
}

#[derive(Debug)]
struct Known {
    id: TenantId,
    tenant: Weak<Tenant>,
    counters: Arc<TaskCounters>,
}

impl Census {
    /// This one has a sandbox or a pool.
    pub fn note(&self, tenant: &Arc<Tenant>) {
        let mut noted = self.lock();
        noted.tenants.entry(tenant.share().id()).or_insert_with(|| Known {
            id: tenant.id().clone(),
            tenant: Arc::downgrade(tenant),
            counters: Arc::clone(tenant.counters()),
        });
        // At a cost that is in proportion to how many were noted.
        if noted.tenants.len() > noted.sweep_at {
            let living = noted.sweep();
            noted.sweep_at = FEW.max(2 * living.len());
            drop(noted);
            // Here one may be the last that somebody has.
            drop(living);
        }
    }

    /// The tenants, and what those did that are gone.
    pub fn tenants(&self) -> (Vec<Arc<Tenant>>, BTreeMap<TenantId, Totals>) {
        let mut noted = self.lock();
        (noted.sweep(), noted.gone.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        // Entries are added and removed whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Noted {
    /// Returns the tenants that are there, and keeps what the others did.
    fn sweep(&mut self) -> Vec<Arc<Tenant>> {
        let mut living = Vec::with_capacity(self.tenants.len());
        let gone = &mut self.gone;
        self.tenants.retain(|_, known| match known.tenant.upgrade() {
            Some(tenant) => {
                living.push(tenant);
                true
            }
            // Its tasks are gone, too, as each has the tenant: these are its last totals.
            None => {
                gone.entry(known.id.clone()).or_default().add(&known.counters.totals());
                false
            }
        });
        if gone.len() > MOST {
            let names: BTreeSet<_> = living.iter().map(|tenant| tenant.id()).collect();
            gone.retain(|id, _| names.contains(id));
        }
        living
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{JobId, TaskId};
    use crate::tenant_limits::TenantLimits;

    fn tenant(name: &str) -> Arc<Tenant> {
        Tenant::new(TenantId::new(name).unwrap(), &TenantLimits::default())
    }

    #[test]
    fn tenants_that_are_gone_are_forgotten_but_for_what_they_did() {
        let census = Census::default();
        let kept = tenant("kept");
        census.note(&kept);
        for _ in 0..10 * FEW {
            let gone = tenant("gone");
            census.note(&gone);
            gone.task(JobId::new("j").unwrap(), TaskId::new("t").unwrap()).metrics().add_call(2);
        }
        assert!(census.lock().tenants.len() <= 2 * FEW);
        let (living, gone) = census.tenants();
        assert!(matches!(&living[..], [only] if Arc::ptr_eq(only, &kept)));
        assert_eq!(gone.values().map(|totals| (totals.calls, totals.rows)).collect::<Vec<_>>(), [(640, 1280)]);
    }

    #[test]
    fn names_of_tenants_that_are_gone_do_not_pile_up() {
        let census = Census::default();
        for index in 0..MOST + 10 * FEW {
            census.note(&tenant(&index.to_string()));
        }
        assert!(census.tenants().1.len() <= MOST);
    }
}
