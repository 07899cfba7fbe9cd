//! The guest's standard output and error: where they go, and how fast.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use vivarium_tenancy::{RateAccount, RateLimit, TokenBucket};

use crate::errno::{Errno, Result};

/// Takes what the guest writes to descriptor 1 or 2.
///
/// Called on the guest's thread while the guest waits, so it should neither block for long nor fail without need.
pub trait OutputSink: Send {
    /// Takes these bytes. They are any bytes: not whole lines, not valid UTF-8, and with control characters.
    ///
    /// # Errors
    /// An error becomes the guest's: `EPIPE` for a broken pipe, `EIO` for everything else.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// How many of `bytes` it takes now, and what they cost. Unless overridden a byte costs a byte, and all that the credit
    /// allows is taken.
    fn admit(&self, bytes: &[u8], room: Room) -> Admitted {
        let taken = usize::try_from(room.credit).unwrap_or(usize::MAX).min(bytes.len());
        Admitted { bytes: taken, cost: taken as u64, lines: 0, rest_comes_later: false }
    }

    /// Whether what it takes also counts towards the rate that several guests share ([`WasiAccounts::output`](crate::WasiAccounts::output)).
    fn counts_towards_shared_rate(&self) -> bool {
        false
    }

    /// What the guest has to wait for after a [`write`](Self::write), if anything: a sink whose reader may be slow. The wait ends
    /// at the deadline of the guest's call.
    fn written(&mut self) -> Option<Pin<Box<dyn Future<Output = io::Result<()>> + Send + '_>>> {
        None
    }

    /// Told once when output begins to be dropped for exceeding its rate, and once with their number when no more are or the guest
    /// is gone. Unless overridden the notice, a line of text, is written like output.
    ///
    /// # Errors
    /// As [`OutputSink::write`].
    fn limit_reached(&mut self, notice: &str) -> io::Result<()> {
        self.write(notice.as_bytes())
    }
}

/// What a sink may take now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// What is left of the rate, in bytes.
    pub credit: u64,
    /// Lines that the host's call may still handle, for sinks whose work is by the line.
    pub lines: usize,
}

/// What a sink takes of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// The first so many.
    pub bytes: usize,
    /// What they cost of the rate: at most the credit.
    pub cost: u64,
    /// The lines they end.
    pub lines: usize,
    /// The rest was not looked at: the guest is told of a short write, and comes again. Otherwise the rest is dropped.
    pub rest_comes_later: bool,
}

/// A sink that drops everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Discard;

impl OutputSink for Discard {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<()> {
        Ok(())
    }
}

/// Which of the two output streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutputStream {
    Stdout,
    Stderr,
}

/// Lines that one call of the guest's may end: each becomes an event of the log, which takes microseconds, and nothing interrupts
/// the call.
pub(crate) const MAX_LINES: usize = 128;

/// Both output streams and the rate they share. What is over is dropped and counted, and the guest goes on: making it wait would let a
/// talkative function look like a slow one.
pub(crate) struct GuestOutput {
    stdout: Sink,
    stderr: Sink,
    bucket: TokenBucket,
    /// The rate of several guests.
    shared: Option<Arc<RateAccount>>,
    dropped: u64,
    /// The same of several guests.
    all_dropped: Arc<AtomicU64>,
}

struct Sink {
    sink: Box<dyn OutputSink>,
    /// Bytes that were dropped since the notice that some are.
    flood: Option<u64>,
}

impl Sink {
    fn new(sink: Box<dyn OutputSink>) -> Self {
        Sink { sink, flood: None }
    }

    /// Says how many bytes were dropped, if any were.
    fn end_flood(&mut self) -> io::Result<()> {
        match self.flood.take() {
            Some(dropped) => {
                self.sink.limit_reached(&format!("\n[vivarium: {dropped} bytes of output were dropped]\n"))
            }
            None => Ok(()),
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        // There is nobody left to tell of an error.
        let _ = self.end_flood();
    }
}

impl GuestOutput {
    pub fn new(
        stdout: Box<dyn OutputSink>,
        stderr: Box<dyn OutputSink>,
        limit: Option<RateLimit>,
        shared: Option<Arc<RateAccount>>,
        all_dropped: Arc<AtomicU64>,
    ) -> Self {
        let bucket = TokenBucket::new(limit);
        GuestOutput { stdout: Sink::new(stdout), stderr: Sink::new(stderr), bucket, shared, dropped: 0, all_dropped }
    }

    /// Replaces both sinks. The rate goes on; the notice is given again if need be.
    pub fn redirect(&mut self, stdout: Box<dyn OutputSink>, stderr: Box<dyn OutputSink>) {
        self.stdout = Sink::new(stdout);
        self.stderr = Sink::new(stderr);
    }

    /// Bytes dropped so far for exceeding the rate.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Passes on what the rate allows of `bytes`, and returns how many of them are done with: passed on or dropped, which is the
    /// same to the guest. `lines`: what is left of the call's [`MAX_LINES`].
    pub fn write(&mut self, stream: OutputStream, bytes: &[u8], lines: &mut usize) -> Result<usize> {
        let to = match stream {
            OutputStream::Stdout => &mut self.stdout,
            OutputStream::Stderr => &mut self.stderr,
        };
        let now = Instant::now();
        let shared = self.shared.as_ref().filter(|_| to.sink.counts_towards_shared_rate());
        let mut shared = shared.map(|shared| shared.bucket());
        let mut buckets = [Some(&mut self.bucket), shared.as_deref_mut()];
        let (mut credit, mut full, mut rate) = (u64::MAX, true, 0);
        for bucket in buckets.iter_mut().flatten() {
            let available = bucket.available(now);
            if available < credit {
                (credit, rate) = (available, bucket.limit().map_or(0, |limit| limit.bytes_per_second));
            }
            full &= bucket.is_full();
        }
        let admitted = to.sink.admit(bytes, Room { credit, lines: *lines });
        for bucket in buckets.iter_mut().flatten() {
            bucket.spend(admitted.cost);
        }
        drop(shared);
        *lines = lines.saturating_sub(admitted.lines);
        if full {
            to.end_flood().map_err(Errno::from)?;
        }
        if admitted.bytes > 0 {
            to.sink.write(&bytes[..admitted.bytes]).map_err(Errno::from)?;
        }
        if admitted.bytes == bytes.len() || admitted.rest_comes_later {
            return Ok(admitted.bytes);
        }
        let dropped = (bytes.len() - admitted.bytes) as u64;
        self.dropped = self.dropped.saturating_add(dropped);
        self.all_dropped.fetch_add(dropped, Ordering::Relaxed);
        match &mut to.flood {
            Some(flood) => *flood = flood.saturating_add(dropped),
            None => {
                to.flood = Some(dropped);
                let notice =
                    format!("\n[vivarium: more than {rate} bytes of output per second; the excess is dropped]\n");
                to.sink.limit_reached(&notice).map_err(Errno::from)?;
            }
        }
        Ok(bytes.len())
    }

    /// Waits until the sink has passed on what it took.
    pub async fn written(&mut self, stream: OutputStream) -> Result<()> {
        let to = match stream {
            OutputStream::Stdout => &mut self.stdout,
            OutputStream::Stderr => &mut self.stderr,
        };
        match to.sink.written() {
            Some(written) => written.await.map_err(Errno::from),
            None => Ok(()),
        }
    }
}
