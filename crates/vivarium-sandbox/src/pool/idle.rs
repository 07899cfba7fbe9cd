//! The members of a pool that nobody works with, and which of them nobody needs.
//!
//! ```text
//!   members   [ a  b  c  d  e ]   the last one is lent first, so those in front are used only when the others are
//!               ~~~~  untouched: as few as there ever were since the last look
//! ```

/// Members, the one that was used last behind the others.
#[derive(Debug)]
pub(super) struct Idle<M> {
    members: Vec<M>,
    /// How many in front were there all the time since somebody looked.
    untouched: usize,
}

impl<M> Default for Idle<M> {
    fn default() -> Self {
        Self { members: Vec::new(), untouched: 0 }
    }
}

impl<M> Idle<M> {
    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// One that is idle now.
    pub(super) fn push(&mut self, member: M) {
        self.members.push(member);
    }

    /// The one that was used last.
    pub(super) fn pop(&mut self) -> Option<M> {
        let member = self.members.pop();
        self.untouched = self.untouched.min(self.members.len());
        member
    }

    /// All of them.
    pub(super) fn take(&mut self) -> Vec<M> {
        self.untouched = 0;
        std::mem::take(&mut self.members)
    }

    /// Those that nobody needed since this was last called.
    pub(super) fn take_untouched(&mut self) -> Vec<M> {
        let untouched = self.members.drain(..self.untouched).collect();
        self.untouched = self.members.len();
        untouched
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_nobody_needed_are_told_from_the_others() {
        let mut idle = Idle::default();
        for member in 0..5 {
            idle.push(member);
        }
        assert!(idle.take_untouched().is_empty(), "nobody has looked before");
        // Two at a time are enough.
        for _ in 0..10 {
            let (one, other) = (idle.pop().unwrap(), idle.pop().unwrap());
            idle.push(other);
            idle.push(one);
        }
        assert_eq!(idle.take_untouched(), [0, 1, 2]);
        let last = idle.pop().unwrap();
        assert_eq!((idle.take_untouched(), last), (vec![3], 4));
        idle.push(last);
        assert!(idle.take_untouched().is_empty());
        assert_eq!(idle.take_untouched(), [4]);
        assert!(idle.is_empty() && idle.pop().is_none());
    }

    #[test]
    fn what_was_taken_is_not_there_any_more() {
        let mut idle = Idle::default();
        idle.push(1);
        idle.take_untouched();
        assert_eq!((idle.take(), idle.len()), (vec![1], 0));
        idle.push(2);
        assert!(idle.take_untouched().is_empty());
    }
}
