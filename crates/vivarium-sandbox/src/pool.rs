//! A pool: the sandboxes of one task.
//!
//! N sandboxes work on N batches at a time; there is no lock between their interpreters. A sandbox is set up once (its
//! functions loaded and bound) and then lent out, batch after batch:
//!
//! ```text
//!   checkout: wait for a permit (first come, first served) ──> take an idle sandbox, or start one
//!   Lease dropped, alive: back to the idle ones, permit returned
//!   Lease dropped, dead:  destroyed; a replacement is started in the background and then the permit is returned
//! ```
//!
//! There are as many permits as the pool's size, and a permit is held for every sandbox that is lent out or being
//! started, so there are never more sandboxes than that.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use vivarium_text::OneLine;

use crate::error::Error;
use crate::image::Image;
use crate::metrics::MetricsSnapshot;
use crate::sandbox::{Sandbox, SandboxConfig};

/// Sets a new sandbox up and returns what its users need to know, such as handles of bound functions.
type Setup<T> = dyn for<'a> Fn(&'a mut Sandbox) -> BoxFuture<'a, Result<T, Error>> + Send + Sync;

/// Sandboxes of one task that are all set up alike, each with a value `T` of its set-up. Cloning it gives the same pool.
pub struct Pool<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    image: Image,
    config: SandboxConfig,
    setup: Box<Setup<T>>,
    idle: Mutex<Vec<Member<T>>>,
    permits: Arc<Semaphore>,
    size: usize,
}

/// A sandbox that has been set up.
struct Member<T> {
    sandbox: Sandbox,
    value: T,
}

impl<T: Send + 'static> Pool<T> {
    /// A pool of up to `size` sandboxes (at least one), none of them started yet.
    ///
    /// `setup` runs once in each sandbox, before its first use and with the limits of `config`:
    ///
    /// ```no_run
    /// # use serde_json::json;
    /// # use vivarium_sandbox::{Error, Image, Pool, SandboxConfig};
    /// # async fn example(image: &Image) -> Result<(), Error> {
    /// let pool = Pool::new(image, SandboxConfig::default(), 2, |sandbox| {
    ///     Box::pin(async move {
    ///         sandbox.control(&json!({"op": "load", "module": "prices"})).await?;
    ///         let bound = json!({"op": "bind", "function": "price", "arguments": [], "on_error": "fail"});
    ///         Ok(sandbox.control(&bound).await?["handle"].as_u64())
    ///     })
    /// });
    /// let mut lease = pool.checkout().await?;
    /// let (sandbox, handle) = lease.parts();
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(
        image: &Image,
        config: SandboxConfig,
        size: usize,
        setup: impl for<'a> Fn(&'a mut Sandbox) -> BoxFuture<'a, Result<T, Error>> + Send + Sync + 'static,
    ) -> Self {
        let size = size.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            shared: Arc::new(Shared {
                image: image.clone(),
                config,
                setup: Box::new(setup),
                idle: Mutex::new(Vec::new()),
                permits: Arc::new(Semaphore::new(size)),
                size,
            }),
        }
    }

    /// Lends a sandbox, waiting for one if all are lent out; those who wait are served in order.
    ///
    /// # Errors
    /// Those of [`Sandbox::start`] and of the set-up, when a new sandbox has to be started.
    pub async fn checkout(&self) -> Result<Lease<T>, Error> {
        let permits = Arc::clone(&self.shared.permits);
        // The pool never closes its semaphore; if it did, there would be nothing to lend.
        let permit = permits.acquire_owned().await.map_err(|_| Error::Cancelled)?;
        self.lend(permit).await
    }

    /// Lends a sandbox if one is free or may be started now, without waiting for others to give one back.
    ///
    /// # Errors
    /// As [`checkout`](Self::checkout).
    pub async fn checkout_free(&self) -> Result<Option<Lease<T>>, Error> {
        match Arc::clone(&self.shared.permits).try_acquire_owned() {
            Ok(permit) => self.lend(permit).await.map(Some),
            Err(_) => Ok(None),
        }
    }

    async fn lend(&self, permit: OwnedSemaphorePermit) -> Result<Lease<T>, Error> {
        let idle = self.shared.lock_idle().pop();
        let member = match idle {
            Some(member) => member,
            None => self.shared.start().await?,
        };
        Ok(Lease { pool: Arc::clone(&self.shared), member: Some(member), permit: Some(permit) })
    }

    /// Starts all sandboxes now, so that no first batch has to wait for one.
    ///
    /// # Errors
    /// As [`checkout`](Self::checkout).
    pub async fn warm_up(&self) -> Result<(), Error> {
        let leases = (0..self.shared.size).map(|_| self.checkout());
        futures::future::try_join_all(leases).await?;
        Ok(())
    }
}

impl<T> Pool<T> {
    /// Takes the sandboxes out that nobody works with now, to say goodbye to them. The pool starts others when it has to.
    pub fn take_idle(&self) -> Vec<(Sandbox, T)> {
        let idle = std::mem::take(&mut *self.shared.lock_idle());
        idle.into_iter().map(|member| (member.sandbox, member.value)).collect()
    }

    /// The most sandboxes it has at one time.
    pub fn size(&self) -> usize {
        self.shared.size
    }

    /// What the pool's task did so far. Readable at any time.
    pub fn metrics(&self) -> MetricsSnapshot {
        self.shared.config.task.metrics().snapshot()
    }
}

impl<T> Clone for Pool<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T> fmt::Debug for Pool<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Pool").field("size", &self.shared.size).finish_non_exhaustive()
    }
}

impl<T> Shared<T> {
    async fn start(&self) -> Result<Member<T>, Error> {
        let mut sandbox = Sandbox::start(&self.image, &self.config).await?;
        let value = (self.setup)(&mut sandbox).await?;
        Ok(Member { sandbox, value })
    }

    fn lock_idle(&self) -> std::sync::MutexGuard<'_, Vec<Member<T>>> {
        // Members are pushed and popped whole, so a panic elsewhere leaves the list valid.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A sandbox on loan. It goes back when this is dropped.
pub struct Lease<T: Send + 'static> {
    pool: Arc<Shared<T>>,
    /// Present until drop.
    member: Option<Member<T>>,
    permit: Option<OwnedSemaphorePermit>,
}

impl<T: Send + 'static> Lease<T> {
    /// The sandbox and the value of its set-up.
    pub fn parts(&mut self) -> (&mut Sandbox, &mut T) {
        let member = self.member.as_mut().expect(PRESENT);
        (&mut member.sandbox, &mut member.value)
    }

    /// The value of its set-up.
    pub fn value(&self) -> &T {
        &self.member.as_ref().expect(PRESENT).value
    }
}

const PRESENT: &str = "a lease has its sandbox until it is dropped";

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
        let (Some(member), Some(permit)) = (self.member.take(), self.permit.take()) else { return };
        if member.sandbox.is_alive() {
            self.pool.lock_idle().push(member);
            // After the push: whoever gets the permit finds the sandbox.
            drop(permit);
            return;
        }
        drop(member);
        self.pool.config.task.metrics().add_replaced();
        // Without an executor the next checkout starts the replacement.
        let Ok(executor) = tokio::runtime::Handle::try_current() else { return };
        let pool = Arc::downgrade(&self.pool);
        executor.spawn(async move {
            // The pool may be gone by now, and then nobody needs the replacement.
            let Some(pool) = pool.upgrade() else { return };
            match pool.start().await {
                Ok(member) => pool.lock_idle().push(member),
                // Whoever checks out next starts one and gets the error.
                Err(error) => tracing::debug!(error = %OneLine(&error), "a dead sandbox could not be replaced"),
            }
            drop(permit);
        });
    }
}
