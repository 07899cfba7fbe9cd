//! Opens the environment that dependency options describe and prints what is in it:
//!
//! ```text
//! cargo run -p vivarium-env --example inspect_environment -- \
//!     python.files=util.py,lib.zip python.archives=data.zip#data python.requirements=requirements.txt
//! ```
//!
//! `store=DIRECTORY` keeps the tree there; `lock=FILE` writes down what requirements were resolved to.

use std::error::Error;
use std::sync::Arc;

use vivarium_env::{EnvironmentSettings, JobId, PythonDependencyInfo, PythonEnvironmentManager, PythonOptions, Store};

fn main() -> Result<(), Box<dyn Error>> {
    let (mut pairs, mut settings, mut lock) = (Vec::new(), EnvironmentSettings::default(), None);
    for argument in std::env::args().skip(1) {
        match argument.split_once('=') {
            Some(("store", directory)) => settings.store = Some(Arc::new(Store::open(directory)?)),
            Some(("lock", file)) => lock = Some(file.to_owned()),
            Some((key, value)) => pairs.push((key.to_owned(), value.to_owned())),
            None => return Err(format!("'{argument}' is not KEY=VALUE").into()),
        }
    }
    let info = PythonDependencyInfo::from_options(&PythonOptions::from_pairs(pairs)?)?;
    let mut manager = PythonEnvironmentManager::new(info, Arc::new(settings), JobId::new("inspect")?);
    manager.open()?;
    let environment = manager.create_environment()?;
    if let Some(file) = lock {
        std::fs::write(file, environment.requirements_lock().to_string())?;
    }
    println!("{}", serde_json::to_string_pretty(&environment.inspect()?)?);
    Ok(())
}
