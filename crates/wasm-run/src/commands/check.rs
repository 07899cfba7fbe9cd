//! `wasm-run check`: what a file declares, and what is wrong with it.

use std::io::{self, Write};
use std::process::ExitCode;

use arrow_schema::{DataType, FieldRef};
use serde_json::json;
use vivarium::{
    Error, Explanation, FunctionSource, Kind, Module, Parameter, Problem, PythonError, Signature, ValueType, types,
};
use vivarium_env::Distribution;

use crate::cli::Check;
use crate::commands::sandbox_config;
use crate::environment::{OpenEnvironment, sandbox_in};
use crate::failure::{Failure, written};
use crate::options::TimeLimit;
use crate::process_sandbox::Reach;
use crate::shown;
use crate::table::TableWriter;

pub async fn execute(command: Check) -> Result<ExitCode, Failure> {
    let source = FunctionSource::file(&command.file).map_err(Error::from)?;
    let image = command.environment.image_for(source.text())?;
    let image = crate::guest::open(&command.messages, &image, 1).await?;
    let environment = OpenEnvironment::open(&command.environment, source.text(), &command.messages).await?;
    let config = sandbox_in(environment.as_ref(), sandbox_config(&command.sandbox, TimeLimit::BATCH))?;
    crate::process_sandbox::enforce(Reach { environment: config.environment.as_deref(), ..Reach::default() })?;
    let report = match Module::load(&image, config, source).await {
        Ok(module) => Report {
            signatures: module.signatures().to_vec(),
            problems: module.problems().to_vec(),
            explanations: if command.explain { Some(module.explain().await?) } else { None },
            source: module.name().to_owned(),
            error: None,
        },
        // That the file cannot be loaded is what there is to say about it.
        Err(Error::Python(error)) => {
            Report { problems: vec![problem(&error)], error: Some(error), ..Report::default() }
        }
        Err(error) => return Err(error.into()),
    };
    let file = command.file.display().to_string();
    let packages = environment.as_ref().map_or(&[][..], |open| &open.environment.report().distributions);
    written(if command.messages.json {
        report.json(&mut io::stdout().lock(), &file, packages)
    } else {
        report.text(&mut shown::stdout(), &file, packages)
    })?;
    Ok(if report.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[derive(Default)]
struct Report {
    signatures: Vec<Signature>,
    problems: Vec<Problem>,
    /// Whether functions run as columns, when that was asked.
    explanations: Option<Vec<Explanation>>,
    /// The file, as Python names it.
    source: String,
    /// Why the file could not be loaded.
    error: Option<Box<PythonError>>,
}

impl Report {
    fn json(&self, out: &mut impl Write, file: &str, packages: &[Distribution]) -> io::Result<()> {
        let mut report = json!({
            "file": file, "functions": self.signatures, "packages": packages, "problems": self.problems,
            "error": self.error,
        });
        if let Some(explanations) = &self.explanations {
            report["columns"] = json!(explanations);
        }
        writeln!(out, "{report:#}")
    }

    fn text(&self, out: &mut impl Write, file: &str, packages: &[Distribution]) -> io::Result<()> {
        let usable: Vec<_> = self.signatures.iter().filter(|signature| signature.usable()).collect();
        if usable.is_empty() && self.problems.is_empty() {
            writeln!(out, "{file} declares no function; put `@udf` above one (`from vivarium import udf`)")?;
        }
        if !usable.is_empty() {
            let mut table = TableWriter::new(&mut *out, &["function", "kind", "parameters", "result", "NULLs", "line"]);
            let rows: Vec<_> = usable.iter().map(|signature| row(signature)).collect();
            table.rows(&rows)?;
            table.finish()?;
        }
        if !packages.is_empty() {
            let packages: Vec<_> = packages.iter().map(|one| format!("{} {}", one.name, one.version)).collect();
            writeln!(out, "packages: {}", packages.join(", "))?;
        }
        for explanation in self.explanations.iter().flatten() {
            explained(out, explanation, &self.source)?;
        }
        if let Some(error) = &self.error {
            write!(out, "{}", error.traceback())?;
        }
        for problem in &self.problems {
            let line = if problem.line == 0 { String::new() } else { format!(":{}", problem.line) };
            let function = problem.function.as_ref().map(|function| format!("{function}: ")).unwrap_or_default();
            writeln!(out, "{file}{line}: {function}{}", problem.message)?;
        }
        match self.problems.len() {
            0 => Ok(()),
            1 => writeln!(out, "1 problem"),
            count => writeln!(out, "{count} problems"),
        }
    }
}

/// Whether a function runs as columns, with the lines that leave rows to the interpreter.
fn explained(out: &mut impl Write, explanation: &Explanation, source: &str) -> io::Result<()> {
    let Explanation { function, columns, why, instead, lines, .. } = explanation;
    let verdict = match columns {
        Some(true) => "runs as columns",
        Some(false) => "does not run as columns",
        None => "may run as columns",
    };
    let why = why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    writeln!(out, "\n{function} {verdict}{why}")?;
    if let Some(instead) = instead {
        writeln!(out, "    instead: {instead}")?;
    }
    if *columns == Some(true) {
        let rows = if lines.is_empty() { "no rows are the interpreter's" } else { "rows are the interpreter's for" };
        writeln!(out, "  {rows}{}", if lines.is_empty() { "" } else { ":" })?;
    }
    for line in lines {
        let of = line.function.as_ref().map(|function| format!(" of {function}")).unwrap_or_default();
        let file = if line.file == source { String::new() } else { format!(" of {}", line.file) };
        let some = if line.always { "" } else { ", some values" };
        writeln!(out, "  line {}{of}{file}{some}: {}", line.line, line.why)?;
        if !line.source.is_empty() {
            writeln!(out, "      {}", line.source)?;
        }
        if let Some(instead) = &line.instead {
            writeln!(out, "    instead: {instead}")?;
        }
    }
    Ok(())
}

fn row(signature: &Signature) -> Vec<String> {
    let parameters: Vec<_> = signature.parameters.iter().map(parameter).collect();
    let kind =
        if signature.decorated { signature.kind.to_string() } else { format!("{} (not declared)", signature.kind) };
    vec![
        signature.name.clone(),
        kind,
        parameters.join(", "),
        signature.result.as_ref().map_or_else(|| "?".to_owned(), |value| result(signature.kind, value)),
        signature.null_handling.to_string(),
        signature.line.to_string(),
    ]
}

fn parameter(parameter: &Parameter) -> String {
    let data_type = match &parameter.data_type {
        Some(data_type) => types::print(data_type).unwrap_or_else(|_| data_type.to_string()),
        None => "any".to_owned(),
    };
    let star = if parameter.variadic { "*" } else { "" };
    let nullable = if parameter.nullable { " or NULL" } else { "" };
    let default = if parameter.default { " = ..." } else { "" };
    format!("{star}{}: {data_type}{nullable}{default}", parameter.name)
}

fn result(kind: Kind, result: &ValueType) -> String {
    if let (Kind::Table | Kind::TableAggregate, DataType::Struct(columns)) = (kind, &result.data_type) {
        let column = |column: &FieldRef| {
            let data_type = types::print(column.data_type()).unwrap_or_else(|_| column.data_type().to_string());
            format!("{}: {data_type}", column.name())
        };
        return format!("table({})", columns.iter().map(column).collect::<Vec<_>>().join(", "));
    }
    let data_type = types::print(&result.data_type).unwrap_or_else(|_| result.data_type.to_string());
    if result.nullable { format!("{data_type} or NULL") } else { data_type }
}

fn problem(error: &PythonError) -> Problem {
    let line = error.error.traceback.last().and_then(|frame| u32::try_from(frame.line).ok()).unwrap_or(0);
    let message = match &error.error.exception {
        Some(exception) => format!("{exception}: {}", error.error.message),
        None => error.error.message.clone(),
    };
    Problem::new(error.function.clone(), line, message)
}
