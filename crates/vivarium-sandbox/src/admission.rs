//! Room for one more sandbox: one of its tenant's, and one of the process's slots.
//!
//! ```text
//!   Sandbox::start          takes room that is there, or fails
//!   Pool::checkout          with members: waits for one of them       without: takes its place in the tenant's queue
//!
//!   tenant A's queue   p1 p2 p3 ──first──┐   the first of each queue waits for room of its tenant, then for a slot of the process;
//!   tenant B's queue   p4       ──first──┴─> a free slot goes to the tenant that has the fewest for its weight
//! ```
//!
//! While somebody waits, idle members of pools are ended to make room: of the same tenant for room of the tenant, and of the tenant
//! that has the most slots for its weight for a slot. Pools that have members leave the last eighth of everything to those that have
//! none, so that the calls of a query, each with its pool, do not keep each other from beginning.

use std::sync::Arc;

use vivarium_tenancy::{Account, LimitKind, Slot, Slots, TaskAccount, Tenant};

use crate::error::LimitError;
use crate::runtime::Runtime;

/// Room for one sandbox, until it is dropped. The instance has to be gone by then.
#[derive(Debug)]
pub(crate) struct Room {
    // In this order: whoever gets the slot finds room of its tenant's.
    _instance: InstanceCharge,
    _slot: Slot,
}

impl Room {
    /// Room that is there now.
    ///
    /// # Errors
    /// The limit that leaves none.
    pub(crate) fn now(runtime: &Runtime, task: &Arc<TaskAccount>) -> Result<Self, LimitError> {
        let instance = InstanceCharge::new(task)?;
        let slots = runtime.slots();
        let slot = slots.try_take(task.tenant().share()).ok_or_else(|| no_slot(slots))?;
        Ok(Self { _instance: instance, _slot: slot })
    }

    /// Room as soon as there is some. The caller is the first in its tenant's queue.
    ///
    /// # Errors
    /// The limit, when it leaves no room for any sandbox.
    pub(crate) async fn wait(runtime: &Runtime, task: &Arc<TaskAccount>) -> Result<Self, LimitError> {
        let tenant = task.tenant();
        let instance = loop {
            match InstanceCharge::new(task) {
                Ok(instance) => break instance,
                Err(error) if error.configured == 0 => return Err(error),
                Err(_) => make_room(tenant).await,
            }
        };
        let slots = runtime.slots();
        if slots.total() == 0 {
            return Err(no_slot(slots));
        }
        let slot = match slots.take(tenant.share()) {
            Ok(slot) => slot,
            Err(granted) => {
                // After it is known that somebody waits: a member that becomes idle now is ended by whoever gives it back.
                runtime.pools().end_one_of_any(slots);
                granted.await.map_err(|_| no_slot(slots))?
            }
        };
        Ok(Self { _instance: instance, _slot: slot })
    }
}

/// Ends an idle sandbox of the tenant, or waits until there is the memory that a start was refused.
///
/// What the start itself gave back when it failed is not that: without looking, it would be tried again and again.
pub(crate) async fn make_memory(tenant: &Tenant, refused: &LimitError) {
    let accounts = tenant.accounts();
    let account = match refused.limit {
        LimitKind::TenantHostMemory => &*accounts.host_memory,
        _ => &accounts.memory,
    };
    // Without another sandbox there will not be more.
    let may_be_more = || accounts.instances.used() > 0;
    while account.used().saturating_add(refused.asked) > account.limit() && may_be_more() {
        make_room(tenant).await;
    }
}

/// Ends an idle sandbox of the tenant, or waits until something of the tenant's is given back.
pub(crate) async fn make_room(tenant: &Tenant) {
    if !tenant.pools().end_one(0) {
        tenant.room().freed().await;
    }
}

/// The limit of which only the last eighth is left, if there is one.
pub(crate) fn scarce(runtime: &Runtime, tenant: &Tenant) -> Option<LimitError> {
    let scarce = |limit, account: &Account| account.is_scarce().then(|| LimitError::new(limit, account.limit()));
    scarce(LimitKind::TenantInstances, &tenant.accounts().instances)
        .or_else(|| scarce(LimitKind::TenantMemory, &tenant.accounts().memory))
        .or_else(|| scarce(LimitKind::TenantHostMemory, &tenant.accounts().host_memory))
        .or_else(|| runtime.slots().are_scarce().then(|| no_slot(runtime.slots())))
}

/// The process has no slot.
fn no_slot(slots: &Slots) -> LimitError {
    LimitError::new(LimitKind::Sandboxes, slots.total().into())
}

/// One of the instances that a tenant may have, until it is dropped.
#[derive(Debug)]
struct InstanceCharge(Arc<TaskAccount>);

impl InstanceCharge {
    fn new(task: &Arc<TaskAccount>) -> Result<Self, LimitError> {
        let instances = &task.tenant().accounts().instances;
        match instances.try_charge(1) {
            true => Ok(Self(Arc::clone(task))),
            false => Err(LimitError::new(LimitKind::TenantInstances, instances.limit())),
        }
    }
}

impl Drop for InstanceCharge {
    fn drop(&mut self) {
        self.0.tenant().instance_gone();
    }
}
