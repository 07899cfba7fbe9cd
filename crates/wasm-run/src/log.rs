//! What Python functions print, and this program's own log: both on standard error.

use std::fmt;
use std::io::{self, Write};

use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry};

use crate::options::OutputOptions;

/// The target of events that are lines of Python's output.
const PYTHON: &str = "vivarium::python";

/// The variable that asks for a log.
const LOG_VARIABLE: &str = "VIVARIUM_LOG";

/// Begins to show events.
pub fn start(options: &OutputOptions) {
    let python = (!options.quiet).then_some(PythonOutput { json: options.json });
    let log = std::env::var_os(LOG_VARIABLE).map(|_| {
        // Colours would be escaped with everything else that a terminal obeys.
        let layer = tracing_subscriber::fmt::layer().with_writer(|| Lines(std::io::stderr())).with_ansi(false);
        layer.with_filter(EnvFilter::from_env(LOG_VARIABLE))
    });
    // A subscriber of another part of the process would go first; there is none in this program.
    let _ = Registry::default().with(python).with(log).try_init();
}

/// Standard error for the log: an event is a line, whatever its fields hold. The formatter writes each event in one piece.
struct Lines<W: Write>(W);

impl<W: Write> Write for Lines<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        self.0.write_all(format!("{}\n", vivarium_text::line(text, usize::MAX)).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Begins to send events elsewhere, in place of showing them.
pub fn start_with(layer: impl Layer<Registry> + Send + Sync) {
    // A subscriber of another part of the process would go first; there is none in this program.
    let _ = Registry::default().with(layer).try_init();
}

/// Shows what functions print, a line for a line.
struct PythonOutput {
    json: bool,
}

impl<S: Subscriber> Layer<S> for PythonOutput {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        if event.metadata().target() != PYTHON {
            return;
        }
        let mut line = Line::default();
        event.record(&mut line);
        if self.json {
            note!(
                "{}",
                json!({"python": {
                    "function": line.function, "first_row": line.first_row, "rows": line.rows, "stream": line.stream,
                    "line": line.message,
                }})
            );
        } else {
            match line.function {
                Some(function) => note!("[{function}] {}", line.message),
                None => note!("[python] {}", line.message),
            }
        }
    }
}

#[derive(Default)]
struct Line {
    message: String,
    function: Option<String>,
    stream: Option<String>,
    first_row: Option<u64>,
    rows: Option<u64>,
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "function" => self.function = Some(value.to_owned()),
            "stream" => self.stream = Some(value.to_owned()),
            _ => {}
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "first_row" => self.first_row = Some(value),
            "rows" => self.rows = Some(value),
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_a_line() {
        let mut lines = Lines(Vec::new());
        lines.write_all(b"WARN x: failed error=a\n2026-11-30 INFO forged\x1b[2J\n").unwrap();
        assert_eq!(lines.0, b"WARN x: failed error=a\\n2026-11-30 INFO forged\\x1b[2J\n");
    }
}
