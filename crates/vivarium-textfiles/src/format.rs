//! How a text file is read.

use arrow_schema::DataType;

use crate::values;

/// How one table's file is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextFormat {
    /// Types that are told, by column; the last one of a column counts.
    pub types: Vec<(String, DataType)>,
    /// Whether a type may be one of a column that the table does not have.
    pub may_miss: bool,
    /// How many rows tell the other types.
    pub infer_rows: u64,
    /// What separates the fields of CSV.
    pub delimiter: u8,
    /// What quotes them.
    pub quote: Option<u8>,
    /// Whether the first line has the columns' names.
    pub header: bool,
    /// What stands for NULL besides an empty field.
    pub nulls: Vec<String>,
    /// Whether keys of JSON that are no columns are left out: the columns were chosen.
    pub chosen: bool,
}

impl Default for TextFormat {
    fn default() -> Self {
        Self {
            types: Vec::new(),
            may_miss: true,
            infer_rows: 100_000,
            delimiter: b',',
            quote: Some(b'"'),
            header: true,
            nulls: Vec::new(),
            chosen: false,
        }
    }
}

impl TextFormat {
    /// The type that was given for a column; the last one counts.
    pub fn told(&self, name: &str) -> Option<&DataType> {
        self.types.iter().rev().find(|(column, _)| column == name).map(|(_, data_type)| data_type)
    }

    /// What to do about a value that does not fit the type that the first rows gave its column.
    pub fn hint(&self, column: &str) -> String {
        match self.told(column) {
            Some(_) => String::new(),
            None => format!(
                "; the type was taken from the first rows, {} at most: raise --infer-rows, or give --types '{column}=utf8' or another one",
                self.infer_rows
            ),
        }
    }
}

/// Whether a file of some format can have a column of this type.
pub fn is_read(data_type: &DataType) -> bool {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            is_read(item.data_type())
        }
        DataType::Struct(fields) => fields.iter().all(|field| is_read(field.data_type())),
        other => values::is_read(other),
    }
}
