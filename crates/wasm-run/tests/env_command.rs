//! `env` makes environments, shows what is in them, and clears them away.

#[path = "../../vivarium-env/tests/support/mod.rs"]
mod fixtures;
mod support;

use fixtures::archives::{ZipEntry, zip};
use fixtures::wheels::Wheel;
use serde_json::{Value, json};
use support::{Ended, Folder};

const SITE: &str = "python-requirements/lib/python3.13/site-packages";

/// A python file, an archive, and requirements with a directory of wheels.
fn folder() -> Folder {
    let folder = Folder::with(&[("util.py", "X = 1\n"), ("requirements.txt", "alpha\nnumpy\n")]);
    Wheel::new("alpha", "1.0").requires("beta").write(&folder.path("wheels"));
    Wheel::new("beta", "2.0").write(&folder.path("wheels"));
    let entries = [ZipEntry::new("x", 0o100_711, "12345"), ZipEntry::new("link", 0o120_777, "x")];
    std::fs::write(folder.path("data.zip"), zip(&entries)).unwrap();
    folder
}

const ALL: [&str; 6] = ["-pyfs", "util.py", "-pyarch", "data.zip#data", "-pyreq", "requirements.txt#wheels"];

impl Folder {
    fn env(&self, arguments: &[&str]) -> Ended {
        self.run(&[&["env"], arguments, &["--env-store", "store"]].concat())
    }

    fn env_json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.env(&[arguments, &["--json"]].concat()).ok().stdout).unwrap()
    }
}

#[test]
fn inspect_shows_both_sides() {
    let folder = folder();
    let shown = folder.env_json(&[&["inspect"], &ALL[..]].concat());
    let side = ["base", "distributions", "files", "python_home", "python_path", "variables", "working_directory"];
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let mut both = [&side[..], &["guest"]].concat();
    both.sort_unstable();
    assert_eq!(keys(&shown), both);
    assert_eq!(keys(&shown["guest"]), side);

    let base = shown["base"].as_str().unwrap();
    assert!(std::path::Path::new(base).join("python-archives/data/x").is_file());
    let path = shown["python_path"].as_array().unwrap();
    assert_eq!(path[0], format!("{base}/{SITE}"));
    assert!(path[1].as_str().unwrap().starts_with(&format!("{base}/python-files/python_file_")));
    assert_eq!(shown["working_directory"], format!("{base}/python-archives"));
    assert_eq!(shown["python_home"], Value::Null);
    assert_eq!(shown["variables"]["_PYTHON_REQUIREMENTS_FILE"], "requirements.txt");
    assert_eq!(shown["variables"]["BOOT_LOG_DIR"], base);
    let files = shown["files"].as_array().unwrap();
    let file = |path: &str| files.iter().find(|file| file["path"] == path).unwrap();
    assert_eq!(
        *file("python-archives/data/x"),
        json!({"path": "python-archives/data/x", "kind": "file", "mode": "0711", "size": 5})
    );
    assert_eq!(file("python-archives/data/link")["kind"], "symlink");
    assert_eq!(file(&format!("{SITE}/beta"))["kind"], "directory");
    assert_eq!(
        shown["distributions"],
        json!([{"name": "alpha", "version": "1.0", "source": SITE}, {"name": "beta", "version": "2.0", "source": SITE}])
    );

    let guest = &shown["guest"];
    assert_eq!((&guest["base"], &guest["working_directory"]), (&json!("/env"), &json!("/env/python-archives")));
    assert_eq!(guest["python_path"][0], format!("/env/{SITE}"));
    assert_eq!(guest["variables"]["_PYTHON_REQUIREMENTS_INSTALL_DIR"], "/env/python-requirements");
    assert!(guest["variables"].get("_PYTHON_REQUIREMENTS_FILE").is_none());
    assert_eq!(guest["files"], shown["files"]);
    let bundled = guest["distributions"].as_array().unwrap().iter().find(|one| one["name"] == "numpy").unwrap();
    assert_eq!(bundled["source"], "guest");

    let text = folder.env(&[&["inspect"], &ALL[..]].concat()).ok().stdout;
    for line in
        ["As the host sees it", "As the sandbox sees it", "BOOT_LOG_DIR=/env", "python-archives/data/x", "alpha"]
    {
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn an_environment_is_built_once_listed_and_removed() {
    let folder = folder();
    assert_eq!(folder.env_json(&["list"]), json!([]));
    let built = folder.env_json(&[&["build"], &ALL[..]].concat());
    assert_eq!(folder.env_json(&[&["build", "--pip-python", "/nonexistent"], &ALL[..]].concat()), built);
    assert_eq!(built["report"]["native_modules"], json!([]));
    let listed = folder.env_json(&["list"]);
    let key = built["key"].as_str().unwrap();
    assert_eq!((&listed[0]["key"], &listed[0]["in_use"]), (&json!(key), &json!(false)));
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert!(folder.env(&["list"]).ok().stdout.contains(key));

    assert_eq!(folder.env(&["remove", &key[..4]]).status, 2);
    assert_eq!(folder.env(&["remove", "00000000"]).status, 4);
    assert!(folder.env(&["remove", &key[..8]]).ok().stdout.starts_with(&format!("removed {key}")));
    assert!(!std::path::Path::new(built["path"].as_str().unwrap()).exists());
    assert_eq!(folder.env_json(&["list"]), json!([]));
}

#[test]
fn collection_removes_what_nobody_uses() {
    let folder = folder();
    folder.env(&["build", "-pyfs", "util.py"]).ok();
    assert_eq!(folder.env_json(&["gc"])["kept"], 1);
    // A command that runs keeps its environment.
    let mut child = folder
        .command(&[
            "exec",
            "--env-store",
            "store",
            "-pyfs",
            "util.py",
            "-c",
            "print('ready', flush=True); input(); import util",
        ])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line).unwrap();
    let collected = folder.env_json(&["gc", "--max-size", "0"]);
    assert_eq!((&collected["removed"], &collected["kept"]), (&json!([]), &json!(1)));
    drop(child.stdin.take());
    // The end of its input ends it with an error of Python's.
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let collected = folder.env_json(&["gc", "--max-size", "0"]);
    assert_eq!((collected["removed"].as_array().unwrap().len(), &collected["kept"]), (1, &json!(0)));
    assert!(folder.env(&["gc"]).ok().stdout.starts_with("0 environments removed"));
}

#[test]
fn a_lock_is_written_and_used() {
    let folder = folder();
    folder.env(&["build", "-pyreq", "requirements.txt#wheels", "--write-lock", "lock.txt"]).ok();
    let lock = folder.read("lock.txt");
    assert!(lock.starts_with("alpha==1.0 \\\n    --hash=sha256:") && lock.contains("\nbeta==2.0 "), "{lock}");
    // No pip, no directory with the requirements, but the lock and an operator's directory.
    let locked = ["--lock", "lock.txt", "--pip-python", "/nonexistent", "--offline", "--find-links", "wheels"];
    let code = ["-c", "import alpha, beta; print(beta.VERSION)"];
    let exec = ["exec", "--env-store", "other", "-pyreq", "requirements.txt"];
    assert_eq!(folder.run(&[&exec[..], &locked, &code].concat()).ok().stdout, "2.0\n");
    // The lock itself is a requirements file.
    let as_file = ["exec", "--env-store", "third", "-pyreq", "lock.txt#wheels", "--pip-python", "/nonexistent"];
    assert_eq!(folder.run(&[&as_file[..], &code].concat()).ok().stdout, "2.0\n");
    // Another wheel of the same version is not the one that was locked.
    Wheel::new("beta", "2.0").file("beta/more.py", "").write(&folder.path("wheels"));
    let ended =
        folder.run(&[&["exec", "--env-store", "fourth", "-pyreq", "requirements.txt"], &locked[..], &code].concat());
    assert_eq!(ended.status, 4, "{ended}");
    assert!(ended.stderr.contains("not all in the cache directory"), "{ended}");
    for (lock, message) in [("alpha\n", "it is no lock"), ("", "no entry for 'alpha'")] {
        folder.write("lock.txt", lock);
        let ended = folder.env(&["build", "-pyreq", "requirements.txt", "--lock", "lock.txt", "--offline"]);
        assert_eq!(ended.status, 4, "{ended}");
        assert!(ended.stderr.contains(message), "{ended}");
    }
}

#[test]
fn a_file_with_a_header_and_nothing_else_is_enough() {
    let folder = folder();
    folder.write("s.py", "# /// script\n# dependencies = ['alpha']\n# ///\n");
    let built = folder.env_json(&["build", "s.py", "--find-links", "wheels", "--offline"]);
    assert_eq!(built["distributions"][0]["name"], "alpha");
    assert_eq!(folder.env(&["build"]).status, 2);
    assert_eq!(folder.env(&["build", "missing.py"]).status, 2);
    assert!(folder.env(&["build", "--help"]).ok().stdout.contains("wasm-run env build -pyreq"));
}
