//! What all cases share: one runtime, one image, one host with canaries, and siblings that must go on working.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::Int64Type;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use vivarium::{
    Error, FunctionSource, Image, Limits, Module, Runtime, RuntimeConfig, SandboxConfig, Task, TaskOptions,
};
use vivarium_guest::ImageStore;
use vivarium_sandbox::{JobId, Sandbox, TaskId, Tenant, TenantId, TenantLimits};

use crate::host_state::HostState;
use crate::log_book::LogBook;

/// Cases at one time: some more than the machine has cores, so that attacks meet.
pub const AT_ONCE: usize = 6;

pub struct World {
    pub image: Image,
    pub log: LogBook,
    /// What a case may make of files on the host.
    pub root: tempfile::TempDir,
    pub host: HostState,
    siblings: Task,
    environment: Arc<Dir>,
}

impl World {
    pub async fn new() -> Result<Self, Error> {
        let location = ImageStore::open()
            .expect("a cache directory")
            .ensure(&mut |event| eprintln!("{event:?}"))
            .await
            .expect("the guest image");
        let runtime = Runtime::new(RuntimeConfig::default().with_sandboxes(64))?;
        let image = Image::open(&runtime, location.directory)?;
        let root = private_directory();
        let (canaries, environment) = (root.path().join("canaries"), root.path().join("environment"));
        plant(&canaries, &environment).expect("canaries can be written");
        let environment = Dir::open_ambient_dir(&environment, ambient_authority()).expect("the environment");
        let log = LogBook::start();
        let siblings = siblings(&image).await?;
        let host = HostState::now(&canaries);
        let world = Self { image, log, root, host, siblings, environment: Arc::new(environment) };
        world.ask_sibling().await?;
        Ok(world)
    }

    /// Asks a sandbox of another tenant.
    pub async fn ask_sibling(&self) -> Result<(), Error> {
        let evaluation = self.siblings.invoke(&rows(&[1, 2, 3]), 0).await?;
        let result = evaluation.result.as_primitive::<Int64Type>();
        assert_eq!(result.values(), &[2, 3, 4], "a sibling's answer");
        Ok(())
    }

    pub fn canaries(&self) -> PathBuf {
        self.root.path().join("canaries")
    }
}

/// One run of a case: a tenant of its own and what it starts sandboxes with.
#[derive(Clone)]
pub struct Attempt {
    pub world: Arc<World>,
    pub tenant: Arc<Tenant>,
    pub limits: Limits,
}

impl Attempt {
    pub fn new(world: &Arc<World>, name: &str, limits: Limits) -> Self {
        let tenant = tenant(name, &TenantLimits::default());
        Self { world: Arc::clone(world), tenant, limits }
    }

    /// The configuration of the tenant's sandboxes.
    pub fn config(&self) -> SandboxConfig {
        self.config_of(&self.tenant)
    }

    /// The same for another tenant.
    pub fn config_of(&self, tenant: &Arc<Tenant>) -> SandboxConfig {
        SandboxConfig::default()
            .with_task(tenant.task(JobId::new("job").expect(VALID), TaskId::new("0").expect(VALID)))
            .with_limits(self.limits.clone())
            .with_environment(Some(Arc::clone(&self.world.environment)))
            .with_path(vec!["/env".to_owned()])
    }

    /// A sandbox of the tenant.
    pub async fn sandbox(&self) -> Result<Sandbox, String> {
        Sandbox::start(&self.world.image, &self.config()).await.map_err(|error| error.to_string())
    }

    /// Loads a file of functions.
    pub async fn module(&self, source: &str) -> Result<Module, Error> {
        self.module_in(self.config(), source).await
    }

    async fn module_in(&self, config: SandboxConfig, source: &str) -> Result<Module, Error> {
        let source = FunctionSource::inline("attack.py", source);
        Module::load(&self.world.image, config, source).await
    }

    /// A task of the only function of a file.
    pub async fn task(&self, source: &str) -> Result<Task, Error> {
        self.task_in(self.config(), source).await
    }

    /// The same in sandboxes of another configuration.
    pub async fn task_in(&self, config: SandboxConfig, source: &str) -> Result<Task, Error> {
        let options = TaskOptions::default().with_instances(Some(1));
        self.module_in(config, source).await?.function("f")?.bind(&rows(&[]).schema(), options).await
    }
}

/// A tenant of that name.
pub fn tenant(name: &str, limits: &TenantLimits) -> Arc<Tenant> {
    Tenant::new(TenantId::new(name).expect(VALID), limits)
}

const VALID: &str = "an identifier of this suite";

/// Limits of all cases: small, so that they are reached soon, but long enough for what must succeed.
pub fn limits() -> Limits {
    Limits::default()
        .with_memory(128 << 20)
        .with_batch_time(Duration::from_secs(30))
        .with_batch_bytes(4 << 20)
        .with_scratch_bytes(8 << 20)
        .with_scratch_files(500)
}

/// A batch with the column `x`.
pub fn rows(values: &[i64]) -> RecordBatch {
    let column: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
    RecordBatch::try_from_iter([("x", column)]).expect("a column is a batch")
}

/// The only text of a result.
pub fn only_text(array: &dyn Array) -> String {
    array.as_string::<i32>().value(0).to_owned()
}

async fn siblings(image: &Image) -> Result<Task, Error> {
    let healthy = tenant("healthy", &TenantLimits::default());
    let config = SandboxConfig::default()
        .with_task(healthy.task(JobId::new("job").expect(VALID), TaskId::new("0").expect(VALID)));
    let source = FunctionSource::inline("sibling.py", "def f(x: int) -> int:\n    return x + 1\n");
    let options = TaskOptions::default().with_instances(Some(2));
    Module::load(image, config, source).await?.function("f")?.bind(&rows(&[]).schema(), options).await
}

/// A directory that nobody else can write to, as images need it.
fn private_directory() -> tempfile::TempDir {
    let home = std::env::home_dir().expect("a home directory");
    tempfile::Builder::new().prefix(".vivarium-attacks-").tempdir_in(home).expect("a directory of our own")
}

/// Files that no tenant may read or change, and an environment with ways that seem to lead to them.
fn plant(canaries: &std::path::Path, environment: &std::path::Path) -> std::io::Result<()> {
    fs::create_dir(canaries)?;
    fs::write(canaries.join("secret.txt"), SECRET)?;
    fs::write(canaries.join("settings.py"), "SETTING = 1\n")?;
    fs::create_dir_all(environment.join("package"))?;
    fs::write(environment.join("package/__init__.py"), "VALUE = 1\n")?;
    fs::write(environment.join("data.txt"), "data\n")?;
    symlink(canaries.join("secret.txt"), environment.join("absolute_link"))?;
    symlink("../canaries/secret.txt", environment.join("relative_link"))?;
    symlink("../canaries", environment.join("directory_link"))?;
    symlink("loop", environment.join("loop"))?;
    crate::break_itself::artifacts::plant(environment)
}

/// What stands in the canary file.
pub const SECRET: &str = "a secret of the host";
