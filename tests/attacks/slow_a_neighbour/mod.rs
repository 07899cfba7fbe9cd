//! Slowing others down: code that does not end, in every place where Python runs code, and many tasks at once.

mod endless_calls;
mod endless_loading;
mod shares;

use crate::case::Group;

pub const GROUP: Group = Group {
    name: "slow a neighbour",
    wants: "To slow a neighbour down",
    cases: &[endless_loading::CASES, endless_calls::CASES, shares::CASES],
};
