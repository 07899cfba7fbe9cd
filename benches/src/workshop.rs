//! Where contenders are installed: `bench/` in the cache directory.
//!
//! ```text
//!   bench/contenders/    the programs of ../contenders, written from this binary
//!   bench/wasm-python/   the guest's shim and SDK, for the contender that builds them natively
//!   bench/target/        what cargo and gcc make of them, and an environment of the native CPython with pyarrow
//!   bench/pyflink-*/     Flink's own environment
//! ```

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use include_dir::{Dir, DirEntry, include_dir};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::sync::OnceCell;
use tokio::time::timeout;
use vivarium_guest::{ImageStore, Manifest};

use crate::contender::NotRun;

static CONTENDERS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/contenders");

/// Parts of the guest's sources that the native side is made of.
const SOURCES: [&str; 3] = ["python", "shim", "tests"];

/// The release that the report compares with.
const FLINK: &str = "apache-flink==2.3.0";

/// An installation may download and compile for so long.
const PATIENCE: Duration = Duration::from_secs(30 * 60);

/// Installs contenders, each when it is first asked for. Cloning gives the same workshop.
#[derive(Debug, Clone)]
pub struct Workshop {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    root: PathBuf,
    native: PathBuf,
    version: String,
    chosen_python: Option<PathBuf>,
    python: OnceCell<Result<PathBuf, NotRun>>,
    in_process: OnceCell<Result<PathBuf, NotRun>>,
}

impl Workshop {
    /// A workshop in the store's directory, for an image's native CPython; `python` takes that one's place where packages matter.
    ///
    /// # Errors
    /// When the cache cannot be written.
    pub fn open(store: &ImageStore, manifest: &Manifest, python: Option<PathBuf>) -> Result<Self> {
        let root = store.root().join("bench");
        write(&CONTENDERS, &root.join("contenders"))?;
        vivarium_guest::write_sources(&root.join("wasm-python"), &SOURCES)?;
        let shared = Shared {
            root,
            native: manifest.native_python.clone(),
            version: manifest.python.clone(),
            chosen_python: python,
            python: OnceCell::new(),
            in_process: OnceCell::new(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The guest's sources: shim, SDK and what builds them natively.
    pub fn sources(&self) -> PathBuf {
        self.shared.root.join("wasm-python")
    }

    /// The installation of the native CPython.
    pub fn native_home(&self) -> PathBuf {
        self.shared.native.ancestors().nth(2).unwrap_or(Path::new("/")).to_owned()
    }

    /// A contender's script, run by `python`.
    pub fn script(&self, python: &Path, name: &str) -> Command {
        let mut command = Command::new(python);
        command.arg(self.contenders().join(name)).env("PYTHONDONTWRITEBYTECODE", "1").env_remove("PYTHONHOME");
        command
    }

    /// A program in which `import vivarium` finds decorators that do nothing.
    pub fn with_stand_in(&self, mut command: Command) -> Command {
        command.env("PYTHONPATH", self.contenders().join("stand-in"));
        command
    }

    /// An interpreter with NumPy and pyarrow: the one that was chosen, or the native one of the guest's version.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn python(&self) -> Result<PathBuf, NotRun> {
        let make = || async {
            if let Some(python) = &self.shared.chosen_python {
                let mut command = Command::new(python);
                command.args(["-c", "import numpy, pyarrow"]);
                let wanted = "it needs numpy and pyarrow; install them for it, or leave --python out";
                output(command, None)
                    .await
                    .map_err(|error| NotRun(format!("{}: {error:#}; {wanted}", python.display())))?;
                return Ok(python.clone());
            }
            let mut command = Command::new("python3");
            command.arg(self.sources().join("tests/environment.py"));
            output(command, Some(&self.info())).await.map(PathBuf::from).map_err(NotRun::because)
        };
        self.shared.python.get_or_init(make).await.clone()
    }

    /// The program of the contenders that have CPython in their process.
    ///
    /// # Errors
    /// Why it cannot be built.
    pub async fn in_process(&self) -> Result<PathBuf, NotRun> {
        let make = || async { self.build_in_process().await.map_err(NotRun::because) };
        self.shared.in_process.get_or_init(make).await.clone()
    }

    async fn build_in_process(&self) -> Result<PathBuf> {
        let root = &self.shared.root;
        let library = self.native_home().join("lib");
        let series = self.shared.version.rsplit_once('.').map_or(self.shared.version.as_str(), |(series, _)| series);
        ensure!(
            library.join(format!("libpython{series}.a")).exists(),
            "the native CPython in {} has no library",
            library.display()
        );
        // All of libpython, since extension modules use what this program does not; PyO3 embeds shared libraries by itself
        // only, so it is told of one and what is linked is ours.
        let config = format!(
            "implementation=CPython\nversion={series}\nshared=true\nlib_name=python{series}\nlib_dir={library}\n\
             executable={python}\npointer_width=64\nbuild_flags=\nsuppress_build_script_link_lines=true\n\
             extra_build_script_line=cargo:rustc-link-search=native={library}\n\
             extra_build_script_line=cargo:rustc-link-lib=static:+whole-archive,-bundle=python{series}\n",
            library = library.display(),
            python = self.shared.native.display(),
        );
        let config_file = root.join("pyo3-config.txt");
        write_if_changed(&config_file, config.as_bytes())?;
        let target = root.join("target");
        let mut command = Command::new("cargo");
        command
            .args(["build", "--release", "--locked", "--quiet", "--manifest-path"])
            .arg(self.contenders().join("in-process/Cargo.toml"))
            .env("CARGO_TARGET_DIR", &target)
            .env("PYO3_CONFIG_FILE", config_file);
        output(command, None).await.context("cargo cannot build it")?;
        Ok(target.join("release/in-process"))
    }

    /// An interpreter with stock PyFlink.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn pyflink(&self) -> Result<PathBuf, NotRun> {
        let make = async {
            let mut java = Command::new("java");
            java.arg("-version");
            output(java, None).await.context("Flink needs Java 11 or later on the PATH")?;
            let mut version = Command::new("python3");
            version.args(["-c", "import sys; print(*sys.version_info[:2])"]);
            let version = output(version, None).await?;
            ensure!(
                ["3 9", "3 10", "3 11", "3 12"].contains(&version.as_str()),
                "PyFlink needs python3 to be 3.9 to 3.12, not {}",
                version.replace(' ', ".")
            );
            let mut install = self.script(Path::new("python3"), "install.py");
            let folder = format!("pyflink-{}", FLINK.rsplit("==").next().unwrap_or_default());
            install.arg(self.sources()).arg(self.shared.root.join(folder)).arg(FLINK);
            Ok(PathBuf::from(output(install, Some(&self.info())).await?))
        };
        make.await.map_err(|error: anyhow::Error| NotRun::because(error))
    }

    fn contenders(&self) -> PathBuf {
        self.shared.root.join("contenders")
    }

    /// What `wasm-run guest info --json` says, as far as the scripts read it.
    fn info(&self) -> String {
        json!({ "native_python": self.shared.native }).to_string()
    }
}

/// Runs a program to its end; what it prints, without the last line's end.
async fn output(mut command: Command, input: Option<&str>) -> Result<String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    let mut child = command.spawn().with_context(|| format!("{name} cannot be started"))?;
    if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
        stdin.write_all(input.as_bytes()).await?;
    }
    let done = timeout(PATIENCE, child.wait_with_output()).await.context("it took longer than half an hour")??;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        let last: Vec<_> = said.lines().rev().filter(|line| !line.trim().is_empty()).take(3).collect();
        bail!("{name} ended with {}: {}", done.status, last.into_iter().rev().collect::<Vec<_>>().join("; "));
    }
    Ok(String::from_utf8_lossy(&done.stdout).trim_end().to_owned())
}

/// Writes the files of a folder, and leaves those alone that are as they should be.
fn write(folder: &Dir<'_>, target: &Path) -> Result<()> {
    for entry in folder.entries() {
        match entry {
            DirEntry::Dir(inner) => write(inner, &target.join(inner.path().file_name().unwrap_or_default()))?,
            DirEntry::File(file) => {
                write_if_changed(&target.join(file.path().file_name().unwrap_or_default()), file.contents())?;
            }
        }
    }
    Ok(())
}

fn write_if_changed(path: &Path, content: &[u8]) -> Result<()> {
    if std::fs::read(path).is_ok_and(|found| found == content) {
        return Ok(());
    }
    let parent = path.parent().unwrap_or(Path::new("/"));
    let put = || -> std::io::Result<()> {
        std::fs::create_dir_all(parent)?;
        // Renamed into place: another process may be reading the old one.
        let partial = path.with_extension(format!("partial-{}", std::process::id()));
        std::io::Write::write_all(&mut File::create(&partial)?, content)?;
        std::fs::rename(&partial, path)
    };
    put().with_context(|| format!("cannot write {}", path.display()))
}
