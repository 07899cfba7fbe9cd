//! Values of JSON to columns.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, ListArray, NullArray, StringArray, StringBuilder,
    StructArray, UInt64Builder,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::error::ArrowError;
use arrow_schema::{DataType, Field, FieldRef, Fields};

use super::cursor::{Cursor, Value};
use super::infer::{item_path, member_path};
use crate::values::{self, Wrong};
use crate::{TextError, shown};

/// What the columns of a file are made from.
pub struct Types<'a> {
    /// Places at which text stands for values of several kinds.
    pub mixed: &'a BTreeSet<String>,
    /// Columns whose types were told.
    pub told: &'a dyn Fn(&str) -> bool,
    /// Whether keys that are no columns are left out.
    pub chosen: bool,
}

/// A column, or what is within one, on its way.
pub struct Column {
    path: String,
    kind: Kind,
}

enum Kind {
    /// It is not wanted.
    Skipped,
    Null(usize),
    Bool(BooleanBuilder),
    Int(Int64Builder),
    Unsigned(UInt64Builder),
    Float(Float64Builder),
    Text {
        builder: StringBuilder,
        takes: Takes,
    },
    /// Of any other type that text can be read as.
    Parsed {
        texts: StringBuilder,
        places: Vec<(u64, u64)>,
        data_type: DataType,
    },
    List {
        item: Box<Column>,
        field: FieldRef,
        data_type: DataType,
        lengths: Vec<usize>,
        valid: Vec<bool>,
    },
    Struct(Struct),
}

/// What a column of text takes besides text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    Strings,
    /// Numbers and booleans, as they are written.
    Singles,
    /// Lists and objects, too.
    All,
}

/// Objects.
pub struct Struct {
    names: Vec<String>,
    columns: Vec<Column>,
    fields: Fields,
    by_name: HashMap<String, usize>,
    /// The members of the last object, in its order: the next one mostly has the same.
    order: Vec<usize>,
    /// How many members of this object there were.
    order_at: usize,
    /// The last object that had each member.
    last: Vec<usize>,
    count: usize,
    valid: Vec<bool>,
    /// Whether members that are none of the columns are left out.
    chosen: bool,
}

impl Column {
    fn new(field: &Field, path: String, types: &Types<'_>, told: bool) -> Self {
        let kind = match field.data_type() {
            DataType::Null => Kind::Null(0),
            DataType::Boolean if !told => Kind::Bool(BooleanBuilder::new()),
            DataType::Int64 if !told => Kind::Int(Int64Builder::new()),
            DataType::UInt64 if !told => Kind::Unsigned(UInt64Builder::new()),
            DataType::Float64 if !told => Kind::Float(Float64Builder::new()),
            DataType::Utf8 => {
                let takes = match (told, types.mixed.contains(&path)) {
                    (true, _) => Takes::All,
                    (false, true) => Takes::Singles,
                    (false, false) => Takes::Strings,
                };
                Kind::Text { builder: StringBuilder::new(), takes }
            }
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => Kind::List {
                item: Box::new(Self::new(item, item_path(&path), types, told)),
                field: Arc::clone(item),
                data_type: field.data_type().clone(),
                lengths: Vec::new(),
                valid: Vec::new(),
            },
            DataType::Struct(fields) => Kind::Struct(Struct::new(fields, Some(&path), types, told, &|_| true)),
            other => Kind::Parsed { texts: StringBuilder::new(), places: Vec::new(), data_type: other.clone() },
        };
        Self { path, kind }
    }

    fn wrong(&self, cursor: &Cursor<'_>, value: Value, holds: &str) -> TextError {
        cursor.wrong(format!("column {:?} has {} here, and holds {holds}", self.path, value.name()))
    }

    /// Takes the value at the cursor.
    fn read(&mut self, cursor: &mut Cursor<'_>) -> Result<(), TextError> {
        if let Kind::Skipped = self.kind {
            return cursor.skip();
        }
        let value = cursor.value()?;
        if value == Value::Null {
            cursor.null()?;
            self.null();
            return Ok(());
        }
        let wrong = |column: &Self, cursor: &Cursor<'_>, holds| Err(column.wrong(cursor, value, holds));
        match &mut self.kind {
            Kind::Skipped => Ok(()),
            Kind::Null(_) => wrong(self, cursor, "nothing but null"),
            Kind::Bool(builder) if value == Value::Bool => {
                builder.append_value(cursor.bool()?);
                Ok(())
            }
            Kind::Bool(_) => wrong(self, cursor, "booleans"),
            Kind::Int(builder) if value == Value::Number => {
                let (column, text) = (cursor.column(), cursor.number()?);
                let parsed = text.parse().ok().filter(|_| text != "-0");
                builder.append_value(parsed.ok_or_else(|| unfit(&self.path, cursor, column, text, "int64"))?);
                Ok(())
            }
            Kind::Int(_) => wrong(self, cursor, "whole numbers"),
            Kind::Unsigned(builder) if value == Value::Number => {
                let (column, text) = (cursor.column(), cursor.number()?);
                let parsed = text.parse().ok();
                builder.append_value(parsed.ok_or_else(|| unfit(&self.path, cursor, column, text, "uint64"))?);
                Ok(())
            }
            Kind::Unsigned(_) => wrong(self, cursor, "whole numbers"),
            Kind::Float(builder) if value == Value::Number => {
                let (column, text) = (cursor.column(), cursor.number()?);
                let parsed = values::float64(text);
                builder.append_value(parsed.ok_or_else(|| unfit(&self.path, cursor, column, text, "double"))?);
                Ok(())
            }
            Kind::Float(_) => wrong(self, cursor, "numbers"),
            Kind::Text { builder, takes } => {
                match (value, takes) {
                    (Value::String, _) => builder.append_value(cursor.string()?),
                    (Value::Number | Value::Bool, Takes::Singles) | (_, Takes::All) => {
                        builder.append_value(cursor.raw()?);
                    }
                    _ => return wrong(self, cursor, "text"),
                }
                Ok(())
            }
            Kind::Parsed { texts, places, .. } => {
                places.push((cursor.line(), cursor.column()));
                match value {
                    Value::String => texts.append_value(cursor.string()?),
                    _ => texts.append_value(cursor.raw()?),
                }
                Ok(())
            }
            Kind::List { item, lengths, valid, .. } if value == Value::List => {
                let mut length = 0;
                cursor.list(|cursor| {
                    length += 1;
                    item.read(cursor)
                })?;
                lengths.push(length);
                valid.push(true);
                Ok(())
            }
            Kind::List { .. } => wrong(self, cursor, "lists"),
            Kind::Struct(members) if value == Value::Object => {
                members.begin();
                cursor.object(|cursor, name| members.member(cursor, &name))?;
                members.end(true);
                Ok(())
            }
            Kind::Struct(_) => wrong(self, cursor, "objects"),
        }
    }

    fn null(&mut self) {
        match &mut self.kind {
            Kind::Skipped => {}
            Kind::Null(count) => *count += 1,
            Kind::Bool(builder) => builder.append_null(),
            Kind::Int(builder) => builder.append_null(),
            Kind::Unsigned(builder) => builder.append_null(),
            Kind::Float(builder) => builder.append_null(),
            Kind::Text { builder, .. } => builder.append_null(),
            Kind::Parsed { texts, places, .. } => {
                texts.append_null();
                places.push((0, 0));
            }
            Kind::List { lengths, valid, .. } => {
                lengths.push(0);
                valid.push(false);
            }
            Kind::Struct(members) => {
                members.begin();
                members.end(false);
            }
        }
    }

    /// The values since the last time.
    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(match &mut self.kind {
            Kind::Skipped => Arc::new(NullArray::new(0)),
            Kind::Null(count) => Arc::new(NullArray::new(std::mem::take(count))),
            Kind::Bool(builder) => Arc::new(builder.finish()),
            Kind::Int(builder) => Arc::new(builder.finish()),
            Kind::Unsigned(builder) => Arc::new(builder.finish()),
            Kind::Float(builder) => Arc::new(builder.finish()),
            Kind::Text { builder, .. } => Arc::new(builder.finish()),
            Kind::Parsed { texts, places, data_type } => {
                let (texts, places): (StringArray, _) = (texts.finish(), std::mem::take(places));
                let get = |row| texts.is_valid(row).then(|| texts.value(row));
                values::column(data_type, texts.len(), get).map_err(|Wrong { row, problem }| {
                    let (line, column) = places[row];
                    TextError::new(line, Some(column), format!("column {:?}: {problem}", self.path))
                })?
            }
            Kind::List { item, field, data_type, lengths, valid } => {
                let offsets = OffsetBuffer::from_lengths(std::mem::take(lengths));
                let nulls = NullBuffer::from(std::mem::take(valid));
                let list = ListArray::try_new(Arc::clone(field), offsets, item.finish()?, Some(nulls))?;
                match data_type {
                    DataType::List(_) => Arc::new(list),
                    other => cast_with_options(&list, other, &CastOptions { safe: false, ..CastOptions::default() })?,
                }
            }
            Kind::Struct(members) => Arc::new(members.finish()?),
        })
    }
}

fn unfit(path: &str, cursor: &Cursor<'_>, column: u64, text: &str, data_type: &str) -> TextError {
    TextError::new(cursor.line(), Some(column), format!("column {path:?}: {} is no {data_type}", shown(text)))
}

impl Struct {
    /// `wanted`: which members are kept. Without a path it is the table itself.
    pub fn new(
        fields: &Fields,
        path: Option<&str>,
        types: &Types<'_>,
        told: bool,
        wanted: &dyn Fn(usize) -> bool,
    ) -> Self {
        let names: Vec<_> = fields.iter().map(|field| field.name().clone()).collect();
        let column = |(index, field): (usize, &FieldRef)| {
            let own = path.map_or_else(|| field.name().clone(), |path| member_path(path, field.name()));
            match wanted(index) {
                false => Column { path: own, kind: Kind::Skipped },
                true => Column::new(field, own, types, told || (path.is_none() && (types.told)(field.name()))),
            }
        };
        let columns: Vec<_> = fields.iter().enumerate().map(column).collect();
        Self {
            by_name: names.iter().cloned().enumerate().map(|(index, name)| (name, index)).collect(),
            order: Vec::new(),
            order_at: 0,
            last: vec![0; names.len()],
            names,
            columns,
            fields: fields.clone(),
            count: 0,
            valid: Vec::new(),
            chosen: types.chosen && path.is_none(),
        }
    }

    /// Begins an object.
    pub fn begin(&mut self) {
        self.count += 1;
        self.order_at = 0;
    }

    /// Takes a member's value.
    pub fn member(&mut self, cursor: &mut Cursor<'_>, name: &str) -> Result<(), TextError> {
        let place = self.order_at;
        self.order_at += 1;
        let expected = self.order.get(place).copied().filter(|index| self.names[*index] == *name);
        let index = match expected.or_else(|| self.by_name.get(name).copied()) {
            Some(index) => index,
            None if self.chosen => return cursor.skip(),
            None => {
                return Err(cursor.wrong(format!(
                    "{} is a key that no line before had: raise --infer-rows, or say its type with --types",
                    shown(name)
                )));
            }
        };
        if expected.is_none() {
            self.order.truncate(place);
            if place == self.order.len() {
                self.order.push(index);
            }
        }
        if std::mem::replace(&mut self.last[index], self.count) == self.count {
            return Err(cursor.wrong(format!("the object has {} twice", shown(name))));
        }
        self.columns[index].read(cursor)
    }

    /// Ends an object: what it had not is NULL, and so is all of it when it is not `valid`.
    pub fn end(&mut self, valid: bool) {
        for (column, last) in self.columns.iter_mut().zip(&self.last) {
            if *last != self.count {
                column.null();
            }
        }
        self.valid.push(valid);
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.valid.len()
    }

    /// The columns at these places.
    pub fn take(&mut self, wanted: &[usize]) -> Result<Vec<ArrayRef>, ArrowError> {
        self.valid.clear();
        wanted.iter().map(|index| self.columns[*index].finish()).collect()
    }

    fn finish(&mut self) -> Result<StructArray, ArrowError> {
        let nulls = NullBuffer::from(std::mem::take(&mut self.valid));
        if self.fields.is_empty() {
            return Ok(StructArray::new_empty_fields(nulls.len(), Some(nulls)));
        }
        let columns = self.columns.iter_mut().map(Column::finish).collect::<Result<_, _>>()?;
        StructArray::try_new(self.fields.clone(), columns, Some(nulls))
    }
}
