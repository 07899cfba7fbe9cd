//! What `SET` changes: `vivarium.*` is what sandboxes may use, `python.*` what functions depend on.
//!
//! Both are extensions of DataFusion's own configuration, so that they belong to one session, are listed by `SHOW ALL` and
//! `information_schema.df_settings`, and can be set by a program through `ConfigOptions::set`. `vivarium.*` holds for every query
//! that is planned afterwards, `python.*` for every function that is created afterwards.

mod dependencies;
mod sandbox;

pub use dependencies::DependencySettings;
pub use sandbox::SandboxSettings;
pub(crate) use sandbox::{Ceiling, missing_image};
