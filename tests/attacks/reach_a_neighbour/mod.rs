//! Reaching a neighbour: what one tenant leaves behind, seen by another.

mod leftovers;
mod secrets;

use crate::case::Group;

pub const GROUP: Group =
    Group { name: "reach a neighbour", wants: "To reach a neighbour", cases: &[leftovers::CASES, secrets::CASES] };
