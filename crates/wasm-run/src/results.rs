//! Where a run's rows go: a file, or a table for reading.

use std::io::{self, BufWriter, Write};

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow_schema::Schema;

use crate::failure::{Failure, written};
use crate::files::Output;
use crate::table::TableWriter;

/// Where rows go.
pub enum Results {
    /// Rows in one of the file formats, to a file or to standard output.
    File(Output),
    /// A table for reading, on standard output.
    Table(Box<TableWriter<BufWriter<io::Stdout>>>),
}

impl Results {
    /// A table on standard output.
    pub fn table(schema: &Schema) -> Self {
        Self::Table(Box::new(TableWriter::for_schema(BufWriter::new(io::stdout()), schema)))
    }

    /// Writes rows. When the answer is `false` no more are taken, and [`finish`](Self::finish) knows why.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub async fn write(&mut self, batch: RecordBatch) -> Result<bool, Failure> {
        match self {
            Self::File(output) => Ok(output.write(batch).await),
            Self::Table(table) => match table.batch(&batch) {
                Ok(()) => Ok(true),
                Err(ArrowError::IoError(_, error)) => written(Err(error)).map(|()| true),
                Err(error) => Err(Failure::internal(error)),
            },
        }
    }

    /// Completes the output; `rows` is how many there were.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub async fn finish(self, rows: u64) -> Result<(), Failure> {
        match self {
            Self::File(output) => output.finish().await,
            Self::Table(table) => written(table.finish().and_then(|mut out| {
                writeln!(out, "({rows} {})", if rows == 1 { "row" } else { "rows" })?;
                out.flush()
            })),
        }
    }
}
