//! `guest` tells where the guest is and what is in it.

mod support;

use support::Folder;

#[test]
fn the_guest_is_described() {
    let folder = Folder::new();
    let path = folder.run(&["guest", "path"]).ok().stdout;
    assert!(std::path::Path::new(path.trim()).join("guest.wasm.gz").is_file(), "{path}");
    let info: serde_json::Value = serde_json::from_str(&folder.run(&["guest", "info", "--json"]).ok().stdout).unwrap();
    assert!(info["python"].as_str().unwrap().starts_with("3.13."), "{info}");
    assert!(info["packages"]["numpy"].is_string(), "{info}");
    let text = folder.run(&["guest", "info"]).ok().stdout;
    assert!(text.contains("CPython       3.13."), "{text}");
    // It exists, so building it does nothing but say where it is.
    assert_eq!(folder.run(&["guest", "build"]).ok().stdout, path);
}

#[test]
fn the_profile_of_the_guest_is_of_its_sources() {
    /// Of some thousand functions that were counted.
    const CHANGED: usize = 40;
    let folder = Folder::new();
    let info: serde_json::Value = serde_json::from_str(&folder.run(&["guest", "info", "--json"]).ok().stdout).unwrap();
    let changed = info["profile_changed"].as_array().expect("a list of functions");
    assert!(
        changed.len() <= CHANGED,
        "make a new profile (wasm-python/training/README.md), {} changed: {changed:?}",
        changed.len()
    );
}

#[test]
fn a_cache_that_cannot_be_written_is_an_environment_problem() {
    let folder = Folder::with(&[("file", "")]);
    let output =
        folder.command(&["guest", "path"]).env("VIVARIUM_CACHE_DIR", folder.path("file/below")).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{message}");
    assert_eq!(message.matches("Not a directory").count(), 1, "{message}");
}

#[test]
fn nothing_is_built_in_a_cache_that_others_can_write() {
    let folder = Folder::new();
    let output = folder.command(&["guest", "build"]).env("VIVARIUM_CACHE_DIR", folder.path("cache")).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(4) && message.contains("others can write it"), "{message}");
    assert!(message.contains("VIVARIUM_CACHE_DIR") && !folder.path("cache/work").exists(), "{message}");
}

#[test]
fn images_are_listed_whether_they_are_built_or_not() {
    let folder = Folder::new();
    let list: serde_json::Value = serde_json::from_str(&folder.run(&["guest", "list", "--json"]).ok().stdout).unwrap();
    let names: Vec<_> = list.as_array().unwrap().iter().map(|image| image["name"].as_str().unwrap()).collect();
    assert_eq!(names[0], "base");
    assert!(names.contains(&"data"), "{names:?}");
    let output = folder.command(&["guest", "list"]).env("VIVARIUM_CACHE_DIR", folder.path("empty")).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("not built: ") && text.contains("pandas"), "{text}");
    let output = folder.command(&["guest", "info"]).env("VIVARIUM_CACHE_DIR", folder.path("empty")).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(4) && message.contains("`wasm-run guest build --image base`"), "{message}");
    assert!(!folder.path("empty").exists(), "looking builds nothing");
}

#[test]
fn an_image_is_built_once_and_imported_elsewhere() {
    let folder = Folder::new();
    let told: serde_json::Value =
        serde_json::from_str(&folder.run(&["guest", "export", "--output", "a.tar", "--json"]).ok().stdout).unwrap();
    let text = folder.run(&["guest", "export", "-o", "b.tar"]).ok().stdout;
    assert!(text.contains(told["sha256"].as_str().unwrap()), "{text}");
    assert_eq!(std::fs::read(folder.path("a.tar")).unwrap(), std::fs::read(folder.path("b.tar")).unwrap());

    // Not in `/tmp`, below which no machine code is trusted.
    let home = std::env::var_os("HOME").expect("HOME is set");
    let cache = tempfile::Builder::new().prefix(".vivarium-test-").tempdir_in(home).unwrap();
    let elsewhere =
        |arguments: &[&str]| folder.command(arguments).env("VIVARIUM_CACHE_DIR", cache.path()).output().unwrap();
    let wrong = elsewhere(&["guest", "import", "a.tar", "--sha256", &"0".repeat(64)]);
    let message = String::from_utf8_lossy(&wrong.stderr);
    assert!(wrong.status.code() == Some(5) && message.contains("is expected"), "{:?} {message}", wrong.status);

    let imported = elsewhere(&["guest", "import", "a.tar", "--sha256", told["sha256"].as_str().unwrap()]);
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    let place = String::from_utf8(imported.stdout).unwrap();
    assert!(place.trim().ends_with(told["image"].as_str().unwrap()), "{place}");
    assert!(place.starts_with(cache.path().to_str().unwrap()), "{place}");
    let run = elsewhere(&["exec", "-c", "import numpy; print(numpy.arange(3).sum())"]);
    assert_eq!(String::from_utf8_lossy(&run.stdout), "3\n", "{}", String::from_utf8_lossy(&run.stderr));
}

#[test]
fn what_is_no_archive_of_an_image_is_wrong_input() {
    let folder = Folder::with(&[("text.tar", "nothing of the kind")]);
    for arguments in [["guest", "import", "text.tar"], ["guest", "import", "none.tar"]] {
        let output = folder.command(&arguments).env("VIVARIUM_CACHE_DIR", folder.path("elsewhere")).output().unwrap();
        assert_eq!(output.status.code(), Some(5), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn the_licences_of_an_image_are_known_before_it_is_built() {
    let folder = Folder::new();
    let empty = folder.path("empty");
    let licenses = |image: &str| {
        let mut command = folder.command(&["guest", "info", "--licenses", "--json", "--image", image]);
        let output = command.env("VIVARIUM_CACHE_DIR", &empty).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let list: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
        list.into_iter().map(|part| format!("{}: {}", part["name"], part["license"])).collect::<Vec<_>>().join("\n")
    };
    let base = licenses("base");
    assert!(base.contains("CPython 3.13\": \"PSF-2.0") && base.contains("NumPy\": \"BSD-3-Clause"), "{base}");
    assert!(!base.contains("pandas") && licenses("data").contains("pandas\": \"BSD-3-Clause"), "{base}");
    assert!(!empty.exists(), "looking builds nothing");
}

#[test]
fn an_image_that_there_is_not_is_refused() {
    let folder = Folder::with(&[("f.py", "")]);
    let image = ["--image", "bsae"];
    let commands =
        [["guest", "info"].to_vec(), ["guest", "build"].to_vec(), ["check", "f.py"].to_vec(), ["exec", "-c1"].to_vec()];
    for command in commands {
        let ended = match command[0] {
            "exec" => folder.run(&[&command[..1], &image, &command[1..]].concat()), // what follows is the script's
            _ => folder.run(&[&command[..], &image].concat()),
        };
        assert_eq!(ended.status, 2, "{ended}");
        assert!(ended.stderr.contains("there is no image `bsae`; there are base"), "{ended}");
    }
}

#[test]
fn a_launcher_answers_flink_and_runs_no_python() {
    let folder = Folder::new();
    let ask = |words: &[&str]| {
        let launcher = ["flink", "python", "--python-version", "3.11", "--runner", "/runners/python3.11", "--"];
        folder.run(&[&launcher, words].concat())
    };
    let code =
        "import pyflink;import os;print(os.path.join(os.path.abspath(os.path.dirname(pyflink.__file__)), 'bin'))";
    assert_eq!(ask(&["-c", code]).ok().stdout, "/runners/python3.11\n");
    let code = "import sys;import sysconfig;print(sysconfig.get_path('purelib', vars={'base': sys.argv[1]}))";
    let site = "/prefix/lib/python3.11/site-packages\n";
    assert_eq!(ask(&["-c", code, "/prefix"]).ok().stdout, site.repeat(2));
    for words in [&["-c", "print(1)"][..], &["job.py"], &["-m", "http.server"]] {
        let refused = ask(words);
        assert_eq!(refused.status, 2, "{refused}");
        assert!(refused.stderr.contains("runs no Python by itself"), "{refused}");
    }
}
