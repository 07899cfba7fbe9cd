//! Memory of the host that is held for a tenant.

use std::sync::Arc;

use crate::tenant::Tenant;

/// Bytes of the host's memory, charged to a tenant ([`TenantLimits::host_memory`](crate::TenantLimits::host_memory)) until this is dropped.
///
/// Whoever makes something for a tenant charges it first, and keeps this beside it.
#[derive(Debug)]
pub struct HostCharge {
    tenant: Arc<Tenant>,
    bytes: u64,
}

impl HostCharge {
    /// Charges `bytes`; `None` when the tenant may hold no more.
    pub fn new(tenant: &Arc<Tenant>, bytes: u64) -> Option<Self> {
        let charged = tenant.accounts().host_memory.try_charge(bytes);
        charged.then(|| Self { tenant: Arc::clone(tenant), bytes })
    }

    /// Charges `bytes` more; tells whether the tenant may hold them.
    #[must_use]
    pub fn try_grow(&mut self, bytes: u64) -> bool {
        let charged = self.tenant.accounts().host_memory.try_charge(bytes);
        if charged {
            self.bytes += bytes;
        }
        charged
    }

    /// Gives back what is more than `bytes`.
    pub fn shrink_to(&mut self, bytes: u64) {
        let surplus = self.bytes.saturating_sub(bytes);
        self.tenant.accounts().host_memory.release(surplus);
        self.bytes -= surplus;
    }

    /// How many bytes are charged.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for HostCharge {
    fn drop(&mut self) {
        self.tenant.accounts().host_memory.release(self.bytes);
        // Somebody may wait for room that this took.
        self.tenant.room().free();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::id::TenantId;
    use crate::tenant_limits::TenantLimits;

    #[test]
    fn what_is_held_is_charged_until_it_is_dropped() {
        let tenant = Tenant::new(TenantId::new("acme").unwrap(), &TenantLimits::default().with_host_memory(100));
        let held = || tenant.usage().host_memory;
        let mut one = HostCharge::new(&tenant, 60).unwrap();
        assert!(HostCharge::new(&tenant, 41).is_none() && !one.try_grow(41) && one.try_grow(40));
        assert_eq!((held(), one.bytes()), (100, 100));
        one.shrink_to(1000);
        one.shrink_to(30);
        assert_eq!((held(), one.bytes()), (30, 30));
        let other = HostCharge::new(&tenant, 70).unwrap();
        let freed = std::pin::pin!(tenant.room().freed());
        drop(one);
        assert!(freed.now_or_never().is_some(), "who waits for room looks again");
        drop(other);
        assert_eq!((held(), tenant.usage().peak_host_memory), (0, 100));
    }
}
