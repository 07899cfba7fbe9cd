//! Groups whose rows go to the guest as they come.

use std::sync::{Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, BooleanArray, new_null_array};
use arrow::compute::{filter, interleave};
use arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};

use super::guest::GuestGroups;
use crate::lists::numbered;

/// Groups that left the front of the numbering before the guest is told to forget them.
const FORGOTTEN: u32 = 65_536;

/// The accumulators of a function that has `merge`.
///
/// The guest's number of a group is DataFusion's plus those that were emitted before: DataFusion numbers what is left from 0 again.
pub(super) struct StreamedGroups {
    guest: GuestGroups,
    groups: usize,
    emitted: u32,
    compacts: bool,
    /// For rows that are to be states by themselves; DataFusion asks for them without a `mut`.
    alone: Mutex<GuestGroups>,
}

impl StreamedGroups {
    pub fn new(guest: GuestGroups) -> Self {
        let alone = Mutex::new(guest.another());
        Self { guest, groups: 0, emitted: 0, compacts: true, alone }
    }

    fn numbers(&self, group_indices: &[usize]) -> Result<Vec<u32>> {
        let number = |&group: &usize| numbered(group.saturating_add(self.emitted as usize));
        Ok(group_indices.iter().map(number).collect::<Result<_, _>>()?)
    }

    /// The groups to emit, before they leave.
    fn leaving(&self, emit_to: EmitTo) -> Result<Vec<u32>> {
        let count = match emit_to {
            EmitTo::All => self.groups,
            EmitTo::First(count) => count.min(self.groups),
        };
        Ok((self.emitted..numbered(count.saturating_add(self.emitted as usize))?).collect())
    }

    fn left(&mut self, gone: usize) -> Result<()> {
        self.groups -= gone.min(self.groups);
        self.emitted = numbered(gone.saturating_add(self.emitted as usize))?;
        if self.groups == 0 {
            self.emitted = 0;
            return self.guest.forget();
        }
        if self.emitted > FORGOTTEN && self.compacts {
            let end = numbered(self.groups.saturating_add(self.emitted as usize))?;
            let kept: Vec<u32> = (self.emitted..end).collect();
            // Accumulators that cannot be bytes stay where they are, and so do the places of those that left.
            match self.guest.states(&kept) {
                Ok(states) => {
                    self.guest.restart_with(&states)?;
                    self.emitted = 0;
                }
                Err(_) => self.compacts = false,
            }
        }
        Ok(())
    }
}

impl GroupsAccumulator for StreamedGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.groups = self.groups.max(total_num_groups);
        let (values, group_indices) = filtered(values, group_indices, opt_filter)?;
        let numbers = self.numbers(&group_indices)?;
        self.guest.accumulate(&numbers, &values)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let leaving = self.leaving(emit_to)?;
        let values = self.guest.values(&leaving)?;
        self.left(leaving.len())?;
        Ok(values)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let leaving = self.leaving(emit_to)?;
        let states = self.guest.states(&leaving)?;
        self.left(leaving.len())?;
        Ok(vec![states])
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        self.groups = self.groups.max(total_num_groups);
        let numbers = self.numbers(group_indices)?;
        values.iter().try_for_each(|states| self.guest.merge(&numbers, states))
    }

    fn convert_to_state(&self, values: &[ArrayRef], opt_filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let rows = values.first().map_or(0, |values| values.len());
        let all: Vec<usize> = (0..rows).collect();
        let (values, kept) = filtered(values, &all, opt_filter)?;
        let numbers: Vec<u32> = (0..numbered(kept.len())?).collect();
        // A panic elsewhere leaves groups behind, which are forgotten below.
        let mut alone = self.alone.lock().unwrap_or_else(PoisonError::into_inner);
        alone.forget()?;
        alone.accumulate(&numbers, &values)?;
        let states = alone.states(&numbers)?;
        if kept.len() == rows {
            return Ok(vec![states]);
        }
        // Rows that the filter leaves out have the state of no rows.
        let nothing = new_null_array(&DataType::LargeBinary, 1);
        let mut places = vec![(1, 0); rows];
        kept.iter().enumerate().for_each(|(state, &row)| places[row] = (0, state));
        Ok(vec![interleave(&[states.as_ref(), nothing.as_ref()], &places)?])
    }

    fn size(&self) -> usize {
        // What the guest holds is charged as its memory.
        size_of::<Self>()
    }
}

/// Rows and groups that a filter lets through; one that is NULL does not.
pub(super) fn filtered(
    values: &[ArrayRef],
    group_indices: &[usize],
    opt_filter: Option<&BooleanArray>,
) -> Result<(Vec<ArrayRef>, Vec<usize>)> {
    let Some(mask) = opt_filter else { return Ok((values.to_vec(), group_indices.to_vec())) };
    let passes = |row: usize| mask.is_valid(row) && mask.value(row);
    let groups = group_indices.iter().enumerate().filter_map(|(row, &group)| passes(row).then_some(group)).collect();
    let values = values.iter().map(|values| filter(values, mask)).collect::<Result<_, _>>()?;
    Ok((values, groups))
}
