//! The Python environments that a session's functions are created in.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use vivarium_env::{
    EnvironmentError, EnvironmentSettings, JobId, PythonDependencyInfo, PythonEnvironment, PythonEnvironmentManager,
    PythonOptions, ScriptMetadata,
};

use crate::error::Error;

/// Says which files of the host SQL may name: as the source of a function, or in a setting such as `python.files`.
#[derive(Clone)]
pub struct HostFiles(Arc<Check>);

type Check = dyn Fn(&Path) -> Result<PathBuf, String> + Send + Sync;

impl HostFiles {
    /// None; `reason` tells the user why, and what to do instead.
    pub fn refused(reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self(Arc::new(move |_| Err(reason.clone())))
    }

    /// All that the process can read: for programs whose user wrote the SQL.
    pub fn anywhere() -> Self {
        Self(Arc::new(|path| Ok(path.to_owned())))
    }

    /// Those below a directory, after following links. A relative path is one in it.
    pub fn within(directory: impl Into<PathBuf>) -> Self {
        let directory = directory.into();
        Self(Arc::new(move |path| {
            let resolved = |path: &Path| path.canonicalize().map_err(|error| error.to_string());
            let (root, found) = (resolved(&directory)?, resolved(&directory.join(path))?);
            match found.starts_with(&root) {
                true => Ok(found),
                false => Err(format!("it is not below {}", directory.display())),
            }
        }))
    }

    /// Those for which `check` gives the path to read, which may be another one; its error is told to the user.
    pub fn checked(check: impl Fn(&Path) -> Result<PathBuf, String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(check))
    }

    /// The path to read.
    pub(crate) fn allow(&self, path: &Path) -> Result<PathBuf, Error> {
        (self.0)(path).map_err(|reason| Error::HostFile { path: path.to_owned(), reason })
    }
}

impl Default for HostFiles {
    fn default() -> Self {
        Self::refused("the session's owner has allowed none")
    }
}

impl fmt::Debug for HostFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HostFiles")
    }
}

/// An environment that is there for as long as this value.
#[derive(Debug)]
pub(crate) struct OpenEnvironment {
    pub environment: Arc<PythonEnvironment>,
    /// `None` for one that somebody else keeps open.
    _manager: Option<Mutex<PythonEnvironmentManager>>,
}

impl OpenEnvironment {
    pub fn kept_by_owner(environment: Arc<PythonEnvironment>) -> Arc<Self> {
        Arc::new(Self { environment, _manager: None })
    }
}

/// Opens environments.
#[derive(Debug)]
pub(crate) struct Environments {
    settings: Option<Arc<EnvironmentSettings>>,
    /// Why there are none, if there are none.
    refusal: String,
    /// An environment that holds for all functions, and has what their headers ask for.
    prepared: Option<Arc<OpenEnvironment>>,
    files: HostFiles,
    job: String,
}

impl Environments {
    pub fn new(
        settings: Result<Arc<EnvironmentSettings>, String>,
        prepared: Option<Arc<OpenEnvironment>>,
        files: HostFiles,
        job: String,
    ) -> Self {
        let (settings, refusal) = match settings {
            Ok(settings) => (Some(settings), String::new()),
            Err(refusal) => (None, refusal),
        };
        Self { settings, refusal, prepared, files, job }
    }

    /// The environment that options and the header of a source ask for; the prepared one, if there is one, when neither asks for
    /// anything, or when there are no others and only the header asks.
    pub async fn open(
        &self,
        options: PythonOptions,
        source: Option<&str>,
    ) -> Result<Option<Arc<OpenEnvironment>>, Error> {
        let header = source.map(ScriptMetadata::parse).transpose().map_err(EnvironmentError::from)?.flatten();
        let header = header.filter(ScriptMetadata::asks_for_environment);
        let asks = options != PythonOptions::default();
        if !asks && (header.is_none() || (self.settings.is_none() && self.prepared.is_some())) {
            return Ok(self.prepared.clone());
        }
        let Some(settings) = &self.settings else {
            let key = if asks { "python" } else { "# /// script" }.to_owned();
            return Err(Error::Setting { key, problem: self.refusal.clone() });
        };
        if let Some(header) = &header {
            header.check_python(&settings.guest).map_err(EnvironmentError::from)?;
        }
        let mut info = PythonDependencyInfo::from_options(&options)?;
        for path in paths(&mut info) {
            *path = self.files.allow(path)?;
        }
        info.requirements = header.map(|header| header.dependencies).unwrap_or_default();
        // A job has one environment at a time; what is the same is shared in the store, by content.
        static OPENED: AtomicU64 = AtomicU64::new(0);
        let number = OPENED.fetch_add(1, Ordering::Relaxed);
        // The number alone tells it from all others, so that a long name is no reason to fail.
        let job = JobId::new(format!("{}.sql-{number}", self.job)).or_else(|_| JobId::new(format!("sql-{number}")));
        let job = job.map_err(|error| Error::of("python", vivarium::Error::Worker(error.to_string())))?;
        let settings = Arc::clone(settings);
        let open = tokio::task::spawn_blocking(move || {
            let mut manager = PythonEnvironmentManager::new(info, settings, job);
            manager.open()?;
            let environment = Arc::new(manager.create_environment()?);
            Ok::<_, EnvironmentError>(OpenEnvironment { environment, _manager: Some(Mutex::new(manager)) })
        });
        let open = open.await.map_err(|error| Error::of("python", vivarium::Error::Worker(error.to_string())))??;
        Ok(Some(Arc::new(open)))
    }
}

/// All files of the host that dependencies name.
fn paths(info: &mut PythonDependencyInfo) -> impl Iterator<Item = &mut PathBuf> {
    let files = info.python_files.iter_mut().map(|file| &mut file.path);
    let archives = info.archives.iter_mut().map(|archive| &mut archive.path);
    let requirements = info.requirements_file.iter_mut().chain(info.requirements_cache_directory.iter_mut());
    files.chain(archives).chain(requirements)
}
