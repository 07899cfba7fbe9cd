//! Panics of the libraries that read files and run SQL, as failures of the file or the statement.
//!
//! A panic's message does not help a user: its place is in a library's source. So nothing is printed when one happens; the caller that
//! waits for the work gets an error, and the log (`VIVARIUM_LOG=debug`) has the place.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::{Mutex, PoisonError};

use futures::FutureExt;

/// Readers of files, by the names of their crates. A panic in one of them is about the file.
const READERS: [&str; 9] = [
    "parquet-",
    "arrow-ipc-",
    "arrow-csv-",
    "arrow-json-",
    "datafusion-datasource",
    "flatbuffers-",
    "csv-core-",
    "snap-",
    "brotli",
];

/// A panic that was caught.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panic {
    message: String,
    /// Where in which crate: `parquet-59.3.2/src/file/reader.rs:12`.
    place: String,
}

thread_local! {
    /// The place of the panic that unwinds this thread.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// The place of the last panic of any thread: one that a task's own executor caught and raised again elsewhere.
static LAST: Mutex<Option<String>> = Mutex::new(None);

/// Keeps panics from printing anything. Call it once.
pub fn quiet() {
    std::panic::set_hook(Box::new(|info: &PanicHookInfo<'_>| {
        let place = info.location().map(|location| within_crate(&format!("{}:{}", location.file(), location.line())));
        let place = place.unwrap_or_default();
        tracing::debug!(place, message = %vivarium_text::line(&text(info.payload()), 500), "a panic");
        PLACE.set(Some(place.clone()));
        *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
    }));
}

/// Runs a future to its end or to its panic.
///
/// # Errors
/// The panic. What the future worked on is not used again.
pub async fn caught<T>(work: impl Future<Output = T>) -> Result<T, Panic> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|payload| Panic::of(&*payload))
}

/// Runs a function to its end or to its panic.
///
/// # Errors
/// The panic. What the function worked on is not used again.
pub fn caught_in<T>(work: impl FnOnce() -> T) -> Result<T, Panic> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| Panic::of(&*payload))
}

impl Panic {
    /// What a thread or task left when it panicked.
    pub fn of(payload: &(dyn Any + Send)) -> Self {
        let here = PLACE.take();
        let place = here.or_else(|| LAST.lock().unwrap_or_else(PoisonError::into_inner).clone());
        Self { message: text(payload), place: place.unwrap_or_default() }
    }

    /// Whether it happened in a reader of files.
    pub fn is_of_reader(&self) -> bool {
        READERS.iter().any(|reader| self.place.starts_with(reader))
    }
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = vivarium_text::line(&self.message, 300);
        match self.place.as_str() {
            "" => write!(f, "{message}"),
            place => write!(f, "{message} ({place})"),
        }
    }
}

impl std::error::Error for Panic {}

/// The part of a path that begins with the crate's folder.
fn within_crate(path: &str) -> String {
    let parts: Vec<_> = path.split('/').collect();
    let source = parts.iter().rposition(|part| *part == "src").unwrap_or(0);
    parts[source.saturating_sub(1)..].join("/")
}

fn text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_one_in_its_crate() {
        assert_eq!(
            within_crate("/home/me/registry/src/index/parquet-59.3.2/src/file/reader.rs:1"),
            "parquet-59.3.2/src/file/reader.rs:1"
        );
        assert_eq!(within_crate("/rustc/abc/library/core/src/slice/mod.rs:7"), "core/src/slice/mod.rs:7");
        assert_eq!(within_crate("reader.rs:1"), "reader.rs:1");
    }

    #[test]
    fn a_panic_is_an_error_with_its_message() {
        let panic = caught_in(|| -> () { std::panic::panic_any("no such page".to_owned()) }).unwrap_err();
        assert!(panic.to_string().starts_with("no such page"), "{panic}");
    }
}
