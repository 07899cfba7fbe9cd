//! Table functions in an expression: for each row the list of its rows, for `unnest`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ListArray, StructArray, new_empty_array};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field};
use arrow::error::ArrowError;
use datafusion::error::Result;
use vivarium::{TableRows, concat_arrays};

use crate::work::{CallRows, Work};

/// The lists of a table function for rows of arguments.
pub(crate) async fn evaluate(work: &Work, rows: &CallRows) -> Result<ArrayRef> {
    let found = async { work.task().await?.rows(&rows.batch, rows.first).await }.await;
    let found = found.map_err(|error| work.call.error(error, Some(rows)))?;
    for TableRows { failures, .. } in &found {
        work.call.failed(failures);
    }
    work.charge()?;
    Ok(Arc::new(lists(&work.call.function.item(), rows.batch.num_rows(), &found)?))
}

fn lists(result: &DataType, rows: usize, found: &[TableRows]) -> Result<ListArray, ArrowError> {
    let mut lengths = vec![0_usize; rows];
    for number in found.iter().flat_map(|piece| piece.numbers.values()) {
        if let Some(length) = lengths.get_mut(*number as usize) {
            *length += 1;
        }
    }
    let pieces: Vec<_> = found.iter().map(|piece| items(result, &piece.rows)).collect::<Result<_, _>>()?;
    let items = if pieces.is_empty() { new_empty_array(result) } else { concat_arrays(&pieces)? };
    let field = Arc::new(Field::new_list_field(result.clone(), true));
    ListArray::try_new(field, offsets(&lengths)?, items, None)
}

/// Offsets of lists of these lengths.
///
/// # Errors
/// [`ArrowError::OffsetOverflowError`] for more items than offsets have room for, where arrow's own constructor panics.
pub(crate) fn offsets(lengths: &[usize]) -> Result<OffsetBuffer<i32>, ArrowError> {
    let items = lengths.iter().fold(0_usize, |sum, length| sum.saturating_add(*length));
    match i32::try_from(items) {
        Ok(_) => Ok(OffsetBuffer::from_lengths(lengths.iter().copied())),
        Err(_) => Err(ArrowError::OffsetOverflowError(items)),
    }
}

/// A number of rows or groups as it is counted here.
///
/// # Errors
/// [`ArrowError::OffsetOverflowError`] for more than 32 bits count.
pub(crate) fn numbered(count: usize) -> Result<u32, ArrowError> {
    u32::try_from(count).map_err(|_| ArrowError::OffsetOverflowError(count))
}

/// Rows as an array of what stands for each.
fn items(item: &DataType, rows: &StructArray) -> Result<ArrayRef, ArrowError> {
    match (rows.columns(), item) {
        ([only], item) if only.data_type() == item => Ok(Arc::clone(only)),
        (columns, DataType::Struct(fields)) => {
            let structs = StructArray::try_new_with_length(fields.clone(), columns.to_vec(), None, rows.len())?;
            Ok(Arc::new(structs))
        }
        (columns, item) => Err(ArrowError::SchemaError(format!("{} columns are no {item}", columns.len()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_that_offsets_have_no_room_for_are_an_error() {
        let most = i32::MAX as usize;
        assert_eq!(offsets(&[]).unwrap().len(), 1);
        assert_eq!(offsets(&[most - 1, 0, 1]).unwrap().last(), Some(&i32::MAX));
        for lengths in [&[most, 1][..], &[usize::MAX, 1], &[most / 2; 3]] {
            assert!(matches!(offsets(lengths), Err(ArrowError::OffsetOverflowError(_))), "{lengths:?}");
        }
    }

    #[test]
    fn more_rows_than_are_counted_are_an_error() {
        assert_eq!(numbered(u32::MAX as usize).unwrap(), u32::MAX);
        assert!(numbered(u32::MAX as usize + 1).is_err());
    }
}
