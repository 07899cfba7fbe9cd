//! What a pool does by itself: it replaces members that have died or are worn, and ends those that nobody needs.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use vivarium_tenancy::TenantState;
use vivarium_text::OneLine;

use super::{Member, Shared};

/// A member that is worn is retired, and the permit is returned when another one has taken its place.
pub(super) fn replace_worn<T: Send + 'static>(
    pool: &Arc<Shared<T>>,
    member: Box<Member<T>>,
    permit: Option<OwnedSemaphorePermit>,
) {
    pool.config.task.metrics().add_retired("worn");
    replace(pool, Some(member), permit);
}

/// The same for one that has died.
pub(super) fn replace_dead<T: Send + 'static>(
    pool: &Arc<Shared<T>>,
    member: Box<Member<T>>,
    permit: Option<OwnedSemaphorePermit>,
) {
    drop(member);
    pool.config.task.metrics().add_replaced();
    replace(pool, None, permit);
}

fn replace<T: Send + 'static>(
    pool: &Arc<Shared<T>>,
    retired: Option<Box<Member<T>>>,
    permit: Option<OwnedSemaphorePermit>,
) {
    // Without an executor the next checkout starts the replacement.
    let Ok(executor) = Handle::try_current() else {
        drop(retired);
        pool.lock().gone(1);
        return;
    };
    // Before anybody looks whether there is a member to wait for.
    if retired.is_none() {
        pool.lock().gone(1);
    }
    let weak = Arc::downgrade(pool);
    executor.spawn(async move {
        // The pool may be gone by now, and then nobody needs the replacement.
        let Some(pool) = weak.upgrade() else { return };
        if let Some(member) = retired {
            pool.say_goodbye(member).await;
            pool.lock().gone(1);
        }
        match pool.start_now().await {
            Ok(member) => pool.take_back(member),
            // Whoever checks out next starts one and gets the error.
            Err(error) => tracing::debug!(error = %OneLine(&error), "a sandbox could not be replaced"),
        }
        drop(permit);
    });
}

/// Ends members that nobody needed in all of `idle_time`, until none is idle.
pub(super) fn shrink<T: Send + 'static>(pool: &Arc<Shared<T>>, idle_time: Duration) -> bool {
    let Ok(executor) = Handle::try_current() else { return false };
    let weak = Arc::downgrade(pool);
    executor.spawn(async move {
        loop {
            tokio::time::sleep(idle_time).await;
            if !look(&weak).await {
                return;
            }
        }
    });
    true
}

/// Whether to look again.
async fn look<T: Send + 'static>(pool: &Weak<Shared<T>>) -> bool {
    let Some(pool) = pool.upgrade() else { return false };
    // What a suspended tenant holds it keeps, and nobody could say goodbye to it.
    if pool.config.task.tenant().state() == TenantState::Suspended {
        return true;
    }
    let (untouched, again) = {
        let mut members = pool.lock();
        let untouched = members.idle.take_untouched();
        members.gone(untouched.len());
        members.watched = !members.idle.is_empty();
        (untouched, members.watched)
    };
    for member in untouched {
        pool.config.task.metrics().add_retired("idle");
        pool.say_goodbye(member).await;
    }
    again
}
