//! Tables for reading, on a terminal or in a message.
//!
//! ```text
//!  l_orderkey | price
//! ------------+--------
//!           1 | 17.25
//! ```
//!
//! Widths are taken from the first rows, so that a table of any length is written as it comes; a later row that is wider
//! stands out but is complete. Control characters, which could rewrite a terminal, are shown escaped.

use std::io::{self, Write};

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use arrow_schema::Schema;
use unicode_width::UnicodeWidthStr;

/// How many rows say how wide columns are, and how much text.
const MEASURED_ROWS: usize = 1_000;
const MEASURED_BYTES: usize = 1 << 20;

/// Writes a table, row by row.
pub struct TableWriter<W> {
    out: W,
    headers: Vec<String>,
    right_aligned: Vec<bool>,
    /// `None` until the first rows are known.
    widths: Option<Vec<usize>>,
    rows: u64,
}

impl<W: Write> TableWriter<W> {
    /// A table of text columns.
    pub fn new(out: W, headers: &[&str]) -> Self {
        let headers: Vec<_> = headers.iter().map(|header| printable(header)).collect();
        Self { out, right_aligned: vec![false; headers.len()], headers, widths: None, rows: 0 }
    }

    /// A table for batches of this schema; numbers are right-aligned.
    pub fn for_schema(out: W, schema: &Schema) -> Self {
        Self {
            out,
            headers: schema.fields().iter().map(|field| printable(field.name())).collect(),
            right_aligned: schema.fields().iter().map(|field| field.data_type().is_numeric()).collect(),
            widths: None,
            rows: 0,
        }
    }

    /// Writes the rows of a batch; NULL is written as `NULL`.
    ///
    /// # Errors
    /// What the system says, or Arrow about a value that it cannot show.
    pub fn batch(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let options = FormatOptions::default().with_null("NULL");
        let columns: Vec<_> =
            batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options)).collect::<Result<_, _>>()?;
        let texts = |row: usize| -> Result<Vec<String>, ArrowError> {
            columns.iter().map(|column| column.value(row).try_to_string()).collect()
        };
        let mut row = 0;
        if self.widths.is_none() {
            let (mut first, mut bytes) = (Vec::new(), 0);
            while row < batch.num_rows() && first.len() < MEASURED_ROWS && bytes < MEASURED_BYTES {
                let cells = texts(row)?;
                bytes += cells.iter().map(String::len).sum::<usize>();
                first.push(cells);
                row += 1;
            }
            self.rows(&first)?;
        }
        // One at a time: as text a table is many times its size.
        for row in row..batch.num_rows() {
            self.rows(&[texts(row)?])?;
        }
        Ok(())
    }

    /// Writes rows of text.
    ///
    /// # Errors
    /// What the system says.
    pub fn rows(&mut self, rows: &[Vec<String>]) -> io::Result<()> {
        let rows: Vec<Vec<_>> = rows.iter().map(|row| row.iter().map(|cell| printable(cell)).collect()).collect();
        self.begin(&rows)?;
        self.rows += rows.len() as u64;
        rows.iter().try_for_each(|row| self.row(row))
    }

    /// Writes the header if no row was written, and hands the writer back.
    ///
    /// # Errors
    /// What the system says.
    pub fn finish(mut self) -> io::Result<W> {
        self.begin(&[])?;
        Ok(self.out)
    }

    /// Says how many rows there were, and hands the writer back.
    ///
    /// # Errors
    /// What the system says.
    pub fn finish_counted(self) -> io::Result<W> {
        let rows = self.rows;
        let mut out = self.finish()?;
        writeln!(out, "({rows} {})", if rows == 1 { "row" } else { "rows" })?;
        Ok(out)
    }

    fn begin(&mut self, rows: &[Vec<String>]) -> io::Result<()> {
        if self.widths.is_some() {
            return Ok(());
        }
        let mut widths: Vec<_> = self.headers.iter().map(|header| header.width()).collect();
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.width().max(*width);
            }
        }
        let rule: Vec<_> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
        self.widths = Some(widths);
        self.row(&self.headers.clone())?;
        writeln!(self.out, "{}", rule.join("+"))
    }

    fn row(&mut self, cells: &[String]) -> io::Result<()> {
        let widths = self.widths.as_deref().unwrap_or_default();
        let mut line = String::new();
        for (index, cell) in cells.iter().enumerate() {
            let blanks = " ".repeat(widths.get(index).map_or(0, |width| width.saturating_sub(cell.width())));
            line.push_str(if index == 0 { " " } else { " | " });
            if self.right_aligned.get(index) == Some(&true) {
                line.push_str(&blanks);
                line.push_str(cell);
            } else {
                line.push_str(cell);
                line.push_str(&blanks);
            }
        }
        writeln!(self.out, "{}", line.trim_end())
    }
}

/// The text on one line, with what a terminal would obey escaped.
pub fn printable(text: &str) -> String {
    vivarium_text::line(text, usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(headers: &[&str], parts: &[&[&[&str]]]) -> String {
        let mut table = TableWriter::new(Vec::new(), headers);
        for rows in parts {
            let rows: Vec<Vec<String>> =
                rows.iter().map(|row| row.iter().map(|cell| cell.to_string()).collect()).collect();
            table.rows(&rows).unwrap();
        }
        String::from_utf8(table.finish().unwrap()).unwrap()
    }

    #[test]
    fn columns_are_as_wide_as_the_first_rows() {
        let table = written(&["a", "name"], &[&[&["1", "x"], &["22", "längere"]], &[&["3", "wider than before"]]]);
        assert_eq!(table, " a  | name\n----+---------\n 1  | x\n 22 | längere\n 3  | wider than before\n");
    }

    #[test]
    fn a_table_without_rows_has_a_header() {
        assert_eq!(written(&["a", "b"], &[]), " a | b\n---+---\n");
    }

    #[test]
    fn control_characters_cannot_reach_the_terminal() {
        let table = written(&["a"], &[&[&["\u{1b}[2J\r\n\u{202e}"]]]);
        assert!(table.contains("\\x1b[2J\\r\\n\\u202e"), "{table}");
    }
}
