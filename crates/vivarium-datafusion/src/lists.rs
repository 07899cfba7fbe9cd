//! Table functions in an expression: for each row the list of its rows, for `unnest`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ListArray, StructArray, new_empty_array};
use arrow::buffer::OffsetBuffer;
use arrow::compute::concat;
use arrow::datatypes::{DataType, Field};
use arrow::error::ArrowError;
use datafusion::error::Result;
use vivarium::TableRows;

use crate::work::{Rows, Work};

/// The lists of a table function for rows of arguments.
pub(crate) async fn evaluate(work: &Work, rows: &Rows) -> Result<ArrayRef> {
    let found = async { work.task().await?.rows(&rows.batch, rows.first).await }.await;
    let found = found.map_err(|error| work.call.error(error, Some(rows)))?;
    for TableRows { failures, .. } in &found {
        work.call.failed(failures);
    }
    work.charge()?;
    Ok(Arc::new(lists(&work.call.function.item(), rows.batch.num_rows(), &found)?))
}

fn lists(result: &DataType, rows: usize, found: &[TableRows]) -> Result<ListArray, ArrowError> {
    let mut lengths = vec![0; rows];
    for number in found.iter().flat_map(|piece| piece.numbers.values()) {
        if let Some(length) = lengths.get_mut(*number as usize) {
            *length += 1;
        }
    }
    let pieces: Vec<_> = found.iter().map(|piece| items(result, &piece.rows)).collect::<Result<_, _>>()?;
    let pieces: Vec<&dyn Array> = pieces.iter().map(AsRef::as_ref).collect();
    let items = if pieces.is_empty() { new_empty_array(result) } else { concat(&pieces)? };
    let field = Arc::new(Field::new_list_field(result.clone(), true));
    ListArray::try_new(field, OffsetBuffer::from_lengths(lengths), items, None)
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
