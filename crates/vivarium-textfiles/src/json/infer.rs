//! The columns of a JSON file, by its first lines.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::Arc;

use arrow::error::ArrowError;
use arrow_schema::{DataType, Field, Schema};

use super::cursor::{Cursor, Value};
use super::lines::Lines;
use crate::scalar::{Kind, Seen};
use crate::{Inferred, Reason, TextError, TextFormat};

/// What values at one place of the objects were.
#[derive(Debug, Clone, Default)]
struct Shape {
    scalars: Seen,
    /// A line with a list, and what was in lists.
    list: Option<(u64, Box<Shape>)>,
    /// A line with an object, and what was in objects.
    object: Option<(u64, BTreeMap<String, Shape>)>,
}

/// Columns of JSON files: what their values were.
#[derive(Debug, Clone, Default)]
pub struct JsonColumns {
    columns: BTreeMap<String, Shape>,
    rows: u64,
    whole: bool,
}

/// The columns of a file.
///
/// # Errors
/// The first line that is no object, or whose values have no type in common with those before.
pub fn infer(input: impl Read, format: &TextFormat, most: u64) -> Result<JsonColumns, ArrowError> {
    let mut lines = Lines::new(input);
    let mut found = JsonColumns { whole: true, ..JsonColumns::default() };
    let columns = &mut found.columns;
    while let Some((number, line)) = lines.next()? {
        if found.rows == most {
            found.whole = false;
            break;
        }
        found.rows += 1;
        Cursor::new(number, line).only_object(|cursor, name| {
            if format.told(&name).is_some() {
                columns.entry(name.into_owned()).or_default();
                return cursor.skip();
            }
            match columns.get_mut(&*name) {
                Some(shape) => shape.see(cursor, &name),
                None => columns.entry(name.to_string()).or_default().see(cursor, &name),
            }
        })?;
    }
    Ok(found)
}

impl Shape {
    fn see(&mut self, cursor: &mut Cursor<'_>, path: &str) -> Result<(), TextError> {
        let value = cursor.value()?;
        let line = cursor.line();
        match value {
            Value::Null => return cursor.null(),
            Value::List | Value::Object => self.check(cursor, value, path)?,
            _ if self.list.is_some() || self.object.is_some() => self.check(cursor, value, path)?,
            _ => {}
        }
        match value {
            Value::Bool => {
                cursor.bool()?;
                self.scalars.add(Kind::Bool, line);
            }
            Value::Number => {
                let number = cursor.number()?;
                self.scalars.add_number(number.as_bytes(), line);
            }
            Value::String => {
                cursor.string()?;
                self.scalars.add(Kind::Text, line);
            }
            Value::List => {
                let (_, item) = self.list.get_or_insert_with(|| (line, Box::default()));
                cursor.list(|cursor| item.see(cursor, path))?;
            }
            Value::Object => {
                let (_, members) = self.object.get_or_insert_with(|| (line, BTreeMap::new()));
                cursor.object(|cursor, name| match members.get_mut(&*name) {
                    Some(shape) => shape.see(cursor, path),
                    None => members.entry(name.to_string()).or_default().see(cursor, path),
                })?;
            }
            Value::Null => {}
        }
        Ok(())
    }

    /// Lists, objects and single values have no type in common.
    fn check(&self, cursor: &Cursor<'_>, value: Value, path: &str) -> Result<(), TextError> {
        match self.before(value) {
            None => Ok(()),
            Some((before, what)) => Err(cursor.wrong(format!(
                "column {path:?} has {} here and {what} in line {before}; --types '{path}=utf8' reads both as text",
                value.name()
            ))),
        }
    }

    /// A line with something that has no type in common with `value`, and what that is.
    fn before(&self, value: Value) -> Option<(u64, &'static str)> {
        let list = self.list.as_ref().filter(|_| value != Value::List).map(|(line, _)| (*line, "a list"));
        let object = self.object.as_ref().filter(|_| value != Value::Object).map(|(line, _)| (*line, "an object"));
        let is_single = !matches!(value, Value::List | Value::Object);
        let single = self.scalars.first_line().filter(|_| !is_single).map(|line| (line, "a single value"));
        list.or(object).or(single)
    }

    /// All that values of another file were.
    fn merge(&mut self, other: &Self, path: &str) -> Result<(), String> {
        self.scalars.merge(&other.scalars);
        if let Some((line, item)) = &other.list {
            let (_, own) = self.list.get_or_insert_with(|| (*line, Box::default()));
            own.merge(item, path)?;
        }
        if let Some((line, members)) = &other.object {
            let (_, own) = self.object.get_or_insert_with(|| (*line, BTreeMap::new()));
            for (name, shape) in members {
                own.entry(name.clone()).or_default().merge(shape, path)?;
            }
        }
        let kinds = [self.list.is_some(), self.object.is_some(), !self.scalars.is_empty()];
        match kinds.iter().filter(|kind| **kind).count() {
            0 | 1 => Ok(()),
            _ => Err(format!(
                "column {path:?} has lists, objects or single values, which have no type in common with those of the files before; \
                 --types '{path}=utf8' reads all as text"
            )),
        }
    }

    fn resolve(&self, path: &str, mixed: &mut BTreeSet<String>) -> (DataType, Reason) {
        if let Some((_, item)) = &self.list {
            let (data_type, reason) = item.resolve(&item_path(path), mixed);
            let reason = if reason == Reason::Nulls { Reason::Values } else { reason };
            return (DataType::List(Arc::new(Field::new("item", data_type, true))), reason);
        }
        if let Some((_, members)) = &self.object {
            let mut reason = Reason::Values;
            let field = |(name, shape): (&String, &Self)| {
                let (data_type, of_member) = shape.resolve(&member_path(path, name), mixed);
                if let Reason::Mixed(_) = of_member {
                    reason = of_member;
                }
                Field::new(name, data_type, true)
            };
            let fields = members.iter().map(field).collect::<Vec<_>>();
            return (DataType::Struct(fields.into()), reason);
        }
        let (data_type, reason) = self.scalars.resolve();
        if let Reason::Mixed(_) = reason {
            mixed.insert(path.to_owned());
        }
        (data_type, reason)
    }
}

/// How messages, and the set of places with values of several kinds, name the items of a list.
pub(super) fn item_path(path: &str) -> String {
    format!("{path}[]")
}

/// The same for a member of an object.
pub(super) fn member_path(path: &str, name: &str) -> String {
    format!("{path}.{name}")
}

/// The columns of several files.
///
/// # Errors
/// When a column of `other` has no type in common with that of `one`: a sentence about it.
pub fn merge(one: &mut JsonColumns, other: &JsonColumns) -> Result<(), String> {
    for (name, shape) in &other.columns {
        one.columns.entry(name.clone()).or_default().merge(shape, name)?;
    }
    one.rows += other.rows;
    one.whole &= other.whole;
    Ok(())
}

impl JsonColumns {
    /// How many rows were looked at.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// A table that nothing is known about.
    pub fn none() -> Self {
        Self { whole: true, ..Self::default() }
    }

    /// The columns, in the order of their names; and the places where text stands for values of several kinds.
    pub fn inferred(&self, format: &TextFormat) -> (Inferred, BTreeSet<String>) {
        let mut mixed = BTreeSet::new();
        let mut columns = BTreeMap::new();
        for (name, shape) in &self.columns {
            columns.insert(
                name.clone(),
                match format.told(name) {
                    Some(told) => (told.clone(), Reason::Told),
                    None => shape.resolve(name, &mut mixed),
                },
            );
        }
        // A key that no line has had yet.
        for (name, told) in format.types.iter().filter(|(name, _)| !format.may_miss && !self.columns.contains_key(name))
        {
            columns.insert(name.clone(), (told.clone(), Reason::Told));
        }
        let fields = columns.iter().map(|(name, (data_type, _))| Field::new(name, data_type.clone(), true));
        let schema = Schema::new(fields.collect::<Vec<_>>());
        let reasons = columns.into_values().map(|(_, reason)| reason).collect();
        (Inferred { schema, reasons, rows: self.rows, whole: self.whole }, mixed)
    }
}
