//! `--args`: columns and constants for the parameters of a function, in order.
//!
//! `x,=3,='a, b',=NULL,"a,b"`: a column, three constants, and a column with a comma in its name (which needs no quotes when the table has a
//! column of that name).

use std::str::FromStr;
use std::sync::Arc;

use arrow::array::NullArray;
use arrow_schema::Schema;
use vivarium::{ArgumentValue, Arguments};

/// The arguments as they were given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenArguments(Vec<Given>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Given {
    Column(String),
    /// A column's name in quotes.
    QuotedColumn(String),
    Constant(String),
    Null,
}

impl FromStr for GivenArguments {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parts(text)?.into_iter().map(given).collect::<Result<_, _>>().map(Self)
    }
}

impl GivenArguments {
    /// The arguments over a table: parts that are no columns by themselves may be one together.
    pub fn over(&self, table: &Schema) -> Arguments {
        let mut values = Vec::new();
        let mut rest = &self.0[..];
        while let [first, others @ ..] = rest {
            rest = others;
            values.push(match first {
                Given::Null => ArgumentValue::Constant(Arc::new(NullArray::new(1))),
                Given::Constant(text) => ArgumentValue::Text(text.clone()),
                Given::QuotedColumn(name) => ArgumentValue::Column(name.clone()),
                Given::Column(name) => {
                    let (name, taken) = column(name, others, table);
                    rest = &others[taken..];
                    ArgumentValue::Column(name)
                }
            });
        }
        Arguments::Values(values)
    }
}

/// The column that begins with a part, and how many of the parts that follow belong to its name.
fn column(first: &str, others: &[Given], table: &Schema) -> (String, usize) {
    let mut name = first.to_owned();
    if table.field_with_name(first).is_ok() {
        return (name, 0);
    }
    for (index, part) in others.iter().enumerate() {
        let Given::Column(part) = part else { break };
        name = format!("{name},{part}");
        if table.field_with_name(&name).is_ok() {
            return (name, index + 1);
        }
    }
    (first.to_owned(), 0)
}

/// The parts between commas that stand in no quotes.
fn parts(text: &str) -> Result<Vec<&str>, String> {
    let (mut parts, mut start, mut quote) = (Vec::new(), 0, None);
    let mut at_begin = true;
    for (index, character) in text.char_indices() {
        match (quote, character) {
            (None, ',') => {
                parts.push(&text[start..index]);
                start = index + 1;
            }
            // An apostrophe within a name or a word is one.
            (None, '\'' | '"') if at_begin => quote = Some(character),
            (Some(open), close) if open == close => quote = None,
            _ => {}
        }
        at_begin = character == ',' || (at_begin && character == '=');
    }
    if let Some(quote) = quote {
        return Err(format!("a {quote} has no end"));
    }
    parts.push(&text[start..]);
    Ok(parts)
}

fn given(part: &str) -> Result<Given, String> {
    let quoted = |text: &str, quote: char| {
        let inner = text.strip_prefix(quote)?.strip_suffix(quote)?;
        Some(inner.replace(&format!("{quote}{quote}"), &quote.to_string()))
    };
    Ok(match part.strip_prefix('=') {
        Some(text) if text.eq_ignore_ascii_case("null") => Given::Null,
        Some(text) => Given::Constant(quoted(text, '\'').unwrap_or_else(|| text.to_owned())),
        None => match quoted(part, '"') {
            Some(name) => Given::QuotedColumn(name),
            None => Given::Column(part.to_owned()),
        },
    })
}

#[cfg(test)]
mod tests {
    use arrow_schema::{DataType, Field};

    use super::*;

    #[test]
    fn quotes_keep_commas_together() {
        let given: GivenArguments = r#"x,=NULL,='a,b',='it''s',=3,="q",=it's,"a,b""#.parse().unwrap();
        let constant = |text: &str| Given::Constant(text.to_owned());
        assert_eq!(
            given.0,
            [
                Given::Column("x".to_owned()),
                Given::Null,
                constant("a,b"),
                constant("it's"),
                constant("3"),
                constant("\"q\""),
                constant("it's"),
                Given::QuotedColumn("a,b".to_owned()),
            ]
        );
        assert!("='a".parse::<GivenArguments>().is_err());
    }

    #[test]
    fn a_column_may_have_a_comma() {
        let table = Schema::new(["x", "a,b", "b"].map(|name| Field::new(name, DataType::Int8, true)).to_vec());
        let over = |text: &str| {
            let Arguments::Values(values) = text.parse::<GivenArguments>().unwrap().over(&table) else {
                panic!("{text}")
            };
            values
                .iter()
                .map(|value| match value {
                    ArgumentValue::Column(name) => name.clone(),
                    other => format!("{other:?}"),
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(over("x,a,b"), ["x", "a,b"]);
        assert_eq!(over("x,b"), ["x", "b"]);
        assert_eq!(over("y,z"), ["y", "z"]);
    }
}
