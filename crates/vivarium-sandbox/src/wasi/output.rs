//! The guest's standard output and error: where they go, and how fast.

use std::io;
use std::time::Instant;

use super::errno::{Errno, Result};

/// Takes what the guest writes to descriptor 1 or 2.
///
/// Called on the guest's thread while the guest waits, so it should neither block for long nor fail without need.
pub trait OutputSink: Send {
    /// Takes these bytes. They are any bytes: not whole lines, not valid UTF-8, and with control characters.
    ///
    /// # Errors
    /// An error becomes the guest's: `EPIPE` for a broken pipe, `EIO` for everything else.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Told once, when output begins to be dropped for exceeding its rate. Unless overridden the notice, a line of
    /// text, is written like output.
    ///
    /// # Errors
    /// As [`OutputSink::write`].
    fn limit_reached(&mut self, notice: &str) -> io::Result<()> {
        self.write(notice.as_bytes())
    }
}

/// A sink that drops everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Discard;

impl OutputSink for Discard {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<()> {
        Ok(())
    }
}

/// How much a guest may write to its standard output and error together. What is over is dropped and counted, and the
/// guest goes on: making it wait would let a talkative function look like a slow one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputLimit {
    /// Bytes per second in the long run. Default: 1 MiB.
    pub bytes_per_second: u64,
    /// Bytes that may come at once after a time of silence. Default: 1 MiB.
    pub burst_bytes: u64,
}

impl Default for OutputLimit {
    fn default() -> Self {
        OutputLimit { bytes_per_second: 1 << 20, burst_bytes: 1 << 20 }
    }
}

/// Which of the two output streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutputStream {
    Stdout,
    Stderr,
}

/// Both output streams and the rate they share.
pub(crate) struct Output {
    stdout: Sink,
    stderr: Sink,
    bucket: Option<TokenBucket>,
    dropped: u64,
}

struct Sink {
    sink: Box<dyn OutputSink>,
    notified: bool,
}

impl Output {
    pub fn new(stdout: Box<dyn OutputSink>, stderr: Box<dyn OutputSink>, limit: Option<OutputLimit>) -> Self {
        let sink = |sink| Sink { sink, notified: false };
        Output { stdout: sink(stdout), stderr: sink(stderr), bucket: limit.map(TokenBucket::new), dropped: 0 }
    }

    /// Replaces both sinks. The rate goes on; the notice is given again if need be.
    pub fn redirect(&mut self, stdout: Box<dyn OutputSink>, stderr: Box<dyn OutputSink>) {
        self.stdout = Sink { sink: stdout, notified: false };
        self.stderr = Sink { sink: stderr, notified: false };
    }

    /// Bytes dropped so far for exceeding the rate.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Passes on what the rate allows of `bytes`. To the guest all of it was written.
    pub fn write(&mut self, stream: OutputStream, bytes: &[u8]) -> Result<()> {
        let Sink { sink, notified } = match stream {
            OutputStream::Stdout => &mut self.stdout,
            OutputStream::Stderr => &mut self.stderr,
        };
        let granted = match &mut self.bucket {
            Some(bucket) => bucket.take(bytes.len(), Instant::now()),
            None => bytes.len(),
        };
        if granted > 0 {
            sink.write(&bytes[..granted]).map_err(Errno::from)?;
        }
        if granted < bytes.len() {
            self.dropped = self.dropped.saturating_add((bytes.len() - granted) as u64);
            if !*notified {
                *notified = true;
                let limit = self.bucket.as_ref().map_or(0, |bucket| bucket.limit.bytes_per_second);
                let notice =
                    format!("\n[vivarium: more than {limit} bytes of output per second; the excess is dropped]\n");
                sink.limit_reached(&notice).map_err(Errno::from)?;
            }
        }
        Ok(())
    }
}

/// The classic limiter: a bucket of `burst_bytes` tokens, refilled at `bytes_per_second`, that starts full.
#[derive(Debug)]
pub(super) struct TokenBucket {
    limit: OutputLimit,
    /// Tokens in units of a billionth, so that short intervals are not rounded away.
    credit: u128,
    refilled: Option<Instant>,
}

impl TokenBucket {
    const TOKEN: u128 = 1_000_000_000;

    pub fn new(limit: OutputLimit) -> Self {
        TokenBucket { limit, credit: u128::from(limit.burst_bytes) * Self::TOKEN, refilled: None }
    }

    /// Takes up to `wanted` tokens at the time `now` and returns how many it got.
    pub fn take(&mut self, wanted: usize, now: Instant) -> usize {
        if let Some(refilled) = self.refilled.replace(now) {
            let elapsed = now.saturating_duration_since(refilled).as_nanos();
            let full = u128::from(self.limit.burst_bytes) * Self::TOKEN;
            let gained = elapsed.saturating_mul(u128::from(self.limit.bytes_per_second));
            self.credit = self.credit.saturating_add(gained).min(full);
        }
        let granted = usize::try_from(self.credit / Self::TOKEN).unwrap_or(usize::MAX).min(wanted);
        self.credit -= granted as u128 * Self::TOKEN;
        granted
    }
}
