//! Log lines of Python code, by tenant: what an engine's log would hold.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// Collects events of the target `vivarium::python`.
#[derive(Clone, Default)]
pub struct LogBook(Arc<Mutex<HashMap<String, Vec<String>>>>);

impl LogBook {
    /// Collects from now on, for the whole process.
    pub fn start() -> Self {
        let book = Self::default();
        tracing_subscriber::registry().with(book.clone()).init();
        book
    }

    /// The lines of one tenant.
    pub fn lines(&self, tenant: &str) -> Vec<String> {
        self.0.lock().expect("no thread panics while it holds the book").get(tenant).cloned().unwrap_or_default()
    }
}

impl<S: Subscriber> Layer<S> for LogBook {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        if event.metadata().target() != "vivarium::python" {
            return;
        }
        let mut line = Line::default();
        event.record(&mut line);
        let mut book = self.0.lock().expect("no thread panics while it holds the book");
        book.entry(line.tenant).or_default().push(line.message);
    }
}

#[derive(Default)]
struct Line {
    tenant: String,
    message: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "tenant" => self.tenant = format!("{value:?}"),
            "message" => self.message = format!("{value:?}"),
            _ => {}
        }
    }
}
