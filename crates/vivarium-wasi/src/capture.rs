//! Output that is kept in memory.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::output::OutputSink;

/// Keeps what the guest writes, up to a limit. Clones share what they keep.
#[derive(Clone)]
pub struct Capture {
    kept: Arc<Mutex<Vec<u8>>>,
    max_bytes: usize,
}

impl Capture {
    /// Keeps the first `max_bytes` bytes and drops the rest.
    pub fn new(max_bytes: usize) -> Self {
        Self { kept: Arc::default(), max_bytes }
    }

    /// What was written so far, which is forgotten.
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        // Bytes are appended or taken whole, so a panic elsewhere leaves them valid.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Capture {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Capture").field("bytes", &self.lock().len()).finish_non_exhaustive()
    }
}

impl OutputSink for Capture {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut kept = self.lock();
        let room = self.max_bytes.saturating_sub(kept.len());
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capture_keeps_no_more_than_it_should() {
        let capture = Capture::new(5);
        let mut sink = capture.clone();
        sink.write(b"abc").unwrap();
        sink.write(b"defg").unwrap();
        assert_eq!(capture.take(), b"abcde");
        assert_eq!(capture.take(), b"");
    }
}
