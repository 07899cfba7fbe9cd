//! Values of columns as Python objects and back, one at a time.

use anyhow::{Context, Result, bail};
use arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, Decimal128Builder, Float64Array, Float64Builder, Int64Array,
    Int64Builder, StringArray, StringBuilder, StructArray, TimestampMicrosecondArray, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, Fields, TimeUnit};
use pyo3::prelude::*;
use pyo3::types::{PyDate, PyDateAccess, PyDateTime, PyDelta, PyDict, PyFloat, PyInt, PyString, PyTimeAccess};
use pyo3::{Bound, Py, PyAny, Python};
use std::sync::Arc;

/// Python's classes that values are made of.
pub struct Classes {
    decimal: Py<PyAny>,
}

impl Classes {
    pub fn new(py: Python<'_>) -> Result<Self> {
        Ok(Self { decimal: py.import("decimal")?.getattr("Decimal")?.unbind() })
    }
}

/// A column to be read.
pub enum Column<'a> {
    Int64(&'a Int64Array),
    Float64(&'a Float64Array),
    Text(&'a StringArray),
    Decimal(&'a Decimal128Array, usize),
    Timestamp(&'a TimestampMicrosecondArray),
    Struct(&'a StructArray, Vec<(&'a str, Column<'a>)>),
}

impl<'a> Column<'a> {
    pub fn new(array: &'a dyn Array) -> Result<Self> {
        Ok(match array.data_type() {
            DataType::Int64 => Self::Int64(array.as_primitive()),
            DataType::Float64 => Self::Float64(array.as_primitive()),
            DataType::Utf8 => Self::Text(array.as_string()),
            DataType::Decimal128(_, scale) => Self::Decimal(array.as_primitive(), usize::try_from(*scale)?),
            DataType::Timestamp(TimeUnit::Microsecond, None) => Self::Timestamp(array.as_primitive()),
            DataType::Struct(fields) => {
                let array = array.as_struct();
                let columns = fields.iter().zip(array.columns());
                let columns = columns.map(|(field, column)| Ok((field.name().as_str(), Self::new(column)?)));
                Self::Struct(array, columns.collect::<Result<_>>()?)
            }
            other => bail!("the row loop does not know {other}"),
        })
    }

    pub fn value<'py>(&self, py: Python<'py>, classes: &Classes, row: usize) -> Result<Bound<'py, PyAny>> {
        Ok(match self {
            Self::Int64(array) if array.is_valid(row) => PyInt::new(py, array.value(row)).into_any(),
            Self::Float64(array) if array.is_valid(row) => PyFloat::new(py, array.value(row)).into_any(),
            Self::Text(array) if array.is_valid(row) => PyString::new(py, array.value(row)).into_any(),
            Self::Decimal(array, _) if array.is_valid(row) => {
                classes.decimal.bind(py).call1((array.value_as_string(row),))?
            }
            Self::Timestamp(array) if array.is_valid(row) => {
                let micros = array.value(row);
                let epoch = PyDateTime::new(py, 1970, 1, 1, 0, 0, 0, 0, None)?;
                let day = 86_400_000_000;
                let (days, rest) = (micros.div_euclid(day) as i32, micros.rem_euclid(day));
                let delta = PyDelta::new(py, days, (rest / 1_000_000) as i32, (rest % 1_000_000) as i32, false)?;
                epoch.add(delta)?
            }
            Self::Struct(array, columns) if array.is_valid(row) => {
                let dict = PyDict::new(py);
                for (name, column) in columns {
                    dict.set_item(name, column.value(py, classes, row)?)?;
                }
                dict.into_any()
            }
            _ => py.None().into_bound(py),
        })
    }
}

/// A column being made.
pub enum Build {
    Int64(Int64Builder),
    Float64(Float64Builder),
    Text(StringBuilder),
    Decimal(Decimal128Builder, u8, i8),
    Timestamp(TimestampMicrosecondBuilder),
    Struct(Fields, Vec<Build>),
}

impl Build {
    pub fn new(data_type: &DataType, rows: usize) -> Result<Self> {
        Ok(match data_type {
            DataType::Int64 => Self::Int64(Int64Builder::with_capacity(rows)),
            DataType::Float64 => Self::Float64(Float64Builder::with_capacity(rows)),
            DataType::Utf8 => Self::Text(StringBuilder::with_capacity(rows, rows * 16)),
            DataType::Decimal128(precision, scale) => {
                Self::Decimal(Decimal128Builder::with_capacity(rows), *precision, *scale)
            }
            DataType::Timestamp(TimeUnit::Microsecond, None) => {
                Self::Timestamp(TimestampMicrosecondBuilder::with_capacity(rows))
            }
            DataType::Struct(fields) => {
                let children = fields.iter().map(|field| Self::new(field.data_type(), rows));
                Self::Struct(fields.clone(), children.collect::<Result<_>>()?)
            }
            other => bail!("the row loop does not know {other}"),
        })
    }

    pub fn append(&mut self, value: &Bound<'_, PyAny>) -> Result<()> {
        let present = !value.is_none();
        match self {
            Self::Int64(builder) => builder.append_option(value.extract::<Option<i64>>()?),
            Self::Float64(builder) => builder.append_option(value.extract::<Option<f64>>()?),
            Self::Text(builder) if present => {
                builder.append_value(value.cast::<PyString>().map_err(PyErr::from)?.to_str()?)
            }
            Self::Text(builder) => builder.append_null(),
            Self::Decimal(builder, _, scale) if present => builder.append_value(unscaled(value, *scale)?),
            Self::Decimal(builder, ..) => builder.append_null(),
            Self::Timestamp(builder) if present => {
                builder.append_value(microseconds(value.cast::<PyDateTime>().map_err(PyErr::from)?)?);
            }
            Self::Timestamp(builder) => builder.append_null(),
            Self::Struct(fields, children) => {
                for (field, child) in fields.iter().zip(children) {
                    child.append(&value.get_item(field.name())?)?;
                }
            }
        }
        Ok(())
    }

    pub fn finish(self) -> Result<ArrayRef> {
        Ok(match self {
            Self::Int64(mut builder) => Arc::new(builder.finish()),
            Self::Float64(mut builder) => Arc::new(builder.finish()),
            Self::Text(mut builder) => Arc::new(builder.finish()),
            Self::Decimal(mut builder, precision, scale) => {
                Arc::new(builder.finish().with_precision_and_scale(precision, scale)?)
            }
            Self::Timestamp(mut builder) => Arc::new(builder.finish()),
            Self::Struct(fields, children) => {
                let arrays = children.into_iter().map(Self::finish).collect::<Result<_>>()?;
                Arc::new(StructArray::try_new(fields, arrays, None)?)
            }
        })
    }
}

/// The digits of a Decimal with so many of them behind the point.
fn unscaled(value: &Bound<'_, PyAny>, scale: i8) -> Result<i128> {
    let text = value.str()?;
    let text = text.to_str()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let scale = usize::try_from(scale)?;
    if fraction.len() > scale || text.contains(['E', 'N', 'I']) {
        bail!("{text} does not fit a decimal with {scale} digits behind the point");
    }
    let digits = format!("{whole}{fraction:0<scale$}");
    digits.parse().with_context(|| format!("{text} is not a decimal"))
}

fn microseconds(value: &Bound<'_, PyDateTime>) -> Result<i64> {
    let day = value.cast::<PyDate>().map_err(PyErr::from)?;
    let days = days_since_epoch(day.get_year().into(), day.get_month().into(), day.get_day().into());
    let seconds =
        (i64::from(value.get_hour()) * 60 + i64::from(value.get_minute())) * 60 + i64::from(value.get_second());
    Ok((days * 86_400 + seconds) * 1_000_000 + i64::from(value.get_microsecond()))
}

/// Howard Hinnant's `days_from_civil`.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}
