//! A job's Python environment, given to the sandboxes that run its functions.
//!
//! ```text
//!   PythonEnvironmentManager::open -> PythonEnvironment          vivarium-env: a tree of files, described
//!                                          |
//!   SandboxConfig --in_environment---------+--> SandboxConfig    /env, sys.path, variables, working directory
//!                                                    |
//!                                    Module::load, Sandbox::start: every instance gets it
//! ```

use std::sync::Arc;

use vivarium_env::{EnvironmentError, GuestPython, PythonEnvironment};
use vivarium_guest::Manifest;
use vivarium_sandbox::SandboxConfig;

use crate::error::Error;

/// Puts sandboxes of `config` into `environment`: its tree is their read-only `/env`, and its variables, Python path and
/// working directory are theirs. Variables and paths that `config` has already stay; of two variables of the same name
/// that of `config` wins, and its paths come behind the environment's.
///
/// The environment's files go away when the last manager of its job is closed: keep one open for as long as a task runs.
///
/// ```no_run
/// use std::sync::Arc;
/// use vivarium::{FunctionSource, Image, Module, SandboxConfig, in_environment};
/// use vivarium_env::{EnvironmentSettings, JobId, PythonEnvironmentManager, PythonDependencyInfo, PythonOptions};
///
/// # async fn example(image: &Image) -> Result<(), Box<dyn std::error::Error>> {
/// let options = PythonOptions::default().with_files(Some("rates.py,lib.zip".into()));
/// let info = PythonDependencyInfo::from_options(&options)?;
/// let mut manager = PythonEnvironmentManager::new(info, Arc::new(EnvironmentSettings::default()), JobId::new("prices")?);
/// manager.open()?;
/// let config = in_environment(SandboxConfig::default(), &manager.create_environment()?)?;
/// let module = Module::load(image, config, FunctionSource::file("prices.py")?).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Environment`] when the environment's directory cannot be opened again.
pub fn in_environment(mut config: SandboxConfig, environment: &PythonEnvironment) -> Result<SandboxConfig, Error> {
    let tree = environment
        .tree()
        .map_err(|source| EnvironmentError::OpenTree { path: environment.host_path().to_owned(), source })?;
    let view = environment.guest();
    config.environment = Some(Arc::new(tree));
    let own_variables = std::mem::replace(&mut config.variables, view.variables.clone());
    config.variables.extend(own_variables);
    config.path.splice(..0, view.python_path.iter().cloned());
    if let Some(directory) = &view.working_directory {
        config.directory.clone_from(directory);
    }
    Ok(config)
}

/// The interpreter of an image, as environments have to know it: its version and the packages it brings.
///
/// # Errors
/// [`Error::UnknownPython`] for an image of a Python version that environments cannot be made for.
pub fn guest_python(manifest: &Manifest) -> Result<GuestPython, Error> {
    GuestPython::of_image(&manifest.python, &manifest.packages, &manifest.modules)
        .ok_or_else(|| Error::UnknownPython { version: manifest.python.clone() })
}
