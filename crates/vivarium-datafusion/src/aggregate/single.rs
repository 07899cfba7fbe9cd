//! One group: an aggregate without `GROUP BY`, and a window whose frame only grows.

use arrow::array::ArrayRef;
use datafusion::error::Result;
use datafusion::logical_expr::Accumulator;
use datafusion::scalar::ScalarValue;
use std::fmt;

use super::Shape;
use super::collecting::Kept;
use super::guest::GuestGroups;

/// The accumulator of one group. Its value may be asked for again and again while rows are added.
pub(super) struct Single {
    guest: GuestGroups,
    /// The rows, if they are its state; `None`: the guest's accumulator is.
    kept: Option<Kept>,
    /// Whether rows reach the function as they come, also when they are kept.
    as_they_come: bool,
    /// How many of the kept rows the guest has.
    fed: usize,
}

impl Single {
    pub fn new(guest: GuestGroups, shape: Shape, streams: bool) -> Self {
        let as_they_come = !shape.distinct && shape.order.is_empty();
        Self { guest, kept: (!streams).then(|| Kept::new(shape)), as_they_come, fed: 0 }
    }
}

impl Accumulator for Single {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let groups = vec![0; values.first().map_or(0, |values| values.len())];
        match &mut self.kept {
            Some(kept) => kept.add(&groups, values),
            None => self.guest.accumulate(&groups, values),
        }
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if let Some(kept) = &self.kept
            && kept.len() > self.fed
        {
            let (groups, rows) = kept.all()?;
            let new = if self.as_they_come { self.fed } else { 0 };
            if new == 0 {
                self.guest.forget()?;
            }
            let rows = rows.slice(new, rows.num_rows() - new);
            self.guest.accumulate(&groups[new..], kept.arguments(&rows))?;
            self.fed = kept.len();
        }
        ScalarValue::try_from_array(&self.guest.values(&[0])?, 0)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.kept.as_ref().map_or(0, Kept::bytes)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let state = match &mut self.kept {
            Some(kept) => {
                let (groups, rows) = kept.all()?;
                kept.states(1, &groups, &rows)?
            }
            None => self.guest.states(&[0])?,
        };
        Ok(vec![ScalarValue::try_from_array(&state, 0)?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for states in states {
            let groups = vec![0; states.len()];
            match &mut self.kept {
                Some(kept) => kept.add_states(&groups, states)?,
                None => self.guest.merge(&groups, states)?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Single {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Single").field("fed", &self.fed).finish_non_exhaustive()
    }
}
