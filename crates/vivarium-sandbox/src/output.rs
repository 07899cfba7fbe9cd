//! Where the guest's standard streams come from and go to.
//!
//! By default what Python prints becomes tracing events, one a line, tagged with tenant, job, task and function, so that
//! an engine's log tells whose line it is. A command line tool passes the streams through instead.

mod inherited;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vivarium_tenancy::TaskAccount;
use vivarium_text as text;

use crate::wasi::{Admitted, Capture, OutputSink, Room, Stdin};
use inherited::Inherited;

/// What Python reads from stdin.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum InputSource {
    /// Nothing: end of file at once.
    #[default]
    Empty,
    /// These bytes.
    Bytes(Arc<[u8]>),
    /// The stdin of this process.
    Inherit,
}

impl InputSource {
    pub(crate) fn stream(&self) -> Stdin {
        match self {
            Self::Empty => Stdin::Empty,
            Self::Bytes(bytes) => Stdin::Bytes(Arc::clone(bytes)),
            Self::Inherit => Stdin::Reader(Box::new(tokio::io::stdin())),
        }
    }
}

/// Where what Python writes to stdout or stderr goes.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum OutputTarget {
    /// Tracing events of the target `vivarium::python`: at level `INFO` from stdout and `WARN` from stderr, one a line,
    /// with the fields `tenant`, `job`, `task`, `function`, `first_row` and `rows` (the rows of the input that the call was
    /// for) and `stream`. Control characters are escaped.
    #[default]
    Log,
    /// The same stream of this process, byte for byte, by a thread of its own. The guest waits while the reader of a pipe is slow,
    /// until the deadline of its call: for command line tools, not for servers.
    Inherit,
    /// Memory.
    Capture(Capture),
    /// Nowhere.
    Discard,
}

/// Which of the two output streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

impl OutputTarget {
    pub(crate) fn sink(&self, stream: Stream, labels: &Arc<Labels>) -> Box<dyn OutputSink> {
        match self {
            Self::Log => Box::new(LogLines { stream, labels: Arc::clone(labels), line: Vec::new() }),
            Self::Inherit => Box::new(Inherited::new(stream)),
            Self::Capture(capture) => Box::new(capture.clone()),
            Self::Discard => Box::new(crate::wasi::Discard),
        }
    }
}

/// Whose lines they are.
pub(crate) struct Labels {
    task: Arc<TaskAccount>,
    /// Whether something is running.
    runs: AtomicBool,
    /// What is running, or was the last to run.
    call: Mutex<Running>,
}

/// A function, and the first and the number of the rows it is called for.
#[derive(Clone, Default)]
struct Running {
    function: Option<Arc<str>>,
    rows: Option<(u64, u64)>,
}

impl Labels {
    pub(crate) fn new(task: &Arc<TaskAccount>) -> Self {
        Self { task: Arc::clone(task), runs: AtomicBool::new(false), call: Mutex::default() }
    }

    /// A call begins: of this function, for so many rows from the first one on.
    pub(crate) fn begin_call(&self, function: Option<&Arc<str>>, rows: (u64, u64)) {
        let mut call = self.lock();
        self.runs.store(true, Ordering::Relaxed);
        call.rows = Some(rows);
        // It is nearly always the one before.
        let same = match (&call.function, function) {
            (Some(before), Some(now)) => Arc::ptr_eq(before, now),
            (before, now) => before.is_none() && now.is_none(),
        };
        if !same {
            call.function = function.cloned();
        }
    }

    pub(crate) fn end_call(&self) {
        self.runs.store(false, Ordering::Relaxed);
    }

    fn call(&self) -> Running {
        let call = self.lock();
        if self.runs.load(Ordering::Relaxed) { call.clone() } else { Running::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        // Nothing panics between two changes that belong together.
        self.call.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes of an unfinished line that are kept; a longer line becomes several events.
const MAX_LINE: usize = 8 << 10;

/// What an event costs at least, in bytes: its time, level and labels.
const LINE_COST: usize = 128;

/// Turns lines into tracing events.
struct LogLines {
    stream: Stream,
    labels: Arc<Labels>,
    /// The line that has not ended yet.
    line: Vec<u8>,
}

/// A step through what is written: bytes of a line, or the end of one.
enum Step {
    /// So many bytes that belong to the line.
    Content(usize),
    /// A line feed.
    End,
    /// The line is as long as an event may be.
    Full,
}

impl Step {
    /// The next step, behind `line` bytes of a line.
    fn next(line: usize, rest: &[u8]) -> Option<Self> {
        Some(match rest.first()? {
            b'\n' => Self::End,
            _ if line >= MAX_LINE => Self::Full,
            _ => {
                let most = &rest[..rest.len().min(MAX_LINE - line)];
                Self::Content(most.iter().position(|byte| *byte == b'\n').unwrap_or(most.len()))
            }
        })
    }
}

impl LogLines {
    fn emit(&mut self) {
        let line = text::line(&String::from_utf8_lossy(&self.line), usize::MAX);
        self.line.clear();
        let (task, Running { function, rows }) = (&self.labels.task, self.labels.call());
        let (tenant, job, id, function) = (task.tenant().id(), task.job(), task.id(), function.as_deref());
        let (first_row, rows) = rows.unzip();
        match self.stream {
            Stream::Stdout => {
                tracing::info!(target: "vivarium::python", %tenant, %job, task = %id, function, first_row, rows, stream = "stdout", "{line}");
            }
            Stream::Stderr => {
                tracing::warn!(target: "vivarium::python", %tenant, %job, task = %id, function, first_row, rows, stream = "stderr", "{line}");
            }
        }
    }
}

impl OutputSink for LogLines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while let Some(step) = Step::next(self.line.len(), rest) {
            match step {
                Step::Content(length) => {
                    let (content, behind) = rest.split_at(length);
                    self.line.extend_from_slice(content);
                    rest = behind;
                }
                Step::End => {
                    rest = &rest[1..];
                    self.emit();
                }
                Step::Full => self.emit(),
            }
        }
        Ok(())
    }

    /// A byte costs a byte, and a line no less than [`LINE_COST`].
    fn admit(&self, bytes: &[u8], room: Room) -> Admitted {
        let (mut line, mut rest, mut credit) = (self.line.len(), bytes, room.credit);
        let mut lines = 0;
        while let Some(step) = Step::next(line, rest) {
            let (length, cost) = match step {
                Step::Content(length) => {
                    let length = usize::try_from(credit).unwrap_or(usize::MAX).min(length);
                    (length, length)
                }
                Step::End => (1, LINE_COST.saturating_sub(line).max(1)),
                Step::Full => (0, 0),
            };
            let ends = !matches!(step, Step::Content(_));
            if cost as u64 > credit || (length == 0 && !ends) || (ends && lines == room.lines) {
                break;
            }
            credit -= cost as u64;
            rest = &rest[length..];
            line = if ends { 0 } else { line + length };
            lines += usize::from(ends);
        }
        let rest_comes_later = !rest.is_empty() && lines == room.lines;
        Admitted { bytes: bytes.len() - rest.len(), cost: room.credit - credit, lines, rest_comes_later }
    }

    fn counts_towards_shared_rate(&self) -> bool {
        true
    }
}

impl Drop for LogLines {
    /// A last line without an end is a line too.
    fn drop(&mut self) {
        if !self.line.is_empty() {
            self.emit();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Mutex;

    use vivarium_tenancy::{JobId, TaskId, Tenant, TenantId, TenantLimits};

    use super::*;

    /// Collects formatted events.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(stream: Stream, writes: &[&[u8]]) -> String {
        let tenant = Tenant::new(TenantId::new("acme").unwrap(), &TenantLimits::default());
        let task = tenant.task(JobId::new("j1").unwrap(), TaskId::new("t2").unwrap());
        let labels = Arc::new(Labels::new(&task));
        labels.begin_call(Some(&"price".into()), (100, 20));
        let log = Log::default();
        let writer = log.clone();
        let subscriber =
            tracing_subscriber::fmt().without_time().with_ansi(false).with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            let mut sink = OutputTarget::Log.sink(stream, &labels);
            for bytes in writes {
                sink.write(bytes).unwrap();
            }
        });
        let bytes = log.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn each_line_is_an_event_that_says_whose_it_is() {
        let log = logged(Stream::Stdout, &[b"one\ntw", b"o\n", b"last"]);
        let lines: Vec<&str> = log.lines().collect();
        assert_eq!(lines.len(), 3, "{log}");
        assert!(lines[1].contains("INFO vivarium::python: two"), "{log}");
        for label in
            ["tenant=acme", "job=j1", "task=t2", "function=\"price\"", "first_row=100", "rows=20", "stream=\"stdout\""]
        {
            assert!(lines[0].contains(label), "{label}: {log}");
        }
        assert!(logged(Stream::Stderr, &[b"careful\n"]).contains("WARN vivarium::python: careful"));
    }

    #[test]
    fn labels_are_those_of_the_call_that_runs() {
        let labels = Labels::new(&TaskAccount::local());
        let label = |labels: &Labels| {
            let Running { function, rows } = labels.call();
            (function.as_deref().map(str::to_owned), rows)
        };
        let (price, tax): (Arc<str>, Arc<str>) = ("price".into(), "tax".into());
        for function in [Some(&price), Some(&price), Some(&tax), None, None, Some(&tax)] {
            labels.begin_call(function, (5, 1));
            assert_eq!(label(&labels), (function.map(|name| name.to_string()), Some((5, 1))));
            labels.end_call();
            assert_eq!(label(&labels), (None, None));
        }
    }

    #[test]
    fn a_line_cannot_forge_another() {
        let log = logged(Stream::Stdout, &[b"a\r INFO forged\x1b[2K\xff\n"]);
        assert_eq!(log.lines().count(), 1);
        assert!(log.contains("a\\r INFO forged\\x1b[2K\u{fffd}"), "{log}");
        let endless = vec![b'x'; 3 * MAX_LINE + 1];
        assert_eq!(logged(Stream::Stdout, &[&endless[..100], &endless[100..]]).lines().count(), 4);
    }

    /// What a stream of lines admits, and how many events it then makes.
    fn admitted(before: &[u8], bytes: &[u8], room: Room) -> Admitted {
        let tenant = Tenant::new(TenantId::new("acme").unwrap(), &TenantLimits::default());
        let task = tenant.task(JobId::new("j1").unwrap(), TaskId::new("t2").unwrap());
        let mut lines = LogLines { stream: Stream::Stdout, labels: Arc::new(Labels::new(&task)), line: Vec::new() };
        lines.write(before).unwrap();
        lines.admit(bytes, room)
    }

    #[test]
    fn a_line_costs_what_its_event_does() {
        let room = |credit, lines| Room { credit, lines };
        let admits = |bytes, cost, lines, rest_comes_later| Admitted { bytes, cost, lines, rest_comes_later };
        // An empty line costs as much as a short one, and a long one its length.
        assert_eq!(admitted(b"", b"\n\n\n", room(1000, 10)), admits(3, 384, 3, false));
        assert_eq!(admitted(b"", b"short\n", room(1000, 10)), admits(6, 128, 1, false));
        assert_eq!(admitted(b"", &[b'x'; 500], room(1000, 10)), admits(500, 500, 0, false));
        // What was written of the line before counts.
        assert_eq!(admitted(&[b'x'; 100], b"\n", room(1000, 10)), admits(1, 28, 1, false));
        // The credit ends in the middle of a line, and before an end that it cannot pay.
        assert_eq!(admitted(b"", b"abcdef\n", room(4, 10)), admits(4, 4, 0, false));
        assert_eq!(admitted(b"", b"\n\n\n", room(300, 10)), admits(2, 256, 2, false));
        // So many lines in one call; the guest comes again.
        assert_eq!(admitted(b"", b"\n\n\n", room(u64::MAX, 2)), admits(2, 256, 2, true));
        // A line without an end is several.
        let endless = vec![b'x'; 3 * MAX_LINE + 1];
        assert_eq!(admitted(b"", &endless, room(u64::MAX, 10)), admits(endless.len(), endless.len() as u64, 3, false));
        assert_eq!(admitted(b"", &endless, room(u64::MAX, 2)), admits(3 * MAX_LINE, 3 * MAX_LINE as u64, 2, true));
    }
}
