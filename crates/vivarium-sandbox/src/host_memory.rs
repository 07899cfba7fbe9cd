//! The host's memory that a sandbox takes, charged to its tenant ([`TenantLimits::host_memory`]).
//!
//! ```text
//!   a sandbox, while it lives           its stack, at its full size, and twice USUAL, for the two lines below
//!   a call, beyond USUAL                result and reply, before they are made, until the answer is dropped
//!   a guest's request, beyond USUAL     the request and the reply to it, until the guest has fetched that
//! ```
//!
//! So calls charge nothing, as a rule: they take from what was charged when the sandbox started.
//!
//! [`TenantLimits::host_memory`]: crate::TenantLimits::host_memory

use std::sync::Arc;

use vivarium_tenancy::{HostCharge, Tenant};

/// Bytes that a call, or a request of a guest's, takes as a rule at most: eight times a batch of 8,192 rows with two numbers each.
pub(crate) const USUAL: u64 = 1 << 20;

/// What is charged for a sandbox whose stack has so many bytes.
///
/// The engine's pool gives a stack to a sandbox for life, and keeps the pages that were once written.
pub(crate) fn of_sandbox(stack: u64) -> u64 {
    stack.saturating_add(2 * USUAL)
}

/// The tenant may hold no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoHostMemory {
    /// What it may hold.
    pub(crate) limit: u64,
    /// What it holds.
    pub(crate) used: u64,
    /// What was to come to that.
    pub(crate) asked: u64,
}

impl NoHostMemory {
    pub(crate) fn new(tenant: &Tenant, asked: u64) -> Self {
        let account = &tenant.accounts().host_memory;
        Self { limit: account.limit(), used: account.used(), asked }
    }
}

/// What one call takes.
#[derive(Debug)]
pub(crate) struct CallMemory<'a> {
    /// None: nobody counts it.
    tenant: Option<&'a Arc<Tenant>>,
    /// What is left of that which was charged before.
    left: u64,
    beyond: Option<HostCharge>,
}

impl<'a> CallMemory<'a> {
    pub(crate) fn new(tenant: &'a Arc<Tenant>) -> Self {
        Self { tenant: Some(tenant), left: USUAL, beyond: None }
    }

    /// For those who keep what they get within limits of their own.
    pub(crate) fn uncounted() -> Self {
        Self { tenant: None, left: u64::MAX, beyond: None }
    }

    /// Before so many bytes are allocated.
    #[inline]
    pub(crate) fn take(&mut self, bytes: u64) -> Result<(), NoHostMemory> {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => self.charge(bytes),
        }
    }

    #[cold]
    fn charge(&mut self, bytes: u64) -> Result<(), NoHostMemory> {
        let Some(tenant) = self.tenant else { return Ok(()) };
        let charged = match &mut self.beyond {
            Some(charge) => charge.try_grow(bytes),
            none => {
                *none = HostCharge::new(tenant, bytes);
                none.is_some()
            }
        };
        if charged { Ok(()) } else { Err(NoHostMemory::new(tenant, bytes)) }
    }

    /// So many of the bytes that were taken are not there any more.
    pub(crate) fn give_back(&mut self, bytes: u64) {
        match &mut self.beyond {
            Some(charge) => charge.shrink_to(charge.bytes().saturating_sub(bytes)),
            None => self.left = self.left.saturating_add(bytes),
        }
    }

    /// What is held beyond the usual.
    pub(crate) fn held(self) -> Option<Arc<HostCharge>> {
        self.beyond.filter(|charge| charge.bytes() > 0).map(Arc::new)
    }
}

/// Charges bytes of a guest's request, or of the reply to it; `None` when they are no more than usual.
pub(crate) fn of_request(tenant: &Arc<Tenant>, bytes: usize) -> Result<Option<HostCharge>, NoHostMemory> {
    let bytes = bytes as u64;
    // There is one of each at a time.
    if bytes <= USUAL / 2 {
        return Ok(None);
    }
    HostCharge::new(tenant, bytes).map(Some).ok_or_else(|| NoHostMemory::new(tenant, bytes))
}

#[cfg(test)]
mod tests {
    use vivarium_tenancy::{TenantId, TenantLimits};

    use super::*;

    #[test]
    fn only_what_is_beyond_the_usual_is_charged() {
        let tenant = Tenant::new(TenantId::new("acme").unwrap(), &TenantLimits::default().with_host_memory(3 * USUAL));
        let held = || tenant.usage().host_memory;
        let mut call = CallMemory::new(&tenant);
        assert_eq!((call.take(USUAL - 1), call.take(1), held()), (Ok(()), Ok(()), 0));
        assert_eq!((call.take(2 * USUAL), held()), (Ok(()), 2 * USUAL));
        let refused = call.take(USUAL + 1);
        assert_eq!(refused, Err(NoHostMemory { limit: 3 * USUAL, used: 2 * USUAL, asked: USUAL + 1 }));
        call.give_back(USUAL);
        let kept = call.held();
        assert_eq!(held(), USUAL);
        drop(kept);
        assert_eq!(held(), 0);

        let mut usual = CallMemory::new(&tenant);
        usual.take(USUAL).unwrap();
        usual.give_back(USUAL);
        usual.take(USUAL).unwrap();
        assert!(usual.held().is_none() && held() == 0);
        CallMemory::uncounted().take(1 << 40).unwrap();
    }
}
