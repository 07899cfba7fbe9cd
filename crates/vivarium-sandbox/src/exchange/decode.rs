//! Copying an array out of linear memory.
//!
//! The guest wrote the array and may have written anything. Recursion follows the type, which the host knows, never
//! the structures; each field of a structure must be what the type and the ABI make it; each buffer is bounds-checked
//! and paid for before it is allocated; and what was copied is checked in the copy, which the guest cannot change any
//! more. Arrays are then built by arrow's checking constructors.

use std::sync::Arc;

use arrow::array::types::{BinaryType, ByteArrayType, LargeBinaryType, LargeUtf8Type, Utf8Type};
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, FixedSizeBinaryArray, FixedSizeListArray, GenericByteArray,
    GenericListArray, MapArray, NullArray, OffsetSizeTrait, PrimitiveArray, StructArray, downcast_primitive,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, FieldRef, Fields};

use super::error::ExchangeError;
use super::layout::ArrowArray;
use super::memory::GuestMemory;
use super::path::Path;
use super::types::Shape;
use super::values::{check_utf8, check_values, refuse_nulls};
use crate::host_memory::CallMemory;

/// What a result may cost the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Bytes of all buffers of the result together, as they are copied to the host. Values that take no bytes (of type
    /// null, or of size 0) count as one byte each.
    pub max_bytes: usize,
    /// Values within the rows, at all levels together: the items of lists and the fields of structs. They cost the host time and room
    /// for what it makes of them, whether they take bytes or not.
    pub max_items: usize,
}

/// How many rows a result must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowCount {
    /// As many as the batch: scalar and vectorized functions.
    Exactly(usize),
    /// Any number up to this one: functions that choose how many rows they return.
    AtMost(usize),
}

/// Copies the array whose `ArrowArray` is at guest address `address` of the linear memory `memory`.
///
/// The array has `data_type`, the declared result type, in which there are no dictionaries, run ends or views (see
/// [`guest_type`](super::guest_type)). With `nullable` false it has no NULLs.
///
/// # Errors
/// An [`ExchangeError`] that says what is wrong with the array, or which limit it exceeds.
pub fn decode(
    memory: &[u8],
    address: u32,
    data_type: &DataType,
    nullable: bool,
    rows: RowCount,
    limits: &DecodeLimits,
) -> Result<ArrayRef, ExchangeError> {
    decode_charged(memory, address, data_type, nullable, rows, limits, &mut CallMemory::uncounted())
}

/// The same, and charges what it copies before it does.
pub(crate) fn decode_charged(
    memory: &[u8],
    address: u32,
    data_type: &DataType,
    nullable: bool,
    rows: RowCount,
    limits: &DecodeLimits,
    host: &mut CallMemory<'_>,
) -> Result<ArrayRef, ExchangeError> {
    let path = Path::root("result");
    let memory = GuestMemory::new(memory, limits.max_bytes, host);
    let mut decoder = Decoder { memory, items: limits.max_items, max_items: limits.max_items };
    let array = decoder.array(address, data_type, rows, &path)?;
    if !nullable {
        refuse_nulls(&array, None, &path)?;
    }
    Ok(array)
}

struct Decoder<'m, 'c, 't> {
    memory: GuestMemory<'m, 'c, 't>,
    /// How many values within rows there may still be.
    items: usize,
    max_items: usize,
}

/// A structure whose fields have been checked against its type.
struct Checked<'a, 'p> {
    header: ArrowArray,
    length: usize,
    path: &'a Path<'p>,
}

impl Checked<'_, '_> {
    fn invalid(&self, source: ArrowError) -> ExchangeError {
        ExchangeError::Invalid { at: self.path.to_string(), source }
    }
}

impl Decoder<'_, '_, '_> {
    fn array(
        &mut self,
        address: u32,
        data_type: &DataType,
        rows: RowCount,
        path: &Path<'_>,
    ) -> Result<ArrayRef, ExchangeError> {
        path.check_depth()?;
        let shape = Shape::of(data_type, path)?;
        let header = self.memory.array(address, path)?;
        let length = rows.check(header.length, path)?;
        let fixed = [
            ("offset", header.offset, 0),
            ("n_buffers", header.n_buffers, shape.buffers() as i64),
            ("n_children", header.n_children, shape.children() as i64),
            ("dictionary", i64::from(header.dictionary), 0),
        ];
        for (field, value, expected) in fixed {
            if value != expected {
                return Err(ExchangeError::Field { at: format!("{path}.{field}"), value, expected });
            }
        }
        let array = Checked { header, length, path };

        let nulls = match shape {
            Shape::Null => return self.null_array(&array),
            _ => self.nulls(&array)?,
        };
        match shape {
            Shape::Null => self.null_array(&array),
            Shape::Bits => {
                let bits = self.bits(&array, 1)?;
                Ok(Arc::new(BooleanArray::new(bits, nulls)))
            }
            Shape::Fixed(width) => self.fixed(&array, data_type, width, nulls),
            Shape::Bytes(_) => match data_type {
                DataType::Utf8 => self.text::<Utf8Type>(&array, nulls),
                DataType::LargeUtf8 => self.text::<LargeUtf8Type>(&array, nulls),
                DataType::LargeBinary => self.bytes::<LargeBinaryType>(&array, nulls),
                _ => self.bytes::<BinaryType>(&array, nulls),
            },
            Shape::List(_, item) => match data_type {
                DataType::Map(_, sorted) => self.map(&array, item, *sorted, nulls),
                DataType::LargeList(_) => self.list::<i64>(&array, item, nulls),
                _ => self.list::<i32>(&array, item, nulls),
            },
            Shape::FixedList(size, item) => self.fixed_list(&array, item, size, nulls),
            Shape::Struct(fields) => self.structure(&array, fields, nulls),
        }
    }

    fn null_array(&mut self, array: &Checked<'_, '_>) -> Result<ArrayRef, ExchangeError> {
        check_null_count(array, array.length)?;
        self.charge_empty(array, 0)?;
        Ok(Arc::new(NullArray::new(array.length)))
    }

    fn fixed(
        &mut self,
        array: &Checked<'_, '_>,
        data_type: &DataType,
        width: usize,
        nulls: Option<NullBuffer>,
    ) -> Result<ArrayRef, ExchangeError> {
        self.charge_empty(array, width)?;
        let address = self.buffer(array, 1)?;
        let values = self.memory.copy(address, array.length, width, 1, array.path)?;
        if let DataType::FixedSizeBinary(size) = data_type {
            let fixed = FixedSizeBinaryArray::try_new_with_len(*size, values, nulls, array.length);
            return Ok(Arc::new(fixed.map_err(|source| array.invalid(source))?));
        }
        let values = primitive(data_type, values, array.length, nulls).map_err(|source| array.invalid(source))?;
        check_values(&values, array.path)?;
        Ok(values)
    }

    fn bytes<T: ByteArrayType>(
        &mut self,
        array: &Checked<'_, '_>,
        nulls: Option<NullBuffer>,
    ) -> Result<ArrayRef, ExchangeError> {
        let (offsets, values) = self.offsets_and_values(array)?;
        let bytes = GenericByteArray::<T>::try_new(offsets, values, nulls);
        Ok(Arc::new(bytes.map_err(|source| array.invalid(source))?))
    }

    fn text<T: ByteArrayType<Native = str>>(
        &mut self,
        array: &Checked<'_, '_>,
        nulls: Option<NullBuffer>,
    ) -> Result<ArrayRef, ExchangeError> {
        let (offsets, values) = self.offsets_and_values(array)?;
        let text = GenericByteArray::<T>::try_new(offsets.clone(), values.clone(), nulls);
        // Arrow checks all values at once; which of them is wrong is looked up only when one is.
        let text = text.map_err(|source| match check_utf8(&offsets, &values, array.path) {
            Err(error) => error,
            Ok(()) => array.invalid(source),
        })?;
        Ok(Arc::new(text))
    }

    /// The buffers of an array of strings: where each one ends, and their bytes.
    fn offsets_and_values<O: OffsetSizeTrait>(
        &mut self,
        array: &Checked<'_, '_>,
    ) -> Result<(OffsetBuffer<O>, Buffer), ExchangeError> {
        let offsets = self.offsets::<O>(array)?;
        let address = self.buffer(array, 2)?;
        let values = self.memory.copy(address, last(&offsets), 1, 2, array.path)?;
        Ok((offsets, values))
    }

    fn list<O: OffsetSizeTrait>(
        &mut self,
        array: &Checked<'_, '_>,
        item: &FieldRef,
        nulls: Option<NullBuffer>,
    ) -> Result<ArrayRef, ExchangeError> {
        let offsets = self.offsets::<O>(array)?;
        let items = self.child(array, 0, item.data_type(), last(&offsets))?;
        if !item.is_nullable() {
            refuse_nulls(&items, None, &array.path.child(0))?;
        }
        let list = GenericListArray::try_new(Arc::clone(item), offsets, items, nulls);
        Ok(Arc::new(list.map_err(|source| array.invalid(source))?))
    }

    fn map(
        &mut self,
        array: &Checked<'_, '_>,
        item: &FieldRef,
        sorted: bool,
        nulls: Option<NullBuffer>,
    ) -> Result<ArrayRef, ExchangeError> {
        let offsets = self.offsets::<i32>(array)?;
        let entries = self.child(array, 0, item.data_type(), last(&offsets))?;
        refuse_nulls(&entries, None, &array.path.child(0))?;
        let map = MapArray::try_new(Arc::clone(item), offsets, entries.as_struct().clone(), nulls, sorted);
        Ok(Arc::new(map.map_err(|source| array.invalid(source))?))
    }

    fn fixed_list(
        &mut self,
        array: &Checked<'_, '_>,
        item: &FieldRef,
        size: usize,
        nulls: Option<NullBuffer>,
    ) -> Result<ArrayRef, ExchangeError> {
        self.charge_empty(array, size)?;
        let too_large = || ExchangeError::Length {
            at: array.path.to_string(),
            length: array.header.length,
            expected: format!("fewer than 2^63 / {size}"),
        };
        let count = array.length.checked_mul(size).ok_or_else(too_large)?;
        let items = self.child(array, 0, item.data_type(), count)?;
        if !item.is_nullable() {
            // What a NULL list holds is nobody's value.
            let outer = nulls.as_ref().filter(|_| size > 0).map(|nulls| nulls.expand(size));
            refuse_nulls(&items, outer.as_ref(), &array.path.child(0))?;
        }
        let size = i32::try_from(size).map_err(|_| too_large())?;
        let list = FixedSizeListArray::try_new_with_length(Arc::clone(item), size, items, nulls, array.length);
        Ok(Arc::new(list.map_err(|source| array.invalid(source))?))
    }

    fn structure(
        &mut self,
        array: &Checked<'_, '_>,
        fields: &Fields,
        nulls: Option<NullBuffer>,
    ) -> Result<ArrayRef, ExchangeError> {
        self.charge_empty(array, fields.len())?;
        let mut children = Vec::with_capacity(fields.len());
        for (index, field) in fields.iter().enumerate() {
            let child = self.child(array, index, field.data_type(), array.length)?;
            if !field.is_nullable() {
                refuse_nulls(&child, nulls.as_ref(), &array.path.child(index))?;
            }
            children.push(child);
        }
        let structure = StructArray::try_new_with_length(fields.clone(), children, nulls, array.length);
        Ok(Arc::new(structure.map_err(|source| array.invalid(source))?))
    }

    fn child(
        &mut self,
        array: &Checked<'_, '_>,
        index: usize,
        data_type: &DataType,
        length: usize,
    ) -> Result<ArrayRef, ExchangeError> {
        let address = self.memory.pointer(array.header.children, index, "children", array.path)?;
        let path = array.path.child(index);
        // Before anything is allocated, or looped over, for them. A child of another length is refused for that.
        if usize::try_from(self.memory.array(address, &path)?.length) == Ok(length) {
            let too_many = || ExchangeError::TooManyItems { at: path.to_string(), limit: self.max_items };
            self.items = self.items.checked_sub(length).ok_or_else(too_many)?;
        }
        self.array(address, data_type, RowCount::Exactly(length), &path)
    }

    /// Values that take no bytes have no buffer whose size could limit their number: pay for the number itself.
    fn charge_empty(&mut self, array: &Checked<'_, '_>, size: usize) -> Result<(), ExchangeError> {
        match size {
            0 => self.memory.charge(array.length as u64, array.path),
            _ => Ok(()),
        }
    }

    fn buffer(&self, array: &Checked<'_, '_>, index: usize) -> Result<u32, ExchangeError> {
        self.memory.pointer(array.header.buffers, index, "buffers", array.path)
    }

    fn nulls(&mut self, array: &Checked<'_, '_>) -> Result<Option<NullBuffer>, ExchangeError> {
        // Without validity every value is valid.
        if array.length == 0 || self.buffer(array, 0)? == 0 {
            check_null_count(array, 0)?;
            return Ok(None);
        }
        let nulls = NullBuffer::new(self.bits(array, 0)?);
        check_null_count(array, nulls.null_count())?;
        Ok(Some(nulls).filter(|nulls| nulls.null_count() > 0))
    }

    fn bits(&mut self, array: &Checked<'_, '_>, index: usize) -> Result<BooleanBuffer, ExchangeError> {
        let address = self.buffer(array, index)?;
        let bytes = self.memory.copy(address, array.length.div_ceil(8), 1, index, array.path)?;
        Ok(BooleanBuffer::new(bytes, 0, array.length))
    }

    fn offsets<O: OffsetSizeTrait>(&mut self, array: &Checked<'_, '_>) -> Result<OffsetBuffer<O>, ExchangeError> {
        // Producers may leave the offsets of an empty array out.
        if array.length == 0 {
            return Ok(OffsetBuffer::new_empty());
        }
        let address = self.buffer(array, 1)?;
        let bytes = self.memory.copy(address, array.length.saturating_add(1), size_of::<O>(), 1, array.path)?;
        let offsets = ScalarBuffer::<O>::from(bytes);
        let value = |index: usize| offsets[index].to_i64().unwrap_or_default();
        let wrong = |index: usize, expected: String| ExchangeError::Offset {
            at: array.path.item("offsets", index),
            value: value(index),
            expected,
        };
        if offsets[0] != O::default() {
            return Err(wrong(0, "0".to_owned()));
        }
        // From 0 upwards: none is negative. The first pass looks at all of them, which is faster than stopping early;
        // the second one is for the error.
        let backwards = |pair: &[O]| pair[1] < pair[0];
        if offsets.windows(2).fold(false, |any, pair| any | backwards(pair)) {
            let index = offsets.windows(2).position(backwards).unwrap_or_default();
            return Err(wrong(index + 1, format!("at least {}", value(index))));
        }
        Ok(OffsetBuffer::new(offsets))
    }
}

impl RowCount {
    fn check(self, length: i64, path: &Path<'_>) -> Result<usize, ExchangeError> {
        let fits = |length: &usize| match self {
            Self::Exactly(rows) => *length == rows,
            Self::AtMost(rows) => *length <= rows,
        };
        usize::try_from(length).ok().filter(fits).ok_or_else(|| ExchangeError::Length {
            at: path.to_string(),
            length,
            expected: match self {
                Self::Exactly(rows) => format!("exactly {rows}"),
                Self::AtMost(rows) => format!("at most {rows}"),
            },
        })
    }
}

fn check_null_count(array: &Checked<'_, '_>, counted: usize) -> Result<(), ExchangeError> {
    let claimed = array.header.null_count;
    if claimed == -1 || usize::try_from(claimed) == Ok(counted) {
        return Ok(());
    }
    Err(ExchangeError::NullCount { at: array.path.to_string(), claimed, counted, length: array.length })
}

/// An array of values of a fixed width, of which the buffer has as many as there are.
fn primitive(
    data_type: &DataType,
    values: Buffer,
    length: usize,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, ArrowError> {
    macro_rules! of_type {
        ($primitive:ty) => {{
            let array = PrimitiveArray::<$primitive>::try_new(ScalarBuffer::new(values, 0, length), nulls)?;
            // The type of the values is not always all of it: precision, scale and time zone.
            match array.data_type() == data_type {
                true => Arc::new(array),
                false => Arc::new(array.with_data_type(data_type.clone())),
            }
        }};
    }
    let array: ArrayRef = downcast_primitive! {
        data_type => (of_type),
        other => return Err(ArrowError::InvalidArgumentError(format!("{other} is no type of a fixed width"))),
    };
    Ok(array)
}

/// The end of the last value. Offsets were checked to go up from 0.
fn last<O: OffsetSizeTrait>(offsets: &OffsetBuffer<O>) -> usize {
    offsets.last().map_or(0, |offset| offset.as_usize())
}
