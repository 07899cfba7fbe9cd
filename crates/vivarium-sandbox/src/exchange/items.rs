//! How many values an array holds within its own.

use arrow::array::Array;
use arrow_data::ArrayData;
use arrow_schema::DataType;

use super::gather::offset_range;
use super::types::OffsetWidth;

/// Values below the array's own, at all levels together: items of lists, entries of maps, fields of structs. Of a slice only those
/// of its rows.
///
/// Arrays that are put together have offsets up to the sum of these, and arrow panics where an offset has no room for it.
pub fn items_within(array: &dyn Array) -> u64 {
    let data = array.to_data();
    below(&data, 0, data.len())
}

/// Types are bounded in depth long before there is an array of one.
fn below(data: &ArrayData, start: usize, len: usize) -> u64 {
    let children = data.child_data();
    let within = |child: &ArrayData, start, len| (len as u64).saturating_add(below(child, start, len));
    match (data.data_type(), children) {
        (DataType::List(_) | DataType::Map(..), [items]) => {
            let (from, to) = offset_range(data, OffsetWidth::Four, start, len);
            within(items, from, to - from)
        }
        (DataType::LargeList(_), [items]) => {
            let (from, to) = offset_range(data, OffsetWidth::Eight, start, len);
            within(items, from, to - from)
        }
        (DataType::FixedSizeList(_, size), [items]) => {
            let size = usize::try_from(*size).unwrap_or(0);
            within(items, (data.offset() + start) * size, len * size)
        }
        // Slicing a struct slices its children, so they start where it does.
        (DataType::Struct(_), fields) => {
            fields.iter().fold(0, |sum: u64, field| sum.saturating_add(within(field, start, len)))
        }
        // Encodings: rows do not tell which values they have.
        (_, children) => children.iter().fold(0, |sum: u64, child| sum.saturating_add(within(child, 0, child.len()))),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, FixedSizeListArray, Int64Array, ListArray, NullArray, StructArray};
    use arrow::buffer::OffsetBuffer;
    use arrow_schema::{Field, Fields};

    use super::*;

    fn list(items: ArrayRef, lengths: &[usize]) -> ArrayRef {
        let item = Arc::new(Field::new("item", items.data_type().clone(), true));
        Arc::new(ListArray::new(item, OffsetBuffer::from_lengths(lengths.iter().copied()), items, None))
    }

    #[test]
    fn values_are_counted_at_every_level() {
        let nulls: ArrayRef = Arc::new(NullArray::new(60));
        assert_eq!(items_within(&nulls), 0);
        let inner = list(nulls, &[10, 20, 30]);
        assert_eq!(items_within(&inner), 60);
        let outer = list(Arc::clone(&inner), &[1, 2]);
        assert_eq!((items_within(&outer), items_within(&outer.slice(0, 1))), (63, 11));
        assert_eq!(items_within(&outer.slice(1, 1)), 52);
        let fields: Fields =
            vec![Field::new("a", inner.data_type().clone(), true), Field::new("b", DataType::Int64, true)].into();
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
        let structs = StructArray::new(fields, vec![inner, numbers], None);
        assert_eq!((items_within(&structs), items_within(&structs.slice(1, 1))), (66, 22));
        let item = Arc::new(Field::new("item", DataType::Null, true));
        let fixed = FixedSizeListArray::new(item, 7, Arc::new(NullArray::new(21)), None);
        assert_eq!((items_within(&fixed), items_within(&fixed.slice(1, 2))), (21, 14));
    }
}
