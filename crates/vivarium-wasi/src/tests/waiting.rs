//! Calls that wait: for time, for input, and no longer than the host does.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::guest::{DATA, Guest, OUT, TMP};
use crate::errno::Errno;
use crate::{Clock, Stdin, WasiConfig};

const HOUR: u64 = 3_600_000_000_000;

/// The bytes of a subscription.
enum Subscription {
    Clock { id: u32, timeout: u64, absolute: bool },
    Read(u32),
    Write(u32),
}

const SUBSCRIPTIONS: u32 = DATA;
const EVENTS: u32 = DATA + (16 << 10);

impl Guest {
    /// Polls and returns the status and (user data, error, type) of each event; user data are 100, 101, ...
    async fn poll(&mut self, subscriptions: &[Subscription]) -> (u32, Vec<(u64, u16, u8)>) {
        for (index, subscription) in (0..).zip(subscriptions) {
            let mut bytes = [0; 48];
            bytes[..8].copy_from_slice(&(100 + u64::from(index)).to_le_bytes());
            match subscription {
                Subscription::Clock { id, timeout, absolute } => {
                    bytes[16..20].copy_from_slice(&id.to_le_bytes());
                    bytes[24..32].copy_from_slice(&timeout.to_le_bytes());
                    bytes[40] = u8::from(*absolute);
                }
                Subscription::Read(fd) | Subscription::Write(fd) => {
                    bytes[8] = if matches!(subscription, Subscription::Read(_)) { 1 } else { 2 };
                    bytes[16..20].copy_from_slice(&fd.to_le_bytes());
                }
            }
            self.write(SUBSCRIPTIONS + index * 48, &bytes);
        }
        let arguments = [SUBSCRIPTIONS.into(), EVENTS.into(), subscriptions.len() as i64, OUT.into()];
        let status = self.call("poll_oneoff", &arguments).await;
        let count = if status == 0 { self.read_u32(OUT) } else { 0 };
        let events = (0..count)
            .map(|index| {
                let event = self.read(EVENTS + index * 32, 32);
                let user_data = u64::from_le_bytes(event[..8].try_into().unwrap());
                (user_data, u16::from_le_bytes([event[8], event[9]]), event[10])
            })
            .collect();
        (status, events)
    }
}

fn sleep(timeout: u64) -> Subscription {
    Subscription::Clock { id: 1, timeout, absolute: false }
}

#[tokio::test]
async fn the_earliest_timer_wakes() {
    let mut guest = Guest::new(WasiConfig::default()).await;
    assert_eq!(guest.poll(&[sleep(HOUR), sleep(1_000_000), sleep(u64::MAX)]).await, (0, vec![(101, 0, 0)]));
    assert_eq!(guest.poll(&[sleep(0)]).await, (0, vec![(100, 0, 0)]));
    // An instant that has passed, on either clock.
    for id in [0, 1] {
        let past = Subscription::Clock { id, timeout: 5, absolute: true };
        assert_eq!(guest.poll(&[past]).await, (0, vec![(100, 0, 0)]));
    }
}

#[tokio::test]
async fn files_and_output_are_ready_at_once() {
    let mut guest = Guest::new(WasiConfig::default()).await;
    let (_, fd) = guest.open(TMP, "f", 1, 1 << 1).await;
    let events = guest
        .poll(&[
            sleep(HOUR),
            Subscription::Write(1),
            Subscription::Read(fd),
            Subscription::Read(99),
            Subscription::Read(0),
        ])
        .await;
    assert_eq!(events, (0, vec![(101, 0, 2), (102, 0, 1), (103, Errno::Badf as u16, 1), (104, 0, 1)]));
}

#[tokio::test]
async fn bad_subscriptions_are_refused() {
    let mut guest = Guest::new(WasiConfig::default()).await;
    for count in [0, 4097, -1] {
        let arguments = [SUBSCRIPTIONS.into(), EVENTS.into(), count, OUT.into()];
        assert_eq!(guest.call("poll_oneoff", &arguments).await, Errno::Inval as u32);
    }
    let clock = Subscription::Clock { id: 2, timeout: 0, absolute: false };
    assert_eq!(guest.poll(&[clock]).await.0, Errno::Inval as u32);
    guest.write(SUBSCRIPTIONS + 8, &[3]);
    let arguments = [SUBSCRIPTIONS.into(), EVENTS.into(), 1, OUT.into()];
    assert_eq!(guest.call("poll_oneoff", &arguments).await, Errno::Inval as u32);
}

#[tokio::test]
async fn a_fixed_clock_sleeps_in_no_time() {
    let mut guest = Guest::new(WasiConfig { clock: Clock::Fixed(1000), ..WasiConfig::default() }).await;
    assert_eq!(guest.poll(&[sleep(HOUR)]).await, (0, vec![(100, 0, 0)]));
    guest.call("clock_time_get", &[0, 0, OUT.into()]).await;
    assert_eq!(guest.read_u64(OUT), 1000 + HOUR);
}

#[tokio::test]
async fn the_host_ends_every_wait() {
    let (reader, _writer) = tokio::io::duplex(16);
    let mut guest = Guest::new(WasiConfig { stdin: Stdin::Reader(Box::new(reader)), ..WasiConfig::default() }).await;
    let deadline = Duration::from_millis(5);
    assert!(tokio::time::timeout(deadline, guest.poll(&[sleep(HOUR)])).await.is_err());
    assert!(tokio::time::timeout(deadline, guest.poll(&[Subscription::Read(0)])).await.is_err());
    assert!(tokio::time::timeout(deadline, guest.read_fd(0, 1)).await.is_err());
}

#[tokio::test]
async fn input_given_as_bytes_is_read_to_its_end() {
    let stdin = Stdin::Bytes(Arc::from(&b"abcdef"[..]));
    let mut guest = Guest::new(WasiConfig { stdin, ..WasiConfig::default() }).await;
    assert_eq!(guest.read_fd(0, 4).await, (0, b"abcd".to_vec()));
    assert_eq!(guest.read_fd(0, 4).await, (0, b"ef".to_vec()));
    assert_eq!(guest.read_fd(0, 4).await, (0, Vec::new()));
    let mut empty = Guest::new(WasiConfig::default()).await;
    assert_eq!(empty.read_fd(0, 4).await, (0, Vec::new()));
}

#[tokio::test]
async fn input_is_waited_for() {
    let (reader, mut writer) = tokio::io::duplex(16);
    let mut guest = Guest::new(WasiConfig { stdin: Stdin::Reader(Box::new(reader)), ..WasiConfig::default() }).await;
    let writing = tokio::spawn(async move {
        tokio::task::yield_now().await;
        writer.write_all(b"hello").await.unwrap();
    });
    assert_eq!(guest.poll(&[sleep(HOUR), Subscription::Read(0)]).await, (0, vec![(101, 0, 1)]));
    guest.write_vectors(&[(DATA, 2), (DATA + 2, 100)]);
    assert_eq!(guest.call("fd_read", &[0, super::guest::VECTORS.into(), 2, OUT.into()]).await, 0);
    assert_eq!((guest.read_u32(OUT), guest.read(DATA, 5)), (5, b"hello".to_vec()));
    writing.await.unwrap();
    // The writer is gone: the end of the input is an event too.
    assert_eq!(guest.poll(&[sleep(HOUR), Subscription::Read(0)]).await, (0, vec![(101, 0, 1)]));
    assert_eq!(guest.read_fd(0, 4).await, (0, Vec::new()));
}
