//! Reading the host: files, variables, names, and changing what is only to be read.

mod environment;
mod files;

use crate::case::Group;

pub const GROUP: Group =
    Group { name: "read the host", wants: "To read or change the host", cases: &[files::CASES, environment::CASES] };
