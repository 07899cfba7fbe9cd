//! The grammar of JSON (RFC 8259) over one line.

use std::borrow::Cow;

use crate::TextError;

/// How deep values nest.
const DEPTH: usize = 64;

/// A place in a line.
pub struct Cursor<'a> {
    text: &'a str,
    position: usize,
    line: u64,
    depth: usize,
}

/// What a value is, by its first character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    Null,
    Bool,
    Number,
    String,
    List,
    Object,
}

impl Value {
    /// As a message calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Number => "a number",
            Self::String => "text",
            Self::List => "a list",
            Self::Object => "an object",
        }
    }
}

impl<'a> Cursor<'a> {
    pub fn new(line: u64, text: &'a str) -> Self {
        Self { text, position: 0, line, depth: 0 }
    }

    pub fn line(&self) -> u64 {
        self.line
    }

    /// Where it is in the line, counted from 1.
    pub fn column(&self) -> u64 {
        self.position as u64 + 1
    }

    /// An error of this place.
    pub fn wrong(&self, problem: impl Into<String>) -> TextError {
        TextError::new(self.line, Some(self.column()), problem)
    }

    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\r') = self.bytes().get(self.position) {
            self.position += 1;
        }
    }

    fn peek(&mut self) -> Option<u8> {
        self.space();
        self.bytes().get(self.position).copied()
    }

    fn unexpected(&self, expected: &str) -> TextError {
        match self.text[self.position..].chars().next() {
            None => self.wrong(format!("the line ends where {expected} is expected: one object a line is expected")),
            Some(found) => {
                self.wrong(format!("{} stands where {expected} is expected", crate::shown(&found.to_string())))
            }
        }
    }

    /// What comes next.
    pub fn value(&mut self) -> Result<Value, TextError> {
        match self.peek() {
            Some(b'"') => Ok(Value::String),
            Some(b'-' | b'0'..=b'9') => Ok(Value::Number),
            Some(b'{') => Ok(Value::Object),
            Some(b'[') => Ok(Value::List),
            Some(b't' | b'f') => Ok(Value::Bool),
            Some(b'n') => Ok(Value::Null),
            _ => Err(self.unexpected("a value")),
        }
    }

    /// The one object of the line.
    pub fn only_object(
        &mut self,
        member: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), TextError>,
    ) -> Result<(), TextError> {
        match self.peek() {
            Some(b'{') => {}
            Some(b'[') => return Err(self.wrong("a list begins here, and one object a line is expected")),
            _ => return Err(self.unexpected("an object, one a line,")),
        }
        self.object(member)?;
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.wrong("something follows the object, and one object a line is expected")),
        }
    }

    /// The members of an object; `member` takes the value of each.
    pub fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), TextError>,
    ) -> Result<(), TextError> {
        self.enter()?;
        if self.peek() == Some(b'}') {
            return self.leave();
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("a name in quotes"));
            }
            let name = self.string()?;
            if self.peek() != Some(b':') {
                return Err(self.unexpected("a colon"));
            }
            self.position += 1;
            member(self, name)?;
            match self.peek() {
                Some(b',') => self.position += 1,
                Some(b'}') => return self.leave(),
                _ => return Err(self.unexpected("a comma or the end of the object")),
            }
        }
    }

    /// The items of a list; `item` takes each.
    pub fn list(&mut self, mut item: impl FnMut(&mut Self) -> Result<(), TextError>) -> Result<(), TextError> {
        self.enter()?;
        if self.peek() == Some(b']') {
            return self.leave();
        }
        loop {
            item(self)?;
            match self.peek() {
                Some(b',') => self.position += 1,
                Some(b']') => return self.leave(),
                _ => return Err(self.unexpected("a comma or the end of the list")),
            }
        }
    }

    fn enter(&mut self) -> Result<(), TextError> {
        if self.depth == DEPTH {
            return Err(self.wrong(format!("values are nested more than {DEPTH} levels deep")));
        }
        self.depth += 1;
        self.position += 1;
        Ok(())
    }

    fn leave(&mut self) -> Result<(), TextError> {
        self.depth -= 1;
        self.position += 1;
        Ok(())
    }

    pub fn null(&mut self) -> Result<(), TextError> {
        self.word("null")
    }

    pub fn bool(&mut self) -> Result<bool, TextError> {
        let is_true = self.peek() == Some(b't');
        self.word(if is_true { "true" } else { "false" })?;
        Ok(is_true)
    }

    fn word(&mut self, word: &str) -> Result<(), TextError> {
        self.space();
        match self.text[self.position..].starts_with(word) {
            true => {
                self.position += word.len();
                Ok(())
            }
            false => Err(self.unexpected(word)),
        }
    }

    /// A number as it is written.
    pub fn number(&mut self) -> Result<&'a str, TextError> {
        self.space();
        let (bytes, start) = (self.bytes(), self.position);
        let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let mut at = start + usize::from(bytes.get(start) == Some(&b'-'));
        let whole = digits(at);
        if whole == 0 {
            return Err(self.wrong("a minus is no number"));
        }
        if whole > 1 && bytes[at] == b'0' {
            return Err(self.wrong("a number of JSON does not begin with 0; text is in quotes"));
        }
        at += whole;
        if bytes.get(at) == Some(&b'.') {
            let fraction = digits(at + 1);
            if fraction == 0 {
                return Err(self.wrong("a number of JSON does not end with a point"));
            }
            at += 1 + fraction;
        }
        if let Some(b'e' | b'E') = bytes.get(at) {
            at += 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
            let exponent = digits(at);
            if exponent == 0 {
                return Err(self.wrong("the exponent of a number has no digits"));
            }
            at += exponent;
        }
        self.position = at;
        Ok(&self.text[start..at])
    }

    /// The text in quotes, without what escapes it.
    pub fn string(&mut self) -> Result<Cow<'a, str>, TextError> {
        self.space();
        let start = self.position + 1;
        let mut text = String::new();
        let mut from = start;
        loop {
            match memchr::memchr2(b'"', b'\\', &self.bytes()[from..]) {
                None => return Err(self.wrong("the text that begins here has no end in its line")),
                Some(length) => {
                    let at = from + length;
                    if self.bytes()[at] == b'"' {
                        self.position = at + 1;
                        let rest = &self.text[from..at];
                        return Ok(if from == start { Cow::Borrowed(rest) } else { Cow::Owned(text + rest) });
                    }
                    text.push_str(&self.text[from..at]);
                    let (character, end) = self.escaped(at)?;
                    text.push(character);
                    from = end;
                }
            }
        }
    }

    /// What the escape at a place stands for, and where it ends.
    fn escaped(&self, at: usize) -> Result<(char, usize), TextError> {
        let wrong = |problem: &str| TextError::new(self.line, Some(at as u64 + 1), problem);
        let unit = |at: usize| {
            let digits = self.text.get(at + 2..at + 6).filter(|_| self.text[at..].starts_with("\\u"))?;
            let is_hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            u32::from_str_radix(digits, 16).ok().filter(|_| is_hexadecimal)
        };
        let character = match self.bytes().get(at + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let first = unit(at).ok_or_else(|| wrong("\\u is followed by four hexadecimal digits"))?;
                if let Some(character) = char::from_u32(first) {
                    return Ok((character, at + 6));
                }
                let half = "it is one half of a surrogate pair, which is no character";
                let second = unit(at + 6).filter(|second| first < 0xdc00 && (0xdc00..0xe000).contains(second));
                let second = second.ok_or_else(|| wrong(half))?;
                let both = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return char::from_u32(both).map(|character| (character, at + 12)).ok_or_else(|| wrong(half));
            }
            _ => return Err(wrong("a backslash is followed by one of \"\\/bfnrtu")),
        };
        Ok((character, at + 2))
    }

    /// Any value, as it is written.
    pub fn raw(&mut self) -> Result<&'a str, TextError> {
        self.space();
        let start = self.position;
        self.skip()?;
        Ok(&self.text[start..self.position])
    }

    /// Reads over a value.
    pub fn skip(&mut self) -> Result<(), TextError> {
        match self.value()? {
            Value::Null => self.null(),
            Value::Bool => self.bool().map(|_| ()),
            Value::Number => self.number().map(|_| ()),
            Value::String => self.string().map(|_| ()),
            Value::List => self.list(Self::skip),
            Value::Object => self.object(|cursor, _| cursor.skip()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        let mut cursor = Cursor::new(7, text);
        let mut found = String::new();
        let read = cursor.only_object(|cursor, name| {
            found += &format!("{name}={};", cursor.raw()?);
            Ok(())
        });
        read.map(|()| found).map_err(|error| error.to_string())
    }

    #[test]
    fn one_object_a_line_is_read() {
        assert_eq!(
            read(r#" {"a" : [1, {"b":null}], "\u00e9\n" : -1.5e+3 } "#).unwrap(),
            "a=[1, {\"b\":null}];é\n=-1.5e+3;"
        );
        assert_eq!(read("{}").unwrap(), "");
        let mut cursor = Cursor::new(1, r#""\ud83d\ude00\"""#);
        assert_eq!(cursor.string().unwrap(), "😀\"");
    }

    #[test]
    fn everything_else_is_wrong_at_a_place() {
        let deep = format!("{{\"a\": {}", "[".repeat(100));
        for (text, expected) in [
            (r#"{"a": }"#, "line 7, column 7: \"}\" stands where a value is expected"),
            (r#"{"a": 007}"#, "column 7: a number of JSON does not begin with 0"),
            (r#"{"a": 1.}"#, "column 7"),
            (r#"{"a": -}"#, "column 7"),
            (r#"{"a": NaN}"#, "column 7"),
            (r#"{"a": nul}"#, "column 7"),
            (r#"[{"a": 1}]"#, "column 1: a list begins here, and one object a line is expected"),
            ("[", "one object a line is expected"),
            ("{", "one object a line is expected"),
            (r#"{"a": 1} {"a": 2}"#, "column 10: something follows the object"),
            (r#"{"a": 1,}"#, "column 9: \"}\" stands where a name"),
            (r#"{'a': 1}"#, "column 2"),
            (r#"{"a": "x"#, "column 7: the text that begins here has no end"),
            (r#"{"a": "\ud83d"}"#, "column 8: it is one half of a surrogate pair"),
            (r#"{"a": "\x"}"#, "column 8"),
            (r#"{"a": "\u12g4"}"#, "column 8"),
            ("1", "an object, one a line,"),
            (&deep, "nested more than 64"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
