//! Where in a nested array something is, for error messages.

use std::fmt;

use super::error::ExchangeError;
use super::types::MAX_DEPTH;

/// A place in a tree of arrays, such as `result.children[2].children[0]`. It lives on the stack of the recursion that
/// walks the tree and costs nothing until it is printed.
pub(super) struct Path<'a> {
    step: Step<'a>,
    depth: usize,
}

enum Step<'a> {
    Root(&'static str),
    Child(&'a Path<'a>, usize),
}

impl<'a> Path<'a> {
    pub(super) fn root(name: &'static str) -> Self {
        Self { step: Step::Root(name), depth: 0 }
    }

    pub(super) fn child(&'a self, index: usize) -> Self {
        Self { step: Step::Child(self, index), depth: self.depth + 1 }
    }

    /// An item of one of this array's parts, such as `result.offsets[17]`.
    pub(super) fn item(&self, part: &str, index: usize) -> String {
        format!("{self}.{part}[{index}]")
    }

    /// Refuses a recursion that is deeper than any sensible type, before it can exhaust the host's stack.
    pub(super) fn check_depth(&self) -> Result<(), ExchangeError> {
        if self.depth > MAX_DEPTH {
            return Err(ExchangeError::TooDeep { limit: MAX_DEPTH });
        }
        Ok(())
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step {
            Step::Root(name) => f.write_str(name),
            Step::Child(parent, index) => write!(f, "{parent}.children[{index}]"),
        }
    }
}
