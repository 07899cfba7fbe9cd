//! Measures how long opening an environment takes: `cargo run --release -p vivarium-env --example measure_opening`.
//!
//! The input is ten locked wheels in a cache directory, with 200 files and 5 MB of Python source together; the figures
//! are medians of 21 rounds. "With pip" lets pip resolve the same wheels without a lock.

#[path = "../tests/support/mod.rs"]
mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use support::Place;
use support::wheels::Wheel;
use vivarium_env::{EnvironmentError, PythonDependencyInfo, PythonEnvironmentManager, Store};

const WHEELS: usize = 10;
const FILES: usize = 20;
const FILE_BYTES: usize = 25_000;

fn main() -> Result<(), EnvironmentError> {
    let place = Place::new();
    let (locked, unlocked) = wheel_set(&place);
    let open = |info: &PythonDependencyInfo, store: &str| {
        let store = Some(Arc::new(Store::open(place.path(store))?));
        let settings = Arc::new(place.settings().with_store(store));
        let start = Instant::now();
        PythonEnvironmentManager::new(info.clone(), settings, place.job()).open()?;
        Ok::<_, EnvironmentError>(start.elapsed())
    };
    let mut round = 0;
    let first = median(21, || {
        round += 1;
        open(&locked, &format!("store{round}"))
    })?;
    let again = median(21, || open(&locked, "store1"))?;
    let with_pip = median(3, || {
        round += 1;
        open(&unlocked, &format!("store{round}"))
    })?;
    let remembered = median(21, || open(&unlocked, &format!("store{round}")))?;
    println!(
        "first materialisation, {} files, {} MB: {first:.1?}",
        WHEELS * FILES,
        WHEELS * FILES * FILE_BYTES / 1_000_000
    );
    println!("the same again, from the store: {again:.1?}");
    println!("first materialisation with pip: {with_pip:.1?}");
    println!("the same again, resolution remembered: {remembered:.1?}");
    Ok(())
}

fn wheel_set(place: &Place) -> (PythonDependencyInfo, PythonDependencyInfo) {
    let (mut lock, mut names) = (String::new(), String::new());
    for index in 0..WHEELS {
        let name = format!("package{index}");
        let mut wheel = Wheel::new(&name, "1.0");
        for file in 1..FILES {
            let mut source = String::new();
            while source.len() < FILE_BYTES {
                let number = source.len();
                source.push_str(&format!("def function_{number}(x): return x * {}\n", number * 7919 % 1009 + file));
            }
            wheel = wheel.file(&format!("{name}/module{file}.py"), source);
        }
        wheel.write(&place.path("cache"));
        lock.push_str(&format!("{name}==1.0 --hash=sha256:{}\n", wheel.sha256()));
        names.push_str(&format!("{name}\n"));
    }
    let info = |name: &str, text: String| {
        PythonDependencyInfo::default()
            .with_requirements_file(Some(place.write(name, text)))
            .with_requirements_cache_directory(Some(place.path("cache")))
    };
    (info("lock.txt", lock), info("names.txt", names))
}

fn median(
    rounds: usize,
    mut measure: impl FnMut() -> Result<Duration, EnvironmentError>,
) -> Result<Duration, EnvironmentError> {
    let mut times = (0..rounds).map(|_| measure()).collect::<Result<Vec<_>, _>>()?;
    times.sort();
    Ok(times[rounds / 2])
}
