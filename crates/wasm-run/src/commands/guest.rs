//! `wasm-run guest`: build the guest, and describe it.

use std::fs::File;
use std::io::{self, BufReader, IsTerminal, Write};
use std::process::ExitCode;

use serde_json::json;
use tokio::task::spawn_blocking;
use vivarium_guest::{ImageInfo, ImageStore, images};
use vivarium_sandbox::format_size;

use crate::cli::{Guest, GuestExport, GuestImage, GuestImport};
use crate::failure::{Failure, written};
use crate::files::{Destination, Location};
use crate::guest::ensure;
use crate::options::OutputOptions;
use crate::progress::{BuildProgress, ProgressMode};
use crate::table::TableWriter;

pub async fn execute(command: Guest) -> Result<ExitCode, Failure> {
    match command {
        Guest::Build(wanted) => build(&wanted).await,
        Guest::Info(asked) if asked.licenses => licenses(&asked.wanted),
        Guest::Info(asked) => info(&asked.wanted).await,
        Guest::Path(wanted) => path(&wanted).await,
        Guest::List(options) => list(&options),
        Guest::Export(wanted) => export(wanted).await,
        Guest::Import(wanted) => import(wanted).await,
        Guest::Test(test) => return crate::guest_test::execute(test).await,
    }?;
    Ok(ExitCode::SUCCESS)
}

async fn build(wanted: &GuestImage) -> Result<(), Failure> {
    crate::guest::open(&wanted.messages, &(&wanted.image).into(), 1).await?;
    if wanted.messages.quiet { Ok(()) } else { path(wanted).await }
}

async fn path(wanted: &GuestImage) -> Result<(), Failure> {
    let directory = ensure(&wanted.messages, &(&wanted.image).into()).await?.directory;
    let line = match wanted.messages.json {
        true => serde_json::json!({ "directory": directory }).to_string(),
        false => directory.display().to_string(),
    };
    written(writeln!(io::stdout(), "{line}"))
}

/// Of an image that there is; one that was installed with the program is copied.
async fn info(wanted: &GuestImage) -> Result<(), Failure> {
    let store = ImageStore::open()?.of(wanted.image.clone());
    if store.is_installed() {
        ensure(&wanted.messages, &(&wanted.image).into()).await?;
    }
    let info = store.info()?;
    let mut out = io::stdout().lock();
    if wanted.messages.json {
        let text = serde_json::to_string_pretty(&info).map_err(Failure::internal)?;
        return written(writeln!(out, "{text}"));
    }
    written(print(&mut out, &info))
}

/// Of what is in the image once it is built; builds none.
fn licenses(wanted: &GuestImage) -> Result<(), Failure> {
    let components = ImageStore::open()?.of(wanted.image.clone()).image().licenses();
    let mut out = io::stdout().lock();
    if wanted.messages.json {
        let text = serde_json::to_string_pretty(&components).map_err(Failure::internal)?;
        return written(writeln!(out, "{text}"));
    }
    let rows: Vec<_> = components.into_iter().map(|component| vec![component.name, component.license]).collect();
    let mut table = TableWriter::new(&mut out, &["component", "license"]);
    written(table.rows(&rows))?;
    written(table.finish().map(|_| ()))
}

/// The images there are descriptions of; builds none.
fn list(options: &OutputOptions) -> Result<(), Failure> {
    let mut rows = Vec::new();
    let mut objects = Vec::new();
    for image in images() {
        let store = ImageStore::open()?.of(image.name.clone());
        let built = match store.info() {
            Ok(info) => Some(info),
            Err(vivarium_guest::Error::Missing { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let state = match &built {
            Some(info) => format_size(info.module_bytes + info.compiled_bytes.values().sum::<u64>()),
            None if store.is_installed() => "installed; made ready by the first use".to_owned(),
            None => format!("not built: {} minutes, {} GB", image.build_minutes, image.build_gigabytes),
        };
        rows.push(vec![image.name.to_string(), image.python.clone(), image.about.clone(), state]);
        let mut object = serde_json::to_value(image).map_err(Failure::internal)?;
        object["directory"] = serde_json::json!(built.map(|info| info.directory));
        objects.push(object);
    }
    let mut out = io::stdout().lock();
    if options.json {
        return written(writeln!(out, "{}", serde_json::Value::Array(objects)));
    }
    let mut table = TableWriter::new(&mut out, &["image", "CPython", "besides", "on disk"]);
    written(table.rows(&rows))?;
    written(table.finish().map(|_| ()))
}

async fn export(asked: GuestExport) -> Result<(), Failure> {
    let GuestExport { wanted: GuestImage { image, messages }, output } = asked;
    let directory = ensure(&messages, &(&image).into()).await?.directory;
    let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let output = output.unwrap_or_else(|| Location::File(format!("{name}.tar").into()));
    if output == Location::Standard && io::stdout().is_terminal() {
        return Err(Failure::usage("an archive is not for a terminal: write it to a file or into a pipe"));
    }
    let (store, location) = (ImageStore::open()?.of(image), output.clone());
    let written = spawn_blocking(move || Destination::open(&location)?.write(|sink| store.export(sink)));
    let archive = written.await.map_err(Failure::internal)??;
    let (bytes, sha256) = (archive.bytes, archive.sha256);
    let told = match messages.json {
        true => json!({ "file": output.to_string(), "image": name, "bytes": bytes, "sha256": sha256 }).to_string(),
        false => format!("{output}  {}\nsha256  {sha256}", format_size(bytes)),
    };
    match output {
        Location::File(_) => self::written(writeln!(io::stdout(), "{told}")),
        // The archive is there.
        Location::Standard if messages.quiet => Ok(()),
        Location::Standard => {
            note!("{told}");
            Ok(())
        }
    }
}

async fn import(asked: GuestImport) -> Result<(), Failure> {
    let GuestImport { archive, sha256, messages } = asked;
    let store = ImageStore::open()?;
    let mut progress = BuildProgress::new(ProgressMode::new(&messages));
    let imported = spawn_blocking(move || {
        let mut waiting = |event| progress.event(&event);
        match &archive {
            Location::Standard => Ok(store.import(io::stdin().lock(), sha256.as_deref(), &mut waiting)?),
            Location::File(path) => {
                let file = File::open(path).map_err(|error| Failure::data(format!("the archive {archive}"), error))?;
                Ok::<_, Failure>(store.import(BufReader::new(file), sha256.as_deref(), &mut waiting)?)
            }
        }
    });
    let image = imported.await.map_err(Failure::internal)??.image;
    build(&GuestImage { image, messages }).await
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
    let changed = &info.manifest.profile_changed;
    if !changed.is_empty() {
        facts.push((
            "profile",
            format!("{} functions have changed since it was made: {}", changed.len(), changed.join(", ")),
        ));
    }
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
