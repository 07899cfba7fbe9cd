//! Whose work it is, and what it may use.
//!
//! ```text
//!   TenantId, JobId, TaskId   who: names that can stand in a log line, a label or a file's name
//!   Account                   an amount in use, its limit and its peak; many charge it, and never past the limit
//!   RateAccount               the same for what comes so fast: bytes of a log
//!   Share                     a tenant's part of the processors, by weight
//!   quantity                  sizes and times as people write them: `256MiB`, `30s`
//! ```
//!
//! It lies below everything that acts for a tenant: sandboxes, the guest's view of the world, environments. It knows none of them, no
//! engine and no file.

#![forbid(unsafe_code)]

mod account;
mod id;
pub mod quantity;
mod rate;
mod setters;
mod share;

pub use account::Account;
pub use id::{IdError, JobId, TaskId, TenantId};
pub use rate::{RateAccount, RateLimit, TokenBucket};
pub use share::{Share, ShareId, Weight};
