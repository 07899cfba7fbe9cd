//! Putting arrays together without a panic: arrow's kernels panic when offsets become too large for their type.
//!
//! A list of a million NULLs takes a few bytes, so neither memory nor time keeps a function from making two thousand of them, whose
//! items do not fit into one array.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::concat;
use arrow::error::ArrowError;
use arrow_schema::SchemaRef;
use vivarium_sandbox::exchange::items_within;

/// The most values that there may be within the rows of an array: what 32-bit offsets reach.
const MOST_ITEMS: u64 = i32::MAX as u64;

/// As [`arrow::compute::concat`].
///
/// # Errors
/// Those of `concat`, and [`ArrowError::OffsetOverflowError`] where it would panic: for more than 2^31-1 values within the rows.
pub fn concat_arrays(arrays: &[ArrayRef]) -> Result<ArrayRef, ArrowError> {
    if let [only] = arrays {
        return Ok(Arc::clone(only));
    }
    check(arrays.iter())?;
    concat(&arrays.iter().map(AsRef::as_ref).collect::<Vec<&dyn Array>>())
}

/// As [`arrow::compute::concat_batches`].
///
/// # Errors
/// As [`concat_arrays`].
pub fn concat_rows(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<RecordBatch, ArrowError> {
    if let [only] = batches
        && only.schema() == *schema
    {
        return Ok(only.clone());
    }
    for index in 0..schema.fields().len() {
        check(batches.iter().filter_map(|batch| batch.columns().get(index)))?;
    }
    arrow::compute::concat_batches(schema, batches)
}

fn check<'a>(arrays: impl Iterator<Item = &'a ArrayRef>) -> Result<(), ArrowError> {
    match arrays.fold(0, |sum: u64, array| sum.saturating_add(items_within(array))) {
        items if items > MOST_ITEMS => {
            Err(ArrowError::OffsetOverflowError(usize::try_from(items).unwrap_or(usize::MAX)))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ListArray, NullArray, RecordBatchOptions};
    use arrow::buffer::OffsetBuffer;
    use arrow_schema::{DataType, Field, Schema};

    use super::*;

    /// A list that takes a few bytes.
    fn nulls(count: usize) -> ArrayRef {
        let item = Arc::new(Field::new("item", DataType::Null, true));
        Arc::new(ListArray::new(item, OffsetBuffer::from_lengths([count]), Arc::new(NullArray::new(count)), None))
    }

    #[test]
    fn offsets_that_have_no_room_are_an_error() {
        let half = i32::MAX as usize / 2;
        assert_eq!(concat_arrays(&[nulls(half), nulls(half + 1)]).unwrap().len(), 2);
        let overflow = concat_arrays(&[nulls(half), nulls(half + 2)]);
        assert!(matches!(overflow, Err(ArrowError::OffsetOverflowError(_))), "{overflow:?}");

        let schema: SchemaRef = Arc::new(Schema::new(vec![Field::new("n", nulls(0).data_type().clone(), true)]));
        let batch = |count| RecordBatch::try_new(Arc::clone(&schema), vec![nulls(count)]).unwrap();
        assert_eq!(concat_rows(&schema, &[batch(half), batch(half)]).unwrap().num_rows(), 2);
        assert!(concat_rows(&schema, &[batch(half), batch(half), batch(half)]).is_err());
    }

    #[test]
    fn batches_without_columns_have_rows() {
        let schema: SchemaRef = Arc::new(Schema::empty());
        let options = RecordBatchOptions::new().with_row_count(Some(3));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), Vec::new(), &options).unwrap();
        assert_eq!(concat_rows(&schema, &[batch.clone(), batch]).unwrap().num_rows(), 6);
    }
}
