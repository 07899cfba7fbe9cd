//! What the command line says about text files.

use std::str::FromStr;

use arrow_schema::DataType;
use clap::Args;
use vivarium::types;
use vivarium_textfiles::{TextFormat, is_read};

use crate::failure::Failure;
use crate::files::Format;

/// How text files are read.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Text files")]
pub struct TextOptions {
    /// Types of columns of CSV and JSON files, as docs/types.md writes them: 'zip=utf8,price=decimal(10,2)'; may be given several
    /// times. In `sql`, TABLE.COLUMN=TYPE applies to one table. A name with a comma or other signs is written as a JSON string.
    #[arg(long, value_name = "COLUMN=TYPE,...")]
    pub types: Vec<ColumnTypes>,

    /// How many rows of a CSV or JSON file are read to infer its columns' types; `all` reads it twice. A later value that does not
    /// fit is an error with its line.
    #[arg(long, value_name = "N|all", default_value = "100000", value_parser = parse_rows)]
    pub infer_rows: u64,

    /// What separates the fields of a CSV file: one character, or `tab`.
    #[arg(long, value_name = "CHARACTER", default_value = ",", value_parser = parse_delimiter)]
    pub delimiter: u8,

    /// What quotes fields of a CSV file: one character, or `none`.
    #[arg(long, value_name = "CHARACTER", default_value = "\"", value_parser = parse_quote)]
    pub quote: Quote,

    /// The first line of a CSV file is a row; columns are called column_1, column_2, ...
    #[arg(long)]
    pub no_header: bool,

    /// What stands for NULL in a CSV file besides an empty field, such as 'NA,null'. A quoted field is never NULL in a column of text.
    #[arg(long, value_name = "TEXT,...", value_delimiter = ',')]
    pub null_values: Vec<String>,
}

/// What quotes a field, if anything does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quote(pub Option<u8>);

/// Columns and their types, in the order in which they were given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnTypes(pub Vec<(ColumnName, DataType)>);

/// A column as it is named beside its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnName {
    /// As it is; what is before a point may be a table.
    Plain(String),
    /// In quotes, perhaps with a table before them.
    Quoted { table: Option<String>, column: String },
}

impl TextOptions {
    /// For the only table of a command, which has this format.
    ///
    /// # Errors
    /// When types are given and the file itself says its types.
    pub fn format_for(&self, format: Format) -> Result<TextFormat, Failure> {
        if self.has_types() && !format.is_text() {
            return Err(Failure::usage(
                "--types is about CSV and JSON; files of other formats say their types themselves",
            ));
        }
        Ok(self.of(self.all_types().map(|(name, of)| (name.whole(), of.clone())).collect(), false))
    }

    /// For one of several tables.
    pub fn format_of(&self, table: &str) -> TextFormat {
        let own = |(name, of): &(ColumnName, DataType)| Some((name.within(table)?, of.clone()));
        self.of(self.all_types().filter_map(own).collect(), true)
    }

    fn all_types(&self) -> impl Iterator<Item = &(ColumnName, DataType)> {
        self.types.iter().flat_map(|types| &types.0)
    }

    fn of(&self, types: Vec<(String, DataType)>, may_miss: bool) -> TextFormat {
        TextFormat {
            types,
            may_miss,
            infer_rows: self.infer_rows,
            delimiter: self.delimiter,
            quote: self.quote.0,
            header: !self.no_header,
            nulls: self.null_values.clone(),
            chosen: false,
        }
    }

    /// Whether types were given, which only text files take.
    fn has_types(&self) -> bool {
        self.all_types().next().is_some()
    }
}

impl ColumnName {
    /// The name where there is one table.
    fn whole(&self) -> String {
        match self {
            Self::Plain(name) | Self::Quoted { table: None, column: name } => name.clone(),
            Self::Quoted { table: Some(table), column } => format!("{table}.{column}"),
        }
    }

    /// The name of a column of one of several tables, unless another table is named.
    fn within(&self, table: &str) -> Option<String> {
        match self {
            Self::Plain(name) => match name.split_once('.') {
                Some((of, column)) if of == table => Some(column.to_owned()),
                _ => Some(name.clone()),
            },
            Self::Quoted { table: of, column } => of.as_ref().is_none_or(|of| of == table).then(|| column.clone()),
        }
    }

    /// The name at the beginning of `text`, and what follows the `=` behind it.
    fn before(text: &str) -> Option<(Self, &str)> {
        let (table, quoted) =
            text.split_at(text.find(['"', '=']).filter(|at| text[*at..].starts_with('"')).unwrap_or(0));
        let end = quoted_end(quoted);
        let Some(end) = end.filter(|_| table.is_empty() || table.ends_with('.')) else {
            // The type itself may have a `=`: timestamp[us, tz=UTC].
            let (name, of) = text.split_once('=')?;
            return Some((Self::Plain(name.trim().to_owned()), of));
        };
        let column = serde_json::from_str(&quoted[..end]).ok()?;
        let table = table.strip_suffix('.').map(str::to_owned);
        Some((Self::Quoted { table, column }, quoted[end..].trim_start().strip_prefix('=')?))
    }
}

impl ColumnTypes {
    /// The columns of the only table that there can be, and their types.
    pub fn of_one_table(self) -> impl Iterator<Item = (String, DataType)> {
        self.0.into_iter().map(|(name, of)| (name.whole(), of))
    }
}

impl FromStr for ColumnTypes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut all = Vec::new();
        for part in parts(text) {
            let Some((name, of)) = ColumnName::before(part.trim()) else {
                return Err(format!("write COLUMN=TYPE, for example zip=utf8, in place of {part:?}"));
            };
            all.push((name, parsed(of)?));
        }
        Ok(Self(all))
    }
}

/// Where the string of JSON that a text begins with ends.
fn quoted_end(text: &str) -> Option<usize> {
    text.starts_with('"').then_some(())?;
    let mut escaped = false;
    let is_end = |(_, byte): &(usize, u8)| {
        let ends = !escaped && *byte == b'"';
        escaped = !escaped && *byte == b'\\';
        ends
    };
    text.bytes().enumerate().skip(1).find(is_end).map(|(at, _)| at + 1)
}

fn parsed(text: &str) -> Result<DataType, String> {
    let data_type = types::parse(&named(text.trim())).map_err(|error| error.to_string())?;
    match is_read(&data_type) {
        true => Ok(data_type),
        false => Err(format!("text cannot be read as {text}")),
    }
}

/// Other names of types, those of Arrow and SQL that docs/types.md has.
const NAMES: [(&str, &str); 22] = [
    ("utf8", "string"),
    ("large_utf8", "large_string"),
    ("str", "string"),
    ("varchar", "string"),
    ("boolean", "bool"),
    ("tinyint", "int8"),
    ("smallint", "int16"),
    ("int", "int32"),
    ("integer", "int32"),
    ("bigint", "int64"),
    ("float16", "halffloat"),
    ("float32", "float"),
    ("real", "float"),
    ("float64", "double"),
    ("decimal", "decimal128"),
    ("numeric", "decimal128"),
    ("bytes", "binary"),
    ("date", "date32[day]"),
    ("date32", "date32[day]"),
    ("date64", "date64[ms]"),
    ("time", "time64[us]"),
    ("timestamp", "timestamp[us]"),
];

/// The text of a type with the names that its grammar has.
fn named(text: &str) -> String {
    let is_letter = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let (mut written, mut rest) = (String::new(), text);
    while let Some(first) = rest.chars().next() {
        let word = || rest.find(|character| !is_letter(character)).unwrap_or(rest.len()).max(first.len_utf8());
        let end = quoted_end(rest).unwrap_or_else(word);
        let (word, after) = rest.split_at(end);
        let other = NAMES.iter().find(|(name, _)| word.eq_ignore_ascii_case(name)).map(|(_, other)| *other);
        // A name of a field, and a type that says its unit itself.
        let is_told = after.starts_with(['[', ':']);
        written += other.filter(|_| !is_told).unwrap_or(word);
        rest = after;
    }
    written
}

/// The parts between commas that stand in no brackets and no quotes.
fn parts(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start, mut at) = (Vec::new(), 0_usize, 0, 0);
    while let Some(character) = text[at..].chars().next() {
        match character {
            '(' | '<' | '[' => depth += 1,
            ')' | '>' | ']' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        at += quoted_end(&text[at..]).unwrap_or(character.len_utf8());
    }
    parts.push(&text[start..]);
    parts.retain(|part| !part.trim().is_empty());
    parts
}

/// How many rows tell types.
pub fn parse_rows(text: &str) -> Result<u64, String> {
    match text {
        "all" => Ok(u64::MAX),
        text => text
            .parse()
            .ok()
            .filter(|rows| *rows > 0)
            .ok_or_else(|| "a number of rows is expected, or `all`".to_owned()),
    }
}

fn parse_delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"tab" | b"\\t" => Ok(b'\t'),
        [byte] if byte.is_ascii() && !b"\r\n\"".contains(byte) => Ok(*byte),
        _ => Err("one ASCII character is expected, or `tab`".to_owned()),
    }
}

/// What quotes fields.
pub fn parse_quote(text: &str) -> Result<Quote, String> {
    match text.as_bytes() {
        b"none" => Ok(Quote(None)),
        [byte] if byte.is_ascii() && !b"\r\n".contains(byte) => Ok(Quote(Some(*byte))),
        _ => Err("one ASCII character is expected, or `none`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use arrow_schema::TimeUnit;

    use super::*;

    #[test]
    fn types_are_read_with_their_commas_and_signs() {
        let types: ColumnTypes = "zip=utf8, p=decimal(10, 2),t=timestamp[us, tz=UTC]".parse().unwrap();
        assert_eq!(
            types.0,
            [
                (ColumnName::Plain("zip".to_owned()), DataType::Utf8),
                (ColumnName::Plain("p".to_owned()), DataType::Decimal128(10, 2)),
                (ColumnName::Plain("t".to_owned()), DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
            ]
        );
        for (text, expected) in
            [("timestamp", "timestamp[us]"), ("date32[day]", "date"), ("varchar", "string"), ("bigint", "int64")]
        {
            assert_eq!(types::parse(&named(text)).unwrap(), types::parse(&named(expected)).unwrap(), "{text}");
        }
        let nested: ColumnTypes = "a=list<item: utf8>".parse().unwrap();
        assert_eq!(nested, "a=list<item: string>".parse().unwrap());
        let named: ColumnTypes =
            r#""a,b=[\"c\"]" =struct<"int": int, "]": utf8>,t."x.y"=utf8,u.z=date,say "x"=utf8"#.parse().unwrap();
        let names = |table: &str| named.0.iter().map(|(name, _)| name.within(table)).collect::<Vec<_>>();
        let some = |name: &str| Some(name.to_owned());
        assert_eq!(names("t"), [some(r#"a,b=["c"]"#), some("x.y"), some("u.z"), some("say \"x\"")]);
        assert_eq!(names("u"), [some(r#"a,b=["c"]"#), None, some("z"), some("say \"x\"")]);
        let DataType::Struct(fields) = &named.0[0].1 else { panic!("no struct") };
        assert_eq!((fields[0].name().as_str(), fields[0].data_type(), fields.len()), ("int", &DataType::Int32, 2));
        for wrong in ["zip", "zip=word", "zip=", "\"a\"", "\"a\"b=utf8"] {
            assert!(wrong.parse::<ColumnTypes>().is_err(), "{wrong}");
        }
    }
}
