//! Feeds a target: its seeds, and mutations of them.
//!
//! Inputs are not chosen by what code they reach, as libFuzzer does it, but each one is made from one that was made before,
//! so that changes add up.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::mutate::{Random, mutate};
use crate::targets::Target;

/// Longest input, in bytes. Seeds are shorter.
const MAX_INPUT: usize = 1 << 14;
/// Inputs kept to be changed again, besides the seeds.
const POOL: usize = 64;
/// No target may take longer over one input, on however busy a machine.
const MAX_TIME: Duration = Duration::from_secs(60);

/// When to stop.
#[derive(Debug, Clone, Copy)]
pub enum Until {
    /// After so many inputs.
    Inputs(u64),
    /// After so long.
    Time(Duration),
}

/// An input over which a target panicked, or took too long.
#[derive(Debug, thiserror::Error)]
#[error("{target} fails over {}: {problem}", .path.display())]
pub struct Crash {
    /// The target's name.
    pub target: &'static str,
    /// What it said.
    pub problem: String,
    /// Where the input is kept.
    pub path: PathBuf,
}

/// Feeds a target and returns how many inputs it was given. The input at work is at `keep/TARGET/current`, for the case
/// that it ends the process; one that fails is kept beside it.
///
/// # Errors
/// When the target fails, or nothing can be kept.
pub fn feed(target: &Target, seed: u64, until: Until, keep: &Path) -> Result<u64, Crash> {
    let mut feeder = Feeder::new(target, keep)?;
    let seeds = (target.seeds)();
    let mut pool = seeds.clone();
    let mut random = Random(seed);
    let start = Instant::now();
    for input in &seeds {
        feeder.run(input)?;
    }
    let mut count = seeds.len() as u64;
    while match until {
        Until::Inputs(inputs) => count < inputs,
        Until::Time(time) => start.elapsed() < time,
    } {
        let [from, other] = [(); 2].map(|()| random.below(pool.len()));
        let input = mutate(&pool[from], &pool[other], MAX_INPUT, &mut random);
        feeder.run(&input)?;
        count += 1;
        // Seeds stay, or everything ends as noise.
        if pool.len() < seeds.len() + POOL {
            pool.push(input);
        } else {
            let place = seeds.len() + random.below(POOL);
            pool[place] = if random.below(4) == 0 { seeds[random.below(seeds.len())].clone() } else { input };
        }
    }
    Ok(count)
}

/// Runs a target over one input and another.
pub struct Feeder {
    target: Target,
    folder: PathBuf,
    /// Stays open: closing a file that was made shorter waits for the disk.
    current: File,
}

impl Feeder {
    /// Prepares to keep what `target` fails over below `keep`.
    ///
    /// # Errors
    /// When no file can be made there.
    pub fn new(target: &Target, keep: &Path) -> Result<Self, Crash> {
        let folder = keep.join(target.name);
        match fs::create_dir_all(&folder).and_then(|()| File::create(folder.join("current"))) {
            Ok(current) => Ok(Self { target: *target, folder, current }),
            Err(error) => Err(Crash { target: target.name, problem: error.to_string(), path: folder }),
        }
    }

    /// Runs the target over one input.
    ///
    /// # Errors
    /// When the target fails.
    pub fn run(&mut self, input: &[u8]) -> Result<(), Crash> {
        let kept = self.current.set_len(input.len() as u64).and_then(|()| self.current.write_all_at(input, 0));
        let start = Instant::now();
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| (self.target.run)(input)));
        let problem = match (outcome, kept) {
            (Err(panic), _) => message(&*panic),
            (Ok(()), _) if start.elapsed() > MAX_TIME => format!("it takes {} s", start.elapsed().as_secs()),
            (Ok(()), Err(error)) => format!("the input cannot be kept: {error}"),
            (Ok(()), Ok(())) => return Ok(()),
        };
        let path = self.folder.join(format!("crash-{}", hex(&Sha256::digest(input)[..8])));
        let path = if fs::write(&path, input).is_ok() { path } else { self.folder.join("current") };
        Err(Crash { target: self.target.name, problem, path })
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".to_owned())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
