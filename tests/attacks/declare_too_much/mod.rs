//! Attacking through declarations, and through values that take no bytes: what costs the host although nothing of it is ever made.

mod empty_values;
mod types;

use crate::case::Group;

pub const GROUP: Group = Group {
    name: "declare too much",
    wants: "To attack through declarations",
    cases: &[types::CASES, empty_values::CASES],
};
