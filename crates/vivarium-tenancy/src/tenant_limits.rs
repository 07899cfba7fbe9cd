//! What all sandboxes of one tenant may use together.

use serde::{Deserialize, Serialize};

use crate::limits::Limits;
use crate::quantity::serde_size;

/// What all sandboxes of one tenant may use together. It can be changed while they run ([`Tenant::set_limits`](crate::Tenant::set_limits)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct TenantLimits {
    /// Linear memory in bytes, counted at its full size although idle instances share most of their pages.
    ///
    /// Default 16 GiB: 64 sandboxes at their own default.
    #[serde(with = "serde_size")]
    pub memory: u64,
    /// Bytes of the host's memory besides linear memory and scratch: each sandbox's stack at its full size (18 MiB by default) and 2 MiB for
    /// what a call usually takes; what results, replies and reports of failed rows take beyond that, until they are handed on; and the
    /// snapshots of environments. A sandbox that does not fit waits for room as one whose memory does not fit; a call whose result
    /// does not fit fails.
    ///
    /// Default 8 GiB: 256 sandboxes with 12 MiB for results each.
    #[serde(with = "serde_size")]
    pub host_memory: u64,
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
            host_memory: 8 << 30,
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
    with_host_memory: host_memory: u64,
    with_instances: instances: u32,
    with_scratch_bytes: scratch_bytes: u64,
    with_scratch_files: scratch_files: u32,
    with_log_bytes_per_second: log_bytes_per_second: Option<u64>,
    with_host_files: host_files: u32,
    with_cpu_weight: cpu_weight: u32,
    with_sandbox: sandbox: Option<Limits>,
});
