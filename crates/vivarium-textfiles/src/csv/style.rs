//! How a CSV file is written, where that is a choice.

use arrow::error::ArrowError;

/// What separates and quotes the fields of a file, and what NULL is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Style {
    /// What separates fields.
    pub delimiter: u8,
    /// What quotes them; without it a field that would have to be quoted is refused.
    pub quote: Option<u8>,
    /// Whether the first line has the columns' names.
    pub header: bool,
    /// The text of NULL, which is never in quotes.
    pub null: String,
    /// Other texts that are NULL for who reads the file, unless they are in quotes.
    pub read_as_null: Vec<String>,
}

impl Default for Style {
    fn default() -> Self {
        Self { delimiter: b',', quote: Some(b'"'), header: true, null: String::new(), read_as_null: Vec::new() }
    }
}

/// What a field is, besides its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    /// A text or bytes, which may be empty or read as another value does.
    pub is_text: bool,
    /// The file begins with it.
    pub first: bool,
}

impl Style {
    /// Whether files of this style can be read again.
    ///
    /// # Errors
    /// When one sign would mean several things.
    pub(super) fn check(&self) -> Result<(), ArrowError> {
        let is_end = |byte: u8| matches!(byte, b'\n' | b'\r');
        let null = self.null.as_bytes();
        let ambiguous = is_end(self.delimiter)
            || !self.delimiter.is_ascii()
            || self.quote.is_some_and(|quote| quote == self.delimiter || is_end(quote) || !quote.is_ascii())
            || null.iter().any(|byte| is_end(*byte) || *byte == self.delimiter || Some(*byte) == self.quote);
        match ambiguous {
            true => Err(ArrowError::CsvError(
                "the delimiter, what quotes fields, what stands for NULL and the ends of lines have to differ"
                    .to_owned(),
            )),
            false => Ok(()),
        }
    }

    /// Writes a field in quotes when it needs them: for what it holds, to be told from NULL, or for what a file's beginning would mean.
    ///
    /// # Errors
    /// When it needs quotes and there are none, or would be taken for NULL.
    pub(super) fn push(&self, line: &mut Vec<u8>, text: &str, field: Field) -> Result<(), ArrowError> {
        let (delimiter, quote) = (self.delimiter, self.quote.unwrap_or(b'\n'));
        // Without a branch for each byte.
        let special = text.bytes().fold(false, |special, byte| {
            special | (byte == delimiter) | (byte == quote) | (byte == b'\n') | (byte == b'\r')
        });
        let is_null = text.is_empty() || text == self.null || self.read_as_null.iter().any(|null| null == text);
        if is_null && !field.is_text {
            return Err(ArrowError::CsvError(format!(
                "{text:?} stands for NULL, and is a value of a column of no text"
            )));
        }
        let quoted = special || is_null || (field.first && begins_like_another(text));
        if !quoted {
            line.extend_from_slice(text.as_bytes());
            return Ok(());
        }
        let Some(quote) = self.quote else {
            return Err(ArrowError::CsvError(format!(
                "the text {} cannot be told from others without quotes",
                crate::shown(text)
            )));
        };
        line.push(quote);
        for byte in text.bytes() {
            if byte == quote {
                line.push(quote);
            }
            line.push(byte);
        }
        line.push(quote);
        Ok(())
    }
}

/// Whether a file that begins with the text is taken for one that is marked or compressed.
fn begins_like_another(text: &str) -> bool {
    text.starts_with('\u{feff}') || text.starts_with("BZh")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed(style: &Style, text: &str, is_text: bool) -> Option<String> {
        let mut line = Vec::new();
        style.push(&mut line, text, Field { is_text, first: true }).ok()?;
        Some(String::from_utf8(line).unwrap())
    }

    #[test]
    fn a_field_is_quoted_when_it_would_mean_something_else() {
        let plain = Style::default();
        for (text, written) in
            [("a", "a"), ("", "\"\""), ("a,b", "\"a,b\""), ("a\"", "\"a\"\"\""), ("BZh", "\"BZh\""), ("a;b", "a;b")]
        {
            assert_eq!(pushed(&plain, text, true).as_deref(), Some(written));
        }
        let other = Style { delimiter: b';', quote: Some(b'\''), null: "NA".to_owned(), ..Style::default() };
        for (text, written) in [("NA", "'NA'"), ("", "''"), ("a;b", "'a;b'"), ("it's", "'it''s'"), ("a,b", "a,b")] {
            assert_eq!(pushed(&other, text, true).as_deref(), Some(written));
        }
        let unquoted = Style { quote: None, null: "-".to_owned(), ..Style::default() };
        assert_eq!(pushed(&unquoted, "a\"b", true).as_deref(), Some("a\"b"));
        for refused in ["", "-", "a,b", "\u{feff}"] {
            assert_eq!(pushed(&unquoted, refused, true), None, "{refused:?}");
        }
        assert_eq!(pushed(&Style { null: "0".to_owned(), ..Style::default() }, "0", false), None);
    }

    #[test]
    fn a_style_whose_signs_are_the_same_is_refused() {
        assert!(Style::default().check().is_ok());
        for style in [
            Style { delimiter: b'"', ..Style::default() },
            Style { delimiter: b'\n', ..Style::default() },
            Style { null: "a,b".to_owned(), ..Style::default() },
            Style { quote: Some(b'\r'), ..Style::default() },
        ] {
            assert!(style.check().is_err(), "{style:?}");
        }
    }
}
