//! What a sandbox is started with.

use std::collections::BTreeMap;
use std::sync::Arc;

use vivarium_tenancy::{Limits, TaskAccount};

use crate::error::Error;
use crate::host_call::HostService;
use crate::output::{InputSource, Labels, OutputTarget, Stream};
use crate::runtime::Runtime;
use crate::warm::EnvironmentSnapshot;
use crate::wasi::{RateLimit, ScratchLimits, Terminals, WasiAccounts, WasiConfig, WasiCtx, WasiLimits};

/// What a sandbox is started with: its task, its limits and what Python sees.
///
/// ```
/// use vivarium_sandbox::{Limits, OutputTarget, SandboxConfig};
///
/// let config = SandboxConfig::default().with_limits(Limits::default().with_memory(64 << 20)).with_stdout(OutputTarget::Inherit);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SandboxConfig {
    /// The task it works for. Default: [`TaskAccount::local`].
    pub task: Arc<TaskAccount>,
    /// What it may use. A tenant's ceiling ([`TenantLimits::sandbox`](crate::TenantLimits::sandbox)) may make it less.
    pub limits: Limits,
    /// The job's environment, mounted read-only as `/env`. Default: an empty directory.
    pub environment: Option<Arc<cap_std::fs::Dir>>,
    /// The whole of `os.environ`. Default: empty; nothing of the host's environment is ever added.
    pub variables: BTreeMap<String, String>,
    /// Guest directories that go behind the standard library on `sys.path`.
    pub path: Vec<String>,
    /// The working directory. Default: `/tmp`, the scratch directory.
    pub directory: String,
    /// The state after importing the environment's packages, to start from. Default: the image alone. It has to be of the same
    /// image, environment and path, and of the same tenant.
    pub snapshot: Option<Arc<EnvironmentSnapshot>>,
    /// What Python reads from stdin. Default: nothing.
    pub stdin: InputSource,
    /// Where stdout goes. Default: tracing events.
    pub stdout: OutputTarget,
    /// Where stderr goes. Default: tracing events.
    pub stderr: OutputTarget,
    /// Which of the three streams tell Python that they are a terminal. Default: none.
    pub terminals: Terminals,
    /// What answers the requests of the guest's. Default: nothing; they are refused.
    pub host: Option<Arc<dyn HostService>>,
    /// Seeds `random` and `numpy.random`. Default: a new one from the operating system for each instance; tests and
    /// reproducible jobs set one.
    pub seed: Option<[u8; 32]>,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            task: TaskAccount::local(),
            limits: Limits::default(),
            environment: None,
            variables: BTreeMap::new(),
            path: Vec::new(),
            directory: "/tmp".into(),
            snapshot: None,
            stdin: InputSource::Empty,
            stdout: OutputTarget::Log,
            stderr: OutputTarget::Log,
            terminals: Terminals::default(),
            host: None,
            seed: None,
        }
    }
}

crate::__setters!(SandboxConfig {
    with_task: task: Arc<TaskAccount>,
    with_limits: limits: Limits,
    with_environment: environment: Option<Arc<cap_std::fs::Dir>>,
    with_variables: variables: BTreeMap<String, String>,
    with_path: path: Vec<String>,
    with_directory: directory: String,
    with_snapshot: snapshot: Option<Arc<EnvironmentSnapshot>>,
    with_stdin: stdin: InputSource,
    with_stdout: stdout: OutputTarget,
    with_stderr: stderr: OutputTarget,
    with_terminals: terminals: Terminals,
    with_host: host: Option<Arc<dyn HostService>>,
    with_seed: seed: Option<[u8; 32]>,
});

impl SandboxConfig {
    /// The limits that hold: those asked for, within its tenant's ceiling.
    pub fn effective_limits(&self) -> Limits {
        match self.task.tenant().ceiling() {
            Some(ceiling) => self.limits.within(&ceiling),
            None => self.limits.clone(),
        }
    }

    /// The world the guest sees. Arguments and variables are not in it: they go with the `start` request, because the
    /// interpreter has read its own long ago.
    pub(super) fn wasi(&self, runtime: &Runtime, limits: &Limits, labels: &Arc<Labels>) -> Result<WasiCtx, Error> {
        let tenant = self.task.tenant().accounts();
        let accounts = WasiAccounts::default()
            .with_scratch_bytes(Some(Arc::clone(&tenant.scratch_bytes)))
            .with_scratch_files(Some(Arc::clone(&tenant.scratch_files)))
            .with_host_files(vec![Arc::clone(&tenant.host_files), Arc::clone(runtime.host_files())])
            .with_host_memory(Some(Arc::clone(&tenant.host_memory)))
            .with_output(Some(Arc::clone(&tenant.log)))
            .with_output_dropped(Arc::clone(self.task.metrics().log_dropped()));
        let scratch = ScratchLimits::default().with_bytes(limits.scratch_bytes).with_files(limits.scratch_files.into());
        let wasi_limits = WasiLimits::default()
            .with_open_files(limits.open_files)
            .with_path_bytes(limits.path_bytes)
            .with_random_bytes(u32::try_from(limits.random_bytes).unwrap_or(u32::MAX))
            .with_output(limits.log_bytes_per_second.map(RateLimit::per_second));
        let config = WasiConfig::default()
            .with_environment(self.environment.clone())
            .with_scratch(scratch)
            .with_accounts(accounts)
            .with_limits(wasi_limits)
            .with_stdin(self.stdin.stream())
            .with_stdout(self.stdout.sink(Stream::Stdout, labels))
            .with_stderr(self.stderr.sink(Stream::Stderr, labels))
            .with_terminals(self.terminals);
        WasiCtx::new(config).map_err(|error| Error::Start(wasmtime::Error::new(error)))
    }
}
