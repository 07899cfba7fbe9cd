//! Groups by key: which group a row belongs to, and the keys of every group.
//!
//! Keys are compared in arrow's row format: bytes that are equal exactly when all key columns are. NULL is a key like any other.
//! Groups are numbered in the order in which their first rows come.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::row::{RowConverter, Rows, SortField};
use arrow_schema::{Field, Schema};

use crate::bind::{BindError, Place, find_columns};
use crate::convert::plain;
use crate::error::Error;
use crate::types;

/// What a group costs the host besides its key.
const GROUP_OVERHEAD: usize = 96;

/// The columns by which rows are grouped.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    columns: Vec<usize>,
    /// The key columns of the result, without encodings.
    pub(crate) fields: Vec<Field>,
}

impl Keys {
    /// The columns of these names.
    pub(crate) fn find(schema: &Schema, names: &[String], place: &Place) -> Result<Self, BindError> {
        let columns = find_columns(schema, names, place)?;
        let fields: Vec<_> = columns
            .iter()
            .map(|&column| {
                let field = schema.field(column);
                field.clone().with_data_type(plain(field.data_type()))
            })
            .collect();
        let sort: Vec<_> = fields.iter().map(|field| SortField::new(field.data_type().clone())).collect();
        for (field, sort) in fields.iter().zip(&sort) {
            if !RowConverter::supports_fields(std::slice::from_ref(sort)) {
                let column_type = types::print(field.data_type()).unwrap_or_else(|_| field.data_type().to_string());
                return Err(BindError::Key { column: field.name().clone(), column_type });
            }
        }
        Ok(Self { columns, fields })
    }
}

/// The groups of an input.
pub(crate) struct GroupTable {
    keys: Keys,
    /// `None` without key columns: then there is one group, whether there are rows or not.
    converter: Option<(RowConverter, Rows)>,
    numbers: HashMap<Box<[u8]>, u32>,
    /// The first row of every group.
    first_rows: Vec<u64>,
    bytes: usize,
    limit: u64,
}

impl GroupTable {
    /// No groups yet, whose keys may take `limit` bytes.
    pub(crate) fn new(keys: Keys, limit: u64) -> Result<Self, Error> {
        let converter = match keys.fields.is_empty() {
            true => None,
            false => {
                let sort = keys.fields.iter().map(|field| SortField::new(field.data_type().clone()));
                let converter = RowConverter::new(sort.collect())?;
                let rows = converter.empty_rows(0, 0);
                Some((converter, rows))
            }
        };
        let first_rows = if converter.is_none() { vec![0] } else { Vec::new() };
        Ok(Self { keys, converter, numbers: HashMap::new(), first_rows, bytes: 0, limit })
    }

    /// How many groups there are.
    pub(crate) fn len(&self) -> usize {
        self.first_rows.len()
    }

    /// The first rows of these groups in the whole input.
    pub(crate) fn first_rows(&self, groups: std::ops::Range<usize>) -> &[u64] {
        &self.first_rows[groups]
    }

    /// The group of every row of a batch, which begins with this row of the input.
    pub(crate) fn of(&mut self, batch: &RecordBatch, first_row: u64) -> Result<Vec<u32>, Error> {
        let Some((converter, kept)) = &mut self.converter else { return Ok(vec![0; batch.num_rows()]) };
        let columns = self
            .keys
            .columns
            .iter()
            .zip(&self.keys.fields)
            .map(|(&index, field)| {
                let column =
                    batch.columns().get(index).filter(|column| plain(column.data_type()) == *field.data_type());
                let changed = || Error::SchemaChanged {
                    row: first_row,
                    column: field.name().clone(),
                    column_type: field.data_type().to_string(),
                };
                let column = column.ok_or_else(changed)?;
                Ok(if column.data_type() == field.data_type() {
                    column.clone()
                } else {
                    cast(column, field.data_type())?
                })
            })
            .collect::<Result<Vec<ArrayRef>, Error>>()?;
        let rows = converter.convert_columns(&columns)?;
        let mut groups = Vec::with_capacity(batch.num_rows());
        for (index, row) in rows.iter().enumerate() {
            if let Some(&group) = self.numbers.get(row.as_ref()) {
                groups.push(group);
                continue;
            }
            let key: &[u8] = row.as_ref();
            // Once in the table and once in the rows that become columns again.
            self.bytes = self.bytes.saturating_add(2 * key.len() + GROUP_OVERHEAD);
            let group = u32::try_from(self.first_rows.len()).ok().filter(|_| self.bytes as u64 <= self.limit);
            let group = group.ok_or(Error::Groups { groups: self.first_rows.len(), limit: self.limit })?;
            self.numbers.insert(key.into(), group);
            kept.push(row);
            self.first_rows.push(first_row + index as u64);
            groups.push(group);
        }
        Ok(groups)
    }

    /// The key columns of these groups.
    pub(crate) fn columns(&self, groups: std::ops::Range<usize>) -> Result<Vec<ArrayRef>, Error> {
        match &self.converter {
            None => Ok(Vec::new()),
            Some((converter, rows)) => Ok(converter.convert_rows(groups.map(|group| rows.row(group)))?),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{AsArray, DictionaryArray, Int64Array, StringArray};
    use arrow::datatypes::{Int32Type, Int64Type};

    use super::*;

    fn place() -> Place {
        Place { function: "f".to_owned(), source: "f.py".to_owned(), line: 1 }
    }

    fn batch(numbers: Vec<Option<i64>>, texts: Vec<Option<&str>>) -> RecordBatch {
        let texts: DictionaryArray<Int32Type> = texts.into_iter().collect();
        let columns: [(&str, ArrayRef); 2] = [("n", Arc::new(Int64Array::from(numbers))), ("t", Arc::new(texts))];
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
    }

    #[test]
    fn groups_are_numbered_as_they_come() {
        let one = batch(vec![Some(1), None, Some(1), None], vec![Some("a"), Some(""), Some("a"), None]);
        let two = batch(vec![None, Some(1)], vec![None, Some("b")]);
        let keys = Keys::find(&one.schema(), &["N".to_owned(), "t".to_owned()], &place()).unwrap();
        let mut table = GroupTable::new(keys, 1 << 20).unwrap();
        assert_eq!(table.of(&one, 10).unwrap(), [0, 1, 0, 2]);
        assert_eq!(table.of(&two, 14).unwrap(), [2, 3]);
        assert_eq!((table.len(), table.first_rows(0..4)), (4, &[10, 11, 13, 15][..]));
        let columns = table.columns(1..4).unwrap();
        let numbers = columns[0].as_primitive::<Int64Type>();
        assert_eq!((numbers.is_null(0), numbers.is_null(1), numbers.value(2)), (true, true, 1));
        let texts: &StringArray = columns[1].as_string();
        assert_eq!(texts.iter().collect::<Vec<_>>(), [Some(""), None, Some("b")]);
    }

    #[test]
    fn without_keys_there_is_one_group() {
        let mut table = GroupTable::new(Keys { columns: vec![], fields: vec![] }, 0).unwrap();
        assert_eq!((table.len(), table.columns(0..1).unwrap().len()), (1, 0));
        assert_eq!(table.of(&batch(vec![None, None], vec![None, None]), 0).unwrap(), [0, 0]);
    }

    #[test]
    fn keys_are_bounded() {
        let one = batch((0..100).map(Some).collect(), vec![Some("a long key that repeats"); 100]);
        let keys = Keys::find(&one.schema(), &["n".to_owned(), "t".to_owned()], &place()).unwrap();
        let mut table = GroupTable::new(keys, 2000).unwrap();
        assert!(matches!(table.of(&one, 0), Err(Error::Groups { groups: 1..20, limit: 2000 })));
    }
}
