//! Times that Parquet files of old writers (Hive, Impala, Spark until 3) have as INT96: a day and the nanoseconds in it.
//!
//! Arrow's reader gives nanoseconds since 1970, which are 64 bits and so end in 1677 and 2262; other times wrap around without a word
//! (apache/arrow-rs#982). So the times of such columns are looked at first, and where they do not fit they are read as microseconds.

use std::fs::File;
use std::sync::Arc;

use arrow::error::ArrowError;
use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::Type;
use parquet::column::reader::get_typed_column_reader;
use parquet::data_type::{Int96, Int96Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::SerializedFileReader;

/// The day of 1970-01-01 in the count that starts at noon of 4713 BC.
const EPOCH: i64 = 2_440_588;
const DAY_NANOSECONDS: i128 = 86_400_000_000_000;

/// Times that are looked at in one go.
const VALUES: usize = 8192;

/// What the times of a file need.
#[derive(Debug, Default, Clone, Copy)]
struct Needs {
    /// One is out of the reach of nanoseconds.
    far: bool,
    /// One is no whole number of microseconds.
    fine: bool,
}

/// What to read of a file, with types that hold its INT96 times.
///
/// # Errors
/// When no type holds all times of a column, or it cannot be read.
pub fn exact(file: &File, metadata: ArrowReaderMetadata) -> Result<ArrowReaderMetadata, ArrowError> {
    match microseconds(file, metadata.metadata())? {
        false => Ok(metadata),
        true => {
            let schema = in_microseconds(metadata.schema(), metadata.metadata());
            let options = ArrowReaderOptions::default().with_schema(schema);
            Ok(ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options)?)
        }
    }
}

/// Whether the INT96 times of a file have to be read as microseconds.
///
/// # Errors
/// As for [`exact`].
pub fn microseconds(file: &File, metadata: &Arc<ParquetMetaData>) -> Result<bool, ArrowError> {
    let columns = metadata.file_metadata().schema_descr().columns();
    let old: Vec<_> = (0..columns.len()).filter(|index| columns[*index].physical_type() == Type::INT96).collect();
    if old.is_empty() {
        return Ok(false);
    }
    let reader = SerializedFileReader::new(file.try_clone()?)?;
    let mut any = false;
    for index in old {
        let needs = needs(&reader, index)?;
        if needs.far && needs.fine {
            return Err(ArrowError::ParquetError(format!(
                "column {:?} has INT96 times before 1677 or after 2262 and such with nanoseconds, and no type holds both",
                columns[index].path().string()
            )));
        }
        any |= needs.far;
    }
    // All columns are read in one unit, and one may need the other.
    Ok(any)
}

fn needs(reader: &SerializedFileReader<File>, column: usize) -> Result<Needs, ParquetError> {
    let mut needs = Needs::default();
    for group in 0..reader.metadata().num_row_groups() {
        let group = reader.get_row_group(group)?;
        let mut values = get_typed_column_reader::<Int96Type>(group.get_column_reader(column)?);
        let (mut definitions, mut repetitions, mut times) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            definitions.clear();
            repetitions.clear();
            times.clear();
            let (records, read, _) =
                values.read_records(VALUES, Some(&mut definitions), Some(&mut repetitions), &mut times)?;
            for time in &times {
                needs.add(time);
            }
            if records == 0 && read == 0 {
                break;
            }
        }
    }
    Ok(needs)
}

impl Needs {
    fn add(&mut self, time: &Int96) {
        let [low, high, day] = time.data() else { return };
        let of_day = i64::from_le_bytes((u64::from(*low) | u64::from(*high) << 32).to_le_bytes());
        let day = i64::from(i32::from_le_bytes(day.to_le_bytes())) - EPOCH;
        let nanoseconds = i128::from(day) * DAY_NANOSECONDS + i128::from(of_day);
        self.far |= i64::try_from(nanoseconds).is_err();
        self.fine |= nanoseconds % 1000 != 0 || i64::try_from(nanoseconds / 1000).is_err();
    }
}

/// The schema with microseconds in place of the nanoseconds of INT96 columns.
fn in_microseconds(schema: &SchemaRef, metadata: &ParquetMetaData) -> SchemaRef {
    let columns = metadata.file_metadata().schema_descr().columns();
    let old: Vec<_> = columns.iter().map(|column| column.physical_type() == Type::INT96).collect();
    let mut leaf = 0;
    let fields: Vec<FieldRef> = schema.fields().iter().map(|field| within(field, &old, &mut leaf)).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

fn within(field: &FieldRef, old: &[bool], leaf: &mut usize) -> FieldRef {
    let data_type = match field.data_type() {
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(|field| within(field, old, leaf)).collect::<Vec<_>>().into())
        }
        DataType::List(item) => DataType::List(within(item, old, leaf)),
        DataType::LargeList(item) => DataType::LargeList(within(item, old, leaf)),
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(within(item, old, leaf), *size),
        DataType::Map(entries, sorted) => DataType::Map(within(entries, old, leaf), *sorted),
        other => {
            let is_old = old.get(*leaf).copied().unwrap_or(false);
            *leaf += 1;
            match other {
                DataType::Timestamp(TimeUnit::Nanosecond, zone) if is_old => {
                    DataType::Timestamp(TimeUnit::Microsecond, zone.clone())
                }
                other => other.clone(),
            }
        }
    };
    Arc::new(Field::clone(field).with_data_type(data_type))
}
