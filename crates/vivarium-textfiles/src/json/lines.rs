//! The lines of a file, or of the part of it between two places.

use std::io::Read;

use arrow::error::ArrowError;

use crate::TextError;

/// Bytes that are read at a time.
const READ: usize = 256 << 10;

/// The part of a file whose lines begin in it: bytes from `start` to before `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first byte.
    pub start: u64,
    /// The byte behind the last one.
    pub end: u64,
}

/// Lines that hold something.
pub struct Lines<R> {
    input: R,
    buffer: Vec<u8>,
    position: usize,
    filled: usize,
    /// How much of the file lies before the buffer.
    before: u64,
    end: u64,
    /// The line that comes next, counted from 1.
    number: u64,
    /// The first line began before the part.
    partial: bool,
    ended: bool,
}

impl<R: Read> Lines<R> {
    /// All lines.
    pub fn new(input: R) -> Self {
        Self {
            input,
            buffer: vec![0; READ],
            position: 0,
            filled: 0,
            before: 0,
            end: u64::MAX,
            number: 1,
            partial: false,
            ended: false,
        }
    }

    /// Those that begin in `range`, numbered within it. The input is at the byte before the range, if there is one.
    pub fn within(input: R, range: Range) -> Self {
        let before = range.start.saturating_sub(1);
        Self { before, end: range.end, partial: range.start > 0, ..Self::new(input) }
    }

    /// The next line that is not blank, and its number.
    pub fn next(&mut self) -> Result<Option<(u64, &str)>, ArrowError> {
        loop {
            let begins_at = self.before + self.position as u64;
            if begins_at >= self.end && !self.partial {
                return Ok(None);
            }
            let Some((start, end)) = self.take()? else { return Ok(None) };
            if std::mem::take(&mut self.partial) {
                continue;
            }
            let number = self.number;
            self.number += 1;
            if self.buffer[start..end].trim_ascii().is_empty() {
                continue;
            }
            let line = std::str::from_utf8(&self.buffer[start..end]).map_err(|error| {
                let column = Some(error.valid_up_to() as u64 + 1);
                TextError::new(
                    number,
                    column,
                    "it is no UTF-8; convert the file, for example: iconv -f ISO-8859-1 -t UTF-8",
                )
            })?;
            return Ok(Some((number, line)));
        }
    }

    /// The next line without its end, as a part of the buffer.
    fn take(&mut self) -> Result<Option<(usize, usize)>, ArrowError> {
        let mut looked_at = 0;
        loop {
            let rest = &self.buffer[self.position..self.filled];
            if let Some(length) = memchr::memchr(b'\n', &rest[looked_at..]) {
                let (start, end) = (self.position, self.position + looked_at + length);
                self.position = end + 1;
                return Ok(Some((start, end)));
            }
            looked_at = rest.len();
            if self.ended {
                let (start, end) = (self.position, self.filled);
                self.position = end;
                return Ok((start < end).then_some((start, end)));
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> Result<(), ArrowError> {
        self.buffer.copy_within(self.position..self.filled, 0);
        self.before += self.position as u64;
        self.filled -= self.position;
        self.position = 0;
        if self.filled == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        loop {
            match self.input.read(&mut self.buffer[self.filled..]) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
                Ok(count) => {
                    self.filled += count;
                    self.ended = count == 0;
                    return Ok(());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Seek, SeekFrom};

    use super::*;

    #[test]
    fn every_line_is_in_one_part() {
        let text = "one\n\ntwo\r\nthree four\nfive";
        for cut in 0..=text.len() as u64 {
            let mut found = Vec::new();
            for range in [Range { start: 0, end: cut }, Range { start: cut, end: text.len() as u64 }] {
                if range.start == range.end {
                    continue;
                }
                let mut input = Cursor::new(text);
                input.seek(SeekFrom::Start(range.start.saturating_sub(1))).unwrap();
                let mut lines = Lines::within(input, range);
                while let Some((_, line)) = lines.next().unwrap() {
                    found.push(line.trim_end().to_owned());
                }
            }
            assert_eq!(found, ["one", "two", "three four", "five"], "{cut}");
        }
    }
}
