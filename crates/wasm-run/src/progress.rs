//! Progress on standard error: bars on a terminal, lines elsewhere, nothing when it is not wanted.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use vivarium_guest::{Event, StepState};

use crate::options::OutputOptions;

/// What takes less time than this shows no progress.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whether and how progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgressMode {
    /// Bars that redraw themselves.
    Bars,
    /// Lines of text.
    Lines,
    /// Nothing.
    Hidden,
}

impl ProgressMode {
    /// What the options and standard error allow.
    pub fn new(options: &OutputOptions) -> Self {
        match (options.quiet || options.json, std::io::stderr().is_terminal()) {
            (true, _) => Self::Hidden,
            (false, true) => Self::Bars,
            (false, false) => Self::Lines,
        }
    }
}

/// Rows on their way.
pub struct RowProgress {
    bar: ProgressBar,
    /// When the bar may be shown; `None` when it is shown, or never will be.
    pending: Option<Instant>,
}

impl RowProgress {
    /// Begins to count rows; `total` where the input says how many there are.
    pub fn start(mode: ProgressMode, total: Option<u64>) -> Self {
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
        let template = match total {
            Some(_) => "{bar:30} {human_pos}/{human_len} rows, {per_sec}, {eta} left",
            None => "{spinner} {human_pos} rows, {per_sec}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        let pending = (mode == ProgressMode::Bars).then(|| Instant::now() + PATIENCE);
        Self { bar, pending }
    }

    /// Counts rows that are done.
    pub fn add(&mut self, rows: u64) {
        self.bar.inc(rows);
        self.show_when_long();
    }

    /// Says how many rows are done.
    pub fn set(&mut self, rows: u64) {
        self.bar.set_position(rows);
        self.show_when_long();
    }

    fn show_when_long(&mut self) {
        if self.pending.is_some_and(|at| Instant::now() >= at) {
            self.pending = None;
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }
}

impl Drop for RowProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Steps of a guest build.
pub struct BuildProgress {
    mode: ProgressMode,
    bar: ProgressBar,
}

impl BuildProgress {
    /// Shows nothing until a first event comes.
    pub fn new(mode: ProgressMode) -> Self {
        Self { mode, bar: ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()) }
    }

    /// Shows what a build says.
    pub fn event(&mut self, event: &Event) {
        match event {
            Event::Waiting { lock } => {
                self.line(&format!("another process is building the guest; waiting for it ({})", lock.display()));
            }
            Event::Plan { image, folder, done, total } => {
                let (minutes, gigabytes) = (image.build_minutes, image.build_gigabytes);
                let already =
                    if *done > 0 { format!("; {done} of {total} steps are done already") } else { String::new() };
                self.line(&format!(
                    "building the guest image `{}` from sources, once: about {minutes} minutes on two cores and {gigabytes} GB in {}{already}",
                    image.name,
                    folder.display(),
                ));
            }
            Event::Step { name, about, index, total, state, seconds, log } => {
                let step = format!("[{index}/{total}] {name}: {about}");
                let time = seconds.map(|seconds| format!(" ({seconds:.1} s)")).unwrap_or_default();
                match state {
                    StepState::Started => match self.mode {
                        ProgressMode::Bars => self.spin(step),
                        _ => self.line(&step),
                    },
                    StepState::Finished if self.mode == ProgressMode::Bars => self.line(&format!("{step}{time}")),
                    StepState::Finished => self.line(&format!("[{index}/{total}] {name} done{time}")),
                    StepState::Cached => self.line(&format!("{step} (done before)")),
                    StepState::Failed => {
                        let log = log.as_ref().map(|log| format!("; see {}", log.display())).unwrap_or_default();
                        self.line(&format!("{step} failed{time}{log}"));
                    }
                }
            }
            // There is no other one in this version.
            _ => {}
        }
    }

    /// Shows that something of unknown length goes on.
    pub fn spin(&mut self, message: String) {
        match self.mode {
            ProgressMode::Bars => {
                if self.bar.is_hidden() {
                    self.bar.set_draw_target(ProgressDrawTarget::stderr());
                    if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}") {
                        self.bar.set_style(style);
                    }
                    self.bar.enable_steady_tick(Duration::from_millis(100));
                }
                self.bar.reset_elapsed();
                self.bar.set_message(message);
            }
            ProgressMode::Lines => self.line(&message),
            ProgressMode::Hidden => {}
        }
    }

    fn line(&self, line: &str) {
        match self.mode {
            ProgressMode::Bars if self.bar.is_hidden() => note!("{line}"),
            ProgressMode::Bars => self.bar.println(line),
            ProgressMode::Lines => note!("{line}"),
            ProgressMode::Hidden => {}
        }
    }
}

impl Drop for BuildProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
