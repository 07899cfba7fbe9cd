//! Exhausting the host: memory, recursion, files, output, and everything the host has to hold for a guest.

mod bombs;
mod files;
mod memory;
mod output;
mod recursion;
mod totals;

use crate::case::Group;

pub const GROUP: Group = Group {
    name: "exhaust the host",
    wants: "To exhaust the host",
    cases: &[memory::CASES, bombs::CASES, recursion::CASES, output::CASES, files::CASES, totals::CASES],
};
