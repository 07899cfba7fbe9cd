//! A task of a tenant's job.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use crate::gate::TenantClosed;
use crate::id::{JobId, TaskId, TenantId};
use crate::metrics::Metrics;
use crate::tenant::Tenant;
use crate::tenant_limits::TenantLimits;

/// A task: what its sandboxes used together. Share one object (`Arc`) between all sandboxes of the task; the task ends when it is dropped.
#[derive(Debug)]
pub struct TaskAccount {
    tenant: Arc<Tenant>,
    job: JobId,
    id: TaskId,
    metrics: Arc<Metrics>,
    /// The tenant's state when it began.
    born: u64,
}

impl Tenant {
    /// A task of one of the tenant's jobs.
    pub fn task(self: &Arc<Self>, job: JobId, id: TaskId) -> Arc<TaskAccount> {
        self.task_begins();
        let (metrics, born) = (self.counters().begin(), self.gate().word());
        Arc::new(TaskAccount { tenant: Arc::clone(self), job, id, metrics, born })
    }
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
    #[inline]
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
    #[inline]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Adds processor time and returns the new total.
    #[inline]
    pub fn charge_cpu(&self, time: Duration) -> Duration {
        self.metrics.add_cpu(time)
    }

    /// Waits until a sandbox may be started for it: while its tenant is suspended.
    ///
    /// # Errors
    /// Its tenant has ended, or is being drained since before it began.
    pub async fn admitted(&self) -> Result<(), TenantClosed> {
        let mut watch = self.tenant.watch();
        poll_fn(|context| watch.poll_open(context.waker())).await?;
        self.tenant.gate().admits(self.born)
    }
}

impl Drop for TaskAccount {
    fn drop(&mut self) {
        self.tenant.task_ends();
    }
}
