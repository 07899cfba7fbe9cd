//! Environments between processes: one tree for all that ask at once, and nothing left of a process that dies, is stopped
//! or has no space.

#[path = "../../vivarium-env/tests/support/mod.rs"]
mod fixtures;
mod support;

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use fixtures::archives::{ZipEntry, zip};
use serde_json::Value;
use support::Folder;

/// A folder with an archive of many files.
fn folder() -> Folder {
    let folder = Folder::with(&[("fine.py", "X = 1\n")]);
    std::fs::create_dir(folder.path("tmp")).unwrap();
    let many: Vec<_> =
        (0..5000).map(|index| ZipEntry::file(format!("d{}/f{index}", index % 50), [b'x'; 500])).collect();
    std::fs::write(folder.path("many.zip"), zip(&many)).unwrap();
    folder
}

impl Folder {
    fn build(&self, options: &[&str]) -> Command {
        let mut command = self.command(&[&["env", "build", "--env-store", "store", "--json"], options].concat());
        command.env("TMPDIR", self.path("tmp")).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Names below `part` of the store.
    fn kept(&self, part: &str) -> Vec<String> {
        let Ok(tenants) = std::fs::read_dir(self.path("store/v1")) else { return Vec::new() };
        let mut names = Vec::new();
        for tenant in tenants {
            names.extend(names_in(&tenant.unwrap().path().join(part)));
        }
        names
    }
}

fn names_in(directory: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn finished(child: Child) -> Value {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn processes_that_build_at_once_make_one_environment() {
    let folder = folder();
    let children: Vec<_> = (0..4).map(|_| folder.build(&["-pyarch", "many.zip"]).spawn().unwrap()).collect();
    let built: Vec<Value> = children.into_iter().map(finished).collect();
    assert!(built.iter().all(|one| one == &built[0] && one["files"] == 5052), "{built:?}");
    assert_eq!(folder.kept("entries"), [built[0]["key"].as_str().unwrap()]);
    assert!(folder.kept("making").is_empty());
}

#[test]
fn a_process_that_is_killed_half_way_leaves_nothing_to_the_next() {
    let folder = folder();
    let mut child = folder.build(&["-pyarch", "many.zip"]).spawn().unwrap();
    while folder.kept("making").is_empty() && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // Whatever it was doing when it died, the next one has all of it.
    let built = finished(folder.build(&["-pyarch", "many.zip"]).spawn().unwrap());
    assert_eq!(built["files"], 5052);
    assert!(folder.kept("making").is_empty());
    assert_eq!(folder.kept("entries").len(), 1);
}

#[test]
fn processes_that_are_killed_at_any_time_leave_the_store_whole() {
    let folder = folder();
    // Two at once, each killed after a time that differs from round to round: in reading, unpacking, renaming, or when it is done.
    for round in 0..12_u64 {
        let mut children: Vec<Child> =
            (0..2).map(|_| folder.build(&["-pyarch", "many.zip"]).spawn().unwrap()).collect();
        for (index, child) in children.iter_mut().enumerate() {
            std::thread::sleep(std::time::Duration::from_millis(round * 37 % 23 * (index as u64 + 1)));
            child.kill().unwrap();
        }
        children.iter_mut().for_each(|child| {
            child.wait().unwrap();
        });
    }
    let built = finished(folder.build(&["-pyarch", "many.zip"]).spawn().unwrap());
    assert_eq!(built["files"], 5052);
    assert!(folder.kept("making").is_empty());
    assert_eq!(folder.kept("entries"), [built["key"].as_str().unwrap()]);
}

/// Starts a build whose resolver says that it runs, and waits; returns once it does.
fn resolving(folder: &Folder) -> (Child, impl Read) {
    folder.write("requirements.txt", "fine\n");
    let python = "#!/bin/sh\necho running > started\nread line < release\n";
    folder.write(
        "python",
        &python
            .replace("started", folder.path("started").to_str().unwrap())
            .replace("release", folder.path("release").to_str().unwrap()),
    );
    std::fs::set_permissions(folder.path("python"), std::fs::Permissions::from_mode(0o755)).unwrap();
    for fifo in ["started", "release"] {
        rustix::fs::mkfifoat(rustix::fs::CWD, folder.path(fifo), rustix::fs::Mode::RWXU).unwrap();
    }
    let child = folder.build(&["-pyreq", "requirements.txt", "--pip-python", "./python"]).spawn().unwrap();
    let mut started = std::fs::File::open(folder.path("started")).unwrap();
    let mut line = String::new();
    started.read_to_string(&mut line).unwrap();
    assert_eq!(line, "running\n");
    (child, started)
}

#[test]
fn what_a_dead_process_left_is_removed() {
    let folder = folder();
    let (mut child, _started) = resolving(&folder);
    assert_eq!(names_in(&folder.path("tmp")).len(), 2, "a directory and its lock");
    child.kill().unwrap();
    child.wait().unwrap();
    // The resolver of the dead process goes on until it is told to end.
    std::fs::write(folder.path("release"), "go\n").unwrap();
    // A native Flink's directory has no lock file and is not ours to remove.
    let flinks = "python-dist-00000000-0000-0000-0000-000000000000";
    std::fs::create_dir(folder.path("tmp").join(flinks)).unwrap();
    std::fs::create_dir(folder.path("wheels")).unwrap();
    let mut command = folder.build(&["-pyreq", "requirements.txt#wheels"]);
    assert_eq!(command.output().unwrap().status.code(), Some(4), "there is no such wheel");
    assert_eq!(names_in(&folder.path("tmp")), [flinks]);
}

#[test]
fn a_command_that_is_stopped_clears_away_what_it_made() {
    let folder = folder();
    let (mut child, _started) = resolving(&folder);
    let process = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(names_in(&folder.path("tmp")).is_empty());
    assert!(folder.kept("making").is_empty() && folder.kept("entries").is_empty());
}

#[test]
fn a_full_disk_is_an_error_that_leaves_nothing() {
    let folder = folder();
    std::fs::create_dir(folder.path("d")).unwrap();
    std::fs::write(folder.path("d/big"), vec![1; 200_000]).unwrap();
    // The limit on file sizes stands in for a full disk: writing fails half-way through a file.
    let wasm_run = env!("CARGO_BIN_EXE_wasm-run");
    let shell = format!("trap '' XFSZ; ulimit -f 100; exec {wasm_run} env build --env-store store -pyfs fine.py,d");
    let mut command = Command::new("sh");
    command.args(["-c", &shell]).current_dir(folder.path("")).env("TMPDIR", folder.path("tmp"));
    let output = command.output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{message}");
    assert!(message.contains("cannot write 'big' of python file 'd'"), "{message}");
    assert!(folder.kept("making").is_empty() && folder.kept("entries").is_empty());
    assert!(names_in(&folder.path("tmp")).is_empty());
}
