//! Where the rows of a statement go: a table for reading, JSON for machines, or a file.

use std::collections::HashSet;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow_schema::{DataType, SchemaRef};

use super::options::Sql;
use crate::failure::{Failure, written};
use crate::files::{Destination, Format, Location, TableOutput};
use crate::table::printable;

/// Where rows go.
pub struct Results {
    kind: Kind,
}

enum Kind {
    /// Tables for reading on standard output.
    Tables,
    /// Objects on standard output, one a line.
    Json,
    /// One table in a file or pipe, which is open until the one query takes it.
    File { destination: Mutex<Option<Destination>>, format: Format, shown: bool },
}

/// The rows of one statement on their way.
pub enum RowSink {
    Table {
        output: TableOutput,
        /// On standard output, where somebody may read them as they come.
        shown: bool,
        count: u64,
    },
    /// Plans are text of several lines, which a table would show escaped.
    Plans,
}

impl Results {
    /// What the options say.
    ///
    /// # Errors
    /// When the format of the output is not known, or it cannot be written. Call it before the process sandbox is in force.
    pub fn new(command: &Sql) -> Result<Self, Failure> {
        let kind = match &command.output {
            Some(location) => Kind::File {
                format: Format::of(location, command.output_format, "--output-format").map_err(Failure::usage)?,
                destination: Mutex::new(Some(Destination::open(location)?)),
                shown: *location == Location::Standard,
            },
            None if command.messages.json => Kind::Json,
            None => Kind::Tables,
        };
        Ok(Self { kind })
    }

    /// Whether the rows go to one file, so that only one statement may have rows.
    pub fn is_one_table(&self) -> bool {
        matches!(self.kind, Kind::File { .. })
    }

    /// Begins with the rows of a statement; `None` when nobody wants them: a file takes only what is `wanted`, not how many rows
    /// a COPY has written.
    ///
    /// # Errors
    /// When the output cannot be written, or cannot hold these columns.
    pub fn begin(&self, schema: SchemaRef, explanation: bool, wanted: bool) -> Result<Option<RowSink>, Failure> {
        let mut shown = true;
        let output = match &self.kind {
            Kind::Tables if explanation => return Ok(Some(RowSink::Plans)),
            Kind::Tables => TableOutput::table(&schema),
            Kind::Json => {
                check_names(&schema)?;
                TableOutput::create(Destination::standard(), Format::Json, schema)?
            }
            Kind::File { .. } if !wanted => return Ok(None),
            Kind::File { destination, format, shown: on_standard_output } => {
                if *format != Format::Csv {
                    check_names(&schema)?;
                }
                shown = *on_standard_output;
                // It is taken whole, so a panic elsewhere leaves it valid.
                let destination = destination.lock().unwrap_or_else(PoisonError::into_inner).take();
                let destination = destination.ok_or_else(|| Failure::usage("--output takes the rows of one query"))?;
                TableOutput::create(destination, *format, schema)?
            }
        };
        Ok(Some(RowSink::Table { output, shown, count: 0 }))
    }
}

impl RowSink {
    /// Whether some have been written to standard output.
    pub fn are_shown(&self) -> bool {
        matches!(self, Self::Table { shown: true, count: 1.., .. })
    }

    /// Passes rows on. When the answer is `false`, nobody takes more of them, and [`finish`](Self::finish) knows why.
    pub async fn write(&mut self, batch: RecordBatch) -> bool {
        match self {
            Self::Table { output, count, .. } => {
                *count += batch.num_rows() as u64;
                // An empty batch says nothing, and would make a table's columns as wide as their names.
                batch.num_rows() == 0 || output.write(batch).await
            }
            Self::Plans => write_plans(&mut io::stdout().lock(), &batch).is_ok(),
        }
    }

    /// Completes what was written, and tells how many rows it was.
    ///
    /// # Errors
    /// Whatever ended the writing.
    pub async fn finish(self) -> Result<u64, Failure> {
        match self {
            Self::Table { output, count, .. } => {
                output.finish().await?;
                Ok(count)
            }
            Self::Plans => {
                written(io::stdout().lock().flush())?;
                Ok(0)
            }
        }
    }
}

/// Writes the rows (kind of plan, plan) of EXPLAIN.
fn write_plans(out: &mut impl Write, batch: &RecordBatch) -> io::Result<()> {
    let text = |index: usize| {
        let column = batch.columns().get(index).ok_or_else(|| io::Error::other("a plan without text"))?;
        cast(column, &DataType::Utf8).map_err(io::Error::other)
    };
    let (kinds, plans) = (text(0)?, text(1)?);
    let (kinds, plans) = (kinds.as_string::<i32>(), plans.as_string::<i32>());
    for row in 0..batch.num_rows() {
        let kind = if kinds.is_null(row) { "" } else { kinds.value(row) };
        writeln!(out, "{}:", printable(kind))?;
        let plan = if plans.is_null(row) { "" } else { plans.value(row) };
        for line in plan.lines() {
            writeln!(out, "  {}", printable(line).trim_end())?;
        }
    }
    Ok(())
}

/// Objects and files have a column of each name once; a join's `SELECT *` may have it twice.
fn check_names(schema: &SchemaRef) -> Result<(), Failure> {
    match twice_named(schema) {
        Some(twice) => Err(Failure::usage(format!(
            "the query has two columns named \"{twice}\"; give one of them another name with AS"
        ))),
        None => Ok(()),
    }
}

/// A name that two columns have.
pub fn twice_named(schema: &SchemaRef) -> Option<&str> {
    let mut seen = HashSet::new();
    schema.fields().iter().map(|field| field.name().as_str()).find(|name| !seen.insert(*name))
}
