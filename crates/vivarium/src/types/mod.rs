//! Arrow types as text.
//!
//! Host and guest name types the way pyarrow prints them: `int64`, `list<item: string>`, `timestamp[us, tz=UTC]`,
//! `decimal128(38, 10)`, `struct<name: string, price: double not null>`, `map<string, int64>`, ...
//! The text comes from the guest, so [`parse`] takes any input: it is bounded in length, depth and the size of one value,
//! and answers with a [`TypeError`]. [`print()`] is its inverse: `parse(&print(t)?) == t` for every type that has a name.
//!
//! Both sides have one grammar: what one of them writes the other reads. `vivarium.types` in the guest reads more spellings
//! (SQL's, in any case), and writes them as here. `wasm-python/tests/type_grammar.txt` lists what both accept
//! and refuse; both are tested against it, and against each other (`tests/type_grammar.rs`).
//!
//! Rules that go beyond pyarrow, whose output cannot always be read back:
//! * a field name that is empty, has blanks at either end or holds one of ``<>()[],:"\`` or a control character is written
//!   as a JSON string (`struct<"a, b": int64>`), and a struct has no two fields of one name;
//! * a map's fields are always called `key` and `value`, and only ` not null` is written about the value;
//! * a time zone has no blanks;
//! * encodings are no types of their own: dictionaries, run ends and views cross as their values
//!   ([`plain_type`](crate::plain_type)), decimals of 32 and 64 bits as those of 128.

mod parse;
mod print;
mod size;

pub use parse::parse;
pub use print::print;
pub use size::MAX_VALUE_BYTES;

/// The most characters of a type's text that [`parse`] looks at.
pub const MAX_TYPE_TEXT: usize = 64 * 1024;

/// How deep types nest at most; `int64` has depth 1, `list<item: int64>` depth 2.
pub const MAX_TYPE_DEPTH: usize = 32;

/// Why a text is not a type, or a type has no text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TypeError {
    /// The text does not follow the grammar.
    #[error("{expected} expected at character {position} of the type {text:?}")]
    Syntax {
        /// The text, cut to a readable length.
        text: String,
        /// Byte offset of the mistake.
        position: usize,
        /// What would have been right there.
        expected: &'static str,
    },
    /// The text is longer than [`MAX_TYPE_TEXT`].
    #[error("a type of {0} characters is longer than the {MAX_TYPE_TEXT} allowed")]
    TooLong(usize),
    /// The type nests deeper than [`MAX_TYPE_DEPTH`].
    #[error("the type nests deeper than the {MAX_TYPE_DEPTH} levels allowed")]
    TooDeep,
    /// One value of the type, or of a part of it, takes more than [`MAX_VALUE_BYTES`] whatever it holds.
    #[error(
        "a value of type {data_type} takes {bytes} bytes, also when it is NULL, and at most {MAX_VALUE_BYTES} are possible; \
         use binary or a list without a fixed size"
    )]
    LargeValue {
        /// The type, cut to a readable length.
        data_type: String,
        /// Bytes of one value.
        bytes: u64,
    },
    /// A struct has two fields of one name.
    #[error("a struct has two fields of the name {0:?}")]
    SameName(String),
    /// The type cannot cross into Python.
    #[error("columns of type {0} cannot be passed to Python")]
    Unsupported(String),
}

#[cfg(test)]
mod tests;
