//! What a job ships is there when its code runs, where Flink puts it, and nothing else is.

#[path = "../../vivarium-env/tests/support/mod.rs"]
mod fixtures;
mod support;

use fixtures::archives::{ZipEntry, zip};
use fixtures::wheels::Wheel;
use support::{Ended, Folder};

/// A module that says where it was found.
const WHO: &str = "PLACE = __file__\n";
const NATIVE: &str = "_speedups.cpython-313-x86_64-linux-gnu.so";

/// A wheel `who`, an archive with `lib/who.py`, a python file `who.py`, a packed Python with `who.py`: one module, four places.
fn folder() -> Folder {
    let folder = Folder::with(&[("who.py", WHO), ("requirements.txt", "who\n")]);
    Wheel { files: vec![("who.py".into(), WHO.into())], ..Wheel::new("who", "1.0") }.write(&folder.path("wheels"));
    let site = "lib/python3.13/site-packages";
    let venv = [
        ZipEntry::file("bin/python", "not run"),
        ZipEntry::file("pyvenv.cfg", "home = /usr/bin\n"),
        ZipEntry::file(format!("{site}/who.py"), WHO),
        ZipEntry::file(format!("{site}/homely/__init__.py"), "HERE = True\n"),
        ZipEntry::file(format!("{site}/homely/{NATIVE}"), "\x7fELF"),
        ZipEntry::file(format!("{site}/numpy/__init__.py"), "raise RuntimeError('not the sandbox's numpy')\n"),
    ];
    std::fs::write(folder.path("venv.zip"), zip(&venv)).unwrap();
    let data = [ZipEntry::file("x", "content of x\n"), ZipEntry::file("lib/who.py", WHO)];
    std::fs::write(folder.path("data.txt"), zip(&data)).unwrap();
    folder
}

impl Folder {
    /// `wasm-run` with a store of this folder's own and without a package index.
    fn offline(&self, command: &[&str], options: &[&str], rest: &[&str]) -> Ended {
        self.run(&[command, &["--env-store", "store", "--offline"], options, rest].concat())
    }

    fn exec(&self, options: &[&str], code: &str) -> Ended {
        self.offline(&["exec"], options, &["-c", code])
    }
}

#[test]
fn modules_are_found_in_flinks_order() {
    let folder = folder();
    let places = [
        (&["-pyreq", "requirements.txt#wheels"][..], "/env/python-requirements/lib/python3.13/site-packages/who.py"),
        (
            &["-pyarch", "data.txt", "-pypath", "/env/python-archives/data.txt/lib"],
            "/env/python-archives/data.txt/lib/who.py",
        ),
        (&["-pyfs", "who.py"], "/env/python-files/python_file_"),
        (
            &["-pyarch", "venv.zip#venv", "-pyexec", "venv/bin/python"],
            "/env/python-archives/venv/lib/python3.13/site-packages/who.py",
        ),
    ];
    for first in 0..places.len() {
        let options: Vec<&str> = places[first..].iter().flat_map(|(options, _)| options.iter().copied()).collect();
        let found = folder.exec(&options, "import who; print(who.PLACE)").ok().stdout;
        assert!(found.starts_with(places[first].1), "{options:?}: {found}");
    }
    std::fs::create_dir_all(folder.path("other")).unwrap();
    folder.write("other/who.py", "PLACE = 'the directory'\n");
    for (files, place) in [("other,who.py", "the directory"), ("who.py,other", "/env/python-files/python_file_")] {
        let found = folder.exec(&["-pyfs", files], "import who; print(who.PLACE)").ok().stdout;
        assert!(found.starts_with(place), "{files}: {found}");
    }
}

#[test]
fn every_kind_of_python_file_is_importable() {
    let folder = Folder::with(&[("single.py", WHO)]);
    std::fs::create_dir_all(folder.path("tree/package")).unwrap();
    folder.write("tree/package/__init__.py", WHO);
    let module = |name: &str| ZipEntry { deflate: true, ..ZipEntry::file(format!("{name}.py"), WHO) };
    std::fs::write(folder.path("z.ZIP"), zip(&[module("zipped")])).unwrap();
    std::fs::write(folder.path("e.egg"), zip(&[module("egg")])).unwrap();
    std::fs::write(folder.path("w-1-py3-none-any.whl"), zip(&[module("wheel")])).unwrap();
    std::fs::write(folder.path("t.tgz"), fixtures::archives::Tar::default().file("tarred.py", WHO.as_bytes()).gzip())
        .unwrap();
    let files = "single.py,tree,z.ZIP,e.egg,w-1-py3-none-any.whl,t.tgz";
    let code = "import single, package, zipped, egg, wheel, tarred\nfor m in (single, package, zipped, egg, wheel, tarred): \
                print(m.PLACE.split('/', 4)[-1])";
    assert_eq!(
        folder.exec(&["-pyfs", files], code).ok().stdout,
        "single.py\ntree/package/__init__.py\nz/zipped.py\ne.egg/egg.py\nw-1-py3-none-any.whl/wheel.py\nt/tarred.py\n"
    );
}

#[test]
fn archives_are_the_working_directory() {
    let code = "import os; print(open('data.txt/x').read(), os.getcwd(), sorted(os.listdir()))";
    let folder = folder();
    assert_eq!(
        folder.exec(&["-pyarch", "data.txt,venv.zip#deep/er"], code).ok().stdout,
        "content of x\n /env/python-archives ['data.txt', 'deep']\n"
    );
    assert_eq!(folder.exec(&["-pyfs", "who.py"], "import os; print(os.getcwd())").ok().stdout, "/tmp\n");
}

#[test]
fn only_scratch_is_writable() {
    let code = r#"
import os
for attempt in (
    lambda: open("data.txt/x", "w"), lambda: open("new", "w"), lambda: open("/env/new", "w"), lambda: os.mkdir("d"),
    lambda: os.remove("data.txt/x"), lambda: os.rename("data.txt", "other"), lambda: os.symlink("/tmp", "link"),
    lambda: os.utime("data.txt/x"), lambda: os.truncate("data.txt/x", 0), lambda: os.link("data.txt/x", "/tmp/x"),
):
    try:
        attempt()
    except OSError:
        continue
    raise SystemExit("it was written")
open("/tmp/mine", "w").write("x")
print(open("data.txt/x").read(), os.listdir("/tmp"))
"#;
    let folder = folder();
    let options = &["-pyarch", "data.txt"];
    assert_eq!(folder.exec(options, code).ok().stdout, "content of x\n ['mine']\n");
    // The next job finds what the first one found.
    assert_eq!(folder.exec(options, code).ok().stdout, "content of x\n ['mine']\n");
}

#[test]
fn nothing_runs_when_the_interpreter_starts() {
    let folder = Folder::new();
    let entries = ["evil.pth", "sitecustomize.py", "usercustomize.py"]
        .map(|name| ZipEntry::file(name, "import sys; sys.modules['evil'] = sys; print('ran')\n"));
    let site = entries.each_ref().map(|entry| {
        let name = String::from_utf8(entry.name.clone()).unwrap();
        ZipEntry::file(format!("lib/python3.13/site-packages/{name}"), &entry.content)
    });
    std::fs::write(folder.path("lib.zip"), zip(&entries)).unwrap();
    std::fs::write(folder.path("venv.zip"), zip(&site)).unwrap();
    let code = "import sys; print(sorted({'evil', 'sitecustomize', 'usercustomize'} & set(sys.modules)))";
    let options = ["-pyfs", "lib.zip", "-pyarch", "venv.zip#venv", "-pyexec", "venv/bin/python"];
    assert_eq!(folder.exec(&options, code).ok().stdout, "[]\n");
}

#[test]
fn a_module_of_the_sandboxs_own_name_is_not_imported_and_that_is_said() {
    let folder = folder();
    folder.write("json.py", "raise RuntimeError('shadowed')\n");
    folder.write("vivarium.py", "raise RuntimeError('shadowed')\n");
    let ended = folder.exec(&["-pyfs", "json.py,vivarium.py"], "import json, vivarium; print(json.dumps([1]))").ok();
    assert_eq!(ended.stdout, "[1]\n");
    let warnings: Vec<_> = ended.stderr.lines().collect();
    assert!(
        warnings[0].contains("json.py' is never imported: module 'json' is that of the standard library"),
        "{ended}"
    );
    assert!(
        warnings[1].contains("vivarium.py' is never imported: module 'vivarium' is that of the sandbox"),
        "{ended}"
    );
    assert_eq!(warnings.len(), 2, "{ended}");
    let home = ["-pyarch", "venv.zip#venv", "-pyexec", "venv/bin/python"];
    let ended = folder.exec(&home, "import numpy; print(numpy.arange(3).sum())").ok();
    assert_eq!(ended.stdout, "3\n");
    assert!(ended.stderr.contains("site-packages/numpy' is never imported"), "{ended}");
    let quiet = folder.offline(&["exec"], &[&home[..], &["--quiet"]].concat(), &["-c", "pass"]).ok();
    assert_eq!(quiet.stderr, "");
    let json = folder.offline(&["exec"], &["-pyfs", "json.py", "--json"], &["-c", "pass"]).ok();
    let warning: serde_json::Value = serde_json::from_str(&json.stderr).unwrap();
    assert_eq!(warning["warning"]["shadowed"]["module"], "json");
}

#[test]
fn an_extension_module_says_what_there_is_instead() {
    let folder = folder();
    let home = ["-pyarch", "venv.zip#venv", "-pyexec", "venv/bin/python"];
    let ended = folder.exec(&home, "import homely\nassert homely.HERE\nimport homely._speedups");
    assert_eq!(ended.status, 1);
    let file = format!("/env/python-archives/venv/lib/python3.13/site-packages/homely/{NATIVE}");
    let message = format!("ImportError: package 'homely' needs the extension module {file}, which is machine code");
    assert!(ended.stderr.contains(&message) && ended.stderr.contains("It brings numpy "), "{ended}");
    assert!(!ended.stderr.contains("_environment.py"), "{ended}");
    // A package that can do without goes on.
    let code = "try:\n    import homely._speedups\nexcept ImportError as e:\n    print(type(e).__name__, e.name)\n\
                import homely.missing";
    let ended = folder.exec(&home, code);
    assert_eq!(ended.stdout, "ImportError homely._speedups\n");
    assert!(ended.stderr.contains("ModuleNotFoundError: No module named 'homely.missing'"), "{ended}");
}

#[test]
fn functions_have_the_environment_in_every_instance() {
    let folder = folder();
    folder.write("rates.py", "def rate(kind):\n    return {'a': 2, 'b': 3}[kind]\n");
    folder.write(
        "price.py",
        "from vivarium import udf\nimport os, rates, who\n\n@udf\ndef price(kind: str, net: int) -> str:\n    \
         return f\"{net * rates.rate(kind)} {open('data.txt/x').read().strip()} {os.environ['LEVEL']}\"\n",
    );
    let rows: String = (0..20_000).map(|row| format!("{},{row}\n", ["a", "b"][row % 2])).collect();
    folder.write("in.csv", &format!("kind,net\n{rows}"));
    let options = ["-pyfs", "rates.py", "-pyarch", "data.txt", "-pyreq", "requirements.txt#wheels", "--env", "LEVEL=7"];
    let io = ["--input", "in.csv", "--output", "out.csv", "--instances", "2"];
    folder.offline(&["run", "price.py"], &options, &io).ok();
    let out = folder.read("out.csv");
    assert_eq!(out.lines().nth(1), Some("a,0,0 content of x 7"));
    assert_eq!(out.lines().nth(20_000), Some("b,19999,59997 content of x 7"));
    let checked = folder.offline(&["check", "price.py"], &options, &[]).ok();
    assert!(checked.stdout.contains("packages: who 1.0"), "{checked}");
}

#[test]
fn variables_are_flinks_and_the_users() {
    let folder = folder();
    let options = ["-pyfs", "who.py", "-pyarch", "data.txt", "-pyreq", "requirements.txt#wheels", "--env", "A=b"];
    let code = "import os, json; print(json.dumps(dict(os.environ)))";
    let variables: serde_json::Value = serde_json::from_str(&folder.exec(&options, code).ok().stdout).unwrap();
    let site = "/env/python-requirements/lib/python3.13/site-packages";
    let path = variables["PYTHONPATH"].as_str().unwrap();
    assert!(path.starts_with(&format!("{site}:/env/python-files/python_file_")), "{path}");
    let mut variables = variables;
    variables.as_object_mut().unwrap().remove("PYTHONPATH");
    assert_eq!(
        variables,
        serde_json::json!({
            "A": "b", "BOOT_LOG_DIR": "/env", "PYFLINK_GATEWAY_DISABLED": "true", "python": "python",
            "_PYTHON_WORKING_DIR": "/env/python-archives", "_PYTHON_REQUIREMENTS_INSTALL_DIR": "/env/python-requirements",
        })
    );
    let host = folder.path("");
    let seen = folder.exec(&options, "import os, sys; print(os.environ, sys.path, os.getcwd())").ok().stdout;
    assert!(!seen.contains(host.to_str().unwrap()), "{seen}");
}

#[test]
fn a_header_in_the_file_lists_its_packages() {
    let folder = folder();
    let script = "# /// script\n# requires-python = \">=3.13\"\n# dependencies = [\n#   \"who>=1\",\n# ]\n# ///\nimport who\nprint('found')\n";
    folder.write("script.py", script);
    let wheels = ["--find-links", "wheels"];
    assert_eq!(folder.offline(&["exec"], &wheels, &["script.py"]).ok().stdout, "found\n");
    assert_eq!(
        folder
            .run_with_input(&["exec", "--env-store", "store", "--offline", "--find-links", "wheels", "-"], script)
            .ok()
            .stdout,
        "found\n"
    );
    let udf = "from vivarium import udf\n\n@udf\ndef f(x: int) -> str:\n    return who.__name__\n";
    folder.write("f.py", &format!("{script}{udf}"));
    folder.write("in.csv", "x\n1\n");
    let io = ["--input", "in.csv", "--output", "-", "--quiet"];
    assert_eq!(folder.offline(&["run", "f.py"], &wheels, &io).ok().stdout, "x,f\n1,who\n");
    assert!(folder.offline(&["check", "f.py"], &wheels, &[]).ok().stdout.contains("packages: who 1.0"));

    for (from, to, message) in [
        (">=3.13", ">=3.14", "the script needs Python >=3.14, and the sandbox has 3.13."),
        ("who>=1", "who>=2", "who>=2: no such version (there are 1.0)"),
        ("who>=1", "-e .", "the dependency '-e .' is refused: options are not allowed here"),
        ("who>=1", "who @ file:///x.whl", "URLs are not allowed here"),
        ("\"who>=1\"", "1", "the script's header, line"),
    ] {
        folder.write("script.py", &script.replace(from, to));
        let ended = folder.offline(&["exec"], &wheels, &["script.py"]);
        assert_eq!(ended.status, 4, "{ended}");
        assert!(ended.stderr.contains(message), "'{message}': {ended}");
    }
}
