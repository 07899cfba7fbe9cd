//! Breaking itself so that the host breaks with it: results, structures, exceptions, log lines and artifacts.

pub mod artifacts;
mod exceptions;
mod log_lines;
mod replies;
mod results;
mod structures;

use crate::case::Group;

pub const GROUP: Group = Group {
    name: "break itself",
    wants: "To break itself, and the host with it",
    cases: &[results::CASES, replies::CASES, structures::CASES, exceptions::CASES, log_lines::CASES, artifacts::CASES],
};
