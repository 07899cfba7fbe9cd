//! What Tab completes: keywords, and the names that a session knows.

use std::collections::BTreeMap;

use crate::sql::session::Session;

/// The words of statements that people type at a prompt. (The parser knows a thousand, most of which nobody looks for.)
const KEYWORDS: &[&str] = &[
    "ALL",
    "ANALYZE",
    "AND",
    "ANY",
    "AS",
    "ASC",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "COPY",
    "CREATE",
    "CROSS",
    "DATE",
    "DELETE",
    "DESC",
    "DESCRIBE",
    "DISTINCT",
    "DROP",
    "ELSE",
    "END",
    "EXCEPT",
    "EXISTS",
    "EXPLAIN",
    "EXTERNAL",
    "EXTRACT",
    "FALSE",
    "FILTER",
    "FROM",
    "FULL",
    "FUNCTION",
    "FUNCTIONS",
    "GROUP",
    "HAVING",
    "IF",
    "IMMUTABLE",
    "IN",
    "INNER",
    "INSERT",
    "INTERSECT",
    "INTERVAL",
    "INTO",
    "IS",
    "JOIN",
    "LANGUAGE",
    "LATERAL",
    "LEFT",
    "LIKE",
    "LIMIT",
    "LOCATION",
    "NOT",
    "NULL",
    "NULLS",
    "OFFSET",
    "ON",
    "OR",
    "ORDER",
    "OUTER",
    "OVER",
    "PARTITION",
    "PYTHON",
    "REPLACE",
    "RETURNS",
    "RIGHT",
    "SELECT",
    "SET",
    "SHOW",
    "STABLE",
    "STORED",
    "TABLE",
    "TABLES",
    "THEN",
    "TO",
    "TRUE",
    "UNION",
    "UNNEST",
    "USING",
    "VALUES",
    "VIEW",
    "VOLATILE",
    "WHEN",
    "WHERE",
    "WINDOW",
    "WITH",
];

/// The words of a session.
#[derive(Debug, Default)]
pub struct Words {
    /// Columns of each table.
    tables: BTreeMap<String, Vec<String>>,
    functions: Vec<String>,
}

impl Words {
    /// What a session knows now.
    pub async fn of(session: &Session) -> Self {
        let context = &session.context;
        let mut tables = BTreeMap::new();
        for catalog in context.catalog_names() {
            let Some(catalog) = context.catalog(&catalog) else { continue };
            for schema in catalog.schema_names().into_iter().filter(|name| name != "information_schema") {
                let Some(schema) = catalog.schema(&schema) else { continue };
                for name in schema.table_names() {
                    let table = schema.table(&name).await.ok().flatten();
                    let columns = table.map(|table| columns(&table.schema())).unwrap_or_default();
                    tables.insert(quoted(&name), columns);
                }
            }
        }
        let state = context.state();
        let functions = state
            .scalar_functions()
            .keys()
            .chain(state.aggregate_functions().keys())
            .chain(state.window_functions().keys())
            .chain(state.table_functions().keys());
        let functions = functions.filter(|name| name.starts_with(|c: char| c.is_alphabetic())).cloned().collect();
        Self { tables, functions }
    }

    /// Where the word before `position` begins, and what it may become.
    pub fn complete(&self, line: &str, position: usize) -> (usize, Vec<String>) {
        let before = &line[..position];
        let start = before
            .char_indices()
            .rev()
            .take_while(|(_, c)| c.is_alphanumeric() || matches!(c, '_' | '"'))
            .last()
            .map_or(position, |(index, _)| index);
        let typed = &before[start..];
        // Behind `table.` there are that table's columns only.
        if let Some(owner) = before[..start].strip_suffix('.') {
            let table =
                owner.rsplit(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '"'))).next().unwrap_or_default();
            return match self.tables.get(table) {
                Some(columns) => (start, matching(columns.iter(), typed)),
                // The name of a table for one query: it may be any.
                None => (start, matching(self.tables.values().flatten(), typed)),
            };
        }
        if typed.is_empty() {
            return (start, Vec::new());
        }
        let mut found = matching(self.tables.keys(), typed);
        found.extend(matching(self.tables.values().flatten(), typed));
        found.extend(matching(self.functions.iter(), typed));
        // Keywords are written as the word was begun.
        let lower = typed.chars().any(char::is_lowercase);
        for keyword in KEYWORDS {
            if starts_with(keyword, typed) {
                found.push(if lower { keyword.to_lowercase() } else { (*keyword).to_owned() });
            }
        }
        found.sort();
        found.dedup();
        (start, found)
    }
}

fn matching<'a>(names: impl Iterator<Item = &'a String>, typed: &str) -> Vec<String> {
    let mut found: Vec<_> = names.filter(|name| starts_with(name, typed)).cloned().collect();
    found.sort();
    found.dedup();
    found
}

fn starts_with(name: &str, typed: &str) -> bool {
    name.get(..typed.len()).is_some_and(|start| start.eq_ignore_ascii_case(typed))
}

fn columns(schema: &arrow_schema::Schema) -> Vec<String> {
    schema.fields().iter().map(|field| quoted(field.name())).collect()
}

/// The name as SQL finds it again.
fn quoted(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(line: &str) -> Vec<String> {
        let orders = vec!["o_key".to_owned(), "\"Price\"".to_owned()];
        let words = Words {
            tables: BTreeMap::from([("orders".to_owned(), orders), ("items".to_owned(), vec!["i_key".to_owned()])]),
            functions: vec!["octet_length".to_owned()],
        };
        words.complete(line, line.len()).1
    }

    #[test]
    fn names_and_keywords_are_completed() {
        assert_eq!(completed("SELECT * FROM ord"), ["order", "orders"]);
        assert_eq!(completed("sel"), ["select"]);
        assert_eq!(completed("SEL"), ["SELECT"]);
        assert_eq!(completed("SELECT oct"), ["octet_length"]);
        assert_eq!(completed("SELECT \"P"), ["\"Price\""]);
        assert!(completed("SELECT ").is_empty());
    }

    #[test]
    fn columns_are_those_of_the_table() {
        assert_eq!(completed("SELECT items."), ["i_key"]);
        assert_eq!(completed("SELECT orders.o_"), ["o_key"]);
        // An alias may stand for any table.
        assert_eq!(completed("SELECT x.i"), ["i_key"]);
    }
}
