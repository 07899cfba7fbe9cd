//! Leaving the sandbox: processes, sockets, native code, and memory that is not the instance's.

mod memory;
mod network;
mod processes;

use crate::case::Group;

pub const GROUP: Group = Group {
    name: "escape",
    wants: "To escape from the sandbox",
    cases: &[processes::CASES, network::CASES, memory::CASES],
};
