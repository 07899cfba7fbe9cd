//! JSON with one object a line.

mod columns;
mod cursor;
mod infer;
mod lines;
mod reader;

pub use self::infer::{JsonColumns, infer, merge};
pub use self::lines::Range;
pub use self::reader::Reader;
