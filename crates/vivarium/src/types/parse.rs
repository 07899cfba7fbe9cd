//! Text to Arrow type: recursive descent, bounded in length and depth.

use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, Fields, IntervalUnit, TimeUnit};

use super::{MAX_TYPE_DEPTH, MAX_TYPE_TEXT, TypeError};

/// How much of a wrong type's text an error repeats, in characters.
const SHOWN: usize = 120;

/// Reads a type from the text that [`print`](super::print) writes.
///
/// # Errors
/// A [`TypeError`] that says what was expected where; any input is safe.
pub fn parse(text: &str) -> Result<DataType, TypeError> {
    if text.len() > MAX_TYPE_TEXT {
        return Err(TypeError::TooLong(text.len()));
    }
    let mut parser = Parser { text, position: 0 };
    let data_type = parser.data_type(1)?;
    parser.blanks();
    if parser.position != text.len() {
        return Err(parser.expected("the end of the type"));
    }
    // What is read can be written: both have the same bounds.
    super::print(&data_type)?;
    Ok(data_type)
}

struct Parser<'a> {
    text: &'a str,
    position: usize,
}

impl<'a> Parser<'a> {
    fn data_type(&mut self, depth: usize) -> Result<DataType, TypeError> {
        if depth > MAX_TYPE_DEPTH {
            return Err(TypeError::TooDeep);
        }
        self.blanks();
        let start = self.position;
        let name = self.word();
        let data_type = match name {
            "null" => DataType::Null,
            "bool" => DataType::Boolean,
            "int8" => DataType::Int8,
            "int16" => DataType::Int16,
            "int32" => DataType::Int32,
            "int64" => DataType::Int64,
            "uint8" => DataType::UInt8,
            "uint16" => DataType::UInt16,
            "uint32" => DataType::UInt32,
            "uint64" => DataType::UInt64,
            "halffloat" => DataType::Float16,
            "float" => DataType::Float32,
            "double" => DataType::Float64,
            "string" => DataType::Utf8,
            "large_string" => DataType::LargeUtf8,
            "binary" => DataType::Binary,
            "large_binary" => DataType::LargeBinary,
            "fixed_size_binary" => DataType::FixedSizeBinary(self.size(1)?),
            "date32" => self.bracketed("day").map(|()| DataType::Date32)?,
            "date64" => self.bracketed("ms").map(|()| DataType::Date64)?,
            "time32" => DataType::Time32(self.unit(&[TimeUnit::Second, TimeUnit::Millisecond])?),
            "time64" => DataType::Time64(self.unit(&[TimeUnit::Microsecond, TimeUnit::Nanosecond])?),
            "duration" => DataType::Duration(self.unit(&ALL_UNITS)?),
            "timestamp" => self.timestamp()?,
            "month_day_nano_interval" => DataType::Interval(IntervalUnit::MonthDayNano),
            "decimal128" => self.decimal(38).map(|(precision, scale)| DataType::Decimal128(precision, scale))?,
            "decimal256" => self.decimal(76).map(|(precision, scale)| DataType::Decimal256(precision, scale))?,
            "list" => DataType::List(self.item(depth)?),
            "large_list" => DataType::LargeList(self.item(depth)?),
            "fixed_size_list" => {
                let item = self.item(depth)?;
                DataType::FixedSizeList(item, self.size(0)?)
            }
            "struct" => DataType::Struct(self.fields(depth)?),
            "map" => self.map(depth)?,
            _ => {
                self.position = start;
                return Err(self.expected("the name of a type"));
            }
        };
        Ok(data_type)
    }

    fn timestamp(&mut self) -> Result<DataType, TypeError> {
        self.literal("[", "'['")?;
        let unit = self.unit_word(&ALL_UNITS)?;
        if self.take("]") {
            return Ok(DataType::Timestamp(unit, None));
        }
        self.literal(",", "',' or ']'")?;
        self.literal("tz=", "'tz='")?;
        let rest = &self.text[self.position..];
        let end = rest.find(|c: char| !super::print::stands_in_zone(c)).filter(|&end| end > 0);
        let end = end.ok_or_else(|| self.expected("a time zone and ']'"))?;
        self.position += end;
        self.literal("]", "']'")?;
        Ok(DataType::Timestamp(unit, Some(Arc::from(&rest[..end]))))
    }

    fn unit(&mut self, allowed: &[TimeUnit]) -> Result<TimeUnit, TypeError> {
        self.literal("[", "'['")?;
        let unit = self.unit_word(allowed)?;
        self.literal("]", "']'")?;
        Ok(unit)
    }

    fn unit_word(&mut self, allowed: &[TimeUnit]) -> Result<TimeUnit, TypeError> {
        let start = self.position;
        let word = self.word();
        allowed.iter().copied().find(|&unit| super::print::unit_name(unit) == word).ok_or_else(|| {
            self.position = start;
            self.expected("a time unit that this type has")
        })
    }

    fn bracketed(&mut self, word: &'static str) -> Result<(), TypeError> {
        self.literal("[", "'['")?;
        self.literal(word, word)?;
        self.literal("]", "']'")
    }

    fn size(&mut self, least: i32) -> Result<i32, TypeError> {
        self.literal("[", "'['")?;
        let size = self.number(least, i32::MAX, "a size")?;
        self.literal("]", "']'")?;
        Ok(size)
    }

    fn decimal(&mut self, most: i32) -> Result<(u8, i8), TypeError> {
        self.literal("(", "'('")?;
        let precision = self.number(1, most, "a precision that this type has")?;
        self.literal(",", "','")?;
        let scale = self.number(-most, precision, "a scale of at most the precision")?;
        self.literal(")", "')'")?;
        // Both are in range: 1..=76 and -76..=76.
        Ok((precision as u8, scale as i8))
    }

    fn number(&mut self, least: i32, most: i32, expected: &'static str) -> Result<i32, TypeError> {
        self.blanks();
        let rest = &self.text[self.position..];
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(rest.len());
        match rest[..end].parse::<i32>() {
            Ok(number) if (least..=most).contains(&number) => {
                self.position += end;
                Ok(number)
            }
            _ => Err(self.expected(expected)),
        }
    }

    fn item(&mut self, depth: usize) -> Result<FieldRef, TypeError> {
        self.literal("<", "'<'")?;
        let field = self.field(depth + 1)?;
        self.literal(">", "'>'")?;
        Ok(Arc::new(field))
    }

    fn fields(&mut self, depth: usize) -> Result<Fields, TypeError> {
        self.literal("<", "'<'")?;
        let mut fields = Vec::new();
        if self.take(">") {
            return Ok(Fields::empty());
        }
        loop {
            fields.push(self.field(depth + 1)?);
            if self.take(">") {
                return Ok(fields.into());
            }
            self.literal(",", "',' or '>'")?;
        }
    }

    fn field(&mut self, depth: usize) -> Result<Field, TypeError> {
        let name = self.field_name()?;
        self.literal(":", "':'")?;
        let data_type = self.data_type(depth)?;
        Ok(Field::new(name, data_type, !self.take("not null")))
    }

    fn field_name(&mut self) -> Result<String, TypeError> {
        self.blanks();
        let rest = &self.text[self.position..];
        if !rest.starts_with('"') {
            let end = rest.find([':', '<', '>', '(', ')', '[', ']', ',', '"', '\\']).unwrap_or(rest.len());
            let name = rest[..end].trim_end_matches(is_blank);
            if name.is_empty() {
                return Err(self.expected("a field name"));
            }
            self.position += end;
            return Ok(name.to_owned());
        }
        let mut names = serde_json::Deserializer::from_str(rest).into_iter::<String>();
        match names.next() {
            Some(Ok(name)) => {
                self.position += names.byte_offset();
                Ok(name)
            }
            _ => Err(self.expected("a field name as a JSON string")),
        }
    }

    fn map(&mut self, depth: usize) -> Result<DataType, TypeError> {
        self.literal("<", "'<'")?;
        let key = self.data_type(depth + 1)?;
        self.literal(",", "','")?;
        let value = self.data_type(depth + 1)?;
        let value = Field::new("value", value, !self.take("not null"));
        let sorted = self.take(",");
        if sorted {
            self.literal("keys_sorted", "'keys_sorted'")?;
        }
        self.literal(">", "'>'")?;
        let entries = Fields::from(vec![Field::new("key", key, false), value]);
        Ok(DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entries), false)), sorted))
    }

    fn word(&mut self) -> &'a str {
        let rest = &self.text[self.position..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        self.position += end;
        &rest[..end]
    }

    fn literal(&mut self, literal: &str, expected: &'static str) -> Result<(), TypeError> {
        if self.take(literal) { Ok(()) } else { Err(self.expected(expected)) }
    }

    fn take(&mut self, literal: &str) -> bool {
        self.blanks();
        let found = self.text[self.position..].starts_with(literal);
        if found {
            self.position += literal.len();
        }
        found
    }

    fn blanks(&mut self) {
        let rest = &self.text[self.position..];
        self.position += rest.len() - rest.trim_start_matches(is_blank).len();
    }

    fn expected(&self, expected: &'static str) -> TypeError {
        TypeError::Syntax { text: super::print::shortened(self.text, SHOWN), position: self.position, expected }
    }
}

/// What may stand between the parts of a type, as Python's `\s` has it: the guest reads types, too.
fn is_blank(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\x1c'..='\x1f')
}

const ALL_UNITS: [TimeUnit; 4] = [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond];
