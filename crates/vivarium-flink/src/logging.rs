//! Log lines of the worker and of Python code, sent to Flink: they stand in the TaskManager's log.

use std::fmt::{self, Write as _};
use std::time::SystemTime;

use futures::StreamExt as _;
use futures::channel::mpsc;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use crate::error::Error;
use crate::protocol::messages::{LogEntries, LogEntry, Timestamp};
use crate::protocol::services::Server;

/// Entries that wait to be sent; what comes beyond them is dropped. A sandbox's own output is limited before it gets here.
const WAITING: usize = 4096;

/// Entries of one message.
const TOGETHER: usize = 256;

/// A layer of `tracing` whose events go to Flink, once it is [connected](LogSink::connect).
#[derive(Debug, Clone)]
pub struct FlinkLog {
    entries: mpsc::Sender<LogEntry>,
}

/// The other end of a [`FlinkLog`].
#[derive(Debug)]
pub struct LogSink {
    entries: mpsc::Receiver<LogEntry>,
}

/// A log that goes to Flink: install the layer, connect the sink.
pub fn log() -> (FlinkLog, LogSink) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (FlinkLog { entries: sender }, LogSink { entries: receiver })
}

impl LogSink {
    /// Sends entries to Flink's logging server from now on.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub(crate) async fn connect(self, url: &str, worker: &str) -> Result<(), Error> {
        let mut server = Server::connect(url, worker).await?;
        let messages = self.entries.ready_chunks(TOGETHER).map(|log_entries| LogEntries { log_entries });
        tokio::spawn(async move {
            // A worker goes on without its log.
            if let Ok(mut control) = server.logging(messages).await {
                while control.next().await.is_some() {}
            }
        });
        Ok(())
    }
}

impl<S: Subscriber> Layer<S> for FlinkLog {
    /// Nothing of the transport: sending it would never end, and its spans, of every frame, cost when they are only made.
    fn enabled(&self, metadata: &Metadata<'_>, _context: Context<'_, S>) -> bool {
        metadata.target().starts_with("vivarium")
    }

    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let metadata = event.metadata();
        let mut text = Text::default();
        event.record(&mut text);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let entry = LogEntry {
            severity: severity(*metadata.level()),
            timestamp: Some(Timestamp {
                seconds: now.as_secs().cast_signed(),
                nanos: now.subsec_nanos().cast_signed(),
            }),
            message: text.0,
            log_location: metadata.target().to_owned(),
            ..LogEntry::default()
        };
        // Full: the entry is dropped.
        let _ = self.entries.clone().try_send(entry);
    }
}

/// `LogEntry.Severity`.
fn severity(level: Level) -> i32 {
    match level {
        Level::TRACE => 1,
        Level::DEBUG => 2,
        Level::INFO => 3,
        Level::WARN => 5,
        Level::ERROR => 6,
    }
}

/// The message, with what makes it clear whose it is.
#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "instruction" {
            // Writing to a String does not fail.
            let _ = write!(self.0, " [instruction {value}]");
        }
    }

    fn record_error(&mut self, _field: &Field, value: &(dyn std::error::Error + 'static)) {
        let _ = write!(self.0, ": {value}");
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.0.insert_str(0, &format!("{value:?}")),
            "error" => {
                let _ = write!(self.0, ": {value:?}");
            }
            _ => {}
        }
    }
}
