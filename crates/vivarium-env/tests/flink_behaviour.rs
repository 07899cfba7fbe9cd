//! What Flink's own tests assert of its Python environment manager, asserted of ours under the same names.

mod support;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use support::archives::{DIRECTORY, FILE, SYMLINK, Tar, ZipEntry, zip};
use support::{Place, listing};
use vivarium_env::{
    DistributedDependencies, EnvironmentView, ExecutionType, PythonArchive, PythonDependencyInfo, PythonFile,
    PythonOptions, is_python_exec_from_archives,
};

/// Flink's fixtures: file0..5 (one byte each), dir0 and dir1 (file0, file1), zip0 and zip1.
fn fixtures() -> Place {
    let place = Place::new();
    for index in 0..6u8 {
        place.write(&format!("file{index}"), [index]);
    }
    for index in 0..2 {
        for file in 0..2u8 {
            place.write(&format!("dir{index}/file{file}"), [file]);
        }
        let archive = zip(&[
            ZipEntry::new(format!("zipDir{index}/zipfile0"), FILE | 0o711, [1; 5]),
            ZipEntry::new(format!("zipDir{index}/zipfile1"), FILE | 0o644, [2; 5]),
        ]);
        place.write(&format!("zip{index}"), archive);
    }
    place
}

fn basic(base: &str) -> BTreeMap<String, String> {
    variables(&[("python", "python"), ("BOOT_LOG_DIR", base), ("PYFLINK_GATEWAY_DISABLED", "true")])
}

fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

fn with(mut variables: BTreeMap<String, String>, pairs: &[(&str, String)]) -> BTreeMap<String, String> {
    variables.extend(pairs.iter().map(|(name, value)| (name.to_string(), value.clone())));
    variables
}

/// Everything of the guest's view, with `/env` replaced, is that of the host.
fn assert_guest_sees_the_same(host: &EnvironmentView, guest: &EnvironmentView) {
    assert_eq!(guest.base, "/env");
    let moved = |text: &String| text.replace("/env", &host.base);
    for (name, value) in &guest.variables {
        assert_eq!(host.variables.get(name), Some(&moved(value)), "{name}");
    }
    assert_eq!(guest.python_path.iter().map(moved).collect::<Vec<_>>(), host.python_path);
    assert_eq!(guest.python_home.as_ref().map(moved), host.python_home);
}

#[test]
fn python_executable() {
    let place = fixtures();
    let info = PythonDependencyInfo::default().with_python_executable("/usr/local/bin/python".into());
    let mut manager = place.manager(info);
    manager.open().unwrap();
    let environment = manager.create_environment().unwrap();
    let host = environment.host();
    assert_eq!(host.variables, with(basic(&host.base), &[("python", "/usr/local/bin/python".into())]));
    let config = environment.interpreter_config();
    assert_eq!(config.python_executable, "/usr/local/bin/python");
    assert_eq!(config.execution_type, ExecutionType::MultiThread);
    assert_eq!((&config.working_directory, &config.python_home), (&None, &None));
    assert_guest_sees_the_same(host, environment.guest());
}

#[test]
fn python_files() {
    let place = fixtures();
    let info = PythonDependencyInfo::default().with_python_files(vec![
        PythonFile::new(place.path("zip0"), "test_zip.zip"),
        PythonFile::new(place.path("file1"), "test_file1.py"),
        PythonFile::new(place.path("file2"), "test_file2.egg"),
        PythonFile::new(place.path("dir0"), "test_dir"),
    ]);
    let mut manager = place.manager(info);
    manager.open().unwrap();
    let environment = manager.create_environment().unwrap();
    let host = environment.host();
    let base = &host.base;
    let expected = [
        format!("{base}/python-files/zip0/test_zip"),
        format!("{base}/python-files/file1"),
        format!("{base}/python-files/file2/test_file2.egg"),
        format!("{base}/python-files/dir0/test_dir"),
    ];
    assert_eq!(host.variables, with(basic(base), &[("PYTHONPATH", expected.join(":"))]));
    assert_eq!(host.python_path, expected);
    assert_eq!(environment.interpreter_config().python_paths, expected);
    assert_guest_sees_the_same(host, environment.guest());
    assert_eq!(
        listing(&Path::new(base).join("python-files")),
        [
            "dir0/ 755",
            "dir0/test_dir/ 755",
            "dir0/test_dir/file0 644 \"\\0\"",
            "dir0/test_dir/file1 644 \"\\u{1}\"",
            "file1/ 755",
            "file1/test_file1.py 644 \"\\u{1}\"",
            "file2/ 755",
            "file2/test_file2.egg 644 \"\\u{2}\"",
            "zip0/ 755",
            "zip0/test_zip/ 755",
            "zip0/test_zip/zipDir0/ 755",
            "zip0/test_zip/zipDir0/zipfile0 711 \"\\u{1}\\u{1}\\u{1}\\u{1}\\u{1}\"",
            "zip0/test_zip/zipDir0/zipfile1 644 \"\\u{2}\\u{2}\\u{2}\\u{2}\\u{2}\"",
        ]
    );
}

#[test]
fn archives() {
    let place = fixtures();
    let info = PythonDependencyInfo::default()
        .with_archives(vec![
            PythonArchive::new(place.path("zip0"), "py312.zip"),
            PythonArchive::new(place.path("zip1"), "py312"),
        ])
        .with_python_executable("py312.zip/bin/python".into());
    let mut manager = place.manager(info);
    manager.open().unwrap();
    let environment = manager.create_environment().unwrap();
    let host = environment.host();
    let directory = format!("{}/python-archives", host.base);
    assert_eq!(
        host.variables,
        with(
            basic(&host.base),
            &[("_PYTHON_WORKING_DIR", directory.clone()), ("python", "py312.zip/bin/python".into())]
        )
    );
    assert_eq!(
        listing(Path::new(&directory)),
        [
            "py312.zip/ 755",
            "py312.zip/zipDir0/ 755",
            "py312.zip/zipDir0/zipfile0 711 \"\\u{1}\\u{1}\\u{1}\\u{1}\\u{1}\"",
            "py312.zip/zipDir0/zipfile1 644 \"\\u{2}\\u{2}\\u{2}\\u{2}\\u{2}\"",
            "py312/ 755",
            "py312/zipDir1/ 755",
            "py312/zipDir1/zipfile0 711 \"\\u{1}\\u{1}\\u{1}\\u{1}\\u{1}\"",
            "py312/zipDir1/zipfile1 644 \"\\u{2}\\u{2}\\u{2}\\u{2}\\u{2}\"",
        ]
    );
    let config = environment.interpreter_config();
    assert_eq!(config.working_directory.as_ref(), Some(&directory));
    assert_eq!(config.python_home, Some(format!("{directory}/py312.zip")));
    assert_eq!(config.python_executable, format!("{directory}/py312.zip/bin/python"));
    assert_eq!(environment.guest().working_directory.as_deref(), Some("/env/python-archives"));
    assert_guest_sees_the_same(host, environment.guest());
}

#[test]
fn requirements() {
    let place = fixtures();
    let info = PythonDependencyInfo::default()
        .with_requirements_file(Some(place.path("file0")))
        .with_requirements_cache_directory(Some(place.path("dir0")));
    let base = "/B";
    let expected = with(
        basic(base),
        &[
            ("_PYTHON_REQUIREMENTS_FILE", place.path("file0").display().to_string()),
            ("_PYTHON_REQUIREMENTS_CACHE", place.path("dir0").display().to_string()),
            ("_PYTHON_REQUIREMENTS_INSTALL_DIR", format!("{base}/python-requirements")),
        ],
    );
    assert_eq!(info.environment_variables(base, &BTreeMap::new()), expected);
}

#[test]
fn log_directory() {
    let place = fixtures();
    let mut manager = place.manager(PythonDependencyInfo::default());
    manager.open().unwrap();
    let environment = manager.create_environment().unwrap();
    let base = environment.host_path().display().to_string();
    assert_eq!(environment.host().variables, basic(&base));
    assert_eq!(environment.guest().variables, basic("/env"));
}

#[test]
fn open_close() {
    let place = fixtures();
    let mut manager = place.manager(PythonDependencyInfo::default());
    manager.open().unwrap();
    let base = manager.create_environment().unwrap().host_path().to_owned();
    let name = base.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("python-dist-") && name.len() == "python-dist-".len() + 36, "{name}");
    assert_eq!(base.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    manager.close();
    assert!(!base.exists());
    assert!(place.leftovers().is_empty());
    assert!(manager.create_environment().unwrap_err().to_string().contains("is not open"));
}

#[test]
fn exec_from_archives() {
    let archives = |values: &[&str]| values.iter().map(|value| PythonArchive::new("x", value)).collect::<Vec<_>>();
    for (values, executable, expected) in [
        (&["venv"][..], "venv/bin/python", true),
        (&["venv"], "/usr/bin/python3", false),
        (&["venv.zip#myenv"], "myenv/bin/python", true),
        (&["venv.zip#myenv"], "venv.zip/bin/python", false),
        (&[], "venv/bin/python", false),
        (&["python"], "python", true),
    ] {
        assert_eq!(is_python_exec_from_archives(executable, &archives(values)), expected, "{values:?} {executable}");
    }
    let place = fixtures();
    for (executable, message) in [
        (
            "zip0",
            "Python executable 'zip0' is from archives but does not contain a '/bin/' path component. \
             Expected a path like 'venv/bin/python'.",
        ),
        ("zip0/../../bin/python", "Python executable 'zip0/../../bin/python' is from archives but its path is refused"),
    ] {
        let info = PythonDependencyInfo::default()
            .with_archives(vec![PythonArchive::new(place.path("zip0"), "zip0")])
            .with_python_executable(executable.into());
        let error = place.manager(info).open().unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
    }
}

#[test]
fn dependency_names() {
    let options = PythonOptions::from_pairs([
        (
            "python.files",
            "hdfs:///tmp_dir/test_file1.py,tmp_dir/test_file2.py,tmp_dir/test_dir,hdfs:///tmp_dir/test_file1.py",
        ),
        (
            "python.archives",
            "hdfs:///tmp_dir/file1.zip,hdfs:///tmp_dir/file1.zip,tmp_dir/py37.zip,tmp_dir/py37.zip#venv,\
             tmp_dir/py37.zip#venv2,tmp_dir/py37.zip#venv",
        ),
        ("python.requirements", "tmp_dir/a.txt#tmp_dir/cache#x"),
        ("parallelism.default", "1"),
    ])
    .unwrap();
    let names = DistributedDependencies::from_options(&options);
    let pairs: Vec<_> = names.files.iter().map(|file| (file.key.as_str(), file.value.as_str())).collect();
    assert_eq!(
        pairs,
        [
            ("python_file_83bbdaee494ad7d9b334c02ec71dc86a0868f7f8e49d1249a37c517dc6ee15a7", "test_file1.py"),
            ("python_file_e57a895cb1256500098be0874128680cd9f56000d48fcd393c48d6371bd2d947", "test_file2.py"),
            ("python_file_e56bc55ff643576457b3d012b2bba888727c71cf05a958930f2263398c4e9798", "test_dir"),
        ]
    );
    let archives: Vec<_> = names.archives.iter().map(|archive| archive.value.as_str()).collect();
    assert_eq!(archives, ["file1.zip", "py37.zip", "py37.zip#venv", "py37.zip#venv2"]);
    assert_eq!(names.archives[1].key, key("python_archive", "tmp_dir/py37.zip#py37.zip"));
    assert_eq!(names.archives[2].key, key("python_archive", "tmp_dir/py37.zip#py37.zip#venv"));
    assert_eq!(names.requirements_file.unwrap().key, key("python_requirements_file", "tmp_dir/a.txt"));
    assert_eq!(names.requirements_cache.unwrap().key, key("python_requirements_cache", "tmp_dir/cache#x"));
}

#[test]
fn command_line_options_go_in_front_or_replace() {
    let configured = PythonOptions::from_pairs([
        ("python.files", "a.py"),
        ("python.archives", "a.zip"),
        ("python.executable", "python3"),
        ("python.pythonpath", "/x:/y"),
        ("python.systemenv.enabled", "true"),
    ])
    .unwrap();
    let command_line = PythonOptions::default()
        .with_files(Some("b.py,c.py".into()))
        .with_archives(Some("b.zip#t".into()))
        .with_executable(Some("pypy".into()));
    let info = PythonDependencyInfo::from_options(&configured.with_command_line(command_line)).unwrap();
    let names: Vec<_> = info.python_files.iter().map(|file| file.original_name.as_str()).collect();
    assert_eq!(names, ["b.py", "c.py", "a.py"]);
    let targets: Vec<_> = info.archives.iter().map(|archive| archive.target.as_str()).collect();
    assert_eq!(targets, ["t", "a.zip"]);
    assert_eq!(info.python_executable, "pypy");
    assert!(info.system_environment);
    let system = variables(&[("PYTHONPATH", "/inherited"), ("HOME", "/h")]);
    let seen = info.environment_variables("/B", &system);
    assert_eq!(seen.get("PYTHONPATH").map(String::as_str), Some("/x:/y:/inherited"));
    assert_eq!(seen.get("HOME").map(String::as_str), Some("/h"));
    assert!(PythonOptions::from_pairs([("python.systemenv.enabled", "maybe")]).is_err());
}

#[test]
fn extraction() {
    let place = Place::new();
    let zipped = zip(&[
        ZipEntry::new("d/", DIRECTORY | 0o355, ""),
        ZipEntry::new("d/f", FILE | 0o355, "x"),
        ZipEntry::new("link", SYMLINK | 0o777, "d/f"),
        ZipEntry::new("dangling", SYMLINK | 0o777, "nowhere"),
        ZipEntry::new("none", 0, "y"),
    ]);
    let tarred = Tar::default()
        .entry(b'5', "d/", 0o355, "", b"")
        .entry(b'0', "d/f", 0o355, "", b"x")
        .entry(b'2', "link", 0o777, "d/f", b"")
        .entry(b'2', "dangling", 0o777, "nowhere", b"")
        .entry(b'0', "none", 0, "", b"y");
    for (name, archive) in [("a.zip", zipped), ("a.tgz", tarred.gzip())] {
        let path = place.write(name, archive);
        let info = PythonDependencyInfo::default()
            .with_archives(vec![PythonArchive::new(path, &format!("{name}#nested/target"))]);
        let mut manager = place.manager(info);
        manager.open().unwrap();
        let base = manager.create_environment().unwrap().host_path().to_owned();
        let expected = ["d/ 355", "d/f 355 \"x\"", "dangling -> nowhere", "link -> d/f", "none 644 \"y\""];
        assert_eq!(listing(&base.join("python-archives/nested/target")), expected, "{name}");
        manager.close();
        assert!(place.leftovers().is_empty());
    }
    let message = place.refusal("b.zip", &zip(&[ZipEntry::file("../zipFile", "x")]));
    assert!(message.starts_with("Expand ../zipFile would create a file outside of python-archives/x"), "{message}");
    let message = place.refusal("c.zip", b"no zip");
    assert!(
        message.starts_with(&format!("Error reading Zip content from {}", place.path("c.zip").display())),
        "{message}"
    );
}

fn key(prefix: &str, identity: &str) -> String {
    use sha2::{Digest, Sha256};
    let hex: String = Sha256::digest(identity).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{prefix}_{hex}")
}
