//! A window whose frame moves: rows enter at its end and leave at its start.

use std::fmt;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::Fields;
use datafusion::common::internal_err;
use datafusion::error::Result;
use datafusion::logical_expr::Accumulator;
use datafusion::scalar::ScalarValue;

use super::Shape;
use super::collecting::Kept;
use super::guest::GuestGroups;

/// Frames that were computed anew before the guest forgets them: each is a group of its own.
const FRAMES: u32 = 1_024;

/// The accumulator of a frame.
pub(super) struct Sliding {
    guest: GuestGroups,
    shape: Shape,
    retract: bool,
    /// Without `retract`: the rows of the frame, oldest first.
    frame: Vec<Vec<ArrayRef>>,
    /// The frame's number in the guest.
    number: u32,
}

impl Sliding {
    pub fn new(guest: GuestGroups, shape: Shape, retract: bool) -> Self {
        Self { guest, shape, retract, frame: Vec::new(), number: 0 }
    }

    /// The function over the rows of the frame, from nothing.
    fn recompute(&mut self) -> Result<()> {
        self.number += 1;
        if self.number == FRAMES {
            self.guest.forget()?;
            self.number = 0;
        }
        let mut kept = Kept::new(self.shape.clone());
        for columns in &self.frame {
            kept.add(&vec![self.number; rows(columns)], columns)?;
        }
        let (groups, rows) = kept.all()?;
        self.guest.accumulate(&groups, kept.arguments(&rows))
    }
}

impl Accumulator for Sliding {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        match self.retract {
            true => self.guest.accumulate(&vec![0; rows(values)], values),
            false => {
                self.frame.push(values.to_vec());
                Ok(())
            }
        }
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let mut leaving = rows(values);
        if self.retract {
            return self.guest.retract(&vec![0; leaving], values);
        }
        let mut whole = 0;
        for columns in &mut self.frame {
            let rows = rows(columns);
            if leaving < rows {
                columns.iter_mut().for_each(|column| *column = column.slice(leaving, rows - leaving));
                break;
            }
            leaving -= rows;
            whole += 1;
        }
        self.frame.drain(..whole);
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if !self.retract {
            self.recompute()?;
        }
        ScalarValue::try_from_array(&self.guest.values(&[self.number])?, 0)
    }

    fn size(&self) -> usize {
        let columns = self.frame.iter().flatten();
        size_of::<Self>() + columns.map(|column| column.get_array_memory_size()).sum::<usize>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        internal_err!("a window has no state to hand on")
    }

    fn merge_batch(&mut self, _: &[ArrayRef]) -> Result<()> {
        internal_err!("windows are not merged")
    }
}

fn rows(columns: &[ArrayRef]) -> usize {
    columns.first().map_or(0, |column| column.len())
}

impl fmt::Debug for Sliding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row: &Fields = &self.shape.row;
        f.debug_struct("Sliding").field("row", row).field("retract", &self.retract).finish_non_exhaustive()
    }
}
