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
        let runtime = Runtime::new(RuntimeConfig { sandboxes: 64, ..RuntimeConfig::default() })?;
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
        SandboxConfig {
            task: tenant.task(JobId::new("job").expect(VALID), TaskId::new("0").expect(VALID)),
            limits: self.limits.clone(),
            environment: Some(Arc::clone(&self.world.environment)),
            path: vec!["/env".to_owned()],
            ..SandboxConfig::default()
        }
    }

    /// A sandbox of the tenant.
    pub async fn sandbox(&self) -> Result<Sandbox, String> {
        Sandbox::start(&self.world.image, &self.config()).await.map_err(|error| error.to_string())
    }

    /// Loads a file of functions.
    pub async fn module(&self, source: &str) -> Result<Module, Error> {
        let source = FunctionSource::inline("attack.py", source);
        Module::load(&self.world.image, self.config(), source).await
    }

    /// A task of the only function of a file.
    pub async fn task(&self, source: &str) -> Result<Task, Error> {
        let options = TaskOptions { instances: Some(1), ..TaskOptions::default() };
        self.module(source).await?.function("f")?.bind(&rows(&[]).schema(), options).await
    }
}

/// A tenant of that name.
pub fn tenant(name: &str, limits: &TenantLimits) -> Arc<Tenant> {
    Tenant::new(TenantId::new(name).expect(VALID), limits)
}

const VALID: &str = "an identifier of this suite";

/// Limits of all cases: small, so that they are reached soon, but long enough for what must succeed.
pub fn limits() -> Limits {
    Limits {
        memory: 128 << 20,
        batch_time: Duration::from_secs(30),
        batch_bytes: 4 << 20,
        scratch_bytes: 8 << 20,
        scratch_files: 500,
        ..Limits::default()
    }
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
    let config = SandboxConfig {
        task: healthy.task(JobId::new("job").expect(VALID), TaskId::new("0").expect(VALID)),
        ..SandboxConfig::default()
    };
    let source = FunctionSource::inline("sibling.py", "def f(x: int) -> int:\n    return x + 1\n");
    let options = TaskOptions { instances: Some(2), ..TaskOptions::default() };
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

/// Guests written by hand, which attack through the ABI itself.
pub mod modules {
    use arrow::array::Array;
    use arrow::datatypes::DataType;
    use vivarium_sandbox::{Error, Image, ImageError, Limits, Sandbox, SandboxConfig};

    use super::Attempt;
    use crate::case::ensure;
    use crate::guests::{self, Guest, column};

    fn config(attempt: &Attempt) -> SandboxConfig {
        SandboxConfig {
            limits: Limits { memory: 4 << 20, batch_bytes: 1 << 20, ..attempt.limits.clone() },
            ..attempt.config()
        }
    }

    fn image(attempt: &Attempt, guest: &Guest) -> Result<Image, Error> {
        Image::from_wasm_bytes(attempt.world.image.runtime(), &guest.wasm())
    }

    async fn call(attempt: &Attempt, guest: &Guest) -> Result<(), Error> {
        let mut sandbox = Sandbox::start(&image(attempt, guest)?, &config(attempt)).await?;
        let result = sandbox.invoke(1, 0, 3, &[column()], &DataType::Int64).await?;
        assert_eq!(&result.array, &guests::column(), "an honest guest's answer");
        Ok(())
    }

    /// The guest's function fails as it must.
    pub async fn fails(attempt: &Attempt, guest: Guest, expected: impl Fn(&Error) -> bool) -> Result<(), String> {
        match call(attempt, &guest).await {
            Ok(()) => Err("the call succeeded".to_owned()),
            Err(error) => ensure(expected(&error), || format!("{error:?}")),
        }
    }

    /// The guest's function returns its argument.
    pub async fn answers(attempt: &Attempt, guest: Guest) -> Result<(), String> {
        call(attempt, &guest).await.map_err(|error| error.to_string())
    }

    /// The guest's function fails or returns something; whatever it is, it is no harm.
    pub async fn ends_either_way(attempt: &Attempt, guest: Guest) -> Result<(), String> {
        let image = image(attempt, &guest).map_err(|error| error.to_string())?;
        let started = Sandbox::start(&image, &config(attempt)).await;
        let mut sandbox = started.map_err(|error| error.to_string())?;
        match sandbox.invoke(1, 0, 3, &[column()], &DataType::Int64).await {
            Ok(invocation) => ensure(invocation.array.len() == 3, || "not three rows".to_owned()),
            Err(Error::Exchange(_)) => Ok(()),
            Err(error) => Err(format!("{error:?}")),
        }
    }

    /// The module is no image.
    pub fn refused(attempt: &Attempt, wat: &str, expected: impl Fn(&ImageError) -> bool) -> Result<(), String> {
        let wasm = wat::parse_str(wat).map_err(|error| error.to_string())?;
        match Image::from_wasm_bytes(attempt.world.image.runtime(), &wasm) {
            Err(Error::Image(error)) => ensure(expected(&error), || format!("{error:?}")),
            Err(error) => Err(format!("{error:?}")),
            Ok(_) => Err("the module was accepted".to_owned()),
        }
    }
}
