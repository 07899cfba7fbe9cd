//! Output goes where the host says, at the rate the host says.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::super::errno::Errno;
use super::super::output::TokenBucket;
use super::super::{OutputLimit, OutputSink, Terminals, WasiConfig, WasiLimits};
use super::guest::{Guest, OUT};

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl OutputSink for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(())
    }
}

struct Broken(io::ErrorKind);

impl OutputSink for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<()> {
        Err(self.0.into())
    }
}

fn config(stdout: &Captured, stderr: &Captured, output: Option<OutputLimit>) -> WasiConfig {
    WasiConfig {
        stdout: Box::new(stdout.clone()),
        stderr: Box::new(stderr.clone()),
        limits: WasiLimits { output, ..WasiLimits::default() },
        ..WasiConfig::default()
    }
}

#[tokio::test]
async fn streams_go_to_their_sinks() {
    let (stdout, stderr) = (Captured::default(), Captured::default());
    let mut guest = Guest::new(config(&stdout, &stderr, None)).await;
    assert_eq!(guest.write_fd(1, b"out").await, (0, 3));
    assert_eq!(guest.write_fd(2, b"err").await, (0, 3));
    assert_eq!(guest.write_fd(0, b"x").await.0, Errno::Badf as u32);
    assert_eq!(guest.read_fd(1, 1).await.0, Errno::Badf as u32);
    assert_eq!((stdout.text().as_str(), stderr.text().as_str()), ("out", "err"));
}

#[tokio::test]
async fn the_excess_is_dropped_counted_and_said_once() {
    let (stdout, stderr) = (Captured::default(), Captured::default());
    let limit = OutputLimit { bytes_per_second: 0, burst_bytes: 10 };
    let mut guest = Guest::new(config(&stdout, &stderr, Some(limit))).await;
    for _ in 0..100 {
        assert_eq!(guest.write_fd(1, b"1234567").await, (0, 7));
    }
    let text = stdout.text();
    assert!(text.starts_with("1234567123\n[vivarium: more than 0 bytes"), "{text}");
    assert_eq!(text.matches("vivarium").count(), 1);
    assert_eq!(guest.store.data().dropped_output(), 690);
    // Standard error shares the rate and has a notice of its own.
    assert_eq!(guest.write_fd(2, b"x").await, (0, 1));
    assert!(stderr.text().starts_with("\n[vivarium"));
}

#[tokio::test]
async fn errors_of_a_sink_are_the_guests() {
    let mut guest = Guest::new(WasiConfig {
        stdout: Box::new(Broken(io::ErrorKind::BrokenPipe)),
        stderr: Box::new(Broken(io::ErrorKind::Other)),
        ..WasiConfig::default()
    })
    .await;
    assert_eq!(guest.write_fd(1, b"x").await.0, Errno::Pipe as u32);
    assert_eq!(guest.write_fd(2, b"x").await.0, Errno::Io as u32);
}

#[tokio::test]
async fn only_a_terminal_looks_like_one() {
    let terminals = Terminals { stdout: true, ..Terminals::default() };
    let mut guest = Guest::new(WasiConfig { terminals, ..WasiConfig::default() }).await;
    for (fd, kind) in [(0, 0), (1, 2), (2, 0)] {
        assert_eq!(guest.call("fd_fdstat_get", &[fd, OUT.into()]).await, 0);
        assert_eq!(guest.read(OUT, 1), [kind]);
        // isatty also wants it not to be seekable.
        assert_eq!(guest.read_u64(OUT + 8) & (1 << 2 | 1 << 5), 0);
    }
}

#[test]
fn the_bucket_refills_at_its_rate_and_not_beyond_its_size() {
    let mut bucket = TokenBucket::new(OutputLimit { bytes_per_second: 1000, burst_bytes: 100 });
    let start = Instant::now();
    let at = |milliseconds| start + Duration::from_millis(milliseconds);
    assert_eq!(bucket.take(500, at(0)), 100);
    assert_eq!(bucket.take(500, at(0)), 0);
    assert_eq!(bucket.take(500, at(10)), 10);
    assert_eq!(bucket.take(5, at(20)), 5);
    assert_eq!(bucket.take(500, at(20)), 5);
    assert_eq!(bucket.take(500, at(60_000)), 100);
    // Refilled in steps of less than a token, nothing is lost.
    let total: usize = (0..1000u64).map(|step| bucket.take(500, at(60_000) + Duration::from_micros(step * 100))).sum();
    assert_eq!(total, 99);
    // A clock that goes back gives nothing.
    assert_eq!(bucket.take(500, at(0)), 0);
}
