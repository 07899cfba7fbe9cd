//! From requirements to the wheels that satisfy them.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use vivarium_tenancy::TenantId;

use super::cache;
use super::file::RequirementsFile;
use super::lock::{RequirementsLock, is_bundled};
use super::pip::{self, Outcome, Reason};
use super::wheel::{WheelFile, write_placeholder};
use super::{RequirementsSettings, normalize_name};
use crate::base_directory::BaseDirectory;
use crate::dependencies::PythonDependencyInfo;
use crate::error::{EnvironmentError, RequirementsError, Role, Unsatisfied, UnsatisfiedReason};
use crate::guest::GuestPython;
use crate::limits::MaterializeLimits;
use crate::progress::{OpenEvent, OpenProgress};
use crate::store::TenantStore;
use crate::tree::{Input, open_input};

/// Requirements asked about one by one when all of them together fail.
const EXPLAINED: usize = 32;
/// Flink's number of attempts; only failures that may pass (of the network) are tried again.
const ATTEMPTS: usize = 3;
const FILE_BYTES: u64 = 1 << 20;

/// Whose requirements they are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whose<'a> {
    pub tenant: &'a TenantId,
    /// The tenant's part of the store, if there is one.
    pub store: Option<&'a TenantStore>,
}

/// Resolves one job's requirements.
pub(crate) struct Resolver<'a> {
    pub settings: &'a RequirementsSettings,
    pub guest: &'a GuestPython,
    pub limits: &'a MaterializeLimits,
    pub temporary: &'a [PathBuf],
    pub tenant: &'a TenantId,
    pub store: Option<&'a TenantStore>,
    /// Where wheels come from instead of the index.
    pub cache: Option<&'a Path>,
    pub progress: &'a OpenProgress,
    file: RequirementsFile,
}

/// What requirements were resolved to.
#[derive(Debug)]
pub(crate) struct Resolution {
    pub lock: RequirementsLock,
    /// The wheels, when resolving already fetched them.
    wheels: Option<Wheels>,
}

/// Wheels, and the directory that holds them if it is ours.
#[derive(Debug)]
pub(crate) struct Wheels {
    pub files: Vec<WheelFile>,
    _directory: Option<BaseDirectory>,
}

impl<'a> Resolver<'a> {
    /// Reads the requirements of a job; `None` when it has none.
    pub(crate) fn new(
        info: &'a PythonDependencyInfo,
        settings: &'a RequirementsSettings,
        guest: &'a GuestPython,
        limits: &'a MaterializeLimits,
        temporary: &'a [PathBuf],
        Whose { tenant, store }: Whose<'a>,
        progress: &'a OpenProgress,
    ) -> Result<Option<Self>, EnvironmentError> {
        if !info.has_requirements() {
            return Ok(None);
        }
        let mut file = match &info.requirements_file {
            Some(path) => RequirementsFile::parse(&read_file(path)?, settings.allowed)?,
            None => RequirementsFile::default(),
        };
        for requirement in &info.requirements {
            file.push(requirement, settings.allowed)?;
        }
        let cache = info.requirements_cache_directory.as_deref();
        Ok(Some(Self { settings, guest, limits, temporary, tenant, store, cache, progress, file }))
    }

    /// Finds out which packages are needed: from a lock, from memory, or from pip.
    pub(crate) fn resolve(&self) -> Result<Resolution, EnvironmentError> {
        if let Some(lock) = &self.settings.lock {
            lock.check_covers(&self.file, self.guest)?;
            return Ok(Resolution { lock: lock.clone(), wheels: None });
        }
        if let Some(lock) = RequirementsLock::from_requirements(&self.file, self.guest) {
            return Ok(Resolution { lock, wheels: None });
        }
        if self.file.requirements.iter().all(|one| is_bundled_whatever_version(self.guest, one)) {
            return Ok(Resolution { lock: RequirementsLock::default(), wheels: None });
        }
        let key = self.key()?;
        if let Some(store) = self.store {
            // Without an index the key says everything, so the memory does not age.
            let age = if self.is_offline() { std::time::Duration::MAX } else { self.settings.resolution_max_age };
            if let Some(text) = store.resolution(&key, age)?
                && let Ok(lock) = RequirementsLock::parse(&text, self.guest)
            {
                return Ok(Resolution { lock, wheels: None });
            }
        }
        let wheels = self.download(&self.file, None)?;
        let lock = RequirementsLock::from_wheels(&wheels.files);
        if let Some(store) = self.store {
            store.remember_resolution(&key, &lock.to_string())?;
        }
        Ok(Resolution { lock, wheels: Some(wheels) })
    }

    /// Gets the wheels of a resolution.
    pub(crate) fn fetch(&self, resolution: Resolution) -> Result<Wheels, EnvironmentError> {
        if let Some(wheels) = resolution.wheels {
            return Ok(wheels);
        }
        let lock = resolution.lock;
        if lock.packages.is_empty() {
            return Ok(Wheels { files: Vec::new(), _directory: None });
        }
        if let Some(files) = cache::find_locked(self.directories(), &lock)? {
            return Ok(Wheels { files, _directory: None });
        }
        if self.is_offline() {
            let names: Vec<&str> = lock.packages.iter().map(|package| package.name.as_str()).collect();
            return Err(RequirementsError::LockedWheelsMissing { names: names.join(", ") }.into());
        }
        let file = RequirementsFile::parse(lock.to_string().as_bytes(), self.settings.allowed)?;
        let wheels = self.download(&file, Some(&lock))?;
        for wheel in &wheels.files {
            let is_locked = |hashes: &std::collections::BTreeSet<String>| hashes.contains(&wheel.sha256);
            if !lock.packages.iter().any(|package| package.name == wheel.name && is_locked(&package.hashes)) {
                return Err(RequirementsError::LockIncomplete { name: wheel.name.clone() }.into());
            }
        }
        Ok(wheels)
    }

    /// Directories of wheels, the job's own first.
    fn directories(&self) -> impl Iterator<Item = &Path> {
        self.cache.into_iter().chain(self.settings.wheels.iter().map(PathBuf::as_path))
    }

    /// Whether all there is lies in those directories.
    fn is_offline(&self) -> bool {
        self.cache.is_some() || !self.settings.use_index
    }

    /// Whether the guest brings every package that is asked for, in some version.
    fn is_all_bundled(&self, file: &RequirementsFile) -> bool {
        let is_bundled = |name: &str| is_bundled(self.guest, &normalize_name(name));
        file.requirements.iter().all(|one| one.extras.is_empty() && is_bundled(&one.name))
    }

    /// What a resolution by pip depends on.
    fn key(&self) -> Result<String, EnvironmentError> {
        let directories = self.directories().map(cache::fingerprint).collect::<Result<Vec<_>, _>>()?;
        // With nothing to resolve from, what was once found on the index is still known.
        let is_of_index = self.cache.is_none() && (self.settings.use_index || self.settings.wheels.is_empty());
        let index = is_of_index.then_some(&self.settings.index_url);
        // Changes when the rules do by which packages are chosen.
        const RULES: &str = "directories first";
        let inputs = format!("{RULES}\0{}\0{directories:?}\0{:?}\0{index:?}", self.file, self.guest);
        Ok(blake3::hash(inputs.as_bytes()).to_hex().to_string())
    }

    fn download(&self, file: &RequirementsFile, lock: Option<&RequirementsLock>) -> Result<Wheels, EnvironmentError> {
        if self.is_offline() && self.directories().next().is_none() && !self.is_all_bundled(file) {
            return Err(RequirementsError::NoIndex.into());
        }
        self.progress.begin(match lock {
            Some(lock) => OpenEvent::Fetching { packages: lock.packages.len() },
            None => OpenEvent::Resolving { requirements: file.requirements.len() },
        })?;
        let directory = BaseDirectory::create(self.temporary)?;
        let output = self.run(&directory, file, lock)?;
        if !matches!(output, Outcome::Done) {
            return Err(self.explain(&directory, file, lock, output)?.into());
        }
        let mut files = cache::all_wheels(&directory.path().join("wheels"))?;
        files.retain(|wheel| !is_bundled(self.guest, &wheel.name));
        Ok(Wheels { files, _directory: Some(directory) })
    }

    fn run(
        &self,
        directory: &BaseDirectory,
        file: &RequirementsFile,
        lock: Option<&RequirementsLock>,
    ) -> Result<Outcome, EnvironmentError> {
        let scratch = directory.path();
        let written = |source| EnvironmentError::Write { what: "files for pip".to_owned(), source };
        let write = |name: &str, text: String| {
            let mut file = directory.directory().create(name).map_err(written)?;
            file.write_all(text.as_bytes()).map_err(written)
        };
        for name in ["wheels", "bundled"] {
            directory.directory().create_dir_all(name).map_err(written)?;
        }
        let mut constraints = String::new();
        for package in &self.guest.bundled {
            constraints.push_str(&format!("{}=={}\n", package.name, package.version));
            write_placeholder(directory.directory(), "bundled", package).map_err(written)?;
        }
        write("requirements.txt", file.to_string())?;
        write("constraints.txt", constraints)?;

        let path = |name: &str| scratch.join(name).display().to_string();
        let mut arguments: Vec<String> = [
            "download",
            "--isolated",
            "--disable-pip-version-check",
            "--no-input",
            "--no-color",
            "--progress-bar=off",
            "--only-binary=:all:",
            "--platform=any",
            "--implementation=py",
            "--abi=none",
        ]
        .map(str::to_owned)
        .into();
        arguments.push(format!("--python-version={}", self.guest.full_version()));
        arguments.push(format!("--dest={}", path("wheels")));
        arguments.push(format!("--requirement={}", path("requirements.txt")));
        match lock {
            Some(_) => arguments.extend(["--no-deps", "--require-hashes"].map(str::to_owned)),
            None => {
                arguments.push(format!("--constraint={}", path("constraints.txt")));
                arguments.push(format!("--find-links={}", path("bundled")));
            }
        }
        let mut shown = vec![scratch.join("bundled")];
        for (index, source) in self.directories().enumerate() {
            let name = format!("found-{index}");
            cache::show_to_pip(source, &scratch.join(&name), self.limits)?;
            arguments.push(format!("--find-links={}", path(&name)));
            shown.push(scratch.join(name));
        }
        // What a lock names is told by its hash, wherever it comes from.
        let first = if lock.is_none() { &shown[..] } else { &[] };
        // What the guest brings is not looked up: pip only compares versions.
        let network = !self.is_offline() && !self.is_all_bundled(file);
        match &self.settings.index_url {
            _ if !network => arguments.push("--no-index".to_owned()),
            Some(url) => arguments.push(format!("--index-url={url}")),
            None => {}
        }
        let mut attempt = 1;
        loop {
            let outcome = pip::run(self, scratch, &arguments, network, first)?;
            let may_pass = matches!(&outcome, Outcome::Failed { output, .. } if network && !is_conflict(output));
            if !may_pass || attempt == ATTEMPTS {
                return Ok(outcome);
            }
            attempt += 1;
        }
    }

    /// Turns a failure of pip into an error. pip stops at the first requirement it cannot satisfy, so each is asked
    /// about by itself, to name them all.
    fn explain(
        &self,
        directory: &BaseDirectory,
        file: &RequirementsFile,
        lock: Option<&RequirementsLock>,
        first: Outcome,
    ) -> Result<RequirementsError, EnvironmentError> {
        let failure = match &first {
            Outcome::Failed { output, .. } => {
                let output = without_path(output, directory.path());
                if !is_conflict(&output) {
                    return Ok(RequirementsError::PipFailed { output });
                }
                Some(RequirementsError::Conflict { output })
            }
            _ => None,
        };
        let mut all = self.unsatisfied(first.clone());
        for requirement in file.requirements.iter().take(if lock.is_none() { EXPLAINED } else { 0 }) {
            let alone = RequirementsFile { requirements: vec![requirement.clone()], options: file.options.clone() };
            // One that is alone already has its answer.
            let outcome = if file.requirements.len() == 1 { first.clone() } else { self.run(directory, &alone, None)? };
            let is_constrained = matches!(&outcome, Outcome::Failed { output, .. } if is_conflict(output));
            let mut found = self.unsatisfied(outcome);
            // pip is held to the bundled version by a constraint.
            found.extend(self.other_than_bundled(requirement).filter(|_| is_constrained && found.is_empty()));
            all.extend(found);
        }
        all.sort_by(|a, b| a.requirement.cmp(&b.requirement));
        all.dedup_by(|a, b| a.requirement == b.requirement);
        Ok(match failure {
            Some(failure) if all.is_empty() => failure,
            _ => RequirementsError::Unsatisfied(all),
        })
    }

    fn other_than_bundled(&self, requirement: &super::Requirement) -> Option<Unsatisfied> {
        let name = normalize_name(&requirement.name);
        let package = self.guest.bundled.iter().find(|package| normalize_name(&package.name) == name)?;
        Some(Unsatisfied {
            requirement: format!("{}{}", requirement.name, requirement.specifier),
            reason: UnsatisfiedReason::Bundled { version: package.version.clone() },
        })
    }

    fn unsatisfied(&self, outcome: Outcome) -> Vec<Unsatisfied> {
        match outcome {
            Outcome::Unsatisfied { requirement, name, reason, available } => {
                vec![Unsatisfied { requirement, reason: self.reason(&name, reason, available) }]
            }
            Outcome::Failed { hopeless, .. } => hopeless
                .into_iter()
                .map(|package| Unsatisfied {
                    reason: self.reason(&package.name, package.reason, Vec::new()),
                    requirement: package.name,
                })
                .collect(),
            _ => Vec::new(),
        }
    }

    fn reason(&self, name: &str, reason: Reason, available: Vec<String>) -> UnsatisfiedReason {
        let bundled = self.guest.bundled.iter().find(|package| normalize_name(&package.name) == name);
        match (bundled, reason) {
            (Some(package), _) => UnsatisfiedReason::Bundled { version: package.version.clone() },
            (None, Reason::Native) => UnsatisfiedReason::OnlyNativeWheel,
            (None, Reason::Source) => UnsatisfiedReason::OnlySourceDistribution,
            (None, Reason::Version) => UnsatisfiedReason::NoSuchVersion { available },
            (None, Reason::Package) => UnsatisfiedReason::NoSuchPackage,
        }
    }
}

/// Whether nothing needs to be looked up for a requirement: any version will do, and the guest has one.
fn is_bundled_whatever_version(guest: &GuestPython, requirement: &super::Requirement) -> bool {
    requirement.specifier.is_empty()
        && requirement.extras.is_empty()
        && is_bundled(guest, &normalize_name(&requirement.name))
}

/// pip's output without the directory that its files were in, which is gone when the user reads it.
fn without_path(output: &str, directory: &Path) -> String {
    output.replace(&format!("{}/", directory.display()), "")
}

fn is_conflict(output: &str) -> bool {
    output.contains("ResolutionImpossible") || output.contains("conflicting dependencies")
}

fn read_file(path: &Path) -> Result<Vec<u8>, EnvironmentError> {
    let Input::File(mut source) = open_input(Role::Requirements, path)? else {
        return Err(EnvironmentError::InputKind { role: Role::Requirements, path: path.to_owned() });
    };
    if source.size() > FILE_BYTES {
        return Err(EnvironmentError::InputTooBig {
            role: Role::Requirements,
            path: path.to_owned(),
            limit: FILE_BYTES,
        });
    }
    let mut text = Vec::new();
    let read = (&mut source).take(FILE_BYTES + 1).read_to_end(&mut text);
    let size = read.map_err(|error| source.failed(error))?;
    source.check_unchanged(size as u64)?;
    Ok(text)
}
