//! The Python environment that a command's options and its file's header ask for.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use serde_json::json;
use vivarium::{guest_python, in_environment};
use vivarium_env::{
    EnvironmentError, EnvironmentSettings, GuestPython, JobId, MaterializeLimits, OpenEvent, OpenProgress,
    PythonDependencyInfo, PythonEnvironment, PythonEnvironmentManager, PythonOptions, RequirementsLock,
    RequirementsSettings, ScriptMetadata, Store, TenantId, TenantStore,
};
use vivarium_guest::{ImageName, ImageStore};
use vivarium_sandbox::SandboxConfig;

use crate::failure::Failure;
use crate::options::{EnvironmentOptions, OutputOptions, PackageOptions, StoreOptions};
use crate::progress::{BuildProgress, ProgressMode};

/// Why the identifiers below exist.
const VALID: &str = "a constant that is a valid identifier";

/// How long a command that is stopped waits for an environment to be cleared away.
const PATIENCE: Duration = Duration::from_secs(5);

/// An environment that is there for as long as this value.
pub struct OpenEnvironment {
    pub environment: Arc<PythonEnvironment>,
    _manager: PythonEnvironmentManager,
}

impl OpenEnvironment {
    /// Opens the environment that `options` and the `# /// script` headers of `sources` describe together; `None` when none of
    /// them asks for anything. The guest must have been built.
    ///
    /// # Errors
    /// When something is missing, refused or cannot be satisfied; nothing is left behind then.
    pub async fn open<'a>(
        options: &EnvironmentOptions,
        sources: impl IntoIterator<Item = &'a str>,
        messages: &OutputOptions,
    ) -> Result<Option<Self>, Failure> {
        let sources: Vec<_> = sources.into_iter().collect();
        let image = options.image_for(sources.iter().copied())?.name;
        let headers = sources.into_iter().filter_map(|source| ScriptMetadata::parse(source).transpose());
        let headers: Vec<_> = headers.collect::<Result<_, _>>().map_err(EnvironmentError::from)?;
        let asked = options.python_options();
        if asked == PythonOptions::default() && !headers.iter().any(ScriptMetadata::asks_for_environment) {
            return Ok(None);
        }
        let (options, messages, progress) = (options.clone(), *messages, progress(messages));
        let (ended, end) = mpsc::channel();
        let _stopped = StopOnDrop { progress: progress.clone(), end };
        let opened = tokio::task::spawn_blocking(move || {
            let opened = Self::open_blocking(&options, image, &asked, headers, &messages, progress);
            drop::<mpsc::Sender<()>>(ended);
            opened
        });
        opened.await.map_err(Failure::internal)?.map(Some)
    }

    fn open_blocking(
        options: &EnvironmentOptions,
        image: ImageName,
        asked: &PythonOptions,
        headers: Vec<ScriptMetadata>,
        messages: &OutputOptions,
        progress: OpenProgress,
    ) -> Result<Self, Failure> {
        let guest = guest_python(&ImageStore::open()?.of(image).locate()?.manifest()?)?;
        let mut info = PythonDependencyInfo::from_options(asked)?;
        for header in headers {
            header.check_python(&guest).map_err(EnvironmentError::from)?;
            info.requirements.extend(header.dependencies);
        }
        let settings = EnvironmentSettings::default()
            .with_store(Some(Arc::new(open_store(&options.store)?)))
            .with_tenant(tenant())
            .with_requirements(requirements(&options.packages, &guest)?)
            .with_limits(MaterializeLimits::default().with_refuse_case_collisions(!options.allow_case_collisions))
            .with_guest(guest)
            .with_progress(progress);
        let mut manager = PythonEnvironmentManager::new(info, Arc::new(settings), JobId::new("wasm-run").expect(VALID));
        manager.open()?;
        let environment = Arc::new(manager.create_environment()?);
        if let Some(file) = &options.packages.write_lock {
            let written = std::fs::write(file, environment.requirements_lock().to_string());
            written.map_err(|error| Failure::data(format!("{} cannot be written", file.display()), error))?;
        }
        if !messages.quiet {
            warn(&environment, messages);
        }
        Ok(Self { environment, _manager: manager })
    }
}

/// Stops opening when the command is stopped, and waits until it has cleared away what it made.
struct StopOnDrop {
    progress: OpenProgress,
    /// Disconnected when opening has ended.
    end: mpsc::Receiver<()>,
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.progress.cancel();
        let _ = self.end.recv_timeout(PATIENCE);
    }
}

/// `config` in the environment, if there is one.
///
/// # Errors
/// When the environment's directory cannot be opened.
pub fn sandbox_in(environment: Option<&OpenEnvironment>, config: SandboxConfig) -> Result<SandboxConfig, Failure> {
    match environment {
        Some(open) => Ok(in_environment(config, &open.environment)?),
        None => Ok(config),
    }
}

/// The environments kept on this machine.
///
/// # Errors
/// When the directory cannot be opened, or others can write it.
pub fn tenant_store(options: &StoreOptions) -> Result<TenantStore, Failure> {
    Ok(open_store(options)?.tenant(&tenant()).map_err(EnvironmentError::from)?)
}

/// Whose environments these are: the command line has one user.
fn tenant() -> TenantId {
    TenantId::new("default").expect(VALID)
}

fn open_store(options: &StoreOptions) -> Result<Store, Failure> {
    let directory: PathBuf = match &options.env_store {
        Some(directory) => directory.clone(),
        None => ImageStore::open()?.root().join("environments"),
    };
    Ok(Store::open(directory).map_err(EnvironmentError::from)?)
}

fn requirements(options: &PackageOptions, guest: &GuestPython) -> Result<RequirementsSettings, Failure> {
    let lock = match &options.lock {
        Some(file) => {
            let text = std::fs::read_to_string(file).map_err(|error| {
                Failure::environment(format!("the lock {} cannot be read: {error}", file.display()))
            })?;
            Some(RequirementsLock::parse(&text, guest).map_err(EnvironmentError::from)?)
        }
        None => None,
    };
    Ok(RequirementsSettings::default()
        .with_python(options.pip_python.clone())
        .with_use_index(!options.offline)
        .with_index_url(options.index_url.clone())
        .with_wheels(options.find_links.clone())
        .with_allowed(options.allowed())
        .with_lock(lock))
}

/// Says what takes a while. Unpacking is quick, so that only a terminal hears of it.
fn progress(messages: &OutputOptions) -> OpenProgress {
    let mode = ProgressMode::new(messages);
    let bar = Arc::new(Mutex::new(BuildProgress::new(mode)));
    OpenProgress::new(move |event| {
        if event != OpenEvent::Materializing || mode == ProgressMode::Bars {
            bar.lock().unwrap_or_else(PoisonError::into_inner).spin(event.to_string());
        }
    })
}

/// Names the user's modules that the guest's own hide: the code would go on with another module than it says.
fn warn(environment: &PythonEnvironment, messages: &OutputOptions) {
    for shadowed in &environment.report().shadowed {
        if messages.json {
            note!(
                "{}",
                json!({"warning": {"kind": "shadowed", "message": shadowed.to_string(), "shadowed": shadowed}})
            );
        } else {
            note!("wasm-run: warning: {shadowed}");
        }
    }
}
