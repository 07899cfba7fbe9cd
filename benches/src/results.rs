//! What a run found, as it is kept: the JSON of the report, and what an interrupted run goes on from.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::rounds::{Comparison, Side};
use crate::statistics::Samples;

/// Version of the file's form.
pub const FORMAT: u32 = 1;

/// Everything that was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// [`FORMAT`].
    pub format: u32,
    /// Where it was measured, and with which versions.
    pub machine: Machine,
    /// The options that decide how long and what, in words.
    pub effort: String,
    /// Seconds that measuring took, over all runs.
    pub seconds: f64,
    /// Contenders that could not be had at all, and why.
    pub absent: BTreeMap<String, String>,
    /// Cases on all contenders.
    pub comparisons: Vec<Comparison>,
    /// Jobs of Flink.
    pub jobs: Vec<Job>,
    /// Everything else.
    pub measures: Vec<Measure>,
}

/// Work as a job of a streaming engine, beside the sandbox in the same rounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Name of the work.
    pub work: String,
    /// Rows of the job.
    pub rows: usize,
    /// Seconds per row by contender, what starting a job costs taken off.
    pub sides: BTreeMap<String, Side>,
}

/// One quantity of the sandbox's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// Its name, the same in every run: `cold/task`.
    pub key: String,
    /// What it is, for people.
    pub what: String,
    /// `s`, `B`, `rows/s`, `1`.
    pub unit: String,
    /// One for each repetition.
    pub samples: Samples,
}

impl Results {
    /// Nothing yet.
    pub fn new(machine: Machine, effort: String) -> Self {
        Self {
            format: FORMAT,
            machine,
            effort,
            seconds: 0.0,
            absent: BTreeMap::new(),
            comparisons: Vec::new(),
            jobs: Vec::new(),
            measures: Vec::new(),
        }
    }

    /// Reads what an earlier run left.
    ///
    /// # Errors
    /// When it is missing, or of another format.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let results: Self = serde_json::from_slice(&text)
            .with_context(|| format!("{} is not a benchmark's results", path.display()))?;
        anyhow::ensure!(results.format == FORMAT, "{} is of format {}", path.display(), results.format);
        Ok(results)
    }

    /// Writes them, so that a run that ends here can be gone on with.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let partial = path.with_extension("json.partial");
        let write = || -> std::io::Result<()> {
            std::fs::write(&partial, serde_json::to_vec(self)?)?;
            std::fs::rename(&partial, path)
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }

    /// The comparison of a case, if it was measured.
    pub fn comparison(&self, work: &str, rows: usize, threads: usize) -> Option<&Comparison> {
        self.comparisons.iter().find(|one| one.work == work && one.rows == rows && one.threads == threads)
    }

    /// A quantity by its key.
    pub fn measure(&self, key: &str) -> Option<&Measure> {
        self.measures.iter().find(|measure| measure.key == key)
    }

    /// Quantities whose keys begin with this.
    pub fn measures_of<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a Measure> {
        self.measures.iter().filter(move |measure| measure.key.starts_with(prefix))
    }
}
