//! The whole benchmark, stage by stage: every result is kept at once, and a run that ended early can be continued.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use vivarium::{Image, SandboxConfig};
use vivarium_guest::{ImageStore, Manifest};

use crate::contender::Contender;
use crate::contenders::{FLINK_PROCESS, FLINK_THREAD, ROW_BY_ROW, Sandboxed, enlist};
use crate::flink::Flink;
use crate::machine::Machine;
use crate::material::{Case, Material};
use crate::measures;
use crate::report;
use crate::results::{Measure, Results};
use crate::rounds::{Effort, compare};
use crate::work::{self, Kind, Work};
use crate::workshop::Workshop;

/// Rows per batch of the report's main table.
pub const BATCH: usize = 8192;
/// All sizes of batches.
pub const BATCHES: [usize; 5] = [1, 128, 1024, BATCH, 65_536];
/// Work that is also measured with several threads.
const THREADED: [&str; 3] = ["add one", "business rule", "vectorized add"];
/// Work that a quick run does with every size of batch.
const QUICK: [&str; 4] = ["add one", "upper", "business rule", "vectorized add"];

/// What to measure and how long.
#[derive(Debug, Clone)]
pub struct Options {
    /// About how long the measuring takes, installations aside.
    pub time: Duration,
    /// Fewer cases.
    pub quick: bool,
    /// Only work whose name contains one of these; none: all.
    pub work: Vec<String>,
    /// Only contenders whose names contain one of these; none: all.
    pub contenders: Vec<String>,
    /// Go on with the results that are there.
    pub resume: bool,
    /// Where report, plots and results go.
    pub output: PathBuf,
    /// The program whose processes are timed.
    pub wasm_run: PathBuf,
}

/// Runs the benchmark and writes its report; the path of the report.
///
/// # Errors
/// When the sandbox itself fails, or results cannot be written. A contender that fails is in the report.
pub async fn run(
    image: &Image,
    store: &ImageStore,
    manifest: &Manifest,
    options: &Options,
    tell: &mut (dyn FnMut(&str) + Send),
) -> Result<PathBuf> {
    std::fs::create_dir_all(options.output.join("benchmarks"))
        .with_context(|| format!("cannot create {}", options.output.display()))?;
    let kept = options.output.join("benchmarks/results.json");
    let effort = format!("{}{} s", if options.quick { "quick, " } else { "" }, options.time.as_secs());
    let results = match Results::read(&kept) {
        Ok(results) if options.resume => results,
        _ => Results::new(Machine::here(manifest), effort),
    };
    let workshop = Workshop::open(store, manifest, None)?;
    let files = tempfile::tempdir()?;
    let started = Instant::now();
    let image_folder = store.locate()?.directory;
    let mut run = Run { options, image, image_folder, workshop, files: files.path(), results, kept, tell, started };
    run.stages().await?;
    run.results.seconds += started.elapsed().as_secs_f64();
    run.results.write(&run.kept)?;
    report::write(&run.results, &options.output)
}

struct Run<'a> {
    options: &'a Options,
    image: &'a Image,
    /// The folder of the image, for a runtime with room for more sandboxes.
    image_folder: PathBuf,
    workshop: Workshop,
    files: &'a Path,
    results: Results,
    kept: PathBuf,
    tell: &'a mut (dyn FnMut(&str) + Send),
    started: Instant,
}

/// Parts of the time that the stages take: rows, batches, threads, Flink; the rest is for the quantities of the sandbox alone.
const PARTS: [f64; 4] = [0.22, 0.30, 0.08, 0.30];

impl Run<'_> {
    async fn stages(&mut self) -> Result<()> {
        let works: Vec<Work> = work::all().into_iter().filter(|work| chosen(&self.options.work, work.name)).collect();
        let materials = works.iter().map(|work| Material::of_work(work, self.files)).collect::<Result<Vec<_>>>()?;
        (self.tell)("installing the contenders; the first time this downloads and compiles for some minutes");
        let mut contenders: Vec<Box<dyn Contender>> =
            vec![Box::new(Sandboxed::new(self.image, SandboxConfig::default()))];
        for enlisted in enlist(&self.workshop, |name| chosen(&self.options.contenders, name)).await {
            match enlisted {
                Ok(contender) => contenders.push(contender),
                Err((name, why)) => {
                    (self.tell)(&format!("{name} does not run: {why}"));
                    self.results.absent.insert(name.to_owned(), why.0);
                }
            }
        }
        self.started = Instant::now();
        self.alone().await?;

        let (scalar, others): (Vec<_>, Vec<_>) = materials
            .iter()
            .map(|material| (material, BATCH, 1))
            .partition(|(material, ..)| material.kind == Kind::Scalar);
        let part = |cases: &[_]| PARTS[0] * cases.len() as f64 / materials.len().max(1) as f64;
        // Only functions of a row run as columns.
        let row_by_row = chosen(&self.options.contenders, ROW_BY_ROW);
        if row_by_row {
            contenders.insert(1, Box::new(Sandboxed::row_by_row(self.image, SandboxConfig::default())));
        }
        self.compare(&mut contenders, &scalar, part(&scalar)).await?;
        if row_by_row {
            contenders.remove(1);
        }
        self.compare(&mut contenders, &others, part(&others)).await?;
        let sizes = |material: &&Material| {
            material.kind != Kind::Aggregate && (!self.options.quick || QUICK.contains(&material.name.as_str()))
        };
        let batches: Vec<_> = materials
            .iter()
            .filter(sizes)
            .flat_map(|material| BATCHES.into_iter().filter(|rows| *rows != BATCH).map(move |rows| (material, rows, 1)))
            .collect();
        self.compare(&mut contenders, &batches, PARTS[1]).await?;
        let cores = self.results.machine.cores;
        let counts: Vec<usize> = std::iter::successors(Some(2), |count| Some(count * 2))
            .take_while(|count| *count < cores)
            .chain((cores > 1).then_some(cores))
            .collect();
        let threads: Vec<_> = materials
            .iter()
            .filter(|material| THREADED.contains(&material.name.as_str()))
            .flat_map(|material| counts.iter().map(move |threads| (material, BATCH, *threads)))
            .collect();
        self.compare(&mut contenders, &threads, PARTS[2]).await?;
        drop(contenders);
        self.flink(&materials).await
    }

    /// Measures cases that are not there yet, in a part of the time.
    async fn compare(
        &mut self,
        contenders: &mut [Box<dyn Contender>],
        cases: &[(&Material, usize, usize)],
        part: f64,
    ) -> Result<()> {
        let rounds = if self.options.quick { 5 } else { 11 };
        // Calibrating takes about three turns.
        let turns = (cases.len() * contenders.len() * (rounds + 3)).max(1);
        let turn = self.options.time.mul_f64(part / turns as f64);
        let turn = turn.clamp(Duration::from_millis(4), Duration::from_millis(200));
        for &(material, rows, threads) in cases {
            if self.results.comparison(&material.name, rows, threads).is_some() {
                continue;
            }
            (self.tell)(&format!("{}: {rows} rows per batch, {threads} at a time", material.name));
            let case = Case { material, rows, threads };
            let comparison = compare(contenders, case, Effort { rounds, turn }).await;
            self.results.comparisons.push(comparison);
            self.keep()?;
        }
        Ok(())
    }

    /// What is measured of the sandbox alone.
    async fn alone(&mut self) -> Result<()> {
        let rounds = if self.options.quick { 5 } else { 15 };
        if self.results.measure("memory/idle/8").is_none() {
            (self.tell)("memory of instances");
            let measures = measures::memory::of_instances(self.image).await?;
            self.add(measures)?;
        }
        if self.results.measure("start/instance").is_none() {
            (self.tell)("starting instances and tasks");
            let measures = measures::start::instances(self.image, rounds).await?;
            self.add(measures)?;
        }
        if self.results.measure("limits/deadline").is_none() {
            (self.tell)("limits");
            let measures = measures::limits::of_calls(self.image, rounds).await?;
            self.add(measures)?;
        }
        if self.results.measure("start/process").is_none() {
            (self.tell)("processes and environments");
            // Packages need the machine's Python to have pip: without it there is no figure.
            match measures::start::processes(&self.workshop, &self.options.wasm_run, rounds).await {
                Ok(measures) => self.add(measures)?,
                Err(error) => {
                    (self.tell)(&format!("processes and environments: {error:#}"));
                    self.results.absent.insert("processes and environments".to_owned(), format!("{error:#}"));
                }
            }
        }
        if self.results.measure("fallback/columns").is_none() {
            (self.tell)("rows that are all the interpreter's");
            let measures = measures::fallback::of_columns(self.image, rounds).await?;
            self.add(measures)?;
        }
        if self.results.measure("tenants/idle").is_none() {
            (self.tell)("tenants beside each other");
            let mut measures = measures::tenants::latency(self.image).await?;
            measures.extend(measures::tenants::shares(self.image).await?);
            measures.extend(measures::tenants::idle(&self.image_folder).await?);
            self.add(measures)?;
        }
        if self.results.measure("growth/columns/1").is_none() {
            (self.tell)("growth with columns and instances, and copying");
            let turn = Duration::from_millis(if self.options.quick { 10 } else { 40 });
            let measures = measures::growth::with_columns(self.image, turn, rounds.min(7)).await?;
            self.add(measures)?;
            let mut sandbox = Sandboxed::new(self.image, SandboxConfig::default());
            for work in work::all().iter().filter(|work| work.kind == Kind::Scalar || work.kind == Kind::Vectorized) {
                let material = Material::of_work(work, self.files)?;
                if work.name == "add one" {
                    let cores = self.results.machine.cores;
                    let measures =
                        measures::growth::with_instances(&mut sandbox, &material, cores, rounds.min(7)).await?;
                    self.add(measures)?;
                }
                let measure = measures::growth::copying(&mut sandbox, &material).await?;
                self.add(vec![measure])?;
            }
        }
        Ok(())
    }

    async fn flink(&mut self, materials: &[Material]) -> Result<()> {
        if ![FLINK_PROCESS, FLINK_THREAD].iter().any(|name| chosen(&self.options.contenders, name)) {
            return Ok(());
        }
        let mut flink = match Flink::new(&self.workshop).await {
            Ok(flink) => flink,
            Err(why) => {
                (self.tell)(&format!("PyFlink does not run: {why}"));
                self.results.absent.insert("PyFlink".to_owned(), why.0);
                return Ok(());
            }
        };
        let begun = Instant::now();
        let limit = self.options.time.mul_f64(PARTS[3]);
        let mut sandbox = Sandboxed::new(self.image, SandboxConfig::default());
        let rounds = if self.options.quick { 1 } else { 3 };
        // The most telling ones first: there may be no time for all.
        let (first, later): (Vec<&Material>, Vec<&Material>) =
            materials.iter().partition(|material| QUICK.contains(&material.name.as_str()));
        for material in first.into_iter().chain(later) {
            if self.results.jobs.iter().any(|job| job.work == material.name) {
                continue;
            }
            if begun.elapsed() > limit {
                (self.tell)(&format!("no time for {} on PyFlink; --resume with more --time does it", material.name));
                continue;
            }
            (self.tell)(&format!("{} on PyFlink", material.name));
            let job = flink.compare(&mut sandbox, material, rounds, Duration::from_millis(100)).await;
            self.results.jobs.push(job);
            self.keep()?;
        }
        Ok(())
    }

    fn add(&mut self, measures: Vec<Measure>) -> Result<()> {
        self.results.measures.extend(measures);
        self.keep()
    }

    fn keep(&self) -> Result<()> {
        self.results.write(&self.kept)
    }
}

fn chosen(names: &[String], name: &str) -> bool {
    names.is_empty() || names.iter().any(|wanted| name.to_lowercase().contains(&wanted.to_lowercase()))
}
