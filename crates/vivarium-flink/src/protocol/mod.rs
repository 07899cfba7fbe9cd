//! Beam's Fn API, from the worker's side.

pub mod messages;
pub mod services;
