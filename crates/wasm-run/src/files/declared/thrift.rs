//! Thrift's compact encoding, of which Parquet's declarations are made, read without believing it: no length is taken that the bytes do not
//! have. Only what is asked for is decoded, the rest is passed over.
//!
//! Source: <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>

use super::Misdeclared;

/// How deep structures nest; Parquet's nest seven levels deep.
const DEPTH: usize = 32;

/// The types that are asked for.
pub const I32: u8 = 5;
pub const I64: u8 = 6;
pub const LIST: u8 = 9;
pub const STRUCT: u8 = 12;

/// A reader of one structure.
pub struct Reader<'a> {
    bytes: &'a [u8],
    /// How much has been read.
    position: usize,
    depth: usize,
}

/// Why no more could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The bytes end before the structure does.
    End,
    /// It is none.
    Wrong(&'static str),
}

impl From<Stop> for Misdeclared {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::End => Self::new("one of its structures is longer than what there is of it"),
            Stop::Wrong(problem) => Self::new(format!("one of its structures is not valid: {problem}")),
        }
    }
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0, depth: 0 }
    }

    /// How many bytes have been read.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Reads a structure: `field` gets the number and type of each field and reads it, or answers `false`, and it is passed over.
    ///
    /// # Errors
    /// What `field` says, or that the bytes are no structure.
    pub fn structure(&mut self, mut field: impl FnMut(&mut Self, i16, u8) -> Result<bool, Stop>) -> Result<(), Stop> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(Stop::Wrong("it is nested too deeply"));
        }
        let mut number: i16 = 0;
        loop {
            let head = self.byte()?;
            let kind = head & 0x0f;
            if kind == 0 {
                self.depth -= 1;
                return Ok(());
            }
            number = match head >> 4 {
                0 => i16::try_from(self.integer()?).map_err(|_| Stop::Wrong("a field's number is too large"))?,
                delta => number.checked_add(delta.into()).ok_or(Stop::Wrong("a field's number is too large"))?,
            };
            if !field(self, number, kind)? {
                self.skip(kind, true)?;
            }
        }
    }

    /// Reads a list: `item` reads each of its items, which have the type that it gets.
    ///
    /// # Errors
    /// What `item` says, or that the bytes are no list. Each item takes a byte at least, so a length that the bytes cannot have is wrong.
    pub fn list(&mut self, mut item: impl FnMut(&mut Self, u8) -> Result<(), Stop>) -> Result<(), Stop> {
        let head = self.byte()?;
        let length = match head >> 4 {
            15 => self.unsigned()?,
            length => length.into(),
        };
        if length > (self.bytes.len() - self.position) as u64 {
            return Err(Stop::End);
        }
        for _ in 0..length {
            item(self, head & 0x0f)?;
        }
        Ok(())
    }

    /// A signed integer of any width.
    pub fn integer(&mut self) -> Result<i64, Stop> {
        let zigzag = self.unsigned()?;
        Ok((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
    }

    /// Passes over a value. A boolean is in the head of a field, and a byte of its own in a list.
    pub fn skip(&mut self, kind: u8, in_field: bool) -> Result<(), Stop> {
        match kind {
            1 | 2 if in_field => Ok(()),
            1..=3 => self.pass(1),
            4..=6 => self.unsigned().map(|_| ()),
            7 => self.pass(8),
            8 => {
                let length = self.unsigned()?;
                self.pass(length)
            }
            9 | 10 => {
                self.depth += 1;
                if self.depth > DEPTH {
                    return Err(Stop::Wrong("it is nested too deeply"));
                }
                self.list(|reader, kind| reader.skip(kind, false))?;
                self.depth -= 1;
                Ok(())
            }
            11 => self.skip_map(),
            12 => self.structure(|_, _, _| Ok(false)),
            13 => self.pass(16),
            _ => Err(Stop::Wrong("there is no such type")),
        }
    }

    fn skip_map(&mut self) -> Result<(), Stop> {
        let length = self.unsigned()?;
        if length == 0 {
            return Ok(());
        }
        if length > (self.bytes.len() - self.position) as u64 {
            return Err(Stop::End);
        }
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(Stop::Wrong("it is nested too deeply"));
        }
        let kinds = self.byte()?;
        for _ in 0..length {
            self.skip(kinds >> 4, false)?;
            self.skip(kinds & 0x0f, false)?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn unsigned(&mut self) -> Result<u64, Stop> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Stop::Wrong("a number is longer than 64 bits"))
    }

    fn byte(&mut self) -> Result<u8, Stop> {
        let byte = *self.bytes.get(self.position).ok_or(Stop::End)?;
        self.position += 1;
        Ok(byte)
    }

    fn pass(&mut self, length: u64) -> Result<(), Stop> {
        if length > (self.bytes.len() - self.position) as u64 {
            return Err(Stop::End);
        }
        self.position += length as usize;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut reader = Reader::new(&bytes);
            let _ = reader.structure(|_, _, _| Ok(false)); // whatever it says, it does not panic
            prop_assert!(reader.position() <= bytes.len());
        }
    }

    #[test]
    fn a_list_that_is_longer_than_its_bytes_is_refused() {
        // A field 1 of type list, with 2^31 - 1 structures.
        let bytes = [0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07, 0x00];
        assert_eq!(Reader::new(&bytes).structure(|_, _, _| Ok(false)), Err(Stop::End));
    }

    #[test]
    fn integers_have_a_sign() {
        for (bytes, value) in [(&[0x01][..], -1), (&[0x02], 1), (&[0xac, 0x02], 150)] {
            assert_eq!(Reader::new(bytes).integer(), Ok(value));
        }
    }
}
