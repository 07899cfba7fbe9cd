//! Opening and closing the environments of jobs.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};

use cap_std::fs::Dir;
use vivarium_tenancy::{JobId, TenantId};
use vivarium_text::OneLine;

use crate::base_directory::BaseDirectory;
use crate::dependencies::PythonDependencyInfo;
use crate::environment::PythonEnvironment;
use crate::error::EnvironmentError;
use crate::guest::GuestPython;
use crate::interpreter::ArchivedPython;
use crate::limits::MaterializeLimits;
use crate::materialize::{InputHashes, Materials, materialize};
use crate::open_job::{JobDirectory, OpenJob};
use crate::progress::{OpenEvent, OpenProgress};
use crate::requirements::{RequirementsLock, RequirementsSettings, Resolver, Whose};
use crate::store::Store;
use crate::view::ViewSource;

/// Part of every key in the store: changes with what a tree looks like for the same inputs.
const TREE_FORMAT: u32 = 1;

/// What the operator decides about environments.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EnvironmentSettings {
    /// Where jobs' base directories are made; one is chosen at random.
    pub temporary_directories: Vec<PathBuf>,
    /// Where trees are kept and shared by the jobs of one tenant. Without a store each job has a tree of its own.
    pub store: Option<Arc<Store>>,
    /// Bytes of all trees that the tenant has in the store, with what was computed from them. For a new one, unused trees are removed, the
    /// least recently used first; if that is not enough, the new one is refused. Default 20 GiB.
    pub store_bytes: u64,
    /// The tenant whose jobs these are.
    pub tenant: TenantId,
    /// The variables a job gets that asks for the system's environment (`python.systemenv.enabled`). Empty unless the
    /// operator fills it: this crate never reads the process's own.
    pub system_environment: BTreeMap<String, String>,
    /// The interpreter that will use the environments.
    pub guest: GuestPython,
    /// Bounds on what is unpacked.
    pub limits: MaterializeLimits,
    /// How requirements are resolved.
    pub requirements: RequirementsSettings,
    /// Who hears of what takes a while.
    pub progress: OpenProgress,
}

impl Default for EnvironmentSettings {
    fn default() -> Self {
        Self {
            temporary_directories: vec![std::env::temp_dir()],
            store: None,
            store_bytes: 20 << 30,
            tenant: TenantId::new("default").expect("a constant that is a valid identifier"),
            system_environment: BTreeMap::new(),
            guest: GuestPython::default(),
            limits: MaterializeLimits::default(),
            requirements: RequirementsSettings::default(),
            progress: OpenProgress::default(),
        }
    }
}

vivarium_tenancy::__setters!(EnvironmentSettings {
    with_temporary_directories: temporary_directories: Vec<PathBuf>,
    with_store: store: Option<Arc<Store>>,
    with_store_bytes: store_bytes: u64,
    with_tenant: tenant: TenantId,
    with_system_environment: system_environment: BTreeMap<String, String>,
    with_guest: guest: GuestPython,
    with_limits: limits: MaterializeLimits,
    with_requirements: requirements: RequirementsSettings,
    with_progress: progress: OpenProgress,
});

/// Manages the environment of one job's operator: Flink's interface of the same name.
///
/// Managers of the same job share one base directory: the first [`open`](Self::open) makes it, the last
/// [`close`](Self::close) deletes it. Two jobs never share one, and neither do two tenants whose jobs have the same
/// name. With a store the base directory is the stored tree, which jobs of one tenant do share, and closing gives the
/// reference back.
///
/// A manager that is dropped is closed. A process that dies leaves its base directory to be removed by the next one.
#[derive(Debug)]
pub struct PythonEnvironmentManager {
    info: Arc<PythonDependencyInfo>,
    settings: Arc<EnvironmentSettings>,
    job: JobId,
    open: Option<Arc<OpenJob>>,
}

impl PythonEnvironmentManager {
    /// A manager whose environment is not open yet.
    pub fn new(info: PythonDependencyInfo, settings: Arc<EnvironmentSettings>, job: JobId) -> Self {
        Self { info: Arc::new(info), settings, job, open: None }
    }

    /// Makes the job's environment, or joins the one that another manager of the job opened. On failure everything that
    /// was made is removed. Opening twice is the same as opening once.
    pub fn open(&mut self) -> Result<(), EnvironmentError> {
        if self.open.is_none() {
            self.open = Some(JOBS.join(&self.settings.tenant, &self.job, &self.info, || self.make())?);
        }
        Ok(())
    }

    /// Describes the open environment. The description outlives closing, its files do not.
    pub fn create_environment(&self) -> Result<PythonEnvironment, EnvironmentError> {
        let open = self.open.as_ref().ok_or_else(|| EnvironmentError::NotOpen { job: self.job.to_string() })?;
        let nothing = BTreeMap::new();
        let system = if self.info.system_environment { &self.settings.system_environment } else { &nothing };
        let source = ViewSource { info: &self.info, python: open.python.as_ref(), report: &open.report, system };
        PythonEnvironment::new(open, source, &self.settings.guest)
    }

    /// Gives the environment back; the last manager of the job deletes its base directory. What cannot be deleted after
    /// several attempts is left with a warning.
    pub fn close(&mut self) {
        if let Some(open) = self.open.take() {
            JOBS.leave(&self.settings.tenant, &self.job, open);
        }
    }

    fn make(&self) -> Result<OpenJob, EnvironmentError> {
        let (info, settings) = (&*self.info, &*self.settings);
        let python = ArchivedPython::find(info, &settings.limits)?;
        let tenant = settings.store.as_ref().map(|store| store.tenant(&settings.tenant)).transpose()?;
        let resolver = Resolver::new(
            info,
            &settings.requirements,
            &settings.guest,
            &settings.limits,
            &settings.temporary_directories,
            Whose { tenant: &settings.tenant, store: tenant.as_ref() },
            &settings.progress,
        )?;
        let mut resolution = resolver.as_ref().map(Resolver::resolve).transpose()?;
        let lock = resolution.as_ref().map(|resolution| resolution.lock.clone()).unwrap_or_default();
        let mut wheels = None;
        let mut make_tree = |root: &Dir, expected: Option<&InputHashes>| {
            // Fetched once, however often the tree is made.
            if let (Some(resolver), Some(resolution)) = (&resolver, resolution.take()) {
                wheels = Some(resolver.fetch(resolution)?);
            }
            settings.progress.begin(OpenEvent::Materializing)?;
            let materials = Materials {
                info,
                python: python.as_ref(),
                wheels: wheels.as_ref().map_or(&[], |wheels| &wheels.files),
                expected,
                guest: &settings.guest,
                limits: &settings.limits,
            };
            materialize(root, materials)
        };
        let (place, report, key) = match &tenant {
            None => {
                let base = BaseDirectory::create(&settings.temporary_directories)?;
                let report = make_tree(base.directory(), None)?;
                (JobDirectory::Temporary(base), report, None)
            }
            Some(tenant) => {
                let hashes = InputHashes::compute(info, &settings.limits)?;
                let key = tree_key(info, &hashes, &lock, python.as_ref(), &settings.guest);
                let lease = tenant.lease(&key, settings.store_bytes, |root| make_tree(root, Some(&hashes)))?;
                let report = lease.report.clone();
                (JobDirectory::Stored(lease), report, Some(key))
            }
        };
        for shadowed in &report.shadowed {
            tracing::warn!(
                job = self.job.as_str(),
                module = shadowed.module,
                file = shadowed.path,
                "{}",
                OneLine(shadowed)
            );
        }
        Ok(OpenJob { info: self.info.clone(), python, report, lock, key, place })
    }
}

impl Drop for PythonEnvironmentManager {
    fn drop(&mut self) {
        self.close();
    }
}

/// Hashes everything that a tree is made from.
fn tree_key(
    info: &PythonDependencyInfo,
    hashes: &InputHashes,
    lock: &RequirementsLock,
    python: Option<&ArchivedPython>,
    guest: &GuestPython,
) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut add = |field: &[u8]| {
        hasher.update(&(field.len() as u64).to_le_bytes());
        hasher.update(field);
    };
    add(&TREE_FORMAT.to_le_bytes());
    // The report says which modules the guest's own hide.
    add(format!("{guest:?}").as_bytes());
    add(python.map(|python| python.home.as_str()).unwrap_or_default().as_bytes());
    add(lock.to_string().as_bytes());
    for (file, hash) in info.python_files.iter().zip(&hashes.python_files) {
        let fields: [&[u8]; 4] = [b"file", file.cache_name.as_bytes(), file.original_name.as_bytes(), hash.as_bytes()];
        fields.into_iter().for_each(&mut add);
    }
    for (archive, hash) in info.archives.iter().zip(&hashes.archives) {
        let fields: [&[u8]; 4] =
            [b"archive", archive.original_name.as_bytes(), archive.target.as_bytes(), hash.as_bytes()];
        fields.into_iter().for_each(&mut add);
    }
    hasher.finalize().to_hex().to_string()
}

/// The open jobs of this process.
static JOBS: LazyLock<Jobs> = LazyLock::new(Jobs::default);

#[derive(Debug, Default)]
struct Jobs {
    slots: Mutex<HashMap<(TenantId, JobId), Arc<Slot>>>,
}

/// One job's place in the table. Its lock is held while the job's environment is made, and only that job waits.
#[derive(Debug, Default)]
struct Slot {
    open: Mutex<Weak<OpenJob>>,
}

impl Jobs {
    fn join(
        &self,
        tenant: &TenantId,
        job: &JobId,
        info: &PythonDependencyInfo,
        make: impl FnOnce() -> Result<OpenJob, EnvironmentError>,
    ) -> Result<Arc<OpenJob>, EnvironmentError> {
        let slot = locked(&self.slots).entry((tenant.clone(), job.clone())).or_default().clone();
        let result = {
            let mut open = locked(&slot.open);
            match open.upgrade() {
                Some(joined) if *joined.info == *info => Ok(joined),
                Some(_) => Err(EnvironmentError::OtherDependencies { job: job.to_string() }),
                None => make().map(|made| {
                    let made = Arc::new(made);
                    *open = Arc::downgrade(&made);
                    made
                }),
            }
        };
        drop(slot);
        if result.is_err() {
            self.forget_closed(tenant, job);
        }
        result
    }

    fn leave(&self, tenant: &TenantId, job: &JobId, open: Arc<OpenJob>) {
        drop(open);
        self.forget_closed(tenant, job);
    }

    /// Removes a job's slot when nothing is open in it and nobody is about to open it.
    fn forget_closed(&self, tenant: &TenantId, job: &JobId) {
        let mut slots = locked(&self.slots);
        let key = (tenant.clone(), job.clone());
        let is_unused =
            slots.get(&key).is_some_and(|slot| Arc::strong_count(slot) == 1 && locked(&slot.open).strong_count() == 0);
        if is_unused {
            slots.remove(&key);
        }
    }
}

/// Locks; a thread that panicked while it held the lock left nothing half done in these tables.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
