//! A pool: the sandboxes of one task.
//!
//! N sandboxes work on N batches at a time; there is no lock between their interpreters. A sandbox is set up once (its
//! functions loaded and bound) and then lent out, batch after batch:
//!
//! ```text
//!   checkout: wait for a permit (first come, first served) ──> take an idle sandbox, or start one
//!                         no room for another: with members, wait for one of them; without, for room (`admission`)
//!   Lease dropped, alive: to the first that waits for a member, or to the idle ones; permit returned
//!   Lease dropped, dead:  destroyed; a replacement is started in the background and then the permit is returned
//!   Lease dropped, worn:  the same, after it was said goodbye to (`Limits::instance_calls`, `instance_bytes`)
//!   idle for long:        ended (`Limits::idle_time`)
//! ```
//!
//! There are as many permits as the pool's size, and a permit is held for every sandbox that is lent out or being
//! started, so there are never more sandboxes than that. An idle sandbox may be ended to make room for others.

mod idle;
mod lease;
mod upkeep;

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::coop;
use tokio::time::Instant;
use vivarium_tenancy::{IdleMembers, LimitKind, MetricsSnapshot, Share, Tenant, TenantState};

use crate::admission::{self, Room};
use crate::audit;
use crate::error::{Error, LimitError};
use crate::image::Image;
use crate::sandbox::{Sandbox, SandboxConfig};
use idle::Idle;
pub use lease::Lease;
use lease::PRESENT;

/// Sets a new sandbox up and returns what its users need to know, such as handles of bound functions.
type Setup<T> = dyn for<'a> Fn(&'a mut Sandbox) -> BoxFuture<'a, Result<T, Error>> + Send + Sync;

/// Says goodbye to a sandbox that is ended although nothing is wrong with it.
type Farewell<T> = dyn for<'a> Fn(&'a mut Sandbox, &'a mut T) -> BoxFuture<'a, ()> + Send + Sync;

/// Sandboxes of one task that are all set up alike, each with a value `T` of its set-up. Cloning it gives the same pool.
pub struct Pool<T: Send + 'static> {
    shared: Arc<Shared<T>>,
}

struct Shared<T: Send + 'static> {
    image: Image,
    config: SandboxConfig,
    setup: Box<Setup<T>>,
    farewell: OnceLock<Box<Farewell<T>>>,
    /// Time after which a member that nobody needed is ended.
    idle_time: Option<Duration>,
    members: Mutex<Members<T>>,
    permits: Arc<Semaphore>,
    size: usize,
}

struct Members<T: Send + 'static> {
    idle: Idle<Box<Member<T>>>,
    /// Somebody looks for those that nobody needs.
    watched: bool,
    /// Members that are idle, lent out or being started.
    alive: usize,
    /// One of those who found none waits for room for the first.
    founding: bool,
    /// Those who wait for a member to come back, and how often one did.
    waiting: VecDeque<oneshot::Sender<Lease<T>>>,
    returned: u64,
}

/// A sandbox that has been set up. It is boxed for life: lending it and taking it back moves a pointer.
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
        let members = Members {
            idle: Idle::default(),
            watched: false,
            alive: 0,
            founding: false,
            waiting: VecDeque::new(),
            returned: 0,
        };
        let shared = Arc::new(Shared {
            image: image.clone(),
            idle_time: config.effective_limits().idle_time,
            config,
            setup: Box::new(setup),
            farewell: OnceLock::new(),
            members: Mutex::new(members),
            permits: Arc::new(Semaphore::new(size)),
            size,
        });
        let weak: Weak<Shared<T>> = Arc::downgrade(&shared);
        let tenant = shared.config.task.tenant();
        image.runtime().pools().add(weak.clone());
        tenant.pools().add(weak);
        image.runtime().census().note(tenant);
        Self { shared }
    }

    /// Lends a sandbox, waiting for one if all are lent out; those who wait are served in order.
    ///
    /// When tenant or process have no room for another sandbox, a pool that has some waits for one of them to come back, and one that
    /// has none for room, in the order of asking. Both end after [`Limits::queue_time`](crate::Limits::queue_time).
    ///
    /// # Errors
    /// Those of [`Sandbox::start`] and of the set-up, when a new sandbox has to be started; [`Error::Limit`] with the limit that left
    /// no room for all of that time.
    pub async fn checkout(&self) -> Result<Lease<T>, Error> {
        // As waiting for a permit does: whoever calls again and again leaves the thread to others now and then.
        coop::consume_budget().await;
        // Nearly always there are both, and nobody waits who would be overtaken: without the state of all the waiting below.
        let permit = Arc::clone(&self.shared.permits).try_acquire_owned().ok();
        let idle = permit.as_ref().and_then(|_| self.shared.lock().idle.pop());
        match idle {
            Some(member) => {
                self.shared.config.task.metrics().add_checkout();
                Ok(self.shared.lease(member, permit))
            }
            None => Box::pin(self.shared.lend(permit)).await,
        }
    }

    /// Lends a sandbox if one is free or may be started now, without waiting for others to give one back, or for a suspended tenant.
    ///
    /// # Errors
    /// Those of [`Sandbox::start`] and of the set-up, but for a lack of room.
    pub async fn checkout_free(&self) -> Result<Option<Lease<T>>, Error> {
        if self.shared.config.task.tenant().state() == TenantState::Suspended {
            return Ok(None);
        }
        let Ok(permit) = Arc::clone(&self.shared.permits).try_acquire_owned() else { return Ok(None) };
        match self.shared.lend_now(permit).await {
            Ok(lease) => Ok(Some(lease)),
            Err((_, error)) if error.is_no_room() => Ok(None),
            Err((_, error)) => Err(error),
        }
    }

    /// Starts all sandboxes now, so that no first batch has to wait for one.
    ///
    /// # Errors
    /// Those of [`Sandbox::start`] and of the set-up; here a lack of room is one of them.
    pub async fn warm_up(&self) -> Result<(), Error> {
        let leases = (0..self.shared.size).map(|_| async {
            let permits = Arc::clone(&self.shared.permits);
            let permit = permits.acquire_owned().await.map_err(|_| Error::Cancelled)?;
            self.shared.lend_now(permit).await.map_err(|(_, error)| error)
        });
        futures::future::try_join_all(leases).await?;
        Ok(())
    }

    /// `farewell` is called with each sandbox that the pool ends although nothing is wrong with it: one that is worn
    /// ([`Limits::instance_calls`](crate::Limits::instance_calls)), or that was idle for long
    /// ([`Limits::idle_time`](crate::Limits::idle_time)). Of several the first one counts. Sandboxes that end to make room for others go
    /// without it.
    pub fn on_retire(
        &self,
        farewell: impl for<'a> Fn(&'a mut Sandbox, &'a mut T) -> BoxFuture<'a, ()> + Send + Sync + 'static,
    ) {
        let _ = self.shared.farewell.set(Box::new(farewell));
    }

    /// Takes the sandboxes out that nobody works with now, to say goodbye to them. The pool starts others when it has to.
    pub fn take_idle(&self) -> Vec<(Sandbox, T)> {
        let mut members = self.shared.lock();
        let idle = members.idle.take();
        members.gone(idle.len());
        drop(members);
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

impl<T: Send + 'static> Clone for Pool<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T: Send + 'static> fmt::Debug for Pool<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Pool").field("size", &self.shared.size).finish_non_exhaustive()
    }
}

impl<T: Send + 'static> Members<T> {
    /// So many members are no more. When none is left, those who wait for one look for room themselves.
    fn gone(&mut self, count: usize) {
        self.alive -= count;
        if self.alive == 0 {
            self.waiting.clear();
        }
    }
}

impl<T: Send + 'static> Shared<T> {
    /// A member that is idle or can be started now.
    async fn lend_now(
        self: &Arc<Self>,
        permit: OwnedSemaphorePermit,
    ) -> Result<Lease<T>, (OwnedSemaphorePermit, Error)> {
        let idle = self.lock().idle.pop();
        let member = match idle {
            Some(member) => member,
            None => match self.start_now().await {
                Ok(member) => member,
                Err(error) => return Err((permit, error)),
            },
        };
        Ok(self.lease(member, Some(permit)))
    }

    /// A member, as soon as there is one.
    async fn lend(self: &Arc<Self>, permit: Option<OwnedSemaphorePermit>) -> Result<Lease<T>, Error> {
        let mut permit = match permit {
            Some(permit) => permit,
            // The pool never closes its semaphore; if it did, there would be nothing to lend.
            None => Arc::clone(&self.permits).acquire_owned().await.map_err(|_| Error::Cancelled)?,
        };
        self.config.task.metrics().add_checkout();
        // Before the state of the tenant matters: a call waits for that by itself.
        let idle = self.lock().idle.pop();
        if let Some(member) = idle {
            return Ok(self.lease(member, Some(permit)));
        }
        loop {
            self.config.task.admitted().await?;
            let no_room;
            (permit, no_room) = match self.lend_now(permit).await {
                Ok(lease) => return Ok(lease),
                Err((permit, error)) if error.is_no_room() => (permit, error),
                Err((_, error)) => return Err(error),
            };
            match self.role() {
                Role::Again => {}
                Role::Founder(founder) => {
                    let began = Instant::now();
                    let member = self.found(no_room).await;
                    self.config.task.metrics().add_room_wait(began.elapsed());
                    let member = member.inspect_err(|error| self.refused(error))?;
                    drop(founder);
                    return Ok(self.lease(member, Some(permit)));
                }
                Role::Waiter(waiter) => {
                    let began = Instant::now();
                    let waited = self.wait(waiter, no_room).await;
                    self.config.task.metrics().add_room_wait(began.elapsed());
                    if let Some(mut lease) = waited.inspect_err(|error| self.refused(error))? {
                        lease.permit = Some(permit);
                        return Ok(lease);
                    }
                }
            }
        }
    }

    /// Somebody waited for room in vain.
    fn refused(&self, error: &Error) {
        if error.is_no_room() {
            audit::refused(&self.config.task, error);
        }
    }

    /// What one who found no room does next.
    fn role(&self) -> Role<'_, T> {
        let mut members = self.lock();
        if !members.idle.is_empty() {
            return Role::Again;
        }
        if members.alive == 0 && !members.founding {
            members.founding = true;
            return Role::Founder(Founder(self));
        }
        let (sender, receiver) = oneshot::channel();
        members.waiting.push_back(sender);
        Role::Waiter(receiver)
    }

    /// Waits for a member to come back; `None` when there is none any more. It gives up when no member came back for long.
    async fn wait(&self, mut waiter: oneshot::Receiver<Lease<T>>, no_room: Error) -> Result<Option<Lease<T>>, Error> {
        let time = self.config.effective_limits().queue_time;
        let mut returned = self.lock().returned;
        loop {
            match tokio::time::timeout(time, &mut waiter).await {
                Ok(lease) => return Ok(lease.ok()),
                Err(_) => {
                    let now = self.lock().returned;
                    if now == returned {
                        return Err(no_room);
                    }
                    returned = now;
                }
            }
        }
    }

    /// The pool's first member, as soon as there is room for it. Only waiting is held to a time.
    async fn found(&self, no_room: Error) -> Result<Box<Member<T>>, Error> {
        let (runtime, task) = (self.image.runtime(), &self.config.task);
        let tenant = task.tenant();
        let until = Instant::now().checked_add(self.config.effective_limits().queue_time);
        loop {
            let room = {
                let _queued = tenant.room().for_room();
                let _first = in_time(tenant, until, tenant.room().first(), &no_room).await?;
                in_time(tenant, until, Room::wait(runtime, task), &no_room).await??
            };
            match self.starting(Some(room)).await {
                Err(Error::Limit(refused)) if is_memory(&refused) && tenant.accounts().instances.used() > 0 => {
                    let error = refused.clone().into();
                    let _queued = tenant.room().for_memory();
                    let _first = in_time(tenant, until, tenant.room().first(), &error).await?;
                    in_time(tenant, until, admission::make_memory(tenant, &refused), &error).await?;
                }
                started => return started,
            }
        }
    }

    /// A new member in room that is there. A pool with members takes none of the last room, which is for pools that have none, unless
    /// another pool of the tenant has more idle members than this one has members.
    async fn start_now(&self) -> Result<Box<Member<T>>, Error> {
        let (runtime, tenant) = (self.image.runtime(), self.config.task.tenant());
        if !tenant.room().is_empty() {
            let limit = tenant.accounts().instances.limit();
            return Err(LimitError::new(LimitKind::TenantInstances, limit).into());
        }
        let alive = self.lock().alive;
        if alive > 0
            && let Some(limit) = admission::scarce(runtime, tenant)
            && !tenant.pools().end_one(alive)
        {
            return Err(limit.into());
        }
        self.starting(None).await
    }

    async fn starting(&self, room: Option<Room>) -> Result<Box<Member<T>>, Error> {
        let starting = Starting::new(self);
        let mut sandbox = Sandbox::start_in(room, &self.image, &self.config).await?;
        let value = (self.setup)(&mut sandbox).await?;
        std::mem::forget(starting);
        Ok(Box::new(Member { sandbox, value }))
    }

    fn lease(self: &Arc<Self>, member: Box<Member<T>>, permit: Option<OwnedSemaphorePermit>) -> Lease<T> {
        Lease { pool: Arc::clone(self), member: Some(member), permit }
    }

    /// Gives a member to the first who waits for one, or puts it to the idle ones.
    fn take_back(self: &Arc<Self>, mut member: Box<Member<T>>) {
        let mut members = self.lock();
        members.returned += 1;
        while let Some(waiter) = members.waiting.pop_front() {
            drop(members);
            match waiter.send(self.lease(member, None)) {
                Ok(()) => return,
                Err(mut lease) => member = lease.member.take().expect(PRESENT),
            }
            members = self.lock();
        }
        members.idle.push(member);
        if let Some(idle_time) = self.idle_time
            && !members.watched
        {
            members.watched = upkeep::shrink(self, idle_time);
        }
        drop(members);
        // After the push: whoever looks for idle members says before that room is wanted, or that the tenant has ended.
        let tenant = self.config.task.tenant();
        if tenant.wants_room() || self.image.runtime().slots().are_wanted() {
            self.end_one();
        }
        if tenant.state() == TenantState::Ended {
            self.end_all();
        }
    }

    /// Ends a member that nothing is wrong with.
    async fn say_goodbye(&self, mut member: Box<Member<T>>) {
        if let Some(farewell) = self.farewell.get() {
            let Member { sandbox, value } = &mut *member;
            farewell(sandbox, value).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Members<T>> {
        // Every change is complete before anything that can panic, so a panic elsewhere leaves the members valid.
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send + 'static> IdleMembers for Shared<T> {
    fn share(&self) -> &Share {
        self.config.task.tenant().share()
    }

    fn idle(&self) -> usize {
        self.lock().idle.len()
    }

    fn end_one(&self) -> bool {
        let mut members = self.lock();
        let Some(member) = members.idle.pop() else { return false };
        members.gone(1);
        drop(members);
        drop(member);
        true
    }

    fn end_all(&self) {
        let mut members = self.lock();
        let idle = members.idle.take();
        members.gone(idle.len());
        // They look again, and are told.
        members.waiting.clear();
        drop(members);
        drop(idle);
    }
}

enum Role<'a, T: Send + 'static> {
    /// A member has become idle.
    Again,
    /// To bring the pool's first member.
    Founder(Founder<'a, T>),
    /// To wait for a member.
    Waiter(oneshot::Receiver<Lease<T>>),
}

/// The one who brings the first member. When it gives up, the others look for themselves.
struct Founder<'a, T: Send + 'static>(&'a Shared<T>);

impl<T: Send + 'static> Drop for Founder<'_, T> {
    fn drop(&mut self) {
        let mut members = self.0.lock();
        members.founding = false;
        if members.alive == 0 {
            members.waiting.clear();
        }
    }
}

/// A member that is being started, until this is forgotten.
struct Starting<'a, T: Send + 'static>(&'a Shared<T>);

impl<'a, T: Send + 'static> Starting<'a, T> {
    fn new(shared: &'a Shared<T>) -> Self {
        shared.lock().alive += 1;
        Self(shared)
    }
}

impl<T: Send + 'static> Drop for Starting<'_, T> {
    fn drop(&mut self) {
        self.0.lock().gone(1);
    }
}

/// Waits until then at most (`None`: for ever), and not longer than there is the tenant.
async fn in_time<F: Future>(
    tenant: &Tenant,
    until: Option<Instant>,
    wait: F,
    no_room: &Error,
) -> Result<F::Output, Error> {
    let in_time = async {
        match until {
            Some(until) => tokio::time::timeout_at(until, wait).await.map_err(|_| again(no_room)),
            None => Ok(wait.await),
        }
    };
    tokio::select! {
        biased;
        closed = tenant.ended() => Err(closed.into()),
        waited = in_time => waited,
    }
}

/// The limit of an error that is one.
fn again(no_room: &Error) -> Error {
    match no_room {
        Error::Limit(limit) => limit.clone().into(),
        other => Error::Start(wasmtime::Error::msg(other.to_string())),
    }
}

fn is_memory(refused: &LimitError) -> bool {
    matches!(refused.limit, LimitKind::TenantMemory | LimitKind::TenantHostMemory)
}
