//! A function with its data, as every contender gets them: in memory, and in files.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::array::{RecordBatch, new_empty_array};
use arrow::ipc::writer::FileWriter;
use arrow_schema::{DataType, Field, Schema};

use crate::work::{GROUPED_ROWS, Kind, SOURCE, Work};

/// A function and the columns it is called with.
#[derive(Debug, Clone)]
pub struct Material {
    /// Name of the work, for reports.
    pub name: String,
    /// The Python file.
    pub source: PathBuf,
    /// The function in it.
    pub function: String,
    /// How it is called.
    pub kind: Kind,
    /// What DataFusion has for it.
    pub sql: Option<&'static str>,
    /// Its arguments; an aggregate's key comes first.
    pub batch: RecordBatch,
    /// The arguments as an Arrow file.
    pub data: PathBuf,
    /// An Arrow file with a column of the result's type.
    pub result: PathBuf,
}

impl Material {
    /// Writes the files of a work below `directory`.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn of_work(work: &Work, directory: &Path) -> Result<Self> {
        let source = directory.join("work.py");
        if !source.exists() {
            std::fs::write(&source, SOURCE).with_context(|| format!("cannot write {}", source.display()))?;
        }
        Self::new(work.name, source, work.function, work.kind, work.data()?, &work.result, directory)
            .map(|material| Self { sql: work.sql, ..material })
    }

    /// Writes the files of a function below `directory`.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn new(
        name: &str,
        source: PathBuf,
        function: &str,
        kind: Kind,
        batch: RecordBatch,
        result: &DataType,
        directory: &Path,
    ) -> Result<Self> {
        let (data, result_file) =
            (directory.join(format!("{function}.arrow")), directory.join(format!("{function}-result.arrow")));
        write_arrow(&data, &batch)?;
        let schema = Schema::new(vec![Field::new("result", result.clone(), true)]);
        write_arrow(&result_file, &RecordBatch::try_new(Arc::new(schema), vec![new_empty_array(result)])?)?;
        let (name, function) = (name.to_owned(), function.to_owned());
        Ok(Self { name, source, function, kind, sql: None, batch, data, result: result_file })
    }
}

fn write_arrow(path: &Path, batch: &RecordBatch) -> Result<()> {
    let write = || -> Result<()> {
        let mut writer = FileWriter::try_new(File::create(path)?, &batch.schema())?;
        writer.write(batch)?;
        Ok(writer.finish()?)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// What is measured at a time.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The function and its data.
    pub material: &'a Material,
    /// Rows of a batch.
    pub rows: usize,
    /// How many threads call the function at the same time, each with batches of its own.
    pub threads: usize,
}

impl Case<'_> {
    /// Rows of one repetition, on one thread.
    pub fn rows_of_repetition(&self) -> usize {
        match self.material.kind {
            Kind::Aggregate => self.material.batch.num_rows().min(GROUPED_ROWS),
            _ => self.rows,
        }
    }

    /// The first batch.
    pub fn batch(&self) -> RecordBatch {
        self.material.batch.slice(0, self.rows.min(self.material.batch.num_rows()))
    }

    /// All data in batches: what an aggregate gets.
    pub fn batches(&self) -> Vec<RecordBatch> {
        let batch = &self.material.batch;
        let starts = (0..batch.num_rows()).step_by(self.rows.max(1));
        starts.map(|start| batch.slice(start, self.rows.min(batch.num_rows() - start))).collect()
    }
}
