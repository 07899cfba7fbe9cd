//! Whose work it is, and what it may use.
//!
//! ```text
//!   Tenant   what all that it runs may use together: memory, instances, scratch, files, log, the host's memory; its share of the processors
//!     └─ Job     one submitted program (Flink's JobID)
//!          └─ TaskAccount   one operator's parallel subtask: processor time, metrics
//!               └─ a sandbox, within Limits
//!
//!   names      TenantId, JobId, TaskId: what can stand in a log line, a label or a file's name                 id
//!   amounts    sizes and times as people write them; what is in use, its limit and its peak; rates             quantity, account, host_charge, rate
//!   limits     of a sandbox, of a call, of a tenant; every one by its name                                     limits, tenant_limits, kind
//!   states     suspended, drained, ended: who may run, and who waits                                           gate, tenant, task
//!   who is     the order of turns on the processors; slots for sandboxes; idle ones that make room             share, fair, slots, idle,
//!   next                                                                                                       room_queue
//!   what was   counters of tasks, sums of tenants, all tenants of a process                                    metrics, histogram, totals,
//!   done                                                                                                       counters, census
//! ```
//!
//! It lies below everything that acts for a tenant: sandboxes, the guest's view of the world, environments. It knows none of them, no
//! engine and no file.
//!
//! What is used is charged before it is given and released when it is returned, so the sum over a tenant's sandboxes is never past its
//! limit, however they race. Limits and weights of a tenant change while it runs; they count from the next charge and the next turn on.

#![forbid(unsafe_code)]

mod account;
mod accounts;
mod census;
mod counters;
pub mod fair;
mod gate;
mod histogram;
mod host_charge;
mod id;
mod idle;
mod kind;
mod limits;
mod metrics;
pub mod quantity;
mod rate;
mod room_queue;
mod setters;
mod share;
mod slots;
mod task;
mod tenant;
mod tenant_limits;
mod totals;

pub use account::Account;
pub use accounts::TenantAccounts;
pub use census::Census;
pub use gate::{GateWatch, TenantClosed, TenantState};
pub use histogram::{Durations, Histogram};
pub use host_charge::HostCharge;
pub use id::{IdError, JobId, TaskId, TenantId};
pub use idle::{IdleMembers, Pools};
pub use kind::{LimitKind, LimitUnit};
pub use limits::{CallLimits, Limits, LimitsError};
pub use metrics::{ColumnCounts, Metrics, MetricsSnapshot};
pub use rate::{RateAccount, RateLimit, TokenBucket};
pub use room_queue::{Queued, RoomQueue};
pub use share::{Share, ShareId, Weight};
pub use slots::{Slot, SlotUsage, Slots};
pub use task::TaskAccount;
pub use tenant::{Tenant, TenantUsage};
pub use tenant_limits::TenantLimits;
pub use totals::{End, Totals};
