//! NumPy in the guest does what it does on 64-bit Linux, where a pointer of 32 bits would get in its way.

mod support;

use support::Folder;

/// Runs a script whose assertions are the test.
fn passes(script: &str, options: &[&str]) {
    let folder = Folder::with(&[("script.py", script)]);
    let ended = folder.run(&[&["exec"], options, &["script.py"]].concat());
    assert_eq!((ended.status, ended.stdout.as_str(), ended.stderr.as_str()), (0, "", ""));
}

#[test]
fn an_index_is_never_cut_to_another() {
    passes(include_str!("numpy/indices.py"), &[]);
}

#[test]
fn a_seed_gives_the_same_numbers() {
    passes(include_str!("numpy/random.py"), &[]);
}

#[test]
fn large_arrays_go_to_files() {
    passes(include_str!("numpy/files.py"), &["--scratch", "96MiB"]);
}

#[test]
fn modules_know_their_names() {
    passes(include_str!("numpy/modules.py"), &[]);
}
