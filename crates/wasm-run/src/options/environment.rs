//! What the Python code depends on, and where packages come from.

use std::path::PathBuf;

use clap::Args;
use vivarium_env::{AllowedLines, EnvironmentError, PythonOptions, ScriptMetadata};
use vivarium_guest::ImageName;

use crate::failure::Failure;

/// Flink's dependency options, with Flink's names and syntax, and what an operator decides about them.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Python environment")]
pub struct EnvironmentOptions {
    /// The guest image to run in: which Python, and which packages it brings; `wasm-run guest list` shows them
    /// [default: what the file's header asks for, else base].
    #[arg(long, value_name = "NAME")]
    pub image: Option<ImageName>,

    /// Python files, directories, wheels and zip or tar files to import from (also -pyfs).
    #[arg(long, value_name = "PATH,...", aliases = ["pyfs", "pyFiles"])]
    pub python_files: Vec<String>,

    /// Zip or tar files, extracted to the working directory under TARGET, else under their names (also -pyarch).
    #[arg(long, value_name = "PATH[#TARGET],...", aliases = ["pyarch", "pyArchives"])]
    pub python_archives: Vec<String>,

    /// Requirements to install: from the package index, or from a directory of wheels without network (also -pyreq).
    #[arg(long, value_name = "FILE[#DIRECTORY]", aliases = ["pyreq", "pyRequirements"])]
    pub python_requirements: Option<String>,

    /// `TARGET/bin/python` of an archive with a packed Python, whose packages are then importable (also -pyexec).
    #[arg(long, value_name = "PATH", aliases = ["pyexec", "pyExecutable"])]
    pub python_executable: Option<String>,

    /// More directories to import from, as the sandbox sees them, for instance /env/python-archives/TARGET (also -pypath).
    #[arg(long, value_name = "PATH:...", aliases = ["pypath", "pyPythonPath"])]
    pub python_path: Option<String>,

    /// Let archives hold names that differ only in the case of letters, as packed conda environments do.
    #[arg(long)]
    pub allow_case_collisions: bool,

    #[command(flatten)]
    pub packages: PackageOptions,

    #[command(flatten)]
    pub store: StoreOptions,
}

/// Where packages come from: the operator's choice.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Packages")]
pub struct PackageOptions {
    /// A directory of pure Python wheels that comes before the index; may be given several times.
    #[arg(long, value_name = "DIRECTORY")]
    pub find_links: Vec<PathBuf>,

    /// Use no package index: packages come from directories of wheels, or the environment is in the store already.
    #[arg(long)]
    pub offline: bool,

    /// The package index [default: PyPI].
    #[arg(long, value_name = "URL")]
    pub index_url: Option<String>,

    /// Install what this lock names, a requirements file with exact versions and hashes, and resolve nothing.
    #[arg(long, value_name = "FILE")]
    pub lock: Option<PathBuf>,

    /// Write a lock of the resolved requirements, for --lock.
    #[arg(long, value_name = "FILE")]
    pub write_lock: Option<PathBuf>,

    /// Let requirements files hold index options, such as --index-url and --find-links.
    #[arg(long)]
    pub allow_index_options: bool,

    /// Let requirements name wheels by https:// URLs.
    #[arg(long)]
    pub allow_urls: bool,

    /// The machine's Python, whose pip chooses packages; it runs none of their code.
    #[arg(long, value_name = "PROGRAM", default_value = "python3")]
    pub pip_python: PathBuf,
}

/// Where environments are kept.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Environment store")]
pub struct StoreOptions {
    /// Where environments are kept for reuse [default: environments in the cache directory].
    #[arg(long, value_name = "DIRECTORY")]
    pub env_store: Option<PathBuf>,
}

/// An image, and whether it is the operator who asked for it: building one takes a quarter of an hour, a network and gigabytes, for which a
/// comment in somebody's file is no reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedImage {
    pub name: ImageName,
    pub may_be_built: bool,
}

impl From<&ImageName> for WantedImage {
    /// An image that the operator names.
    fn from(name: &ImageName) -> Self {
        Self { name: name.clone(), may_be_built: true }
    }
}

impl EnvironmentOptions {
    /// The image for files with these sources: the one that is asked for by an option, or in their `# /// script` headers.
    ///
    /// # Errors
    /// When a header cannot be read, names an image that there is not, or another one than is asked for elsewhere.
    pub fn image_for<'a>(&self, sources: impl IntoIterator<Item = &'a str>) -> Result<WantedImage, Failure> {
        let mut chosen = self.image.clone().map(|name| (name, "--image"));
        for source in sources {
            let header = ScriptMetadata::parse(source).map_err(EnvironmentError::from)?;
            let Some(asked) = header.and_then(|header| header.image) else { continue };
            let asked: ImageName = asked.parse()?;
            match &chosen {
                Some((other, place)) if *other != asked => {
                    return Err(Failure::usage(format!(
                        "a file is written for the image `{asked}` (image of [tool.vivarium] in its header), and {place} says `{other}`: \
                         they run in one image, so change one of them"
                    )));
                }
                Some(_) => {}
                None => chosen = Some((asked, "the header of another file")),
            }
        }
        let name = chosen.map(|(name, _)| name).unwrap_or_default();
        // The default image is what the command itself stands for.
        let may_be_built = self.image.is_some() || name == ImageName::default();
        Ok(WantedImage { name, may_be_built })
    }

    /// Flink's options, unsplit.
    pub fn python_options(&self) -> PythonOptions {
        let list = |entries: &[String]| (!entries.is_empty()).then(|| entries.join(","));
        PythonOptions::default()
            .with_files(list(&self.python_files))
            .with_archives(list(&self.python_archives))
            .with_requirements(self.python_requirements.clone())
            .with_executable(self.python_executable.clone())
            .with_python_path(self.python_path.clone())
    }
}

impl PackageOptions {
    /// What requirements files may hold besides requirements by name.
    pub fn allowed(&self) -> AllowedLines {
        AllowedLines::default().with_index_options(self.allow_index_options).with_urls(self.allow_urls)
    }
}
