//! Tables as a format can hold them: what it cannot say is written as a type of the same values, and what it cannot hold is refused before
//! anything is written.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::compute::{CastOptions, cast, cast_with_options, filter, is_not_null};
use arrow::datatypes::{Date64Type, Float16Type, Float32Type, Float64Type, Int64Type};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, Field, FieldRef, IntervalUnit, Schema, SchemaRef, TimeUnit};

use super::Format;

/// The milliseconds of a day.
const DAY: i64 = 86_400_000;

/// The second from which on all zones are whole minutes away from UTC (Liberia was the last one: 7 January 1972).
const WHOLE_MINUTES: i64 = 63_590_400;

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
            Format::Arrow if !pipe => Ok(changed(field, &without_dictionary)),
            Format::Arrow => Ok(Arc::clone(field)),
            Format::Csv | Format::Json => Ok(changed(field, &in_text)),
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
        let batch = if self.converts { self.converted(batch)? } else { batch.clone() };
        if self.format.is_text() { at_whole_minutes(batch) } else { Ok(batch) }
    }

    fn converted(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let options = CastOptions { safe: false, ..CastOptions::default() };
        let columns = batch.columns().iter().zip(self.schema.fields()).map(|(column, field)| {
            if column.data_type() == field.data_type() {
                return Ok(Arc::clone(column));
            }
            check_days(column, field.name())?;
            cast_with_options(column, field.data_type(), &options)
        });
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        with_columns(batch, Arc::clone(&self.schema), columns)
    }
}

/// The batch with other columns of as many rows.
fn with_columns(batch: &RecordBatch, schema: SchemaRef, columns: Vec<ArrayRef>) -> Result<RecordBatch, ArrowError> {
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(schema, columns, &options)
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

/// The field with another type; `change` is asked about types within from the inside.
fn changed(field: &FieldRef, change: &dyn Fn(DataType) -> DataType) -> FieldRef {
    let within = |field: &FieldRef| changed(field, change);
    let data_type = match field.data_type() {
        DataType::Dictionary(key, values) => {
            let values = changed(&Arc::new(Field::new("value", (**values).clone(), true)), change);
            DataType::Dictionary(key.clone(), Box::new(values.data_type().clone()))
        }
        DataType::List(item) => DataType::List(within(item)),
        DataType::LargeList(item) => DataType::LargeList(within(item)),
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(within(item), *size),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(within).collect::<Vec<_>>().into()),
        DataType::Map(entries, sorted) => DataType::Map(within(entries), *sorted),
        other => other.clone(),
    };
    Arc::new(Field::clone(field).with_data_type(change(data_type)))
}

/// An Arrow file has one dictionary for all batches, and batches come with their own; a stream replaces them.
fn without_dictionary(data_type: DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, values) => *values,
        other => other,
    }
}

/// A day is written as one, and not as a moment in it.
fn in_text(data_type: DataType) -> DataType {
    match data_type {
        DataType::Date64 => DataType::Date32,
        other => other,
    }
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
fn check_days(column: &ArrayRef, name: &str) -> Result<(), ArrowError> {
    let is_part = |milliseconds: &i64| milliseconds % DAY != 0;
    let mut part = None;
    any_within(column, &mut |leaf| {
        part = part.or_else(|| leaf.as_primitive_opt::<Date64Type>()?.iter().flatten().find(is_part));
        part.is_some()
    })?;
    match part {
        Some(milliseconds) => Err(ArrowError::InvalidArgumentError(format!(
            "column {name:?} of type date64 has a value of {milliseconds} ms, which is no whole day"
        ))),
        None => Ok(()),
    }
}

/// The batch with times in UTC where the offset of their zone cannot be written: before zones were agreed upon, they were whole seconds away
/// from UTC, and an offset has hours and minutes.
fn at_whole_minutes(batch: RecordBatch) -> Result<RecordBatch, ArrowError> {
    let mut fields = Vec::new();
    let mut columns = Vec::new();
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        let of_utc = changed(field, &|data_type| match data_type {
            DataType::Timestamp(unit, Some(_)) => DataType::Timestamp(unit, Some("UTC".into())),
            other => other,
        });
        let mut failed = None;
        let is_odd = of_utc.data_type() != field.data_type()
            && any_within(column, &mut |leaf| {
                has_seconds_in_offset(leaf).unwrap_or_else(|error| {
                    failed = Some(error);
                    true
                })
            })?;
        if let Some(error) = failed {
            return Err(error);
        }
        columns.push(if is_odd { cast(column, of_utc.data_type())? } else { Arc::clone(column) });
        fields.push(if is_odd { of_utc } else { Arc::clone(field) });
    }
    if fields.iter().eq(batch.schema_ref().fields()) {
        return Ok(batch);
    }
    let schema = Schema::new_with_metadata(fields, batch.schema_ref().metadata().clone());
    with_columns(&batch, Arc::new(schema), columns)
}

fn has_seconds_in_offset(column: &ArrayRef) -> Result<bool, ArrowError> {
    let DataType::Timestamp(unit, Some(_)) = column.data_type() else { return Ok(false) };
    let per_second = match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    };
    let options = FormatOptions::default().with_timestamp_tz_format(Some("%::z"));
    let offsets = ArrayFormatter::try_new(column.as_ref(), &options)?;
    let values = cast(column, &DataType::Int64)?;
    let mut old = values
        .as_primitive::<Int64Type>()
        .iter()
        .enumerate()
        .filter_map(|(row, value)| value.filter(|value| *value < WHOLE_MINUTES * per_second).map(|_| row));
    Ok(old.any(|row| !offsets.value(row).to_string().ends_with(":00")))
}

/// JSON has no NaN and no infinities; Arrow's writer makes NULLs of them.
fn check_finite(batch: &RecordBatch) -> Result<(), ArrowError> {
    for (column, field) in batch.columns().iter().zip(batch.schema_ref().fields()) {
        if may_be_special(field.data_type()) && any_within(column, &mut |leaf| is_special(leaf.as_ref()))? {
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

fn is_special(column: &dyn Array) -> bool {
    match column.data_type() {
        DataType::Float16 => column.as_primitive::<Float16Type>().iter().flatten().any(|value| !value.is_finite()),
        DataType::Float32 => column.as_primitive::<Float32Type>().iter().flatten().any(|value| !value.is_finite()),
        DataType::Float64 => column.as_primitive::<Float64Type>().iter().flatten().any(|value| !value.is_finite()),
        _ => false,
    }
}

/// Whether `is` holds for the column, when it has no parts, or for one of its parts without parts.
fn any_within(column: &ArrayRef, is: &mut dyn FnMut(&ArrayRef) -> bool) -> Result<bool, ArrowError> {
    // What lies behind a NULL is no value.
    let present = match column.data_type().is_nested() && column.null_count() > 0 {
        true => Some(filter(column, &is_not_null(column)?)?),
        false => None,
    };
    let column = present.as_ref().unwrap_or(column);
    let between = |offsets: (usize, usize), values: &ArrayRef| values.slice(offsets.0, offsets.1 - offsets.0);
    match column.data_type() {
        DataType::List(_) => {
            let list = column.as_list::<i32>();
            let at = |index: usize| usize::try_from(list.value_offsets()[index]).unwrap_or(0);
            any_within(&between((at(0), at(list.len())), list.values()), is)
        }
        DataType::LargeList(_) => {
            let list = column.as_list::<i64>();
            let at = |index: usize| usize::try_from(list.value_offsets()[index]).unwrap_or(0);
            any_within(&between((at(0), at(list.len())), list.values()), is)
        }
        DataType::ListView(item) => any_within(&cast(column, &DataType::List(Arc::clone(item)))?, is),
        DataType::LargeListView(item) => any_within(&cast(column, &DataType::LargeList(Arc::clone(item)))?, is),
        DataType::FixedSizeList(..) => any_within(column.as_fixed_size_list().values(), is),
        DataType::Map(..) => {
            let map = column.as_map();
            let at = |index: usize| usize::try_from(map.value_offsets()[index]).unwrap_or(0);
            let entries: ArrayRef = Arc::new(map.entries().clone());
            any_within(&between((at(0), at(map.len())), &entries), is)
        }
        DataType::Struct(_) => {
            for part in column.as_struct().columns() {
                if any_within(part, is)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        // Not all values of a dictionary are values of the column.
        DataType::Dictionary(_, values) => any_within(&cast(column, values)?, is),
        DataType::RunEndEncoded(_, values) => any_within(&cast(column, values.data_type())?, is),
        _ => Ok(is(column)),
    }
}
