//! Dictionaries and run ends: arrays that say which of their values each row has.

use arrow::array::types::{Int16Type, Int32Type, Int64Type, RunEndIndexType};
use arrow::array::{Array, ArrayRef, AsArray, RunArray, UInt64Array, make_array, new_null_array};
use arrow::compute::take;
use arrow_data::ArrayData;
use arrow_data::transform::MutableArrayData;
use arrow_schema::{ArrowError, DataType};

use super::error::ExchangeError;
use super::path::Path;
use super::types::OffsetWidth;

/// The plain array that a dictionary-encoded or run-end encoded array stands for; any other array as it is.
///
/// A few keys can name a large value many times, so the gathered size is bounded first, counting what lies under
/// NULLs too. Each value counts as a byte at least, also where several share one.
///
/// # Errors
/// [`ExchangeError::BatchTooLarge`] before more than about `limit` bytes are gathered; [`ExchangeError::Gather`].
pub(super) fn gather(data: ArrayData, limit: u64, path: &Path<'_>) -> Result<ArrayData, ExchangeError> {
    path.check_depth()?;
    // One run may stand for 2^31 values. Each takes a byte at least, or counts as one; looking for them takes more.
    let encoded = matches!(data.data_type(), DataType::Dictionary(..) | DataType::RunEndEncoded(..));
    if encoded && data.len() as u64 > limit {
        return Err(ExchangeError::BatchTooLarge { bytes: data.len() as u64, limit });
    }
    let Some(mut indirect) = Indirect::of(&data) else { return Ok(data) };
    // The values can be encoded themselves, and arrow's kernels lose NULLs between two encodings.
    indirect.values = make_array(gather(indirect.values.to_data(), limit, &path.child(0))?);
    let bytes = indirect.bits(limit).div_ceil(8);
    if bytes > limit {
        return Err(ExchangeError::BatchTooLarge { bytes, limit });
    }
    indirect.take().map_err(|source| ExchangeError::Gather { at: path.to_string(), source })
}

/// For each row, the position of its value; NULL for rows without.
struct Indirect {
    values: ArrayRef,
    positions: UInt64Array,
}

impl Indirect {
    fn of(data: &ArrayData) -> Option<Self> {
        match data.data_type() {
            DataType::Dictionary(..) => {
                let array = make_array(data.clone());
                let dictionary = array.as_any_dictionary();
                let values = dictionary.values().clone();
                // Without values every row is NULL, and arrow does not normalise such keys.
                let positions = if values.is_empty() {
                    UInt64Array::new_null(array.len())
                } else {
                    let keys = dictionary.normalized_keys().into_iter().map(|key| key as u64);
                    UInt64Array::new(keys.collect(), dictionary.keys().nulls().cloned())
                };
                Some(Self { values, positions })
            }
            DataType::RunEndEncoded(run_ends, _) => {
                let array = make_array(data.clone());
                match run_ends.data_type() {
                    DataType::Int16 => Some(Self::of_runs(array.as_run::<Int16Type>())),
                    DataType::Int32 => Some(Self::of_runs(array.as_run::<Int32Type>())),
                    DataType::Int64 => Some(Self::of_runs(array.as_run::<Int64Type>())),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn of_runs<R: RunEndIndexType>(array: &RunArray<R>) -> Self {
        let (ends, first) = (array.run_ends(), array.run_ends().offset());
        let mut run = if array.is_empty() { 0 } else { array.get_start_physical_index() };
        let end_of = |run: usize| arrow::datatypes::ArrowNativeType::as_usize(ends.values()[run]);
        let mut positions = Vec::with_capacity(array.len());
        for row in first..first + array.len() {
            while end_of(run) <= row {
                run += 1;
            }
            positions.push(run as u64);
        }
        Self { values: array.values().clone(), positions: positions.into() }
    }

    /// Bits that the gathered values take, without validity and padding; more than `limit` bytes need not be exact.
    fn bits(&self, limit: u64) -> u64 {
        let mut uses = vec![0u64; self.values.len()];
        for position in self.positions.iter().flatten() {
            uses[position as usize] += 1;
        }
        let values = self.values.to_data();
        let used = uses.iter().enumerate().filter(|(_, uses)| **uses > 0);
        used.fold(0, |bits, (position, uses)| {
            bits.saturating_add(uses.saturating_mul(bits_of(&values, position, 1, limit)))
        })
    }

    fn take(&self) -> Result<ArrayData, ArrowError> {
        let values_type = self.values.data_type();
        if self.values.is_empty() {
            return Ok(new_null_array(values_type, self.positions.len()).to_data());
        }
        // `take` is fast, but for lists it reserves room by their average size, used or not, and it loses the number of
        // values that have no bytes.
        if !values_type.is_nested() && *values_type != DataType::FixedSizeBinary(0) {
            return Ok(take(&self.values, &self.positions, None)?.to_data());
        }
        let values = self.values.to_data();
        let mut rows = MutableArrayData::new(vec![&values], true, 0);
        for position in &self.positions {
            match position {
                Some(position) => rows.try_extend(0, position as usize, position as usize + 1)?,
                None => rows.try_extend_nulls(1)?,
            }
        }
        Ok(rows.freeze())
    }
}

/// Bits of the values in `len` rows of an array from `start`, gathered, without validity and padding; see [`Indirect::bits`].
fn bits_of(data: &ArrayData, start: usize, len: usize, limit: u64) -> u64 {
    use DataType as T;
    let child = |index: usize, start: usize, len: usize| bits_of(&data.child_data()[index], start, len, limit);
    let first = data.offset() + start;
    match data.data_type() {
        T::Boolean => len as u64,
        T::Utf8 | T::Binary => {
            let (from, to) = offset_range(data, OffsetWidth::Four, start, len);
            32 * len as u64 + 8 * (to - from) as u64
        }
        T::LargeUtf8 | T::LargeBinary => {
            let (from, to) = offset_range(data, OffsetWidth::Eight, start, len);
            64 * len as u64 + 8 * (to - from) as u64
        }
        T::Utf8View | T::BinaryView => {
            let views = &data.buffers()[0].typed_data::<u128>()[first..first + len];
            // The length of a value is in the low 32 bits of its view.
            views.iter().map(|view| 32 + 8 * u64::from(*view as u32)).sum()
        }
        T::List(_) | T::Map(..) => {
            let (from, to) = offset_range(data, OffsetWidth::Four, start, len);
            (32 * len as u64).saturating_add(child(0, from, to - from))
        }
        T::LargeList(_) => {
            let (from, to) = offset_range(data, OffsetWidth::Eight, start, len);
            (64 * len as u64).saturating_add(child(0, from, to - from))
        }
        T::FixedSizeList(_, size) => {
            let size = usize::try_from(*size).unwrap_or(0);
            child(0, first * size, len * size)
        }
        // Slicing a struct slices its children, so they start where it does.
        T::Struct(fields) => (0..fields.len()).fold(0, |bits, index| bits.saturating_add(child(index, start, len))),
        T::FixedSizeBinary(size) => 8 * len as u64 * u64::try_from(*size).unwrap_or(0),
        T::Dictionary(..) | T::RunEndEncoded(..) if len as u64 > limit => 8 * len as u64,
        T::Dictionary(..) | T::RunEndEncoded(..) => {
            Indirect::of(&data.slice(start, len)).map_or(0, |indirect| indirect.bits(limit))
        }
        other => 8 * len as u64 * other.primitive_width().unwrap_or(0) as u64,
    }
}

/// The range of values or of a child array that `len` rows of an array from `start` cover.
pub(super) fn offset_range(data: &ArrayData, width: OffsetWidth, start: usize, len: usize) -> (usize, usize) {
    // Arrow allows an empty array to have no offsets at all.
    if len == 0 {
        return (0, 0);
    }
    let (from, to) = (data.offset() + start, data.offset() + start + len);
    let buffer = &data.buffers()[0];
    match width {
        OffsetWidth::Four => {
            let offsets = buffer.typed_data::<i32>();
            (offsets[from] as usize, offsets[to] as usize)
        }
        OffsetWidth::Eight => {
            let offsets = buffer.typed_data::<i64>();
            (offsets[from] as usize, offsets[to] as usize)
        }
    }
}
