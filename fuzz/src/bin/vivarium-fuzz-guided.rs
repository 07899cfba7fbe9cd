//! One target, fed by libFuzzer: inputs that reach something new are kept, and changed again. `fuzz/guided.py` builds it, with counters in
//! our crates, and runs it.
#![no_main]

use std::path::Path;
use std::sync::OnceLock;

use vivarium_fuzz::TARGETS;

/// Names the target.
const TARGET: &str = "VIVARIUM_FUZZ_TARGET";

/// Names a folder for the seeds of all targets: they are written, and that is all.
const SEEDS: &str = "VIVARIUM_FUZZ_SEEDS";

static RUN: OnceLock<fn(&[u8])> = OnceLock::new();

libfuzzer_sys::fuzz_target!(init: start(), |input: &[u8]| RUN.get_or_init(target)(input));

fn start() {
    if let Ok(folder) = std::env::var(SEEDS) {
        write_seeds(Path::new(&folder)).expect("the seeds can be written");
        std::process::exit(0);
    }
    // Before anything is counted.
    RUN.get_or_init(target);
}

fn target() -> fn(&[u8]) {
    let name = std::env::var(TARGET).unwrap_or_default();
    let target = TARGETS.iter().find(|target| target.name == name);
    target.unwrap_or_else(|| panic!("{TARGET} is {name:?}, which is no target")).run
}

fn write_seeds(folder: &Path) -> std::io::Result<()> {
    for target in &TARGETS {
        let folder = folder.join(target.name);
        std::fs::create_dir_all(&folder)?;
        for (index, seed) in (target.seeds)().iter().enumerate() {
            std::fs::write(folder.join(index.to_string()), seed)?;
        }
    }
    Ok(())
}
