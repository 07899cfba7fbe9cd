//! The sqllogictest files: each in a session of its own.

use std::path::Path;

use arrow::array::Array;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use async_trait::async_trait;
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType, Runner};
use vivarium_datafusion::HostFiles;

use crate::support::{functions, session};

struct Session(SessionContext);

#[async_trait]
impl AsyncDB for Session {
    type Error = DataFusionError;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, DataFusionError> {
        let frame = self.0.sql(sql).await?;
        let fields = frame.schema().fields().clone();
        let batches = frame.collect().await?;
        if fields.is_empty() {
            return Ok(DBOutput::StatementComplete(0));
        }
        let types = fields.iter().map(|field| match field.data_type() {
            integer if integer.is_integer() => DefaultColumnType::Integer,
            float if float.is_floating() || float.is_decimal() => DefaultColumnType::FloatingPoint,
            _ => DefaultColumnType::Text,
        });
        let mut rows = Vec::new();
        for batch in &batches {
            let options = FormatOptions::new().with_null("NULL");
            let columns: Vec<_> = batch
                .columns()
                .iter()
                .map(|column| ArrayFormatter::try_new(column, &options))
                .collect::<Result<_, _>>()?;
            for row in 0..batch.num_rows() {
                let cell = |(index, column): (usize, &ArrayFormatter<'_>)| {
                    let text = column.value(row).to_string();
                    let values: &dyn Array = batch.column(index);
                    if text.is_empty() && values.is_valid(row) { "(empty)".to_owned() } else { text }
                };
                rows.push(columns.iter().enumerate().map(cell).collect());
            }
        }
        Ok(DBOutput::Rows { types: types.collect(), rows })
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &str {
        "vivarium"
    }
}

async fn script(name: &str) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sql/slt");
    let files = directory.join("files");
    let mut runner = Runner::new(|| {
        let files = files.clone();
        async move { Ok(Session(session(&functions().await.host_files(HostFiles::within(files)).build()))) }
    });
    if let Err(error) = runner.run_file_async(directory.join(name)).await {
        panic!("{}", error.display(false));
    }
}

macro_rules! scripts {
    ($($name:ident),* $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            script(concat!(stringify!($name), ".slt")).await;
        }
    )*};
}

scripts!(scalar, types, tables, aggregates, windows, settings, listing, errors, replaced);

#[test]
fn every_script_is_run() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sql/slt");
    let listed = include_str!("scripts.rs");
    for entry in std::fs::read_dir(directory).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if let Some(name) = name.strip_suffix(".slt") {
            assert!(listed.contains(&format!("{name},")) || listed.contains(&format!("{name})")), "{name} is not run");
        }
    }
}
