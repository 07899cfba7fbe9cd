//! Groups whose rows are kept until their results are needed: those of functions without `merge`, and of any function under
//! `DISTINCT` or `ORDER BY`.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, ListArray, RecordBatch, StructArray, UInt32Array, UInt64Array,
};
use arrow::compute::{SortColumn, SortOptions, lexsort_to_indices, take, take_record_batch};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use arrow::row::{RowConverter, SortField};
use datafusion::error::Result;
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use vivarium::concat_rows;

use super::Shape;
use super::guest::GuestGroups;
use super::streaming::filtered;
use crate::lists::{numbered, offsets};

/// The type of a state: the rows of a group.
pub(super) fn state_type(row: &Fields) -> DataType {
    DataType::List(item(row))
}

fn item(row: &Fields) -> Arc<Field> {
    Arc::new(Field::new_list_field(DataType::Struct(row.clone()), true))
}

/// Rows with their groups.
pub(super) struct Kept {
    shape: Shape,
    schema: SchemaRef,
    groups: Vec<u32>,
    batches: Vec<RecordBatch>,
    bytes: usize,
}

impl Kept {
    pub fn new(shape: Shape) -> Self {
        let schema = Arc::new(Schema::new(shape.row.clone()));
        Self { shape, schema, groups: Vec::new(), batches: Vec::new(), bytes: 0 }
    }

    pub fn add(&mut self, groups: &[u32], columns: &[ArrayRef]) -> Result<()> {
        if groups.is_empty() {
            return Ok(());
        }
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns.to_vec())?;
        self.bytes += batch.get_array_memory_size();
        self.groups.extend(groups);
        self.batches.push(batch);
        Ok(())
    }

    /// Adds the rows of states, each to its group.
    pub fn add_states(&mut self, groups: &[u32], states: &ArrayRef) -> Result<()> {
        let lists = states.as_list::<i32>();
        let (mut of, mut rows) = (Vec::new(), Vec::new());
        for (index, &group) in groups.iter().enumerate() {
            if lists.is_null(index) {
                continue;
            }
            let (start, end) = (lists.value_offsets()[index] as u32, lists.value_offsets()[index + 1] as u32);
            rows.extend(start..end);
            of.extend(std::iter::repeat_n(group, (end - start) as usize));
        }
        let values = take(lists.values(), &UInt32Array::from(rows), None)?;
        self.add(&of, values.as_struct().columns())
    }

    /// The rows of the first groups, in the order in which their function is to see them, with their groups. They are gone then, and
    /// the groups behind them get numbers from 0.
    pub fn take_first(&mut self, groups: u32) -> Result<(Vec<u32>, RecordBatch)> {
        let all = concat_rows(&self.schema, &self.batches)?;
        let of = std::mem::take(&mut self.groups);
        self.batches.clear();
        self.bytes = 0;
        if of.iter().any(|&group| group >= groups) {
            let later: Vec<u32> = (0..numbered(of.len())?).filter(|&row| of[row as usize] >= groups).collect();
            let left = take_record_batch(&all, &UInt32Array::from(later.clone()))?;
            let left_groups: Vec<u32> = later.iter().map(|&row| of[row as usize] - groups).collect();
            self.add(&left_groups, left.columns())?;
        }
        self.in_order(&of, &all, groups)
    }

    /// All rows as the function is to see them. They stay.
    pub fn all(&self) -> Result<(Vec<u32>, RecordBatch)> {
        let all = concat_rows(&self.schema, &self.batches)?;
        self.in_order(&self.groups, &all, u32::MAX)
    }

    pub fn len(&self) -> usize {
        self.groups.len()
    }

    pub fn bytes(&self) -> usize {
        self.bytes + self.groups.capacity() * size_of::<u32>()
    }

    /// Rows of groups below `end`: by group, in the order asked for and otherwise as they came, each only once under `DISTINCT`.
    fn in_order(&self, of: &[u32], all: &RecordBatch, end: u32) -> Result<(Vec<u32>, RecordBatch)> {
        let mut rows: Vec<u32> = (0..numbered(of.len())?).filter(|&row| of[row as usize] < end).collect();
        if self.shape.order.is_empty() {
            rows.sort_by_key(|&row| of[row as usize]);
        } else {
            let picked = UInt32Array::from(rows.clone());
            let groups: UInt32Array = rows.iter().map(|&row| of[row as usize]).collect::<Vec<_>>().into();
            let mut keys = vec![SortColumn { values: Arc::new(groups), options: Some(SortOptions::default()) }];
            for (column, options) in all.columns()[self.shape.arguments..].iter().zip(&self.shape.order) {
                keys.push(SortColumn { values: take(column, &picked, None)?, options: Some(*options) });
            }
            let came: UInt64Array = (0..rows.len() as u64).collect::<Vec<_>>().into();
            keys.push(SortColumn { values: Arc::new(came), options: None });
            rows = lexsort_to_indices(&keys, None)?.values().iter().map(|&at| rows[at as usize]).collect();
        }
        if self.shape.distinct {
            let arguments = &all.columns()[..self.shape.arguments];
            let fields = arguments.iter().map(|column| SortField::new(column.data_type().clone())).collect();
            let values = RowConverter::new(fields)?.convert_columns(arguments)?;
            let mut seen = HashSet::new();
            rows.retain(|&row| seen.insert((of[row as usize], values.row(row as usize))));
        }
        let groups = rows.iter().map(|&row| of[row as usize]).collect();
        Ok((groups, take_record_batch(all, &UInt32Array::from(rows))?))
    }

    /// Rows in the order of their groups as states, one for each group.
    pub fn states(&self, groups: usize, of: &[u32], rows: &RecordBatch) -> Result<ArrayRef> {
        let mut lengths = vec![0_usize; groups];
        of.iter().for_each(|&group| lengths[group as usize] += 1);
        let items =
            StructArray::try_new_with_length(self.shape.row.clone(), rows.columns().to_vec(), None, rows.num_rows())?;
        let lists = ListArray::try_new(item(&self.shape.row), offsets(&lengths)?, Arc::new(items), None)?;
        Ok(Arc::new(lists))
    }

    /// The arguments of rows.
    pub fn arguments<'a>(&self, rows: &'a RecordBatch) -> &'a [ArrayRef] {
        &rows.columns()[..self.shape.arguments]
    }
}

/// The accumulators of a function whose rows are kept.
pub(super) struct CollectedGroups {
    guest: GuestGroups,
    kept: Kept,
    groups: usize,
}

impl CollectedGroups {
    pub fn new(guest: GuestGroups, shape: Shape) -> Self {
        Self { guest, kept: Kept::new(shape), groups: 0 }
    }

    fn leave(&mut self, emit_to: EmitTo) -> Result<(usize, Vec<u32>, RecordBatch)> {
        let count = match emit_to {
            EmitTo::All => self.groups,
            EmitTo::First(count) => count.min(self.groups),
        };
        let (of, rows) = self.kept.take_first(numbered(count)?)?;
        self.groups -= count;
        Ok((count, of, rows))
    }
}

impl GroupsAccumulator for CollectedGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.groups = self.groups.max(total_num_groups);
        let (values, groups) = filtered(values, group_indices, opt_filter)?;
        self.kept.add(&numbers(&groups)?, &values)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let (count, of, rows) = self.leave(emit_to)?;
        self.guest.forget()?;
        self.guest.accumulate(&of, self.kept.arguments(&rows))?;
        self.guest.values(&(0..numbered(count)?).collect::<Vec<_>>())
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let (count, of, rows) = self.leave(emit_to)?;
        Ok(vec![self.kept.states(count, &of, &rows)?])
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        self.groups = self.groups.max(total_num_groups);
        let groups = numbers(group_indices)?;
        values.iter().try_for_each(|states| self.kept.add_states(&groups, states))
    }

    fn convert_to_state(&self, values: &[ArrayRef], opt_filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let rows = values.first().map_or(0, |values| values.len());
        let all: Vec<usize> = (0..rows).collect();
        let (values, kept) = filtered(values, &all, opt_filter)?;
        let batch = RecordBatch::try_new(Arc::clone(&self.kept.schema), values)?;
        Ok(vec![self.kept.states(rows, &numbers(&kept)?, &batch)?])
    }

    fn size(&self) -> usize {
        self.kept.bytes()
    }
}

fn numbers(groups: &[usize]) -> Result<Vec<u32>> {
    Ok(groups.iter().map(|&group| numbered(group)).collect::<Result<_, _>>()?)
}
