//! Whose sandbox it is: tenant, job and task.
//!
//! ```text
//!   Tenant   totals over everything it runs: memory, instances, scratch; its share of the processors
//!     └─ Job     one submitted program (Flink's JobID)
//!          └─ TaskAccount   one operator's parallel subtask: processor time, metrics
//!               └─ Sandbox   one instance
//! ```
//!
//! A sandbox belongs to one task for life. Totals are charged before a resource is given and released when it is
//! returned, so the sum over a tenant's sandboxes is never past its limit, however they race.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use vivarium_tenancy::quantity::serde_size;
use vivarium_tenancy::{Account, JobId, RateAccount, RateLimit, Share, TaskId, TenantId};

use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::totals::TaskCounters;

/// What all sandboxes of one tenant may use together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct TenantLimits {
    /// Linear memory in bytes, counted at its full size although idle instances share most of their pages.
    ///
    /// Default 16 GiB: 64 sandboxes at their own default.
    #[serde(with = "serde_size")]
    pub memory: u64,
    /// Sandboxes alive at one time. Default 256.
    pub instances: u32,
    /// Bytes in the scratch directories of all its sandboxes, which are in host memory. Default 1 GiB.
    #[serde(with = "serde_size")]
    pub scratch_bytes: u64,
    /// Files, directories and links in the scratch directories of all its sandboxes. Default 200,000.
    pub scratch_files: u32,
    /// Bytes per second that all its sandboxes may write to the log together, each line counted as at least 128; what is more is
    /// dropped, counted and reported once. Output that a caller captures or passes through does not count.
    ///
    /// Default 4 MiB/s: four sandboxes at their own default, and none gains by starting more of them.
    #[serde(with = "serde_size::optional")]
    pub log_bytes_per_second: Option<u64>,
    /// Files and directories of environments that all its sandboxes have open together: each is a descriptor of the host. More is
    /// `OSError: Too many open files`.
    ///
    /// Default 256: importing needs two at a time.
    pub host_files: u32,
    /// Processor time in proportion to other tenants, when there is not enough for all; from 1 to 10,000. Default 100, as the
    /// `cpu.weight` of Linux's control groups: a tenant of weight 300 gets three times the time of one of weight 100, however
    /// many sandboxes each of them has. Without contention it has no effect.
    pub cpu_weight: u32,
    /// The most that any one of its sandboxes may use, whatever its configuration asks for. Default: no ceiling.
    pub sandbox: Option<Limits>,
}

impl Default for TenantLimits {
    fn default() -> Self {
        Self {
            memory: 16 << 30,
            instances: 256,
            scratch_bytes: 1 << 30,
            scratch_files: 200_000,
            log_bytes_per_second: Some(4 << 20),
            host_files: 256,
            cpu_weight: 100,
            sandbox: None,
        }
    }
}

crate::__setters!(TenantLimits {
    with_memory: memory: u64,
    with_instances: instances: u32,
    with_scratch_bytes: scratch_bytes: u64,
    with_scratch_files: scratch_files: u32,
    with_log_bytes_per_second: log_bytes_per_second: Option<u64>,
    with_host_files: host_files: u32,
    with_cpu_weight: cpu_weight: u32,
    with_sandbox: sandbox: Option<Limits>,
});

/// A tenant and what it uses now. Share one object (`Arc`) between all tasks of the tenant.
#[derive(Debug)]
pub struct Tenant {
    id: TenantId,
    pub(crate) memory: Account,
    pub(crate) instances: Account,
    pub(crate) scratch_bytes: Arc<Account>,
    pub(crate) scratch_files: Arc<Account>,
    /// What its sandboxes may log together.
    pub(crate) log: Arc<RateAccount>,
    pub(crate) host_files: Arc<Account>,
    pub(crate) share: Share,
    /// What its tasks did.
    pub(crate) counters: Arc<TaskCounters>,
    /// Those who wait for room for one more sandbox, in order. The first holds it.
    pub(crate) queue: tokio::sync::Mutex<()>,
    /// How many wait there, and how many for memory.
    pub(crate) queued: AtomicUsize,
    pub(crate) short_of_memory: AtomicUsize,
    /// Told when a sandbox of the tenant's has given something back.
    pub(crate) freed: Notify,
    ceiling: Option<Limits>,
}

/// What a tenant uses now, and the most it ever used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TenantUsage {
    /// Linear memory in bytes.
    pub memory: u64,
    /// The highest value of `memory` so far.
    pub peak_memory: u64,
    /// Sandboxes alive.
    pub instances: u64,
    /// Bytes in scratch directories.
    pub scratch_bytes: u64,
    /// Files in scratch directories.
    pub scratch_files: u64,
    /// Files and directories of environments that are open.
    pub host_files: u64,
}

impl Tenant {
    /// A tenant that uses nothing yet.
    pub fn new(id: TenantId, limits: &TenantLimits) -> Arc<Self> {
        Arc::new(Self {
            id,
            memory: Account::new(limits.memory),
            instances: Account::new(limits.instances.into()),
            scratch_bytes: Arc::new(Account::new(limits.scratch_bytes)),
            scratch_files: Arc::new(Account::new(limits.scratch_files.into())),
            log: Arc::new(RateAccount::new(limits.log_bytes_per_second.map(RateLimit::per_second))),
            host_files: Arc::new(Account::new(limits.host_files.into())),
            share: Share::new(limits.cpu_weight),
            counters: Arc::default(),
            queue: tokio::sync::Mutex::default(),
            queued: AtomicUsize::new(0),
            short_of_memory: AtomicUsize::new(0),
            freed: Notify::new(),
            ceiling: limits.sandbox.clone(),
        })
    }

    /// Its name.
    pub fn id(&self) -> &TenantId {
        &self.id
    }

    /// The most that any one of its sandboxes may use.
    pub fn ceiling(&self) -> Option<&Limits> {
        self.ceiling.as_ref()
    }

    /// What it uses now.
    pub fn usage(&self) -> TenantUsage {
        TenantUsage {
            memory: self.memory.used(),
            peak_memory: self.memory.peak(),
            instances: self.instances.used(),
            scratch_bytes: self.scratch_bytes.used(),
            scratch_files: self.scratch_files.used(),
            host_files: self.host_files.used(),
        }
    }

    /// How many wait for room for a sandbox of its, or for memory for one.
    pub(crate) fn queue_length(&self) -> usize {
        self.queued.load(Ordering::Relaxed) + self.short_of_memory.load(Ordering::Relaxed)
    }

    /// Whether somebody waits for room for a sandbox of its.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.queued.load(Ordering::SeqCst) > 0 || self.short_of_memory.load(Ordering::SeqCst) > 0
    }

    /// Whether they wait for idle sandboxes of its to end.
    pub(crate) fn wants_room(&self) -> bool {
        let full = self.instances.used() >= self.instances.limit();
        (full && self.queued.load(Ordering::SeqCst) > 0) || self.short_of_memory.load(Ordering::SeqCst) > 0
    }

    /// A task of one of the tenant's jobs.
    pub fn task(self: &Arc<Self>, job: JobId, id: TaskId) -> Arc<TaskAccount> {
        Arc::new(TaskAccount { tenant: Arc::clone(self), job, id, metrics: self.counters.begin() })
    }
}

/// A task: what its sandboxes used together. Share one object (`Arc`) between all sandboxes of the task.
#[derive(Debug)]
pub struct TaskAccount {
    tenant: Arc<Tenant>,
    job: JobId,
    id: TaskId,
    metrics: Arc<Metrics>,
}

impl TaskAccount {
    /// The only task of a process that runs code for one user, such as a command line tool: tenant and job `local`, task `0`. What
    /// its sandboxes log is limited for each of them, and not for all together: the one user sees it and may ask for it.
    pub fn local() -> Arc<Self> {
        let valid = "a constant that is a valid identifier";
        let limits = TenantLimits { log_bytes_per_second: None, ..TenantLimits::default() };
        Tenant::new(TenantId::new("local").expect(valid), &limits)
            .task(JobId::new("local").expect(valid), TaskId::new("0").expect(valid))
    }

    /// Whose task it is.
    pub fn tenant(&self) -> &Arc<Tenant> {
        &self.tenant
    }

    /// The job it is part of.
    pub fn job(&self) -> &JobId {
        &self.job
    }

    /// Its name.
    pub fn id(&self) -> &TaskId {
        &self.id
    }

    /// Processor time its sandboxes used so far.
    pub fn cpu_time(&self) -> Duration {
        self.metrics.cpu_time()
    }

    /// What its sandboxes did so far.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Adds processor time and returns the new total.
    pub(crate) fn charge_cpu(&self, time: Duration) -> Duration {
        self.metrics.add_cpu(time)
    }
}
