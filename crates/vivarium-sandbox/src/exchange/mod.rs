//! Arrow record batches across linear memory.
//!
//! The guest cannot see the host's memory and the host does not let the guest's memory into its arrays, so a batch
//! crosses by copying: every buffer once on the way in, every buffer once on the way out. What crosses are the
//! structures of the [Arrow C Data Interface] laid out for wasm32, as `wasm-python/ABI.md` fixes them.
//!
//! ```text
//!   host arrays --Plan::new--> Plan --Plan::write--> | linear memory: an arena the guest gave |
//!                                                                     | the guest works
//!   host array  <--decode------ checked copies <---- | linear memory: an ArrowArray it names  |
//! ```
//!
//! * [`Plan`] computes the size of a batch in the guest, once; [`Plan::write`] lays it out in a single pass.
//! * [`parts`] cuts a batch that is too large for the guest into plans that fit.
//! * [`decode`] copies an array out. The memory it reads is hostile: whatever is in it, the outcome is an array that
//!   arrow would accept or an [`ExchangeError`], and no more than [`DecodeLimits`] allows is allocated or looked at.
//!
//! Values that take no bytes (NULLs of type null, structs without fields, lists of no items) are charged as if each took one, in both
//! directions: whatever they stand for, somebody counts them.
//!
//! Encodings do not cross, only values: dictionaries, run ends and views are written as the plain arrays they stand
//! for. [`guest_type`] says what a column's type becomes.
//!
//! Nothing here knows wasmtime: linear memory is a slice of bytes.
//!
//! [Arrow C Data Interface]: https://arrow.apache.org/docs/format/CDataInterface.html

#![forbid(unsafe_code)]

mod decode;
mod error;
mod gather;
mod items;
mod layout;
mod memory;
mod path;
mod plan;
mod rows;
mod split;
#[cfg(test)]
mod tests;
mod types;
mod values;
mod write;

pub(crate) use decode::decode_charged;
pub use decode::{DecodeLimits, RowCount, decode};
pub use error::ExchangeError;
pub use items::items_within;
pub use plan::{MAX_BATCH_BYTES, Plan};
pub(crate) use rows::decode_rows_charged;
pub use rows::{RowsOfRows, RowsWithin, decode_rows};
pub use split::{Part, Parts, parts};
pub use types::{MAX_DEPTH, guest_type};

// Values are copied as they are: both sides must be little-endian, and wasm always is.
const _: () = assert!(cfg!(target_endian = "little"), "record batches are exchanged as little-endian bytes");
