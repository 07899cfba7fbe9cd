//! Environments with requirements, resolved offline.
#![allow(dead_code, reason = "each test program uses its part")]

use std::path::PathBuf;
use std::sync::Arc;

use vivarium_env::{
    BundledPackage, EnvironmentError, EnvironmentSettings, GuestPython, PythonDependencyInfo, PythonEnvironment,
    PythonEnvironmentManager,
};

use crate::support::{Place, with_causes};

/// An opened environment with requirements, offline from the directory `cache`.
pub struct Opened {
    pub manager: PythonEnvironmentManager,
    pub environment: PythonEnvironment,
}

pub fn guest() -> GuestPython {
    GuestPython::cpython_3_13(1, vec![BundledPackage { name: "numpy".into(), version: "2.3.5".into() }])
}

pub fn settings(place: &Place) -> EnvironmentSettings {
    let mut settings = place.settings().with_guest(guest());
    // Nothing in these tests may reach the network.
    settings.requirements.use_index = false;
    settings
}

pub fn info(place: &Place, requirements: &str) -> PythonDependencyInfo {
    std::fs::create_dir_all(place.path("cache")).unwrap();
    PythonDependencyInfo::default()
        .with_requirements_file(Some(place.write("requirements.txt", requirements)))
        .with_requirements_cache_directory(Some(place.path("cache")))
}

pub fn open_with(place: &Place, settings: EnvironmentSettings, requirements: &str) -> Result<Opened, EnvironmentError> {
    let mut manager = PythonEnvironmentManager::new(info(place, requirements), Arc::new(settings), place.job());
    let result = manager.open();
    if result.is_err() {
        assert!(place.leftovers().is_empty(), "{:?}", place.leftovers());
    }
    result?;
    let environment = manager.create_environment()?;
    Ok(Opened { manager, environment })
}

pub fn open(place: &Place, requirements: &str) -> Result<Opened, EnvironmentError> {
    open_with(place, settings(place), requirements)
}

pub fn message(place: &Place, requirements: &str) -> String {
    match open(place, requirements) {
        Ok(_) => panic!("{requirements} was accepted"),
        Err(error) => with_causes(&error),
    }
}

impl Opened {
    pub fn site(&self) -> PathBuf {
        self.environment.host_path().join("python-requirements/lib/python3.13/site-packages")
    }
}
