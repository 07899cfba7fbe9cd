//! Launchers: what `python.executable` names.
//!
//! ```text
//!   DIR/vvpython3.11                          answers as the interpreter does, for what Flink asks of one
//!   DIR/python3.11/pyflink-udf-runner.sh      starts the worker
//!   DIR/bin/python, python3, python3.11       the launcher by the names of an interpreter, for a TaskManager's PATH
//!   DIR/limits.toml                           what functions may use at most: the operator's; never overwritten
//! ```

use std::env;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use vivarium_env::PIP_VARIABLES;

/// The Python versions that there are images for.
pub const PYTHON_VERSIONS: [&str; 1] = ["3.11"];

/// The script that Flink runs from the folder that the launcher names.
const RUNNER: &str = "pyflink-udf-runner.sh";

/// The operator's file.
const LIMITS: &str = "limits.toml";

/// How the worker's allocator behaves: large buffers, which hold messages of rows, go back to the system when they are freed, and
/// threads share what they keep. With messages of 100,000 rows a worker is 16 MB smaller, and as fast.
const ALLOCATOR: &str = "export MALLOC_ARENA_MAX=1 MALLOC_MMAP_THRESHOLD_=131072 MALLOC_TRIM_THRESHOLD_=131072";

const LIMITS_TEXT: &str = "\
# What each sandbox of a Python function may use. A job may ask for less, never for more.
# Names: `wasm-run run --help`, at --sandbox-limit. Defaults and meanings: vivarium_sandbox::Limits.

# Run no function on a kernel without Landlock and seccomp:
# process_sandbox = \"require\"
# Each worker writes its metrics (docs/for-operators.md) into a file of this folder:
# metrics = { folder = \"/var/lib/prometheus/node-exporter\" }

[limits]
memory = \"256MiB\"
batch_time = \"30s\"
";

/// What was installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The launchers, by Python version.
    pub launchers: Vec<(String, PathBuf)>,
    /// The folder that is to be first in the PATH of TaskManagers.
    pub names: PathBuf,
    /// The operator's file.
    pub limits: PathBuf,
}

impl Installed {
    /// The next steps, for the user to read.
    pub fn instructions(&self) -> String {
        let mut text = String::new();
        for (version, launcher) in &self.launchers {
            let launcher = launcher.display();
            text += &format!(
                "For clients of Python {version}, in the config.yaml of what submits jobs (a TaskManager's is not asked):\n\n  \
                 python.executable: {launcher}\n\n\
                 or for one job:\n\n  flink run -pyexec {launcher} -pyclientexec python{version} --python job.py\n\n"
            );
        }
        text + &format!(
            "For jobs that name no interpreter, first in the PATH of every TaskManager: {}\n\n\
             Limits of functions are in {}. `wasm-run flink doctor` tries on a cluster what holds.\n",
            self.names.display(),
            self.limits.display()
        )
    }
}

/// Writes launchers into `folder`, which run `program`, this project's command line, with the images of `cache`. What pip is given
/// of the host's variables is what they are now.
///
/// # Errors
/// When the folder or a file cannot be written; the message names it.
pub fn install(folder: &Path, program: &Path, cache: &Path) -> io::Result<Installed> {
    create(folder)?;
    let folder = &folder.canonicalize()?;
    let limits = folder.join(LIMITS);
    match OpenOptions::new().write(true).create_new(true).mode(0o644).open(&limits) {
        Ok(mut file) => file.write_all(LIMITS_TEXT.as_bytes()).map_err(|error| named(&limits, &error))?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(named(&limits, &error)),
    }
    let names = folder.join("bin");
    create(&names)?;
    let mut launchers = Vec::new();
    for version in PYTHON_VERSIONS {
        let runners = folder.join(format!("python{version}"));
        create(&runners)?;
        let launcher = folder.join(format!("vvpython{version}"));
        let program = quoted(program);
        let own = format!("--python-version {version} --runner {}", quoted(&runners));
        script(&launcher, &format!("exec {program} flink python {own} -- \"$@\""))?;
        // A job sets variables of this process (python.job-options). None of them may change what runs, or where images come from.
        let worker = format!(
            "unset LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT TMPDIR\n{}{ALLOCATOR}\nexport VIVARIUM_CACHE_DIR={}\n\
             exec {program} flink worker --python-version {version} --limits {} \"$@\"",
            pip_variables(),
            quoted(cache),
            quoted(&limits)
        );
        script(&runners.join(RUNNER), &worker)?;
        for name in [format!("python{version}"), "python3".to_owned(), "python".to_owned()] {
            script(&names.join(name), &format!("exec {} \"$@\"", quoted(&launcher)))?;
        }
        launchers.push((version.to_owned(), launcher));
    }
    Ok(Installed { launchers, names, limits })
}

/// Lines that give the variables that pip sees the values they have now.
fn pip_variables() -> String {
    let line = |name: &str| match env::var_os(name) {
        Some(value) => format!("export {name}={}\n", quoted(Path::new(&value))),
        None => format!("unset {name}\n"),
    };
    PIP_VARIABLES.iter().map(|name| line(name)).collect()
}

fn create(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder).map_err(|error| named(folder, &error))
}

/// Writes an executable script, in one step: a TaskManager may start it at any time.
fn script(path: &Path, command: &str) -> io::Result<()> {
    let partial = path.with_extension("partial");
    let text = format!("#!/bin/sh\n# Written by `wasm-run flink install`.\n{command}\n");
    let written = fs::write(&partial, text)
        .and_then(|()| fs::set_permissions(&partial, fs::Permissions::from_mode(0o755)))
        .and_then(|()| fs::rename(&partial, path));
    written.map_err(|error| named(path, &error))
}

/// As one word of a shell's.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{} cannot be written: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn said(script: &Path, words: &[&str]) -> String {
        let output = Command::new("sh").arg(script).args(words).env("MALLOC_ARENA_MAX", "9").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn launchers_start_the_program_with_what_flink_says() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().canonicalize().unwrap().join("it's here");
        let installed = install(&target, Path::new("/bin/echo"), Path::new("/cache")).unwrap();
        let [(version, launcher)] = &installed.launchers[..] else { panic!("{installed:?}") };
        let (limits, runners) = (target.join(LIMITS), target.join("python3.11"));
        assert_eq!((version.as_str(), launcher, &installed.limits), ("3.11", &target.join("vvpython3.11"), &limits));
        let asked = format!("flink python --python-version 3.11 --runner {} -- -c print(1) a b\n", runners.display());
        assert_eq!(said(launcher, &["-c", "print(1)", "a b"]), asked);
        // What a job finds that names no interpreter, or one without a folder.
        for name in ["python", "python3", "python3.11"] {
            assert_eq!(said(&installed.names.join(name), &["-c", "print(1)", "a b"]), asked);
        }
        let started = format!("flink worker --python-version 3.11 --limits {} --id=1-1\n", limits.display());
        assert_eq!(said(&runners.join(RUNNER), &["--id=1-1"]), started);
        assert!(installed.instructions().contains(&format!("python.executable: {}", launcher.display())));
    }

    #[test]
    fn a_job_does_not_set_what_a_worker_runs_with() {
        let folder = tempfile::tempdir().unwrap();
        install(folder.path(), Path::new("/usr/bin/env"), Path::new("/cache")).unwrap();
        let runner = folder.path().canonicalize().unwrap().join("python3.11").join(RUNNER);
        // What `env` is to run is no program; the shell's own variables are those that it would have had.
        let text = fs::read_to_string(&runner).unwrap().replace("exec ", "env # ");
        let show = folder.path().join("show");
        fs::write(&show, text).unwrap();
        let theirs =
            [("MALLOC_ARENA_MAX", "9"), ("VIVARIUM_CACHE_DIR", "/x"), ("TMPDIR", "/x"), ("PATH", "/x:/usr/bin:/bin")];
        let output = Command::new("sh").arg(&show).envs(theirs).output().unwrap();
        let variables = String::from_utf8(output.stdout).unwrap();
        let has = |line: &str| variables.lines().any(|each| each == line);
        assert!(has("MALLOC_ARENA_MAX=1") && has("VIVARIUM_CACHE_DIR=/cache"), "{variables}");
        assert!(!variables.contains("TMPDIR=") && !has("PATH=/x:/usr/bin:/bin"), "{variables}");
    }

    #[test]
    fn the_operators_limits_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(LIMITS), "mine").unwrap();
        install(folder.path(), Path::new("/bin/echo"), Path::new("/cache")).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join(LIMITS)).unwrap(), "mine");
    }
}
