//! Requirements: resolved by pip, wheels only, and no code of any package runs.

#[path = "support/resolving.rs"]
mod resolving;
mod support;

use std::sync::Arc;

use resolving::{message, open, settings};
use support::archives::{ZipEntry, zip};
use support::wheels::Wheel;
use support::{Place, with_causes};
use vivarium_env::{PythonDependencyInfo, PythonEnvironmentManager};

#[test]
fn packages_and_their_dependencies_are_importable_in_the_right_place() {
    let place = Place::new();
    Wheel::new("alpha", "1.0").requires("beta>=2").requires("numpy>=2").write(&place.path("cache"));
    Wheel::new("beta", "1.0").write(&place.path("cache"));
    Wheel::new("beta", "2.5").write(&place.path("cache"));
    // These markers hold in the guest and not on the machine that runs pip.
    Wheel::new("gamma", "1.0").write(&place.path("cache"));
    let requirements =
        "alpha\ngamma; sys_platform == 'wasi' and python_version == '3.13'\nnope; sys_platform == 'linux'\n";
    let opened = open(&place, requirements).unwrap_or_else(|error| panic!("{}", with_causes(&error)));
    let site = opened.site();
    assert_eq!(std::fs::read_to_string(site.join("beta/__init__.py")).unwrap(), "VERSION = '2.5'\n");
    assert!(site.join("alpha/__init__.py").exists() && site.join("gamma/__init__.py").exists());
    assert!(!site.join("numpy").exists() && !site.join("numpy-2.3.5.dist-info").exists());
    let environment = &opened.environment;
    assert_eq!(environment.guest().python_path, ["/env/python-requirements/lib/python3.13/site-packages"]);
    assert_eq!(environment.host().variables["PYTHONPATH"], site.display().to_string());
    assert!(!environment.guest().variables.contains_key("_PYTHON_REQUIREMENTS_CACHE"));
    let names: Vec<_> =
        environment.report().distributions.iter().map(|one| format!("{} {}", one.name, one.version)).collect();
    assert_eq!(names, ["alpha 1.0", "beta 2.5", "gamma 1.0"]);
    let inspection = serde_json::to_value(environment.inspect().unwrap()).unwrap();
    assert_eq!(inspection["guest"]["distributions"][3]["name"], "numpy");
    assert_eq!(inspection["guest"]["distributions"][3]["source"], "guest");
    let lock = environment.requirements_lock();
    let locked: Vec<_> = lock.packages.iter().map(|package| package.name.as_str()).collect();
    assert_eq!(locked, ["alpha", "beta", "gamma"]);
    let mut manager = opened.manager;
    manager.close();
    assert!(place.leftovers().is_empty());
}

#[test]
fn what_cannot_be_satisfied_is_listed_with_the_reason() {
    let place = Place::new();
    let cache = place.path("cache");
    Wheel::new("fine", "1.0").write(&cache);
    Wheel::new("native", "1.0").tag("cp313-cp313-manylinux_2_17_x86_64").write(&cache);
    Wheel::new("old", "1.0").write(&cache);
    place.write("cache/sourceonly-1.0.tar.gz", "");
    let message = message(&place, "fine\nnative\nold>=2\nsourceonly\nmissing\nnumpy>=3\n");
    for line in [
        "native: only native wheels exist",
        "old>=2: no such version (there are 1.0)",
        "sourceonly: only a source distribution exists",
        "missing: no such package",
        "numpy>=3: the sandbox bundles version 2.3.5",
    ] {
        assert!(message.contains(line), "'{line}' is not in: {message}");
    }
    assert!(!message.contains("fine:"), "{message}");
}

#[test]
fn a_dependency_that_cannot_be_satisfied_is_named() {
    let place = Place::new();
    let cache = place.path("cache");
    Wheel::new("template", "1.0").requires("markup>=1").write(&cache);
    Wheel::new("template", "2.0").requires("markup>=2").write(&cache);
    Wheel::new("markup", "2.0").tag("cp313-cp313-manylinux_2_17_x86_64").write(&cache);
    let message = message(&place, "template\n");
    assert!(message.contains("\n  markup: only native wheels exist"), "{message}");
    // A pure wheel of a version that nobody wants makes no difference.
    Wheel::new("core", "0.0.1").write(&cache);
    for version in ["2.1", "2.2"] {
        Wheel::new("core", version).tag("cp313-cp313-manylinux_2_17_x86_64").write(&cache);
        Wheel::new("model", version).requires(&format!("core=={version}")).write(&cache);
    }
    let message = resolving::message(&place, "model\n");
    assert!(message.contains("\n  core: only native wheels exist"), "{message}");
}

#[test]
fn requirements_that_contradict_each_other() {
    let place = Place::new();
    let cache = place.path("cache");
    Wheel::new("left", "1.0").requires("base<2").write(&cache);
    Wheel::new("right", "1.0").requires("base>=2").write(&cache);
    Wheel::new("base", "1.0").write(&cache);
    Wheel::new("base", "2.0").write(&cache);
    let message = message(&place, "left\nright\n");
    assert!(message.contains("contradict") && message.contains("left 1.0 depends on base<2"), "{message}");
}

#[test]
fn a_source_distribution_is_never_built() {
    let place = Place::new();
    let cache = place.path("cache");
    let witness = place.path("witness");
    // A source tree whose set-up leaves a witness, reached through a dependency that pip would build.
    let setup = format!(
        "open({:?}, 'w').write('ran')\nfrom setuptools import setup\nsetup(name='evil', version='1')\n",
        witness
    );
    let tar = support::archives::Tar::default().file("evil-1/setup.py", setup.as_bytes());
    let source = place.write("evil-1.tar.gz", tar.file("evil-1/PKG-INFO", b"Name: evil\nVersion: 1\n").gzip());
    let url = format!("evil @ file://{}", source.display());
    Wheel::new("carrier", "1.0").requires(&url).write(&cache);
    let message = message(&place, "carrier\n");
    assert!(message.contains("a dependency is a URL, which is not allowed"), "{message}");
    assert!(!witness.exists(), "the package's code ran");
}

#[test]
fn lines_that_are_options_are_refused() {
    let place = Place::new();
    for line in
        ["-e .", "--index-url https://evil/simple", "--find-links /etc", "./x", "-r /etc/passwd", "x @ file:///x"]
    {
        let message = message(&place, &format!("fine\n{line}\n"));
        assert!(message.contains(&format!("line 2 of the requirements, '{line}', is refused")), "{message}");
    }
}

#[test]
fn wheels_are_compared_with_their_record() {
    let lied = |record: &str| Wheel { record: Some(record.to_owned()), ..Wheel::new("alpha", "1.0") };
    let good = Wheel::new("alpha", "1.0");
    for (wheel, expected) in [
        (lied("alpha/__init__.py,sha256=AAAA,3\n"), "does not have the hash"),
        (lied(""), "has no hash for it"),
        (good.file("../up.py", ""), "outside of"),
        (Wheel::new("alpha", "1.0").file("alpha/__init__.py", "again"), "does not have the hash"),
    ] {
        let place = Place::new();
        wheel.write(&place.path("cache"));
        let message = message(&place, &format!("alpha==1.0 --hash=sha256:{}\n", wheel.sha256()));
        assert!(message.contains(expected) && message.contains("alpha-1.0-py3-none-any.whl"), "{message}");
    }
}

#[test]
fn scripts_headers_and_data_of_wheels_are_left_out() {
    let place = Place::new();
    let wheel = Wheel::new("alpha", "1.0")
        .file("alpha-1.0.data/scripts/run", "#!/bin/sh\n")
        .file("alpha-1.0.data/data/etc/x", "")
        .file("alpha-1.0.data/headers/x.h", "")
        .file("alpha-1.0.data/purelib/beside.py", "");
    wheel.write(&place.path("cache"));
    let opened = open(&place, &format!("alpha==1.0 --hash=sha256:{}\n", wheel.sha256())).unwrap();
    let mut names: Vec<_> = std::fs::read_dir(opened.site())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["alpha", "alpha-1.0.dist-info", "beside.py"]);
}

#[test]
fn two_wheels_may_share_a_file_only_when_it_is_the_same() {
    for (content, is_fine) in [("", true), ("other", false)] {
        let place = Place::new();
        let first = Wheel::new("alpha", "1.0").file("shared/__init__.py", "");
        let second = Wheel::new("beta", "1.0").file("shared/__init__.py", content);
        let text: String = [&first, &second]
            .map(|wheel| {
                wheel.write(&place.path("cache"));
                format!("{}=={} --hash=sha256:{}\n", wheel.name, wheel.version, wheel.sha256())
            })
            .concat();
        assert_eq!(open(&place, &text).is_ok(), is_fine);
    }
}

#[test]
fn what_the_user_should_know_is_reported() {
    let place = Place::new();
    let module = place.write("json.py", "");
    let package = place.write(
        "lib.zip",
        zip(&[
            ZipEntry::file("pyflink/__init__.py", ""),
            ZipEntry::file("test/data.txt", "no module"),
            ZipEntry::file("fast/_speedups.cpython-313-x86_64-linux-gnu.so", "\x7fELF"),
            ZipEntry::file("fast/__init__.py", ""),
            ZipEntry::file("evil.pth", "import os\n"),
            ZipEntry::file("sitecustomize.py", ""),
            ZipEntry::file("usercustomize/__init__.py", ""),
            ZipEntry::file("thing-1.2.dist-info/METADATA", "Name: Thing\nVersion: 1.2\n"),
        ]),
    );
    let venv = place.write(
        "venv.zip",
        zip(&[
            ZipEntry::file("lib/python3.12/site-packages/a.py", ""),
            ZipEntry::file("lib/python3.13/site-packages/b.py", ""),
        ]),
    );
    let info = PythonDependencyInfo::default()
        .with_python_files(vec![
            vivarium_env::PythonFile::new(module, "json.py"),
            vivarium_env::PythonFile::new(package, "lib.zip"),
        ])
        .with_archives(vec![vivarium_env::PythonArchive::new(venv, "venv.zip#venv")])
        .with_python_executable("venv/bin/python".into());
    let mut manager = PythonEnvironmentManager::new(info, Arc::new(settings(&place)), place.job());
    manager.open().unwrap();
    let environment = manager.create_environment().unwrap();
    let report = serde_json::to_value(environment.report()).unwrap();
    let lib = "python-files/lib.zip/lib";
    assert_eq!(
        report["shadowed"],
        serde_json::json!([
            {"module": "json", "path": "python-files/json.py/json.py", "by": "standard_library"},
            {"module": "pyflink", "path": format!("{lib}/pyflink"), "by": "sdk"},
        ])
    );
    assert_eq!(
        report["startup_files"],
        serde_json::json!([
            format!("{lib}/evil.pth"),
            format!("{lib}/sitecustomize.py"),
            format!("{lib}/usercustomize")
        ])
    );
    assert_eq!(
        report["native_modules"],
        serde_json::json!([{"package": "fast", "path": format!("{lib}/fast/_speedups.cpython-313-x86_64-linux-gnu.so")}])
    );
    assert_eq!(report["distributions"], serde_json::json!([{"name": "Thing", "version": "1.2", "source": lib}]));
    assert_eq!(environment.report().native_module_of("fast._speedups").unwrap().package, "fast");
    assert_eq!(
        environment.guest().python_path[2..],
        [
            "/env/python-archives/venv/lib/python3.13/site-packages",
            "/env/python-archives/venv/lib/python3.12/site-packages"
        ]
    );
    let inspection = serde_json::to_value(environment.inspect().unwrap()).unwrap();
    let keys: Vec<_> = inspection.as_object().unwrap().keys().map(String::as_str).collect();
    let side = ["base", "distributions", "files", "python_home", "python_path", "variables", "working_directory"];
    let mut both = [&side[..], &["guest"]].concat();
    both.sort_unstable();
    assert_eq!(keys, both);
    assert!(inspection["guest"].as_object().unwrap().keys().eq(side.iter()));
    assert_eq!(inspection["python_home"], format!("{}/python-archives/venv", environment.host_path().display()));
    assert_eq!(inspection["guest"]["python_home"], "/env/python-archives/venv");
    let file =
        inspection["files"].as_array().unwrap().iter().find(|file| file["path"] == "python-files/json.py/json.py");
    assert_eq!(file.unwrap()["kind"], "file");
    assert_eq!(file.unwrap()["mode"], "0644");
}
