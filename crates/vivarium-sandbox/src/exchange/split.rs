//! Cutting a batch into parts that fit the guest.

use std::ops::Range;

use arrow::array::ArrayRef;

use super::error::ExchangeError;
use super::plan::Plan;

/// Rows of a batch that fit the guest, planned.
#[derive(Debug)]
pub struct Part {
    /// Which rows of the batch.
    pub rows: Range<usize>,
    /// Those rows.
    pub plan: Plan,
}

/// Cuts a batch of `rows` rows into consecutive parts, each as large as `max_bytes` in the guest and `max_rows` allow.
/// A batch without rows has no parts.
///
/// Parts are planned as they are asked for. The iterator ends after an error: those of [`Plan::new`], and
/// [`ExchangeError::RowTooLarge`] for a row that does not fit by itself.
pub fn parts(columns: &[ArrayRef], rows: usize, max_bytes: usize, max_rows: usize) -> Parts<'_> {
    Parts { columns, rows: 0..rows, max_bytes, max_rows: max_rows.max(1) }
}

/// The parts of a batch; see [`parts`].
#[derive(Debug)]
pub struct Parts<'a> {
    columns: &'a [ArrayRef],
    /// Rows not yet handed out.
    rows: Range<usize>,
    max_bytes: usize,
    max_rows: usize,
}

impl Iterator for Parts<'_> {
    type Item = Result<Part, ExchangeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rows.is_empty() {
            return None;
        }
        let part = self.largest_part();
        self.rows.start = part.as_ref().map_or(self.rows.end, |part| part.rows.end);
        Some(part)
    }
}

impl Parts<'_> {
    fn largest_part(&self) -> Result<Part, ExchangeError> {
        let most = self.rows.len().min(self.max_rows);
        if let Some(part) = self.part(most)? {
            return Ok(part);
        }
        // Size grows with the number of rows: bisect. `fits` rows fit, `too_many` do not.
        let (mut best, mut fits, mut too_many) = (None, 0, most);
        while too_many - fits > 1 {
            let middle = fits + (too_many - fits) / 2;
            match self.part(middle)? {
                Some(part) => (best, fits) = (Some(part), middle),
                None => too_many = middle,
            }
        }
        match best {
            Some(part) => Ok(part),
            None => Err(self.row_too_large()),
        }
    }

    /// The next `count` rows, or `None` when they do not fit.
    fn part(&self, count: usize) -> Result<Option<Part>, ExchangeError> {
        let rows = self.rows.start..self.rows.start + count;
        match self.plan(&rows) {
            Ok(plan) => Ok(Some(Part { rows, plan })),
            Err(ExchangeError::BatchTooLarge { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn plan(&self, rows: &Range<usize>) -> Result<Plan, ExchangeError> {
        for (column, array) in self.columns.iter().enumerate() {
            if array.len() != self.rows.end {
                return Err(ExchangeError::ColumnLength { column, length: array.len(), rows: self.rows.end });
            }
        }
        // Nearly always all rows fit.
        if *rows == (0..self.rows.end) {
            return Plan::within(self.columns, rows.len(), self.max_bytes);
        }
        let columns: Vec<_> = self.columns.iter().map(|column| column.slice(rows.start, rows.len())).collect();
        Plan::within(&columns, rows.len(), self.max_bytes)
    }

    fn row_too_large(&self) -> ExchangeError {
        let row = self.rows.start;
        match self.plan(&(row..row + 1)) {
            Err(ExchangeError::BatchTooLarge { bytes, limit }) => ExchangeError::RowTooLarge { row, bytes, limit },
            Err(error) => error,
            Ok(plan) => ExchangeError::RowTooLarge { row, bytes: plan.size() as u64, limit: self.max_bytes as u64 },
        }
    }
}
