//! How large one value is, whatever it holds.
//!
//! NULL takes as much room in a column as any other value: an engine that fills a column with NULLs of a type of fixed size (for
//! the rows of a join without a partner, for a branch that is not taken) allocates rows times that size, without a function having been
//! called. So the size is bounded where types are declared.

use arrow_schema::{DataType, FieldRef};

use super::TypeError;

/// The most bytes that one value takes by its type alone: its own, those of all values of fixed size within it, and the offsets of
/// what has no fixed size. Values without bytes count as one each, so that it bounds their number too.
///
/// It is room for 4,096 doubles, more than the longest embeddings have. A batch of 8,192 NULLs takes 256 MiB at most.
pub const MAX_VALUE_BYTES: u64 = 32 * 1024;

/// How much of a type an error repeats, in characters.
const SHOWN: usize = 120;

/// Checks a type and all types within it.
pub(super) fn check(data_type: &DataType) -> Result<(), TypeError> {
    bytes(data_type).map(drop)
}

/// Bytes of one value. Parts were checked before they are added up, and types have at most 65,536 characters: sums do not overflow.
fn bytes(data_type: &DataType) -> Result<u64, TypeError> {
    let of = |field: &FieldRef| bytes(field.data_type());
    let bytes = match data_type {
        DataType::FixedSizeBinary(size) => u64::try_from(*size).unwrap_or(0),
        DataType::FixedSizeList(item, size) => of(item)?.saturating_mul(u64::try_from(*size).unwrap_or(0)),
        DataType::Struct(fields) => {
            fields.iter().try_fold(0_u64, |sum, field| Ok::<_, TypeError>(sum.saturating_add(of(field)?)))?
        }
        // The items of a list are values of their own: unnested, they are a column.
        DataType::List(item) | DataType::Map(item, _) => {
            of(item)?;
            4
        }
        DataType::LargeList(item) => {
            of(item)?;
            8
        }
        DataType::Utf8 | DataType::Binary => 4,
        DataType::LargeUtf8 | DataType::LargeBinary => 8,
        leaf => leaf.primitive_width().unwrap_or(0) as u64,
    };
    match bytes.max(1) {
        bytes if bytes > MAX_VALUE_BYTES => {
            let text = data_type.to_string();
            let data_type = super::print::shortened(&super::print::unchecked(data_type).unwrap_or(text), SHOWN);
            Err(TypeError::LargeValue { data_type, bytes })
        }
        bytes => Ok(bytes),
    }
}
