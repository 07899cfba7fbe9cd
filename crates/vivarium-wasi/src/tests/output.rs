//! Output goes where the host says, at the rate the host says.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use vivarium_tenancy::{RateAccount, RateLimit};

use super::guest::{DATA, Guest, OUT, VECTORS};
use crate::errno::Errno;
use crate::output::MAX_LINES;
use crate::{Admitted, OutputSink, Room, Terminals, WasiAccounts, WasiConfig, WasiLimits};

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

fn config(stdout: &Captured, stderr: &Captured, output: Option<RateLimit>) -> WasiConfig {
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
    let limit = RateLimit { bytes_per_second: 0, burst_bytes: 10 };
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
    // How much was lost is said when nothing more will come.
    drop(guest);
    assert!(stdout.text().ends_with("[vivarium: 690 bytes of output were dropped]\n"), "{}", stdout.text());
    assert!(stderr.text().ends_with("[vivarium: 1 bytes of output were dropped]\n"), "{}", stderr.text());
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

/// A sink that takes lines, two tokens each, and shares a rate.
struct Lines(Captured);

impl OutputSink for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write(bytes)
    }

    fn admit(&self, bytes: &[u8], room: Room) -> Admitted {
        let affordable = usize::try_from(room.credit / 2).unwrap_or(usize::MAX);
        let lines = bytes.len().min(room.lines).min(affordable);
        Admitted { bytes: lines, cost: 2 * lines as u64, lines, rest_comes_later: lines == room.lines }
    }

    fn counts_towards_shared_rate(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn one_call_ends_so_many_lines_and_the_guest_comes_again() {
    let captured = Captured::default();
    let limits = WasiLimits { output: None, ..WasiLimits::default() };
    let config = WasiConfig { stdout: Box::new(Lines(captured.clone())), limits, ..WasiConfig::default() };
    let mut guest = Guest::new(config).await;
    assert_eq!(guest.write_fd(1, &[b'\n'; 1000]).await, (0, MAX_LINES as u32));
    // Not so many for each buffer, but for all together.
    guest.write_vectors(&[(DATA, 100), (DATA, 100), (DATA, 100)]);
    assert_eq!(guest.call("fd_write", &[1, VECTORS.into(), 3, OUT.into()]).await, 0);
    assert_eq!(guest.read_u32(OUT), MAX_LINES as u32);
    assert_eq!(captured.text().len(), 2 * MAX_LINES);
}

#[tokio::test]
async fn guests_share_a_rate_and_each_is_told_what_it_lost() {
    let shared = Arc::new(RateAccount::new(Some(RateLimit { bytes_per_second: 0, burst_bytes: 20 })));
    let (one, other) = (Captured::default(), Captured::default());
    for (captured, kept, dropped) in [(&one, 8, 0), (&other, 2, 6)] {
        let config = WasiConfig {
            stdout: Box::new(Lines(captured.clone())),
            accounts: WasiAccounts::default().with_output(Some(Arc::clone(&shared))),
            ..WasiConfig::default()
        };
        let mut guest = Guest::new(config).await;
        assert_eq!(guest.write_fd(1, b"12345678").await, (0, 8));
        assert_eq!(guest.store.data().dropped_output(), dropped);
        drop(guest);
        let text = captured.text();
        assert_eq!(
            text.contains(&format!("[vivarium: {dropped} bytes of output were dropped]\n")),
            dropped > 0,
            "{text}"
        );
        assert_eq!(text.split('\n').next().unwrap().len(), kept, "{text}");
    }
}

/// A sink whose reader never comes.
struct Stuck;

impl OutputSink for Stuck {
    fn write(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn written(&mut self) -> Option<Pin<Box<dyn Future<Output = io::Result<()>> + Send + '_>>> {
        Some(Box::pin(std::future::pending()))
    }
}

#[tokio::test]
async fn the_guest_waits_for_a_slow_reader_and_the_wait_can_be_given_up() {
    let mut guest = Guest::new(WasiConfig { stdout: Box::new(Stuck), ..WasiConfig::default() }).await;
    let mut write = Box::pin(guest.write_fd(1, b"x"));
    assert!(futures::poll!(&mut write).is_pending());
    drop(write);
}
