//! Which types cross, and how their arrays are built.

use std::sync::Arc;

use arrow::array::types::{Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, DecimalType};
use arrow::datatypes::validate_decimal_precision_and_scale;
use arrow_schema::{DataType, Field, FieldRef, Fields, IntervalUnit, TimeUnit};

use super::error::ExchangeError;
use super::path::Path;

/// How many types may be nested in each other. Types can come from a guest's declaration, and recursion over them
/// must not exhaust the host's stack.
pub const MAX_DEPTH: usize = 64;

/// The type a column of type `data_type` has inside the guest: the same, with dictionaries, run ends and views
/// replaced by the type of the values they stand for, at every level.
///
/// # Errors
/// [`ExchangeError::UnsupportedType`] for unions and list views, and for types that arrow itself does not allow;
/// [`ExchangeError::TooDeep`] for more than [`MAX_DEPTH`] levels.
pub fn guest_type(data_type: &DataType) -> Result<DataType, ExchangeError> {
    plain_type(data_type, &Path::root("the type"))
}

fn plain_type(data_type: &DataType, path: &Path<'_>) -> Result<DataType, ExchangeError> {
    path.check_depth()?;
    let field = |field: &FieldRef, index: usize| -> Result<FieldRef, ExchangeError> {
        let plain = plain_type(field.data_type(), &path.child(index))?;
        Ok(Arc::new(Field::clone(field).with_data_type(plain)))
    };
    let plain = match data_type {
        DataType::Dictionary(_, values) => plain_type(values, &path.child(0))?,
        DataType::RunEndEncoded(_, values) => plain_type(values.data_type(), &path.child(0))?,
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::List(item) => DataType::List(field(item, 0)?),
        DataType::LargeList(item) => DataType::LargeList(field(item, 0)?),
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(field(item, 0)?, *size),
        DataType::Map(entries, sorted) => DataType::Map(field(entries, 0)?, *sorted),
        DataType::Struct(fields) => DataType::Struct(
            fields.iter().enumerate().map(|(index, child)| field(child, index)).collect::<Result<Fields, _>>()?,
        ),
        leaf => leaf.clone(),
    };
    Shape::of(&plain, path)?;
    Ok(plain)
}

/// What an array consists of besides its validity. Several types share a shape: a timestamp is laid out as an `int64`.
#[derive(Clone, Copy)]
pub(super) enum Shape<'a> {
    /// No buffers at all, not even validity: every value is NULL.
    Null,
    /// One bit a value.
    Bits,
    /// This many bytes a value.
    Fixed(usize),
    /// Offsets into a buffer of bytes.
    Bytes(OffsetWidth),
    /// Offsets into a child array.
    List(OffsetWidth, &'a FieldRef),
    /// A child array with this many values for each value.
    FixedList(usize, &'a FieldRef),
    /// Child arrays of the same length.
    Struct(&'a Fields),
}

/// The integer type of offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OffsetWidth {
    /// `int32`
    Four,
    /// `int64`
    Eight,
}

impl OffsetWidth {
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::Four => 4,
            Self::Eight => 8,
        }
    }
}

impl<'a> Shape<'a> {
    /// The shape of a type's arrays, refusing types that do not cross and types that arrow does not allow (on which
    /// its constructors panic).
    pub(super) fn of(data_type: &'a DataType, path: &Path<'_>) -> Result<Self, ExchangeError> {
        Self::lookup(data_type).ok_or_else(|| ExchangeError::UnsupportedType {
            at: path.to_string(),
            data_type: Box::new(data_type.clone()),
        })
    }

    fn lookup(data_type: &'a DataType) -> Option<Self> {
        use DataType as T;
        let shape = match data_type {
            T::Null => Self::Null,
            T::Boolean => Self::Bits,
            T::Int8 | T::UInt8 => Self::Fixed(1),
            T::Int16 | T::UInt16 | T::Float16 => Self::Fixed(2),
            T::Int32 | T::UInt32 | T::Float32 | T::Date32 => Self::Fixed(4),
            T::Int64 | T::UInt64 | T::Float64 | T::Date64 => Self::Fixed(8),
            T::Time32(TimeUnit::Second | TimeUnit::Millisecond) => Self::Fixed(4),
            T::Time64(TimeUnit::Microsecond | TimeUnit::Nanosecond) => Self::Fixed(8),
            T::Timestamp(..) | T::Duration(_) => Self::Fixed(8),
            T::Interval(IntervalUnit::YearMonth) => Self::Fixed(4),
            T::Interval(IntervalUnit::DayTime) => Self::Fixed(8),
            T::Interval(IntervalUnit::MonthDayNano) => Self::Fixed(16),
            T::Decimal32(precision, scale) => decimal::<Decimal32Type>(*precision, *scale)?,
            T::Decimal64(precision, scale) => decimal::<Decimal64Type>(*precision, *scale)?,
            T::Decimal128(precision, scale) => decimal::<Decimal128Type>(*precision, *scale)?,
            T::Decimal256(precision, scale) => decimal::<Decimal256Type>(*precision, *scale)?,
            T::FixedSizeBinary(size) => Self::Fixed(usize::try_from(*size).ok()?),
            T::Utf8 | T::Binary => Self::Bytes(OffsetWidth::Four),
            T::LargeUtf8 | T::LargeBinary => Self::Bytes(OffsetWidth::Eight),
            T::List(item) => Self::List(OffsetWidth::Four, item),
            T::LargeList(item) => Self::List(OffsetWidth::Eight, item),
            T::Map(entries, _) if is_map_entries(entries) => Self::List(OffsetWidth::Four, entries),
            T::FixedSizeList(item, size) => Self::FixedList(usize::try_from(*size).ok()?, item),
            T::Struct(fields) => Self::Struct(fields),
            _ => return None,
        };
        Some(shape)
    }

    /// Whether values take no bytes besides their validity, whatever they are.
    pub(super) fn is_empty(self) -> bool {
        match self {
            Self::Null | Self::Fixed(0) | Self::FixedList(0, _) => true,
            Self::Struct(fields) => fields.is_empty(),
            Self::Bits | Self::Fixed(_) | Self::Bytes(_) | Self::List(..) | Self::FixedList(..) => false,
        }
    }

    /// Entries of the structure's table of buffers.
    pub(super) fn buffers(self) -> usize {
        match self {
            Self::Null => 0,
            Self::FixedList(..) | Self::Struct(_) => 1,
            Self::Bits | Self::Fixed(_) | Self::List(..) => 2,
            Self::Bytes(_) => 3,
        }
    }

    /// Entries of the structure's table of children.
    pub(super) fn children(self) -> usize {
        match self {
            Self::Null | Self::Bits | Self::Fixed(_) | Self::Bytes(_) => 0,
            Self::List(..) | Self::FixedList(..) => 1,
            Self::Struct(fields) => fields.len(),
        }
    }
}

fn decimal<T: DecimalType>(precision: u8, scale: i8) -> Option<Shape<'static>> {
    validate_decimal_precision_and_scale::<T>(precision, scale).ok()?;
    Some(Shape::Fixed(T::BYTE_LENGTH))
}

/// Entries of a map are a struct of two fields; neither the entries nor the keys are nullable.
fn is_map_entries(entries: &Field) -> bool {
    match entries.data_type() {
        DataType::Struct(fields) => !entries.is_nullable() && fields.len() == 2 && !fields[0].is_nullable(),
        _ => false,
    }
}
