//! How large a schema may be.

use arrow_schema::{DataType, Schema};

use super::Misdeclared;

/// Columns of a table, those within structs counted too. A query engine's plans grow with them, and its rules look at each of them often.
const COLUMNS: usize = 10_000;

/// How deep types nest: readers and engines descend into them.
const DEPTH: usize = 64;

/// Bytes, and items of lists, that one value of a type of fixed size takes: an engine makes NULLs of any type, and they are as large as values.
const VALUE_BYTES: u64 = 1 << 20;
const VALUE_ITEMS: u64 = 1 << 16;

/// Checks the columns of a table.
///
/// # Errors
/// What there is too much of.
pub fn check(schema: &Schema) -> Result<(), Misdeclared> {
    let mut columns = 0;
    for field in schema.fields() {
        let Size { bytes, items } = measure(field.data_type(), 1, &mut columns)?;
        if bytes > VALUE_BYTES || items > VALUE_ITEMS {
            return Err(Misdeclared::new(format!(
                "each value of its column {:?} takes {bytes} bytes and {items} items; there may be {VALUE_BYTES} bytes and {VALUE_ITEMS} items",
                field.name()
            )));
        }
    }
    Ok(())
}

/// What one value takes, also when it is NULL.
struct Size {
    bytes: u64,
    items: u64,
}

fn measure(data_type: &DataType, depth: usize, columns: &mut usize) -> Result<Size, Misdeclared> {
    *columns += 1;
    if *columns > COLUMNS {
        return Err(Misdeclared::new(format!("it has more than {COLUMNS} columns")));
    }
    if depth > DEPTH {
        return Err(Misdeclared::new(format!("its types are nested more than {DEPTH} levels deep")));
    }
    let mut inner = |data_type: &DataType| measure(data_type, depth + 1, columns);
    Ok(match data_type {
        DataType::FixedSizeBinary(size) => Size { bytes: u64::try_from(*size).unwrap_or(0), items: 1 },
        DataType::FixedSizeList(item, size) => {
            let (one, size) = (inner(item.data_type())?, u64::try_from(*size).unwrap_or(0));
            Size { bytes: one.bytes.saturating_mul(size), items: one.items.saturating_mul(size).max(1) }
        }
        DataType::Struct(fields) => {
            let mut sum = Size { bytes: 0, items: 1 };
            for field in fields {
                let one = inner(field.data_type())?;
                sum.bytes = sum.bytes.saturating_add(one.bytes);
                sum.items = sum.items.saturating_add(one.items);
            }
            sum
        }
        DataType::Union(fields, _) => {
            let mut most = Size { bytes: 1, items: 1 };
            for (_, field) in fields.iter() {
                let one = inner(field.data_type())?;
                most.bytes = most.bytes.saturating_add(one.bytes);
                most.items = most.items.saturating_add(one.items);
            }
            most
        }
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::Map(item, _) => {
            let one = inner(item.data_type())?;
            // A list may be empty, but one of its items is as large as any.
            Size { bytes: one.bytes.max(16), items: one.items }
        }
        DataType::Dictionary(_, values) => inner(values)?,
        DataType::RunEndEncoded(_, values) => inner(values.data_type())?,
        other => Size { bytes: other.primitive_width().unwrap_or(16) as u64, items: 1 },
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_schema::Field;

    use super::*;

    fn checked(data_type: DataType) -> Result<(), Misdeclared> {
        check(&Schema::new(vec![Field::new("a", data_type, true)]))
    }

    #[test]
    fn values_of_fixed_size_are_bounded_over_all_levels() {
        let list = |item: DataType, size| DataType::FixedSizeList(Arc::new(Field::new("item", item, true)), size);
        assert_eq!(checked(list(list(DataType::Int64, 100), 100)), Ok(()));
        assert!(checked(DataType::FixedSizeBinary(999_999_999)).is_err());
        assert!(checked(list(DataType::Null, 999_999_999)).is_err());
        assert!(checked(list(list(DataType::Int8, 1000), 1000)).is_err());
    }

    #[test]
    fn columns_and_levels_are_counted() {
        let field = |index: usize| Field::new(index.to_string(), DataType::Int8, true);
        assert!(check(&Schema::new((0..COLUMNS + 1).map(field).collect::<Vec<_>>())).is_err());
        assert_eq!(check(&Schema::new((0..COLUMNS).map(field).collect::<Vec<_>>())), Ok(()));
        let nest = |depth| {
            (1..depth).fold(DataType::Int8, |inner, _| DataType::List(Arc::new(Field::new("item", inner, true))))
        };
        assert_eq!((checked(nest(DEPTH)).is_ok(), checked(nest(DEPTH + 1)).is_ok()), (true, false));
    }
}
