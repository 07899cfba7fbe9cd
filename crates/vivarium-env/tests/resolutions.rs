//! Where packages come from: a lock, what is remembered, an operator's wheels, an index.

#[path = "support/resolving.rs"]
mod resolving;
mod support;

use std::path::PathBuf;
use std::sync::Arc;

use resolving::{guest, info, open, open_with, settings};
use support::wheels::Wheel;
use support::{Place, with_causes};
use vivarium_env::{EnvironmentError, PythonEnvironmentManager, RequirementsError, RequirementsLock, Store};

#[test]
fn a_lock_needs_no_resolver() {
    let place = Place::new();
    let (alpha, beta) = (Wheel::new("alpha", "1.0").requires("beta"), Wheel::new("beta", "2.0"));
    alpha.write(&place.path("cache"));
    beta.write(&place.path("cache"));
    let lock = open(&place, "alpha\n").unwrap().environment.requirements_lock().clone();
    assert_eq!(
        lock.to_string(),
        format!(
            "alpha==1.0 \\\n    --hash=sha256:{}\nbeta==2.0 \\\n    --hash=sha256:{}\n",
            alpha.sha256(),
            beta.sha256()
        )
    );
    assert_eq!(RequirementsLock::parse(&lock.to_string(), &guest()).unwrap(), lock);

    // From here on there is no Python to run pip with.
    let mut without_pip = settings(&place);
    without_pip.requirements.python = "/nonexistent/python3".into();
    let as_file = open_with(&place, without_pip.clone(), &format!("numpy\n{lock}")).unwrap();
    assert!(as_file.site().join("beta/__init__.py").exists());
    drop(as_file);
    without_pip.requirements.lock = Some(lock.clone());
    drop(open_with(&place, without_pip.clone(), "alpha\n").unwrap());
    let error = open_with(&place, without_pip.clone(), "alpha\nother\n").map(drop).unwrap_err();
    assert!(error.to_string().contains("no entry for 'other'"), "{error}");

    // Another wheel of the same name and version is not the locked one.
    Wheel::new("beta", "2.0").file("beta/extra.py", "").write(&place.path("cache"));
    let error = open_with(&place, without_pip.clone(), "alpha\n").map(drop).unwrap_err();
    assert!(error.to_string().contains("are not all in the cache"), "{error}");

    without_pip.requirements.lock = None;
    let error = open_with(&place, without_pip, "alpha\n").map(drop).unwrap_err();
    assert!(matches!(&error, EnvironmentError::Requirements(RequirementsError::PythonMissing { .. })), "{error}");
    assert!(error.to_string().contains("apt install python3"), "{error}");
}

#[test]
fn without_cache_and_index_there_is_nothing_to_install_from() {
    let place = Place::new();
    let mut info = info(&place, "alpha\n");
    info.requirements_cache_directory = None;
    let error = PythonEnvironmentManager::new(info, Arc::new(settings(&place)), place.job()).open().unwrap_err();
    assert!(error.to_string().contains("give a directory of wheels"), "{error}");
    // What the guest bundles needs neither.
    drop(open(&place, "numpy\n").unwrap());
}

#[test]
fn a_resolution_is_remembered_until_the_cache_changes() {
    let place = Place::new();
    Wheel::new("alpha", "1.0").write(&place.path("cache"));
    let with_store = || {
        let store = Arc::new(Store::open(place.path("store")).unwrap());
        settings(&place).with_store(Some(store))
    };
    let first = open_with(&place, with_store(), "alpha\n").unwrap().environment.key().unwrap().to_owned();
    let mut without_pip = with_store();
    without_pip.requirements.python = "/nonexistent/python3".into();
    let second = open_with(&place, without_pip, "alpha\n").unwrap();
    assert_eq!(second.environment.key(), Some(first.as_str()));
    drop(second);
    Wheel::new("alpha", "1.1").write(&place.path("cache"));
    let third = open_with(&place, with_store(), "alpha\n").unwrap();
    assert_eq!(third.environment.requirements_lock().packages[0].version, "1.1");
    assert!(place.leftovers().is_empty());
}

#[test]
fn what_is_in_the_store_needs_no_index() {
    let place = Place::new();
    let wheel = Wheel::new("alpha", "1.0");
    wheel.write(&place.path("files"));
    place.write("simple/alpha/index.html", format!("<a href='../../files/{0}'>{0}</a>", wheel.file_name()));
    let open = |use_index| {
        let store = Arc::new(Store::open(place.path("store")).unwrap());
        let mut settings = settings(&place).with_store(Some(store));
        settings.requirements.use_index = use_index;
        settings.requirements.index_url = Some(format!("file://{}", place.path("simple").display()));
        let info = info(&place, "alpha\n").with_requirements_cache_directory(None);
        let mut manager = PythonEnvironmentManager::new(info, Arc::new(settings), place.job());
        manager.open()?;
        Ok::<_, EnvironmentError>(manager.create_environment()?.key().unwrap().to_owned())
    };
    assert!(open(false).unwrap_err().to_string().contains("an index, which is switched off here"));
    let built = open(true).unwrap_or_else(|error| panic!("{}", with_causes(&error)));
    assert_eq!(open(false).unwrap(), built);
}

#[test]
fn an_operators_wheels_come_before_the_index() {
    let place = Place::new();
    Wheel::new("alpha", "1.0").requires("beta").write(&place.path("files"));
    place.write("simple/alpha/index.html", "<a href='../../files/alpha-1.0-py3-none-any.whl'>alpha</a>");
    // The index has beta as machine code only.
    place.write("simple/beta/index.html", "<a href='../../files/beta-2.0-cp313-cp313-linux_x86_64.whl'>beta</a>");
    let resolved = |wheels: &[PathBuf]| {
        let mut settings = settings(&place);
        settings.requirements.use_index = true;
        settings.requirements.index_url = Some(format!("file://{}", place.path("simple").display()));
        settings.requirements.wheels = wheels.to_vec();
        let info = info(&place, "alpha\n").with_requirements_cache_directory(None);
        let mut manager = PythonEnvironmentManager::new(info, Arc::new(settings), place.job());
        manager.open()?;
        Ok::<_, EnvironmentError>(manager.create_environment()?.requirements_lock().packages.len())
    };
    let error = with_causes(&resolved(&[]).unwrap_err());
    assert!(error.contains("beta: only native wheels exist"), "{error}");
    Wheel::new("beta", "1.0").write(&place.path("pure"));
    assert_eq!(resolved(&[place.path("pure")]).unwrap(), 2);
}

/// Dependency confusion: somebody puts a higher version of a package that is an operator's own on the index.
#[test]
fn what_an_operator_has_comes_from_nowhere_else() {
    let place = Place::new();
    let uploaded = Wheel::new("private", "99.0");
    uploaded.write(&place.path("files"));
    place.write("simple/private/index.html", "<a href='../../files/private-99.0-py3-none-any.whl'>private</a>");
    let resolved = |requirements: &str, wheels: &[PathBuf]| {
        let mut settings = settings(&place);
        settings.requirements.use_index = true;
        settings.requirements.index_url = Some(format!("file://{}", place.path("simple").display()));
        settings.requirements.wheels = wheels.to_vec();
        let info = info(&place, requirements).with_requirements_cache_directory(None);
        let mut manager = PythonEnvironmentManager::new(info, Arc::new(settings), place.job());
        manager.open()?;
        Ok::<_, EnvironmentError>(manager.create_environment()?.requirements_lock().to_string())
    };
    Wheel::new("private", "1.0").write(&place.path("own"));
    let own = [place.path("own")];
    for requirements in ["private\n", "Private>=0.5\n"] {
        let lock = resolved(requirements, &own).unwrap_or_else(|error| panic!("{}", with_causes(&error)));
        assert!(lock.starts_with("private==1.0 "), "{lock}");
    }
    // As a dependency of a package of the index, too; and a version that the operator has not is an error.
    Wheel::new("alpha", "1.0").requires("private").write(&place.path("files"));
    place.write("simple/alpha/index.html", "<a href='../../files/alpha-1.0-py3-none-any.whl'>alpha</a>");
    let lock = resolved("alpha\n", &own).unwrap_or_else(|error| panic!("{}", with_causes(&error)));
    assert!(lock.contains("alpha==1.0 ") && lock.contains("private==1.0 "), "{lock}");
    assert!(resolved("private==99.0\n", &own).is_err());
    // A wheel that is not for the guest still says whose the name is.
    Wheel::new("private", "1.0").tag("cp313-cp313-linux_x86_64").write(&place.path("native"));
    assert!(resolved("private\n", &[place.path("native")]).is_err());
    // Without one of the operator's, the index has it; and a lock names it by its hash.
    let lock = resolved("private\n", &[]).unwrap();
    assert!(lock.starts_with("private==99.0 "), "{lock}");
    assert_eq!(resolved(&lock, &own).unwrap(), lock);
}

/// Runs a program in the place of Python, which tells what variables it was given.
#[test]
fn pip_is_configured_by_nothing_of_the_machines() {
    use std::os::unix::fs::PermissionsExt;

    let place = Place::new();
    let program = place.path("python");
    let given = place.path("given");
    std::fs::write(&program, format!("#!/bin/sh\nenv > {}\n", given.display())).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::create_dir(place.path("cache")).unwrap();
    let mut settings = settings(&place);
    settings.requirements.python = program;
    open_with(&place, settings, "alpha\n").map(drop).unwrap_err();
    let given = std::fs::read_to_string(given).unwrap();
    for variable in ["PIP_CONFIG_FILE=/dev/null", "NETRC=/dev/null"] {
        assert!(given.lines().any(|line| line == variable), "{given}");
    }
}
