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

/// What INT96 times need of a type.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// One is out of the reach of nanoseconds.
    far: bool,
    /// One is no whole number of microseconds.
    fine: bool,
}

/// What to read of a file, with types that hold its INT96 times, each column's for itself.
///
/// # Errors
/// When no type holds all times of a column, or it cannot be read.
pub fn exact(file: &File, metadata: ArrowReaderMetadata) -> Result<ArrowReaderMetadata, ArrowError> {
    let far = |(leaf, needs): &(usize, Needs)| needs.far.then_some(*leaf);
    let far: Vec<_> = of_columns(file, metadata.metadata())?.iter().filter_map(far).collect();
    if far.is_empty() {
        return Ok(metadata);
    }
    let schema = in_microseconds(metadata.schema(), &far);
    let options = ArrowReaderOptions::default().with_schema(schema);
    Ok(ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options)?)
}

/// What the INT96 times of a file need of one type for all of its columns.
///
/// # Errors
/// As for [`exact`].
pub fn of_file(file: &File, metadata: &ParquetMetaData) -> Result<Needs, ArrowError> {
    Ok(of_columns(file, metadata)?.into_iter().fold(Needs::default(), |all, (_, needs)| all.and(needs)))
}

impl Needs {
    /// What these and others need.
    pub fn and(self, other: Self) -> Self {
        Self { far: self.far || other.far, fine: self.fine || other.fine }
    }

    /// Whether the times have to be read as microseconds, when all are read in one unit.
    ///
    /// # Errors
    /// When no unit holds all.
    pub fn microseconds(self) -> Result<bool, ArrowError> {
        match self {
            Self { far: true, fine: true } => Err(ArrowError::ParquetError(
                "it has INT96 times before 1677 or after 2262, and there are such with nanoseconds in another column or file of the \
                 table, which is read in one unit; read the columns or files apart, by `wasm-run run`"
                    .to_owned(),
            )),
            Self { far, .. } => Ok(far),
        }
    }
}

/// The columns without parts that are INT96, by their places among these, and what their times need.
fn of_columns(file: &File, metadata: &ParquetMetaData) -> Result<Vec<(usize, Needs)>, ArrowError> {
    let leaves = leaves(metadata);
    if leaves.is_empty() {
        return Ok(Vec::new());
    }
    let reader = SerializedFileReader::new(file.try_clone()?)?;
    let of_leaf = |leaf: usize| match needs(&reader, leaf)? {
        Needs { far: true, fine: true } => Err(ArrowError::ParquetError(format!(
            "column {:?} has INT96 times before 1677 or after 2262 and such with nanoseconds, and no type holds both",
            metadata.file_metadata().schema_descr().column(leaf).path().string()
        ))),
        needs => Ok((leaf, needs)),
    };
    leaves.into_iter().map(of_leaf).collect()
}

/// The columns without parts that are INT96, by their places among these.
pub fn leaves(metadata: &ParquetMetaData) -> Vec<usize> {
    let columns = metadata.file_metadata().schema_descr().columns();
    (0..columns.len()).filter(|leaf| columns[*leaf].physical_type() == Type::INT96).collect()
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

/// The schema with microseconds in place of the nanoseconds of columns without parts, by their places among these.
pub fn in_microseconds(schema: &SchemaRef, leaves: &[usize]) -> SchemaRef {
    let mut leaf = 0;
    let fields: Vec<FieldRef> = schema.fields().iter().map(|field| within(field, leaves, &mut leaf)).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

fn within(field: &FieldRef, old: &[usize], leaf: &mut usize) -> FieldRef {
    let data_type = match field.data_type() {
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(|field| within(field, old, leaf)).collect::<Vec<_>>().into())
        }
        DataType::List(item) => DataType::List(within(item, old, leaf)),
        DataType::LargeList(item) => DataType::LargeList(within(item, old, leaf)),
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(within(item, old, leaf), *size),
        DataType::Map(entries, sorted) => DataType::Map(within(entries, old, leaf), *sorted),
        other => {
            let is_old = old.contains(leaf);
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
