//! `wasm-run guest`: build the guest, and tell about it.

use std::io::{self, Write};
use std::process::ExitCode;

use vivarium_guest::{ImageInfo, ImageStore};
use vivarium_sandbox::format_size;

use crate::cli::Guest;
use crate::failure::{Failure, written};
use crate::guest::ensure;
use crate::options::OutputOptions;
use crate::table::TableWriter;

pub async fn execute(command: Guest) -> Result<ExitCode, Failure> {
    match command {
        Guest::Build(options) => build(&options).await,
        Guest::Info(options) => info(&options).await,
        Guest::Path(options) => path(&options).await,
        Guest::Test(test) => return crate::guest_test::execute(test).await,
    }?;
    Ok(ExitCode::SUCCESS)
}

async fn build(options: &OutputOptions) -> Result<(), Failure> {
    crate::guest::open(options, 1).await?;
    if options.quiet { Ok(()) } else { path(options).await }
}

async fn path(options: &OutputOptions) -> Result<(), Failure> {
    let directory = ensure(options).await?.directory;
    let line = match options.json {
        true => serde_json::json!({ "directory": directory }).to_string(),
        false => directory.display().to_string(),
    };
    written(writeln!(io::stdout(), "{line}"))
}

async fn info(options: &OutputOptions) -> Result<(), Failure> {
    ensure(options).await?;
    let info = ImageStore::open()?.info()?;
    let mut out = io::stdout().lock();
    if options.json {
        let text = serde_json::to_string_pretty(&info).map_err(Failure::internal)?;
        return written(writeln!(out, "{text}"));
    }
    written(print(&mut out, &info))
}

fn print(out: &mut impl Write, info: &ImageInfo) -> io::Result<()> {
    let mut facts = vec![
        ("image", info.manifest.name.clone()),
        ("folder", info.directory.display().to_string()),
        ("recipe", info.recipe.clone()),
        ("CPython", info.manifest.python.clone()),
        ("module", format_size(info.module_bytes)),
    ];
    facts.extend(info.compiled_bytes.values().map(|bytes| ("compiled", format_size(*bytes))));
    facts.extend(info.manifest.image_sha256.iter().map(|hash| ("sha256", hash.clone())));
    facts.push(("linked sha256", info.manifest.guest_sha256.clone()));
    facts.push(("home sha256", info.manifest.home_sha256.clone()));
    for (name, fact) in facts {
        writeln!(out, "{name:14}{fact}")?;
    }
    let tables = [("package", "version", &info.manifest.packages), ("input", "sha256", &info.manifest.inputs)];
    for (name, value, entries) in tables {
        writeln!(out)?;
        let rows: Vec<_> = entries.iter().map(|(name, value)| vec![name.clone(), value.clone()]).collect();
        let mut table = TableWriter::new(&mut *out, &[name, value]);
        table.rows(&rows)?;
        table.finish()?;
    }
    Ok(())
}
