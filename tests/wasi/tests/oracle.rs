//! Random sequences of calls are answered alike by both sides, but for the differences that are listed.
//!
//! ```console
//! $ cargo test --manifest-path tests/wasi/Cargo.toml                                       # a fixed set, and whether docs/wasi.md has the list
//! $ cargo test --manifest-path tests/wasi/Cargo.toml -- --seed 100000 --sequences 100000   # others
//! $ cargo test --manifest-path tests/wasi/Cargo.toml -- --all                              # shows every kind of difference that is not known
//! $ cargo test --manifest-path tests/wasi/Cargo.toml -- --write-docs                       # writes the list
//! ```

use std::collections::BTreeMap;
use std::process::ExitCode;

use wasi_oracle::compare::{Counts, compare};
use wasi_oracle::differences::DIFFERENCES;
use wasi_oracle::shrink::shrink;
use wasi_oracle::sides::World;
use wasi_oracle::{document, generate};

/// Seeds of the fixed set, from 1 on. Each of the differences is met within it.
const SEQUENCES: u64 = 10_000;

/// Random steps of a sequence.
const LENGTH: usize = 40;

struct Arguments {
    seed: u64,
    sequences: u64,
    is_fixed: bool,
    all: bool,
    write_docs: bool,
}

fn main() -> ExitCode {
    let arguments = arguments();
    if arguments.write_docs {
        document::write();
        println!("docs/wasi.md is written");
        return ExitCode::SUCCESS;
    }
    let executor = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("an executor");
    executor.block_on(run(&arguments))
}

async fn run(arguments: &Arguments) -> ExitCode {
    let world = World::new().expect("the module is compiled");
    let (mut counts, mut kinds) = (Counts::default(), BTreeMap::new());
    for seed in arguments.seed..arguments.seed + arguments.sequences {
        let sequence = generate::sequence(seed, LENGTH);
        if let Err(failure) = compare(&world, &sequence, &mut counts).await {
            let known = kinds.entry(failure.kind.clone()).or_insert(0_u64);
            *known += 1;
            if *known > 1 {
                continue;
            }
            let (shortest, failure) = shrink(&world, sequence, failure).await;
            println!("seed {seed}: after {} steps: {}", failure.at, failure.problem);
            shortest.iter().for_each(|step| println!("  {step:?}"));
            if !arguments.all {
                return ExitCode::FAILURE;
            }
        }
    }
    if !kinds.is_empty() {
        kinds.iter().for_each(|(kind, count)| println!("{count:8} times: {kind}"));
        return ExitCode::FAILURE;
    }
    println!("{} sequences, {} of them to the end; {} steps", arguments.sequences, counts.complete, counts.steps);
    for (difference, met) in DIFFERENCES.iter().zip(counts.met) {
        println!("{met:8} times: {}: {}", difference.calls, difference.when);
    }
    if arguments.is_fixed && counts.met.contains(&0) {
        println!("a difference that nothing shows is not one: take it out of differences.rs");
        return ExitCode::FAILURE;
    }
    if !document::is_written() {
        println!("docs/wasi.md has another list; run this with --write-docs");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn arguments() -> Arguments {
    let mut arguments = Arguments { seed: 1, sequences: SEQUENCES, is_fixed: true, all: false, write_docs: false };
    let mut given = std::env::args().skip(1);
    while let Some(argument) = given.next() {
        let mut number =
            || given.next().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{argument} takes a number"));
        match argument.as_str() {
            "--seed" => arguments.seed = number(),
            "--sequences" => arguments.sequences = number(),
            "--all" => arguments.all = true,
            "--write-docs" => arguments.write_docs = true,
            _ => panic!("{argument} is not an option: --seed, --sequences, --all, --write-docs"),
        }
        arguments.is_fixed = false;
    }
    arguments
}
