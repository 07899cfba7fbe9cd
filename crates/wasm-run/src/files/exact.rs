//! Tables as a format can hold them: what it cannot say is written as a type of the same values, and what it cannot hold is refused before
//! anything is written.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, RecordBatchOptions};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{Date64Type, Float16Type, Float32Type, Float64Type};
use arrow::error::ArrowError;
use arrow_schema::{DataType, Field, FieldRef, IntervalUnit, Schema, SchemaRef, TimeUnit};

use super::Format;

/// The milliseconds of a day.
const DAY: i64 = 86_400_000;

/// How the batches of a table are written.
pub struct Written {
    format: Format,
    schema: SchemaRef,
    /// Whether columns have to be converted.
    converts: bool,
}

impl Written {
    /// `pipe`: bytes are read as they come.
    ///
    /// # Errors
    /// When the format cannot hold a column: its name and type.
    pub fn new(format: Format, pipe: bool, schema: &SchemaRef) -> Result<Self, ArrowError> {
        let fields = schema.fields().iter().map(|field| match format {
            Format::Parquet => parquet_field(field),
            Format::Arrow if !pipe => Ok(without_dictionaries(field)),
            _ => Ok(Arc::clone(field)),
        });
        let written = Schema::new_with_metadata(fields.collect::<Result<Vec<_>, _>>()?, schema.metadata().clone());
        let converts = written.fields() != schema.fields();
        Ok(Self { format, schema: Arc::new(written), converts })
    }

    /// The schema of what is written.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// A batch as it is written.
    ///
    /// # Errors
    /// When a value is none that the format has.
    pub fn batch(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        if self.format == Format::Json {
            check_finite(batch)?;
        }
        if !self.converts {
            return Ok(batch.clone());
        }
        let options = CastOptions { safe: false, ..CastOptions::default() };
        let columns = batch.columns().iter().zip(self.schema.fields()).map(|(column, field)| {
            if column.data_type() == field.data_type() {
                return Ok(Arc::clone(column));
            }
            check_days(column.as_ref(), field.name())?;
            cast_with_options(column, field.data_type(), &options)
        });
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
    }
}

fn parquet_field(field: &FieldRef) -> Result<FieldRef, ArrowError> {
    in_parquet(field).map_err(|data_type| {
        let named = vivarium::types::print(&data_type).unwrap_or_else(|_| data_type.to_string());
        ArrowError::ParquetError(format!(
            "column {:?} has values of type {named}, and a Parquet file has no such type; leave it out, or write Arrow",
            field.name()
        ))
    })
}

/// An Arrow file has one dictionary for all batches, and batches come with their own; a stream replaces them.
fn without_dictionaries(field: &FieldRef) -> FieldRef {
    let data_type = match field.data_type() {
        DataType::Dictionary(_, values) => {
            without_dictionaries(&Arc::new(Field::new("value", (**values).clone(), true))).data_type().clone()
        }
        DataType::List(item) => DataType::List(without_dictionaries(item)),
        DataType::LargeList(item) => DataType::LargeList(without_dictionaries(item)),
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(without_dictionaries(item), *size),
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(without_dictionaries).collect::<Vec<_>>().into())
        }
        DataType::Map(entries, sorted) => DataType::Map(without_dictionaries(entries), *sorted),
        other => other.clone(),
    };
    Arc::new(Field::clone(field).with_data_type(data_type))
}

/// The type with which a Parquet file holds the same values for all who read it; the type of a column or within one that it cannot hold.
///
/// Parquet's times begin with milliseconds. Arrow's writer makes plain numbers of seconds and of date64, which its own reader alone takes for
/// what they were (apache/arrow-rs#778); pyarrow's writer has milliseconds and days, too.
fn in_parquet(field: &FieldRef) -> Result<FieldRef, DataType> {
    let data_type = match field.data_type() {
        DataType::Timestamp(TimeUnit::Second, zone) => DataType::Timestamp(TimeUnit::Millisecond, zone.clone()),
        DataType::Time32(TimeUnit::Second) => DataType::Time32(TimeUnit::Millisecond),
        DataType::Date64 => DataType::Date32,
        DataType::List(item) | DataType::ListView(item) => DataType::List(in_parquet(item)?),
        DataType::LargeList(item) | DataType::LargeListView(item) => DataType::LargeList(in_parquet(item)?),
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(in_parquet(item)?, *size),
        DataType::Struct(fields) if fields.is_empty() => return Err(field.data_type().clone()),
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(in_parquet).collect::<Result<Vec<_>, _>>()?.into())
        }
        DataType::Map(entries, sorted) => DataType::Map(in_parquet(entries)?, *sorted),
        DataType::RunEndEncoded(_, values) => in_parquet(values)?.data_type().clone(),
        DataType::Dictionary(key, values) => {
            let value = in_parquet(&Arc::new(Field::new("value", (**values).clone(), true)))?;
            match value.data_type() == &**values && !values.is_nested() {
                true => DataType::Dictionary(key.clone(), values.clone()),
                false => value.data_type().clone(),
            }
        }
        DataType::Union(..) | DataType::Interval(IntervalUnit::MonthDayNano) => return Err(field.data_type().clone()),
        other => other.clone(),
    };
    Ok(Arc::new(Field::clone(field).with_data_type(data_type)))
}

/// A date64 is a whole day by its definition, and nothing but that.
fn check_days(column: &dyn Array, name: &str) -> Result<(), ArrowError> {
    let Some(days) = column.as_primitive_opt::<Date64Type>() else { return Ok(()) };
    match days.iter().flatten().find(|milliseconds| milliseconds % DAY != 0) {
        Some(milliseconds) => Err(ArrowError::ParquetError(format!(
            "column {name:?} of type date64 has a value of {milliseconds} ms, which is no whole day"
        ))),
        None => Ok(()),
    }
}

/// JSON has no NaN and no infinities; Arrow's writer makes NULLs of them.
fn check_finite(batch: &RecordBatch) -> Result<(), ArrowError> {
    for (column, field) in batch.columns().iter().zip(batch.schema_ref().fields()) {
        if may_be_special(field.data_type()) && has_special(column.as_ref()) {
            return Err(ArrowError::JsonError(format!(
                "column {:?} has a value that is NaN or infinite, which JSON has no number for; write CSV, Parquet or Arrow, or make it NULL",
                field.name()
            )));
        }
    }
    Ok(())
}

fn may_be_special(data_type: &DataType) -> bool {
    match data_type {
        DataType::Float16 | DataType::Float32 | DataType::Float64 => true,
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::Map(item, _) => may_be_special(item.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| may_be_special(field.data_type())),
        DataType::Dictionary(_, values) => may_be_special(values),
        DataType::RunEndEncoded(_, values) => may_be_special(values.data_type()),
        _ => false,
    }
}

fn has_special(column: &dyn Array) -> bool {
    let between = |offsets: (usize, usize), values: &dyn Array| {
        has_special(values.slice(offsets.0, offsets.1 - offsets.0).as_ref())
    };
    match column.data_type() {
        DataType::Float16 => column.as_primitive::<Float16Type>().iter().flatten().any(|value| !value.is_finite()),
        DataType::Float32 => column.as_primitive::<Float32Type>().iter().flatten().any(|value| !value.is_finite()),
        DataType::Float64 => column.as_primitive::<Float64Type>().iter().flatten().any(|value| !value.is_finite()),
        DataType::List(_) => {
            let list = column.as_list::<i32>();
            let at = |index: usize| usize::try_from(list.value_offsets()[index]).unwrap_or(0);
            between((at(0), at(list.len())), list.values().as_ref())
        }
        DataType::LargeList(_) => {
            let list = column.as_list::<i64>();
            let at = |index: usize| usize::try_from(list.value_offsets()[index]).unwrap_or(0);
            between((at(0), at(list.len())), list.values().as_ref())
        }
        DataType::FixedSizeList(..) => has_special(column.as_fixed_size_list().values().as_ref()),
        DataType::Map(..) => {
            let map = column.as_map();
            let at = |index: usize| usize::try_from(map.value_offsets()[index]).unwrap_or(0);
            between((at(0), at(map.len())), map.entries())
        }
        DataType::Struct(_) => column.as_struct().columns().iter().any(|column| has_special(column.as_ref())),
        DataType::Dictionary(..) => has_special(column.as_any_dictionary().values().as_ref()),
        _ => false,
    }
}
