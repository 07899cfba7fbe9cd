//! One environment: making it, and describing it.

use std::io::{self, Write};

use serde_json::json;
use vivarium_env::{EnvironmentInspection, SideInspection, TreeReport};
use vivarium_sandbox::format_size;

use crate::environment::OpenEnvironment;
use crate::failure::{Failure, written};
use crate::options::OutputOptions;
use crate::shown;
use crate::table::TableWriter;

/// Says that an environment is there.
pub fn built(open: &OpenEnvironment, messages: &OutputOptions) -> Result<(), Failure> {
    let environment = &open.environment;
    let inspection = environment.inspect().map_err(Failure::internal)?;
    let files = inspection.host.files.len();
    let bytes: u64 = inspection.host.files.iter().map(|file| file.size).sum();
    let mut out = io::stdout().lock();
    if messages.json {
        let built = json!({
            "key": environment.key(), "path": environment.host_path(), "files": files, "bytes": bytes,
            "distributions": inspection.host.distributions, "report": environment.report(),
        });
        return written(writeln!(out, "{built:#}"));
    }
    if messages.quiet {
        return Ok(());
    }
    drop(out);
    let mut out = shown::stdout();
    let packages = inspection.host.distributions.len();
    let key = environment.key().unwrap_or_default();
    written((|| {
        writeln!(out, "environment {key}")?;
        writeln!(out, "{files} files and directories, {}, {packages} packages", format_size(bytes))?;
        notes(&mut out, environment.report())
    })())
}

/// Shows everything about an environment.
pub fn inspected(open: &OpenEnvironment, messages: &OutputOptions) -> Result<(), Failure> {
    let inspection = open.environment.inspect().map_err(Failure::internal)?;
    let mut out = io::stdout().lock();
    if messages.json {
        let text = serde_json::to_string_pretty(&inspection).map_err(Failure::internal)?;
        return written(writeln!(out, "{text}"));
    }
    drop(out);
    written(print(&mut shown::stdout(), &inspection, open.environment.report()))
}

fn print(out: &mut impl Write, inspection: &EnvironmentInspection, report: &TreeReport) -> io::Result<()> {
    for (name, side) in [("host", &inspection.host), ("sandbox", &inspection.guest)] {
        writeln!(out, "As the {name} sees it")?;
        print_side(out, side)?;
        writeln!(out)?;
    }
    let rows: Vec<_> = inspection
        .guest
        .distributions
        .iter()
        .map(|one| vec![one.name.clone(), one.version.clone(), one.source.clone()])
        .collect();
    table(out, &["package", "version", "where from"], &rows)?;
    writeln!(out)?;
    let rows: Vec<_> = inspection
        .host
        .files
        .iter()
        .map(|file| {
            vec![file.path.clone(), format!("{:?}", file.kind).to_lowercase(), file.mode.clone(), file.size.to_string()]
        })
        .collect();
    table(out, &["file", "kind", "mode", "bytes"], &rows)?;
    notes(out, report)
}

fn print_side(out: &mut impl Write, side: &SideInspection) -> io::Result<()> {
    let view = &side.view;
    let nothing = "-".to_owned();
    let mut facts = vec![
        ("base", &view.base),
        ("working directory", view.working_directory.as_ref().unwrap_or(&nothing)),
        ("Python home", view.python_home.as_ref().unwrap_or(&nothing)),
    ];
    facts.extend(view.python_path.iter().map(|path| ("Python path", path)));
    for (name, fact) in facts {
        writeln!(out, "  {name:20}{fact}")?;
    }
    view.variables.iter().try_for_each(|(name, value)| writeln!(out, "  {name}={value}"))
}

/// What its user should know of an environment: what does not load, does not run, or is another's.
fn notes(out: &mut impl Write, report: &TreeReport) -> io::Result<()> {
    let mut notes: Vec<String> = report.shadowed.iter().map(ToString::to_string).collect();
    for native in &report.native_modules {
        notes.push(format!(
            "'{}' is machine code: package '{}' can do without it or fails",
            native.path, native.package
        ));
    }
    notes.extend(report.startup_files.iter().map(|path| format!("'{path}' does not run when Python starts")));
    for left_out in &report.left_out {
        notes.push(format!(
            "'{}' of {} is a link to the machine's Python and was left out",
            left_out.entry, left_out.archive
        ));
    }
    if !notes.is_empty() {
        writeln!(out, "\nNotes")?;
    }
    notes.iter().try_for_each(|note| writeln!(out, "  {note}"))
}

fn table(out: &mut impl Write, headers: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut table = TableWriter::new(out, headers);
    table.rows(rows)?;
    table.finish().map(drop)
}
