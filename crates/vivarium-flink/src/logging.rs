//! Log lines of the worker and of Python code, sent to Flink: they stand in the TaskManager's log.

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use futures::Stream;
use tokio::sync::mpsc;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use crate::error::Error;
use crate::protocol::messages::{LogEntries, LogEntry, Timestamp};
use crate::protocol::services::Server;

/// Entries that wait to be sent; what comes beyond them is dropped, and Flink's log says how many were. A sandbox's own output is
/// limited before it gets here.
const WAITING: usize = 4096;

/// Bytes of one message: those of the longest line of Python's, escaped.
const MESSAGE: usize = 32 << 10;

/// Entries of one message.
const TOGETHER: usize = 256;

/// A layer of `tracing` whose events go to Flink, once it is connected.
#[derive(Debug, Clone)]
pub struct FlinkLog {
    entries: mpsc::Sender<LogEntry>,
    dropped: Arc<AtomicU64>,
}

/// The other end of a [`FlinkLog`].
#[derive(Debug)]
pub struct LogSink {
    entries: mpsc::Receiver<LogEntry>,
    dropped: Arc<AtomicU64>,
}

/// A log that goes to Flink: install the layer, connect the sink.
pub fn log() -> (FlinkLog, LogSink) {
    let (sender, receiver) = mpsc::channel(WAITING);
    let dropped = Arc::<AtomicU64>::default();
    (FlinkLog { entries: sender, dropped: Arc::clone(&dropped) }, LogSink { entries: receiver, dropped })
}

impl LogSink {
    /// Sends entries to Flink's logging server from now on.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub(crate) async fn connect(self, url: &str, worker: &str) -> Result<(), Error> {
        let mut server = Server::connect(url, worker).await?;
        let messages = self.messages();
        tokio::spawn(async move {
            // A worker goes on without its log.
            if let Ok(mut control) = server.logging(messages).await {
                while let Ok(Some(_)) = control.next().await {}
            }
        });
        Ok(())
    }

    /// What waits, some entries at a time, with a notice of how many found no place.
    fn messages(self) -> impl Stream<Item = LogEntries> + Send + 'static {
        futures::stream::unfold(self, |mut sink| async move {
            let mut log_entries = Vec::new();
            if sink.entries.recv_many(&mut log_entries, TOGETHER).await == 0 {
                return None;
            }
            let dropped = sink.dropped.swap(0, Ordering::Relaxed);
            if dropped > 0 {
                log_entries.push(entry(
                    Level::WARN,
                    module_path!(),
                    format!("{dropped} log entries were dropped: they came faster than Flink takes them"),
                ));
            }
            Some((LogEntries { log_entries }, sink))
        })
    }
}

/// An entry of now.
fn entry(level: Level, location: &str, message: String) -> LogEntry {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    LogEntry {
        severity: severity(level),
        timestamp: Some(Timestamp { seconds: now.as_secs().cast_signed(), nanos: now.subsec_nanos().cast_signed() }),
        message,
        log_location: location.to_owned(),
        ..LogEntry::default()
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
        // One line, whatever the event's fields hold.
        let message = vivarium_text::line(&text.0, MESSAGE);
        if self.entries.try_send(entry(*metadata.level(), metadata.target(), message)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
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

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[tokio::test]
    async fn entries_wait_in_a_bounded_queue_and_the_rest_is_counted() {
        let (layer, sink) = log();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            for number in 0..WAITING + 1000 {
                tracing::info!("line {number}");
            }
        });
        assert_eq!(sink.entries.len(), WAITING);
        let mut messages = std::pin::pin!(sink.messages());
        let first = messages.next().await.unwrap().log_entries;
        assert_eq!(first.len(), TOGETHER + 1);
        assert_eq!(first[0].message, "line 0");
        assert_eq!(first[TOGETHER].message, "1000 log entries were dropped: they came faster than Flink takes them");
        // It is said once, and the others follow.
        let rest: Vec<_> = messages.flat_map(|message| futures::stream::iter(message.log_entries)).collect().await;
        assert_eq!(rest.len(), WAITING - TOGETHER);
    }

    #[tokio::test]
    async fn an_error_cannot_forge_an_entry() {
        let (layer, sink) = log();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let error = std::io::Error::other("bad\n2026-11-30 INFO forged\u{202e}");
            tracing::warn!(%error, instruction = "7", "a bundle\nfailed");
        });
        let entries = std::pin::pin!(sink.messages()).next().await.unwrap().log_entries;
        assert_eq!(entries.len(), 1);
        let expected = "a bundle\\nfailed: bad\\n2026-11-30 INFO forged\\u202e [instruction 7]";
        assert_eq!(entries[0].message, expected);
    }
}
