//! Guests against each other, and the counting for their profile.
//!
//! ```text
//! cargo bench --profile dev --bench guests -- compare BEFORE=FOLDER AFTER=FOLDER [--work WORD] [--rounds 21]
//! cargo bench --profile dev --bench guests -- count BUILT FOLDER
//! ```
//!
//! `compare` takes folders of images (`wasm-run guest info` says where they are), or what build.py has built, and prints what each takes of the time of the first, by kind of
//! work, rows by the interpreter. `count` takes what `wasm-python/build.py --count` has built; wasm-python/training/README.md has the rest.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use vivarium_bench::guests;

fn main() -> Result<()> {
    // Cargo passes `--bench` to every benchmark.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    match words[..] {
        ["compare", ref rest @ ..] => runtime.block_on(compare(rest)),
        ["count", built, folder] => runtime.block_on(guests::count(Path::new(built), Path::new(folder))),
        // `cargo test --benches` runs this without a word.
        [] => Ok(()),
        _ => bail!("compare NAME=FOLDER ..., or count BUILT FOLDER"),
    }
}

async fn compare(mut words: &[&str]) -> Result<()> {
    let (mut images, mut work, mut rounds) = (Vec::new(), Vec::new(), 21);
    while let [word, rest @ ..] = words {
        words = rest;
        match (*word, rest) {
            ("--work", [name, rest @ ..]) => {
                work.push((*name).to_owned());
                words = rest;
            }
            ("--rounds", [count, rest @ ..]) => {
                rounds = count.parse().with_context(|| format!("--rounds takes a number, not {count:?}"))?;
                words = rest;
            }
            (image, _) => {
                let (name, folder) = image.split_once('=').context("an image is NAME=FOLDER")?;
                images.push((name.to_owned(), PathBuf::from(folder)));
            }
        }
    }
    guests::compare(&images, &work, rounds).await
}
