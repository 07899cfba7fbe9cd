//! The arguments of a call, out of the columns of a batch.

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::take;
use arrow_schema::DataType;
use vivarium_sandbox::exchange::{ExchangeError, Part, parts};

use crate::bind::{Argument, ArgumentSource, Place};
use crate::chunks::CHUNK_ROWS;
use crate::convert::ConversionError;
use crate::error::Error;
use crate::types;

/// How arguments come out of batches.
#[derive(Debug)]
pub(crate) struct ArgumentColumns {
    pub place: Place,
    pub arguments: Vec<Argument>,
    /// Bytes of one call's arguments.
    pub batch_bytes: usize,
}

impl ArgumentColumns {
    /// The arguments for the rows of a chunk, of the types that cross. The error is that of the first row that does not convert.
    pub(crate) fn of(&self, chunk: &RecordBatch, first_row: u64) -> Result<Vec<ArrayRef>, Error> {
        let mut columns = Vec::with_capacity(self.arguments.len());
        let mut first_error: Option<Error> = None;
        for argument in &self.arguments {
            match (self.argument(argument, chunk, first_row), &first_error) {
                (Ok(column), _) => columns.push(column),
                (Err(Error::Value { row, .. }), Some(Error::Value { row: first, .. })) if row >= *first => {}
                (Err(error @ Error::Value { .. }), _) => first_error = Some(error),
                (Err(error), _) => return Err(error),
            }
        }
        match first_error {
            None => Ok(columns),
            Some(error) => Err(error),
        }
    }

    fn argument(&self, argument: &Argument, chunk: &RecordBatch, first_row: u64) -> Result<ArrayRef, Error> {
        let index = match &argument.source {
            ArgumentSource::Column(index) => *index,
            ArgumentSource::Constant(value) => {
                return Ok(take(value, &UInt32Array::from(vec![0; chunk.num_rows()]), None)?);
            }
        };
        let column = chunk.columns().get(index).filter(|column| *column.data_type() == argument.column_type);
        let column = column.ok_or_else(|| Error::SchemaChanged {
            row: first_row,
            column: argument.column_name.clone(),
            column_type: name(&argument.column_type),
        })?;
        argument.conversion.apply(column).map_err(|error| match error {
            ConversionError::Arrow(error) => Error::Arrow(error),
            ConversionError::Inexact(inexact) => Error::Value {
                row: first_row + inexact.row as u64,
                column: argument.column_name.clone(),
                column_type: name(&argument.column_type),
                value: inexact.value,
                parameter: argument.parameter.clone(),
                parameter_type: name(&argument.data_type),
                function: self.place.clone(),
            },
        })
    }

    /// Cuts the arguments of a chunk into parts that fit one call.
    pub(crate) fn parts<'a>(
        &self,
        columns: &'a [ArrayRef],
        rows: usize,
        first_row: u64,
    ) -> impl Iterator<Item = Result<Part, Error>> + use<'a> {
        parts(columns, rows, self.batch_bytes, CHUNK_ROWS)
            .map(move |part| part.map_err(|error| too_large(error, first_row)))
    }
}

fn too_large(error: ExchangeError, first_row: u64) -> Error {
    match error {
        ExchangeError::RowTooLarge { row, bytes, limit } => {
            Error::RowTooLarge { row: first_row + row as u64, bytes, limit }
        }
        error => Error::Sandbox { error: error.into(), rows: None },
    }
}

fn name(data_type: &DataType) -> String {
    types::print(data_type).unwrap_or_else(|_| data_type.to_string())
}
