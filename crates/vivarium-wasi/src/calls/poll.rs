//! `poll_oneoff`: sleeping, and waiting for standard input.
//!
//! Everything but standard input and time is always ready. So there are two cases: something is ready at once, and the
//! call reports it together with the timers that are already over; or the call waits for the earliest timer and, if it
//! was asked for, for standard input. The wait is a future: when the host drops the call into the guest, at a deadline,
//! the wait is over.

use std::time::Duration;

use tokio::time::Instant;

use super::process::clock_id;
use crate::WasiCtx;
use crate::descriptors::{FileContent, Target};
use crate::errno::{Errno, Result};
use crate::memory::GuestMemory;

/// The most subscriptions of one call. wasi-libc's `select` uses one for each of 1,024 descriptors, twice, and a timer.
const MAX_SUBSCRIPTIONS: u32 = 4096;

/// Sizes of `subscription` and `event`, in bytes.
const SUBSCRIPTION_BYTES: usize = 48;
const EVENT_BYTES: usize = 32;

/// What a subscription is for; also the type of its event.
mod event_type {
    pub const CLOCK: u8 = 0;
    pub const FD_READ: u8 = 1;
    pub const FD_WRITE: u8 = 2;
}

/// The flag of a clock subscription whose time is an instant and not a duration.
const ABSOLUTE: u16 = 1;

/// The flag of an event on a descriptor that has come to its end.
const HANGUP: u16 = 1;

struct Subscription {
    user_data: u64,
    kind: u8,
    wait: Wait,
}

/// When a subscription is over.
enum Wait {
    /// After this time.
    Time(Duration),
    /// When there is standard input.
    Stdin,
    /// Now; with the state of the descriptor.
    Ready(Result<Readiness>),
}

#[derive(Clone, Copy)]
struct Readiness {
    bytes: u64,
    flags: u16,
}

impl WasiCtx {
    pub(crate) async fn poll_oneoff(
        &mut self,
        memory: &mut GuestMemory<'_>,
        subscriptions: u32,
        events: u32,
        count: u32,
        out: u32,
    ) -> Result<()> {
        if count == 0 || count > MAX_SUBSCRIPTIONS {
            return Err(Errno::Inval);
        }
        memory.bytes(events, count * EVENT_BYTES as u32)?;
        let (records, _) =
            memory.bytes(subscriptions, count * SUBSCRIPTION_BYTES as u32)?.as_chunks::<SUBSCRIPTION_BYTES>();
        let subscriptions = records.iter().map(|record| self.subscription(record)).collect::<Result<Vec<_>>>()?;

        let passed = self.wait_for_any(&subscriptions).await?;
        let mut written = 0;
        for subscription in &subscriptions {
            let readiness = match subscription.wait {
                Wait::Time(time) if time <= passed => Ok(Readiness { bytes: 0, flags: 0 }),
                Wait::Stdin => match self.stdin_readiness() {
                    Some(readiness) => Ok(readiness),
                    None => continue,
                },
                Wait::Ready(readiness) => readiness,
                Wait::Time(_) => continue,
            };
            // There are no more events than subscriptions, whose end has been checked.
            memory.write(events + written * EVENT_BYTES as u32, &event(subscription, readiness))?;
            written += 1;
        }
        memory.write_u32(out, written)
    }

    /// Waits until one of the subscriptions is over and returns how much time passed.
    async fn wait_for_any(&mut self, subscriptions: &[Subscription]) -> Result<Duration> {
        let mut earliest = None;
        let mut wants_stdin = false;
        for subscription in subscriptions {
            match subscription.wait {
                Wait::Time(time) => earliest = Some(earliest.map_or(time, |earliest: Duration| earliest.min(time))),
                Wait::Stdin => wants_stdin = true,
                Wait::Ready(_) => return Ok(Duration::ZERO),
            }
        }
        match earliest {
            Some(Duration::ZERO) => return Ok(Duration::ZERO),
            Some(time) if self.clocks.skip(time) => return Ok(time),
            _ => {}
        }
        // Without a runtime there is no timer, and tokio would panic.
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(Errno::Notsup);
        }
        let started = Instant::now();
        match (earliest, wants_stdin) {
            (Some(time), true) => tokio::select! {
                () = tokio::time::sleep(time) => {}
                _ = self.stdin.wait() => {}
            },
            (Some(time), false) => tokio::time::sleep(time).await,
            (None, _) => {
                // An error is met again by the read that follows.
                let _ = self.stdin.wait().await;
            }
        }
        Ok(started.elapsed())
    }

    fn subscription(&self, record: &[u8; SUBSCRIPTION_BYTES]) -> Result<Subscription> {
        let number = |at: usize, length: usize| {
            record[at..at + length].iter().rev().fold(0u64, |number, &byte| number << 8 | u64::from(byte))
        };
        let kind = record[8];
        let fd = number(16, 4) as u32;
        let wait = match kind {
            event_type::CLOCK => Wait::Time(self.timeout(fd, number(24, 8), number(40, 2) as u16)?),
            event_type::FD_READ => self.read_wait(fd),
            event_type::FD_WRITE => Wait::Ready(self.write_readiness(fd)),
            _ => return Err(Errno::Inval),
        };
        Ok(Subscription { user_data: number(0, 8), kind, wait })
    }

    /// How long a clock subscription waits from now.
    fn timeout(&self, clock: u32, time: u64, flags: u16) -> Result<Duration> {
        if clock != clock_id::REALTIME && clock != clock_id::MONOTONIC {
            return Err(Errno::Inval);
        }
        let time = if flags & ABSOLUTE == 0 { time } else { time.saturating_sub(self.time(clock)?) };
        Ok(Duration::from_nanos(time))
    }

    fn read_wait(&self, fd: u32) -> Wait {
        let target = match self.descriptors.get(fd) {
            Ok(descriptor) => &descriptor.target,
            Err(error) => return Wait::Ready(Err(error)),
        };
        Wait::Ready(match target {
            Target::Stdin => match self.stdin_readiness() {
                Some(readiness) => Ok(readiness),
                None => return Wait::Stdin,
            },
            Target::File(file) => {
                let size = match &file.content {
                    FileContent::Environment(file) => {
                        file.metadata().map(|metadata| metadata.len()).map_err(Errno::from)
                    }
                    FileContent::Scratch(inode) => self.scratch.size(*inode),
                };
                size.map(|size| readable(size.saturating_sub(file.position)))
            }
            Target::Output(_) | Target::Directory(_) => Err(Errno::Badf),
        })
    }

    fn write_readiness(&self, fd: u32) -> Result<Readiness> {
        match &self.descriptors.get(fd)?.target {
            Target::Output(_) | Target::File(_) => Ok(Readiness { bytes: 1, flags: 0 }),
            Target::Stdin | Target::Directory(_) => Err(Errno::Badf),
        }
    }

    /// The state of standard input, or `None` when it has to be waited for.
    fn stdin_readiness(&self) -> Option<Readiness> {
        self.stdin.available().map(|input| readable(input.len() as u64))
    }
}

fn readable(bytes: u64) -> Readiness {
    Readiness { bytes, flags: if bytes == 0 { HANGUP } else { 0 } }
}

/// The 32 bytes of `event`.
fn event(subscription: &Subscription, readiness: Result<Readiness>) -> [u8; EVENT_BYTES] {
    let (errno, Readiness { bytes, flags }) = match readiness {
        Ok(readiness) => (0, readiness),
        Err(errno) => (errno as u16, Readiness { bytes: 0, flags: 0 }),
    };
    let mut event = [0; EVENT_BYTES];
    event[0..8].copy_from_slice(&subscription.user_data.to_le_bytes());
    event[8..10].copy_from_slice(&errno.to_le_bytes());
    event[10] = subscription.kind;
    event[16..24].copy_from_slice(&bytes.to_le_bytes());
    event[24..26].copy_from_slice(&flags.to_le_bytes());
    event
}
