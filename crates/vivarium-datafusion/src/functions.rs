//! Python functions of one tenant: images, what their sandboxes may use, environments, and how sources are loaded.

use std::sync::Arc;

use datafusion::config::ConfigOptions;
use vivarium::{
    ColumnMode, EnvironmentSnapshots, FunctionSource, Image, Kind, Limits, Module, Place, SandboxConfig, in_environment,
};
use vivarium_env::{EnvironmentError, EnvironmentSettings, PythonEnvironment, ScriptMetadata};
use vivarium_sandbox::{JobId, TaskAccount, Tenant};

use crate::environment::{Environments, HostFiles, OpenEnvironment};
use crate::error::Error;
use crate::settings::{Ceiling, DependencySettings, SandboxSettings, missing_image};

/// Why there are no environments where nobody said otherwise.
const NO_ENVIRONMENTS: &str = "its owner has given this session no Python environments";

/// Python functions for DataFusion sessions of one tenant. Cloning it is cheap and gives the same one.
///
/// ```no_run
/// use datafusion::prelude::SessionContext;
/// use vivarium_datafusion::PythonFunctions;
///
/// # async fn example(image: vivarium::Image) -> datafusion::error::Result<()> {
/// let session = SessionContext::new();
/// PythonFunctions::builder(image).build().install(&session)?;
/// session.sql("CREATE FUNCTION twice(x BIGINT) RETURNS BIGINT LANGUAGE PYTHON AS $$
/// def twice(x):
///     return 2 * x
/// $$").await?;
/// session.sql("SELECT twice(21)").await?.show().await
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct PythonFunctions {
    pub(crate) shared: Arc<Shared>,
}

/// See [`PythonFunctions::builder`].
#[derive(Debug)]
pub struct PythonFunctionsBuilder {
    image: Image,
    image_name: String,
    others: Vec<(String, Image, Result<Arc<EnvironmentSettings>, String>)>,
    sandbox: SandboxConfig,
    instances: Option<usize>,
    ceiling: Option<Limits>,
    most_instances: Option<usize>,
    columns: ColumnMode,
    environments: Result<Arc<EnvironmentSettings>, String>,
    environment: Option<Arc<PythonEnvironment>>,
    snapshots: EnvironmentSnapshots,
    files: HostFiles,
}

#[derive(Debug)]
pub(crate) struct Shared {
    /// The first is that of functions for which nobody asks for another one.
    images: Vec<SessionImage>,
    sandbox: SandboxConfig,
    instances: Option<usize>,
    ceiling: Ceiling,
    snapshots: EnvironmentSnapshots,
    pub files: HostFiles,
}

/// An image of a session, and the environments that are made for it.
#[derive(Debug)]
struct SessionImage {
    name: String,
    image: Image,
    environments: Environments,
}

/// A function that a source gave to a session.
#[derive(Debug, Clone, PartialEq)]
pub struct RegisteredFunction {
    /// Its name in SQL.
    pub name: String,
    /// How it is called.
    pub kind: Kind,
    /// Where it is defined.
    pub place: Place,
}

impl PythonFunctionsBuilder {
    /// Whose functions these are: what all their sandboxes use together is charged to the tenant, and held to its limits.
    /// Default: that of [`Self::sandbox`].
    #[must_use]
    pub fn tenant(mut self, tenant: &Arc<Tenant>, job: JobId) -> Self {
        let id = self.sandbox.task.id().clone();
        self.sandbox.task = tenant.task(job, id);
        self
    }

    /// What sandboxes are started with. Its limits and variables are what sessions start from. `SET vivarium.*` lowers limits for a
    /// session; the ones given here, or the defaults of [`Limits`] when nothing is, are the most that it can set, but for what
    /// [`Self::ceiling`] allows. The tenant's limits hold besides.
    #[must_use]
    pub fn sandbox(mut self, config: SandboxConfig) -> Self {
        self.sandbox = config;
        self
    }

    /// The most that statements may set limits to (`SET vivarium.memory = ...`), in place of what sessions start with. A limit that is
    /// absent here may be set to `'none'`.
    #[must_use]
    pub fn ceiling(mut self, most: Limits) -> Self {
        self.ceiling = Some(most);
        self
    }

    /// How many instances of each function work at the same time, where a session does not set it, and the most that it can set, but for
    /// what [`Self::most_instances`] allows. Default: one for each core.
    #[must_use]
    pub fn instances(mut self, instances: usize) -> Self {
        self.instances = Some(instances);
        self
    }

    /// The most that statements may set `vivarium.instances` to, in place of what sessions start with.
    #[must_use]
    pub fn most_instances(mut self, most: usize) -> Self {
        self.most_instances = Some(most);
        self
    }

    /// Whether functions that are called once a row may run as columns. `SET vivarium.columns = 'off'` switches it off for a session;
    /// nothing that a statement says goes beyond this. Default: where it is worth it.
    #[must_use]
    pub fn columns(mut self, mode: ColumnMode) -> Self {
        self.columns = mode;
        self
    }

    /// How environments are made for functions whose session sets `python.*`, or whose source has a `# /// script` header.
    /// Default: there are none, and both are refused.
    #[must_use]
    pub fn environments(mut self, settings: Arc<EnvironmentSettings>) -> Self {
        self.environments = Ok(settings);
        self
    }

    /// Refuses `python.*` and headers with this text, which says why and what to do instead.
    #[must_use]
    pub fn environments_refused(mut self, reason: impl Into<String>) -> Self {
        self.environments = Err(reason.into());
        self
    }

    /// The environment of functions that ask for none themselves; when there are no [`Self::environments`], also of those whose
    /// header asks for one: it is taken to have what they need. Whoever opened it keeps it open.
    #[must_use]
    pub fn environment(mut self, environment: Arc<PythonEnvironment>) -> Self {
        self.environment = Some(environment);
        self
    }

    /// The snapshots of environments that this process keeps. Default: snapshots for these functions alone.
    #[must_use]
    pub fn snapshots(mut self, snapshots: EnvironmentSnapshots) -> Self {
        self.snapshots = snapshots;
        self
    }

    /// Which files of the host SQL may name. Default: none.
    #[must_use]
    pub fn host_files(mut self, files: HostFiles) -> Self {
        self.files = files;
        self
    }

    /// What the first image is called in SQL and in sources. Default: `base`.
    #[must_use]
    pub fn image_name(mut self, name: impl Into<String>) -> Self {
        self.image_name = name.into();
        self
    }

    /// Another image, for functions that are created after `SET vivarium.image = 'name'` and for those of a source whose
    /// `# /// script` header names it (`image` of `[tool.vivarium]`). `environments` is for it what [`Self::environments`] is for
    /// the first one: their [`guest`](EnvironmentSettings::guest) differs.
    #[must_use]
    pub fn another_image(
        mut self,
        name: impl Into<String>,
        image: Image,
        environments: Option<Arc<EnvironmentSettings>>,
    ) -> Self {
        let environments = environments.ok_or_else(|| NO_ENVIRONMENTS.to_owned());
        self.others.push((name.into(), image, environments));
        self
    }

    /// The functions, ready to be installed.
    pub fn build(self) -> PythonFunctions {
        let job = self.sandbox.task.job().to_string();
        let prepared = self.environment.map(OpenEnvironment::kept_by_owner);
        let first = (self.image_name, self.image, self.environments, prepared);
        let others = self.others.into_iter().map(|(name, image, environments)| (name, image, environments, None));
        let images = std::iter::once(first).chain(others).map(|(name, image, environments, prepared)| SessionImage {
            name,
            image,
            environments: Environments::new(environments, prepared, self.files.clone(), job.clone()),
        });
        let most = self.ceiling.unwrap_or_else(|| self.sandbox.limits.clone());
        let ceiling = Ceiling { columns: self.columns, ..Ceiling::of(most, self.most_instances, self.instances) };
        PythonFunctions {
            shared: Arc::new(Shared {
                images: images.collect(),
                sandbox: self.sandbox,
                instances: self.instances,
                ceiling,
                snapshots: self.snapshots,
                files: self.files,
            }),
        }
    }
}

impl PythonFunctions {
    /// Functions that run in instances of `image`.
    pub fn builder(image: Image) -> PythonFunctionsBuilder {
        PythonFunctionsBuilder {
            image,
            image_name: "base".to_owned(),
            others: Vec::new(),
            sandbox: SandboxConfig::default(),
            instances: None,
            ceiling: None,
            most_instances: None,
            columns: ColumnMode::Auto,
            environments: Err(NO_ENVIRONMENTS.to_owned()),
            environment: None,
            snapshots: EnvironmentSnapshots::default(),
            files: HostFiles::default(),
        }
    }

    /// Loads a source as the session's settings say.
    pub(crate) async fn load(
        &self,
        name: &str,
        config: &ConfigOptions,
        source: FunctionSource,
    ) -> Result<(Module, Option<Arc<OpenEnvironment>>), Error> {
        let Shared { sandbox, snapshots, .. } = &*self.shared;
        let settings = SandboxSettings::of(config);
        let SessionImage { image, environments, .. } = self.image(source.text(), settings.image.as_deref())?;
        let options = DependencySettings::of(config).options()?;
        let environment = environments.open(options, source.text()).await?;
        // Variables are the query's, which is not known yet.
        let base = sandbox.clone().with_variables(Default::default());
        let base = match &environment {
            Some(open) => {
                let config = in_environment(base, &open.environment).map_err(|error| Error::of(name, error))?;
                snapshots.warm(image, config, &open.environment, &source).await
            }
            None => base,
        };
        let loading = settings.apply(&base).with_task(Arc::clone(&sandbox.task));
        let module = Module::load(image, loading, source).await.map_err(|error| Error::of(name, error))?;
        Ok((module, environment))
    }

    /// The image that a source asks for, else the session, else the first.
    fn image(&self, source: Option<&str>, set: Option<&str>) -> Result<&SessionImage, Error> {
        let header = source.map(ScriptMetadata::parse).transpose().map_err(EnvironmentError::from)?.flatten();
        let asked = header.and_then(|header| header.image);
        let images = &self.shared.images;
        let name = asked.as_deref().or(set);
        let found = match name {
            Some(name) => images.iter().find(|image| image.name == name),
            None => images.first(),
        };
        found.ok_or_else(|| Error::Setting {
            key: "image of [tool.vivarium]".to_owned(),
            problem: missing_image(name.unwrap_or_default(), images.iter().map(|image| image.name.as_str())),
        })
    }

    /// The settings that a session starts with.
    pub(crate) fn settings(&self) -> SandboxSettings {
        let Shared { images, sandbox, instances, ceiling, .. } = &*self.shared;
        let names = images.iter().map(|image| image.name.clone()).collect();
        SandboxSettings::new(sandbox, *instances, ceiling.clone(), names)
    }

    /// Whose functions these are.
    pub(crate) fn task(&self) -> &Arc<TaskAccount> {
        &self.shared.sandbox.task
    }
}
