//! `wasm-run schema`: a file's columns, and where their types come from.

use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::json;
use vivarium::types;
use vivarium_textfiles::Reason;

use crate::cli::Schema;
use crate::failure::{Failure, written};
use crate::files::{self, Format, Input, Opening, Spool, TextColumns};
use crate::process_sandbox::Reach;
use crate::shown;
use crate::supervisor::{Doing, doing};
use crate::table::TableWriter;

pub async fn execute(command: Schema) -> Result<ExitCode, Failure> {
    let format = Format::of_input(&command.input, command.input_format, "--input-format").map_err(Failure::usage)?;
    let text = command.text.format_for(format)?;
    command.host.enforce();
    doing(Doing::Reading, &command.input.to_string());
    let spool = Spool::of(&command.input, format)?;
    crate::process_sandbox::enforce(Reach { inputs: &[&command.input], ..Reach::default() })?;
    let input = files::open(Opening { location: command.input.clone(), format, text }, spool).await?;
    let report = Report { format, input: &input, columns: columns(&input) };
    written(match command.messages.json {
        true => report.json(&mut io::stdout().lock()),
        false => report.text(&mut shown::stdout()),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// A column: its name, its type, and what tells that.
struct Column {
    name: String,
    data_type: String,
    nullable: bool,
    why: String,
}

struct Report<'a> {
    format: Format,
    input: &'a Input,
    columns: Vec<Column>,
}

fn columns(input: &Input) -> Vec<Column> {
    let reasons = input.text.as_ref().map(|text| &text.reasons[..]).unwrap_or_default();
    let column = |(index, field): (usize, &arrow_schema::FieldRef)| Column {
        name: field.name().clone(),
        data_type: types::print(field.data_type()).unwrap_or_else(|_| field.data_type().to_string()),
        nullable: field.is_nullable(),
        why: reasons.get(index).map_or_else(|| "the file says so".to_owned(), why),
    };
    input.schema.fields().iter().enumerate().map(column).collect()
}

fn why(reason: &Reason) -> String {
    match reason {
        Reason::Values => "its values".to_owned(),
        Reason::Mixed(sentence) => format!("several kinds: {sentence}"),
        Reason::Nulls => "nothing but NULL".to_owned(),
        Reason::Told => "--types".to_owned(),
    }
}

impl Report<'_> {
    fn json(&self, out: &mut impl Write) -> io::Result<()> {
        let column = |column: &Column| json!({"name": column.name, "type": column.data_type, "nullable": column.nullable, "why": column.why});
        let report = json!({
            "format": self.format_name(),
            "rows": self.input.rows,
            "rows_looked_at": self.input.text.as_ref().map(|text| text.rows),
            "columns": self.columns.iter().map(column).collect::<Vec<_>>(),
        });
        writeln!(out, "{report:#}")
    }

    fn text(&self, out: &mut impl Write) -> io::Result<()> {
        let mut table = TableWriter::new(&mut *out, &["column", "type", "what tells the type"]);
        let row = |column: &Column| vec![column.name.clone(), column.data_type.clone(), column.why.clone()];
        table.rows(&self.columns.iter().map(row).collect::<Vec<_>>())?;
        table.finish()?;
        match (&self.input.text, self.input.rows) {
            (Some(TextColumns { rows, whole: true, .. }), _) => {
                writeln!(out, "{}: all {rows} rows were looked at", self.format_name())
            }
            (Some(TextColumns { rows, .. }), _) => {
                writeln!(out, "{}: the first {rows} rows were looked at (--infer-rows)", self.format_name())
            }
            (None, Some(rows)) => writeln!(out, "{}: {rows} rows", self.format_name()),
            (None, None) => writeln!(out, "{}", self.format_name()),
        }
    }

    fn format_name(&self) -> &'static str {
        match self.format {
            Format::Parquet => "Parquet",
            Format::Csv => "CSV",
            Format::Json => "JSON",
            Format::Arrow => "Arrow",
        }
    }
}
