//! A sandbox on loan.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::{Member, Shared, upkeep};
use crate::sandbox::Sandbox;

/// A sandbox on loan. It goes back when this is dropped.
pub struct Lease<T: Send + 'static> {
    pub(super) pool: Arc<Shared<T>>,
    /// Present until drop.
    pub(super) member: Option<Box<Member<T>>>,
    pub(super) permit: Option<OwnedSemaphorePermit>,
}

impl<T: Send + 'static> Lease<T> {
    /// The sandbox and the value of its set-up.
    pub fn parts(&mut self) -> (&mut Sandbox, &mut T) {
        let Member { sandbox, value } = &mut **self.member.as_mut().expect(PRESENT);
        (sandbox, value)
    }

    /// The value of its set-up.
    pub fn value(&self) -> &T {
        &self.member.as_ref().expect(PRESENT).value
    }
}

pub(super) const PRESENT: &str = "a lease has its sandbox until it is dropped";

impl<T: Send + 'static> Deref for Lease<T> {
    type Target = Sandbox;

    fn deref(&self) -> &Sandbox {
        &self.member.as_ref().expect(PRESENT).sandbox
    }
}

impl<T: Send + 'static> DerefMut for Lease<T> {
    fn deref_mut(&mut self) -> &mut Sandbox {
        &mut self.member.as_mut().expect(PRESENT).sandbox
    }
}

impl<T: Send + 'static> fmt::Debug for Lease<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Lease").field(&self.member.as_ref().map(|member| &member.sandbox)).finish()
    }
}

impl<T: Send + 'static> Drop for Lease<T> {
    fn drop(&mut self) {
        let (member, permit) = (self.member.take(), self.permit.take());
        let Some(member) = member else { return };
        if !member.sandbox.is_alive() {
            return upkeep::replace_dead(&self.pool, member, permit);
        }
        if member.sandbox.is_worn() {
            return upkeep::replace_worn(&self.pool, member, permit);
        }
        self.pool.take_back(member);
        // Afterwards: whoever gets the permit finds the sandbox.
        drop(permit);
    }
}
