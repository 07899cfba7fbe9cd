//! Every target survives its corpus, and the same few thousand mutated inputs on every machine.

use std::path::Path;

use vivarium_fuzz::driver::{self, Feeder, Until};
use vivarium_fuzz::{TARGETS, Target};

/// The archives' targets make files for each input.
fn inputs(target: &Target) -> u64 {
    match target.name {
        "zip" | "tar" | "image" => 500,
        // Each input makes an instance.
        "wasi" => 5_000,
        _ => 20_000,
    }
}

#[test]
fn no_target_fails() {
    let keep = tempfile::tempdir().unwrap();
    for target in &TARGETS {
        driver::feed(target, 1, Until::Inputs(inputs(target)), keep.path()).unwrap_or_else(|crash| {
            panic!("{crash}\n{:?}", std::fs::read(&crash.path));
        });
    }
}

#[test]
fn no_target_fails_over_its_corpus() {
    let keep = tempfile::tempdir().unwrap();
    for target in &TARGETS {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
        let mut feeder = Feeder::new(target, keep.path()).unwrap();
        for entry in std::fs::read_dir(&corpus).unwrap_or_else(|error| panic!("{}: {error}", corpus.display())) {
            let path = entry.unwrap().path();
            let input = std::fs::read(&path).unwrap();
            feeder.run(&input).unwrap_or_else(|crash| panic!("{}: {}", path.display(), crash.problem));
        }
    }
}

#[test]
fn a_failing_target_leaves_its_input() {
    fn run(input: &[u8]) {
        assert!(!input.contains(&b'x'), "there is an x");
    }
    let target = Target { name: "no-x", run, seeds: || vec![b"xw".to_vec(), b"abc".to_vec()] };
    let keep = tempfile::tempdir().unwrap();
    let crash = driver::feed(&target, 1, Until::Inputs(10), keep.path()).unwrap_err();
    assert!(crash.problem.contains("there is an x"), "{crash}");
    assert_eq!(std::fs::read(&crash.path).unwrap(), b"xw");
}
