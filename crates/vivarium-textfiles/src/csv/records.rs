//! The fields of a CSV file, row by row.

use std::io::Read;

use arrow::error::ArrowError;

use crate::{TextError, shown};

/// Bytes that are read at a time.
const READ: usize = 256 << 10;

/// The rows of a file.
pub struct Records<R> {
    input: R,
    buffer: Vec<u8>,
    /// Where in the buffer what was not looked at begins, and where it ends.
    position: usize,
    filled: usize,
    delimiter: u8,
    quote: Option<u8>,
    /// Bytes that end an unquoted field.
    special: [bool; 256],
    /// The line that is read.
    line: u64,
    /// After a carriage return: a line feed belongs to it.
    after_return: bool,
    ended: bool,
    /// Lines without anything that were no rows.
    blank: u64,
}

/// Some rows: their fields, one after the other, and between those of rows without quotes the delimiters.
#[derive(Debug, Default)]
pub struct CsvRows {
    data: Vec<u8>,
    /// Where each field begins in the data, and where it ends.
    starts: Vec<usize>,
    ends: Vec<usize>,
    quoted: Vec<bool>,
    /// The line in which each row begins.
    pub lines: Vec<u64>,
    columns: usize,
}

/// Where the reader is within a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Begin,
    Plain,
    Quoted,
    /// A quote within quotes: it is the first of two, or the last.
    Quote,
}

impl CsvRows {
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// A field, and whether it stood in quotes.
    pub fn field(&self, row: usize, column: usize) -> (&[u8], bool) {
        let (start, end, quoted) = self.span(row, column);
        (&self.data[start..end], quoted)
    }

    /// A field of checked text.
    pub fn text(&self, row: usize, column: usize) -> (&str, bool) {
        let (bytes, quoted) = self.field(row, column);
        // `check` found them to be text.
        (std::str::from_utf8(bytes).unwrap_or_default(), quoted)
    }

    fn clear(&mut self, columns: usize) {
        self.data.clear();
        self.starts.clear();
        self.ends.clear();
        self.quoted.clear();
        self.lines.clear();
        self.columns = columns;
    }

    /// All data as text, if it is.
    pub fn all_text(&self) -> Result<&str, TextError> {
        let wrong = |end: usize| {
            let field = self.ends.partition_point(|known| *known <= end);
            let (row, column) = (field / self.columns.max(1), field % self.columns.max(1));
            let line = self.lines.get(row).copied().unwrap_or_default();
            TextError::new(
                line,
                None,
                format!(
                    "field {} is no UTF-8; convert the file, for example: iconv -f ISO-8859-1 -t UTF-8",
                    column + 1
                ),
            )
        };
        let text = std::str::from_utf8(&self.data).map_err(|error| wrong(error.valid_up_to()))?;
        match self.ends.iter().find(|end| !text.is_char_boundary(**end)) {
            Some(end) => Err(wrong(*end - 1)),
            None => Ok(text),
        }
    }

    /// The end of a field in [`all_text`](Self::all_text), and where it begins.
    pub fn span(&self, row: usize, column: usize) -> (usize, usize, bool) {
        let index = row * self.columns + column;
        (self.starts[index], self.ends[index], self.quoted[index])
    }
}

impl<R: Read> Records<R> {
    pub fn new(input: R, delimiter: u8, quote: Option<u8>) -> Self {
        let mut special = [false; 256];
        for byte in [delimiter, b'\n', b'\r'] {
            special[usize::from(byte)] = true;
        }
        Self {
            input,
            buffer: vec![0; READ],
            position: 0,
            filled: 0,
            delimiter,
            quote,
            special,
            line: 1,
            after_return: false,
            ended: false,
            blank: 0,
        }
    }

    /// The first row, which says how many columns there are; `None` when there is none.
    pub fn header(&mut self, rows: &mut CsvRows) -> Result<usize, ArrowError> {
        rows.clear(0);
        let found = self.row(rows, None)?;
        rows.columns = rows.ends.len();
        Ok(if found { rows.columns } else { 0 })
    }

    /// How many lines without anything were read over: they are rows after all where there is one column.
    pub fn blank_lines(&self) -> u64 {
        self.blank
    }

    /// At most `most` rows of `columns` fields.
    pub fn read(&mut self, rows: &mut CsvRows, columns: usize, most: usize) -> Result<usize, ArrowError> {
        rows.clear(columns);
        while rows.len() < most && self.row(rows, Some(columns))? {}
        Ok(rows.len())
    }

    /// Whether there was another row. A line without anything is a row of one column, NULL, and no row of several.
    fn row(&mut self, rows: &mut CsvRows, columns: Option<usize>) -> Result<bool, ArrowError> {
        loop {
            let (line, fields) = (self.line, rows.ends.len());
            if !self.plain_fields(rows) && !self.fields(rows)? {
                return Ok(false);
            }
            let count = rows.ends.len() - fields;
            let is_blank = count == 1 && !rows.quoted[fields] && rows.ends[fields] == rows.starts[fields];
            if is_blank && columns != Some(1) {
                self.blank += 1;
                rows.truncate(fields);
                continue;
            }
            if let Some(columns) = columns
                && columns != count
            {
                let fields = if count == 1 { "1 field" } else { &format!("{count} fields") };
                return Err(
                    TextError::new(line, None, format!("it has {fields}, and the table {columns} columns")).into()
                );
            }
            rows.lines.push(line);
            return Ok(true);
        }
    }

    /// Reads the fields of a row that has no quotes and lies in the buffer as a whole, as most do: its bytes are copied in one piece. `false`
    /// leaves it to [`fields`](Self::fields).
    fn plain_fields(&mut self, rows: &mut CsvRows) -> bool {
        let (known, base) = (rows.ends.len(), rows.data.len());
        let buffer = &self.buffer[..self.filled];
        let after_end = self.after_return && buffer.get(self.position) == Some(&b'\n');
        let begin = self.position + usize::from(after_end);
        let mut start = begin;
        while let Some(first) = buffer.get(start)
            && Some(*first) != self.quote
            && let Some(length) = buffer[start..].iter().position(|byte| self.special[usize::from(*byte)])
        {
            let end = start + length;
            rows.starts.push(base + start - begin);
            rows.ends.push(base + end - begin);
            rows.quoted.push(false);
            start = end + 1;
            if buffer[end] != self.delimiter {
                rows.data.extend_from_slice(&buffer[begin..end]);
                self.position = start;
                self.line += 1;
                self.after_return = buffer[end] == b'\r';
                return true;
            }
        }
        rows.truncate(known);
        false
    }

    /// Reads the fields up to the end of a row; `false` at the end of the file.
    fn fields(&mut self, rows: &mut CsvRows) -> Result<bool, ArrowError> {
        let mut state = State::Begin;
        let mut quoted = false;
        let mut any = false;
        let mut start = rows.data.len();
        let opened_at = self.line;
        loop {
            if self.position == self.filled && !self.fill()? {
                return match state {
                    State::Quoted => Err(TextError::new(opened_at, None, "a quoted field has no end").into()),
                    State::Begin if !any => Ok(false),
                    // Behind the last delimiter is a field without anything.
                    State::Begin => {
                        rows.end(rows.data.len(), false);
                        Ok(true)
                    }
                    _ => {
                        rows.end(start, quoted);
                        Ok(true)
                    }
                };
            }
            if std::mem::take(&mut self.after_return) && self.buffer[self.position] == b'\n' {
                self.position += 1;
                continue;
            }
            let rest = &self.buffer[self.position..self.filled];
            match state {
                State::Begin => {
                    any = true;
                    start = rows.data.len();
                    quoted = Some(rest[0]) == self.quote;
                    if quoted {
                        self.position += 1;
                        state = State::Quoted;
                    } else {
                        state = State::Plain;
                    }
                }
                State::Plain => {
                    let special = &self.special;
                    let length = rest.iter().position(|byte| special[usize::from(*byte)]).unwrap_or(rest.len());
                    rows.data.extend_from_slice(&rest[..length]);
                    self.position += length;
                    if length < rest.len() {
                        rows.end(start, quoted);
                        if self.is_row_end() {
                            return Ok(true);
                        }
                        state = State::Begin;
                    }
                }
                State::Quoted => {
                    let quote = self.quote.unwrap_or_default();
                    let length = memchr::memchr(quote, rest).unwrap_or(rest.len());
                    rows.data.extend_from_slice(&rest[..length]);
                    self.line += memchr::memchr_iter(b'\n', &rest[..length]).count() as u64;
                    self.position += length;
                    if length < rest.len() {
                        self.position += 1;
                        state = State::Quote;
                    }
                }
                State::Quote => {
                    let byte = rest[0];
                    if Some(byte) == self.quote {
                        rows.data.push(byte);
                        self.position += 1;
                        state = State::Quoted;
                    } else if self.special[usize::from(byte)] {
                        rows.end(start, quoted);
                        if self.is_row_end() {
                            return Ok(true);
                        }
                        state = State::Begin;
                    } else {
                        let problem = format!(
                            "{} follows the end of a quoted field, and the next field or line is expected",
                            shown(&String::from_utf8_lossy(&rest[..1]))
                        );
                        return Err(TextError::new(self.line, None, problem).into());
                    }
                }
            }
        }
    }

    /// Takes the byte that ends a field; whether it ends the row, too.
    fn is_row_end(&mut self) -> bool {
        let byte = self.buffer[self.position];
        self.position += 1;
        if byte == self.delimiter {
            return false;
        }
        self.line += 1;
        self.after_return = byte == b'\r';
        true
    }

    /// Whether there are more bytes.
    fn fill(&mut self) -> Result<bool, ArrowError> {
        if self.ended {
            return Ok(false);
        }
        loop {
            match self.input.read(&mut self.buffer) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
                Ok(count) => {
                    (self.position, self.filled, self.ended) = (0, count, count == 0);
                    return Ok(count > 0);
                }
            }
        }
    }
}

impl CsvRows {
    /// Forgets all fields but the first ones.
    fn truncate(&mut self, fields: usize) {
        self.starts.truncate(fields);
        self.ends.truncate(fields);
        self.quoted.truncate(fields);
    }

    fn end(&mut self, start: usize, quoted: bool) {
        self.starts.push(start);
        self.ends.push(self.data.len());
        self.quoted.push(quoted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a byte at a time.
    struct Slowly<'a>(&'a [u8]);

    impl Read for Slowly<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let count = self.0.len().min(1);
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn all(input: impl Read, columns: usize) -> Result<Vec<Vec<(String, bool)>>, String> {
        let (mut records, mut rows) = (Records::new(input, b',', Some(b'"')), CsvRows::default());
        records.read(&mut rows, columns, 100).map_err(|error| error.to_string())?;
        rows.all_text().map_err(|error| error.to_string())?;
        let field = |row, column| {
            let (text, quoted) = rows.text(row, column);
            (text.to_owned(), quoted)
        };
        Ok((0..rows.len()).map(|row| (0..columns).map(|column| field(row, column)).collect()).collect())
    }

    #[test]
    fn rows_are_the_same_however_they_arrive() {
        let text = "a,\"b\"\r\n\"x\ny\",\"\"\"q\"\"\"\n\n,\"\"\rlast,no end";
        let expected: Vec<Vec<(String, bool)>> = [
            [("a", false), ("b", true)],
            [("x\ny", true), ("\"q\"", true)],
            [("", false), ("", true)],
            [("last", false), ("no end", false)],
        ]
        .iter()
        .map(|row| row.iter().map(|(text, quoted)| ((*text).to_owned(), *quoted)).collect())
        .collect();
        assert_eq!(all(text.as_bytes(), 2), Ok(expected.clone()));
        assert_eq!(all(Slowly(text.as_bytes()), 2), Ok(expected));
    }

    #[test]
    fn a_file_may_end_behind_a_delimiter() {
        for (text, first) in [("x,", ("x", false)), ("\"x\",", ("x", true)), ("a,b\nx,", ("a", false))] {
            for rows in [all(text.as_bytes(), 2).unwrap(), all(Slowly(text.as_bytes()), 2).unwrap()] {
                assert_eq!(rows[0][0], (first.0.to_owned(), first.1), "{text}");
                assert_eq!(rows[rows.len() - 1][1], (String::new(), false), "{text}");
            }
        }
    }

    #[test]
    fn a_line_of_one_column_may_be_empty() {
        let rows = all(&b"1\n\n\"\"\n"[..], 1).unwrap();
        assert_eq!(rows, [[("1".to_owned(), false)], [(String::new(), false)], [(String::new(), true)]]);
    }

    #[test]
    fn what_is_wrong_has_a_line() {
        for (text, expected) in [
            (&b"a,b\n1\n"[..], "line 2: it has 1 field, and the table 2 columns"),
            (b"a,b\n\"x\ny\",1,2\n", "line 2: it has 3 fields, and the table 2 columns"),
            (b"a,b\n1,\"x\n", "line 2: a quoted field has no end"),
            (b"a,b\n\"x\n\"y,2\n", "line 3: \"y\" follows the end"),
            (b"a,b\n1,\xe9t\xe9\n", "line 2: field 2 is no UTF-8"),
            (b"a,b\n\xc3,\xa9\n", "line 2: field 1 is no UTF-8"),
        ] {
            let error = all(text, 2).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
