//! `wasm-run guest test`: CPython's, NumPy's and pandas' own tests in the guest, compared with the list of expected failures.
//!
//! ```text
//!  wasm-python/tests/conformance/             cache directory/…/tests/{cpython,numpy}
//!    runner.py   cpython.json  numpy.json          |  the tests of the pinned sources
//!        |            |                            |
//!        |            v                            v /env, read-only
//!        |        suite.rs: which modules  --->  session.rs: one sandbox for each module; a new one after a crash
//!        +-----------------------------------------^   |
//!                                                      v events.rs: a line for every test
//!        expected.rs: the reasons  ---------------> verdict.rs ---> report.rs
//! ```
//!
//! See `docs/conformance.md` for what is run, and how to add to the lists.

mod events;
mod expected;
mod pattern;
mod report;
mod session;
mod suite;
mod verdict;

use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use futures::StreamExt;
use vivarium_guest::{ImageName, ImageStore, TestTrees};
use vivarium_sandbox::{Image, parse_duration};

use crate::failure::{Failure, written};
use crate::options::OutputOptions;
use crate::progress::{BuildProgress, ProgressMode};
use session::{ModuleRun, Session};
use suite::{Subset, Suite};
use verdict::Verdict;

/// Run CPython's, NumPy's and pandas' own tests in the guest.
///
/// Each test module has a sandbox of its own. Failures are compared with a list of expected failures, each with its
/// reason. Ends with status 1 when a test fails that is not on the list.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wasm-run guest test
  wasm-run guest test --subset full --strict
  wasm-run guest test test_json numpy/ma/tests/test_core.py")]
pub struct GuestTest {
    /// Test modules: of CPython (`test_json`) or NumPy (`numpy/ma/tests/test_core.py`) [default: those of the subset].
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,

    /// Whose tests [default: of everything in the image].
    #[arg(long, value_enum)]
    pub suite: Option<Suite>,

    /// The image to test.
    #[arg(long, value_name = "NAME", default_value_t)]
    pub image: ImageName,

    /// How many of the modules: `ci` takes some minutes, `full` twice as long.
    #[arg(long, value_enum, default_value_t = Subset::Ci)]
    pub subset: Subset,

    /// How many modules run at the same time [default: one for each core].
    #[arg(long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,

    /// Time for each module.
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = parse_duration)]
    pub timeout: Duration,

    /// Also fail when an expected failure passes, so that the list stays true.
    #[arg(long)]
    pub strict: bool,

    #[command(flatten)]
    pub messages: OutputOptions,
}

/// Runs the tests and writes the report to standard output.
///
/// # Errors
/// When the tests cannot be run. Tests that fail are part of the report, and of the exit status.
pub async fn execute(arguments: GuestTest) -> Result<ExitCode, Failure> {
    let jobs = arguments.jobs.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    let image = crate::guest::open(&arguments.messages, &(&arguments.image).into(), jobs).await?;
    let mut progress = BuildProgress::new(ProgressMode::new(&arguments.messages));
    let trees = ImageStore::open()?.of(arguments.image.clone()).test_trees(&mut |event| progress.event(&event)).await?;
    drop(progress);
    let modules = suite::choose(arguments.suite, arguments.subset, &arguments.names, &trees)?;
    let verdicts = run(&arguments, &image, &trees, modules, jobs).await?;
    let mut output = io::stdout();
    written(match arguments.messages.json {
        true => report::json(&mut output, &verdicts),
        false => report::summary(&mut output, &verdicts),
    })?;
    let passed = verdicts.iter().all(|verdict| verdict.passed(arguments.strict));
    Ok(ExitCode::from(u8::from(!passed)))
}

/// Runs the modules, `jobs` at a time.
async fn run(
    arguments: &GuestTest,
    image: &Image,
    trees: &TestTrees,
    modules: BTreeMap<Suite, Vec<String>>,
    jobs: usize,
) -> Result<Vec<Verdict>, Failure> {
    let mut work = Vec::new();
    for (suite, names) in modules {
        let Some(tree) = suite.tree(trees) else { continue };
        let session = Arc::new(Session::new(image, suite, &tree, arguments.timeout)?);
        work.extend(names.into_iter().map(|name| (suite, Arc::clone(&session), name)));
    }
    // A task for each module, because a guest keeps its thread busy until the next tick of its epoch.
    let mut finished = futures::stream::iter(work)
        .map(|(suite, session, module)| async move {
            (suite, tokio::spawn(async move { session.run(&module).await }).await)
        })
        .buffer_unordered(jobs);
    let mut runs: BTreeMap<Suite, Vec<ModuleRun>> = BTreeMap::new();
    while let Some((suite, run)) = finished.next().await {
        let run = run.map_err(Failure::internal)??;
        if !arguments.messages.quiet && !arguments.messages.json {
            written(report::module(&mut io::stderr(), &run))?;
        }
        runs.entry(suite).or_default().push(run);
    }
    Ok(runs.into_iter().map(|(suite, runs)| Verdict::new(suite, runs)).collect())
}
