//! Output that goes to this process's own streams.
//!
//! Their reader may be slow, or never read: then a write to a full pipe blocks, and nothing ends it. So a thread for each stream
//! writes, and the guest waits for it as it waits for any other host call: its deadline ends the wait, and so does dropping the
//! call. The thread stays blocked, and does not keep the process from ending.

use std::future::Future;
use std::io::{self, Write};
use std::pin::Pin;
use std::sync::{OnceLock, mpsc};

use tokio::sync::oneshot;

use super::Stream;
use crate::wasi::{Admitted, OutputSink, Room};

/// Bytes that are handed to the thread at a time: what is left in memory of a call that was given up.
const MOST: usize = 64 << 10;

/// Bytes to write, and whom to tell.
type Job = (Vec<u8>, oneshot::Sender<io::Result<()>>);

/// The process's own stream.
pub(super) struct Inherited {
    stream: Stream,
    written: Option<oneshot::Receiver<io::Result<()>>>,
}

impl Inherited {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, written: None }
    }
}

impl OutputSink for Inherited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (done, written) = oneshot::channel();
        let gone = || io::Error::other("the thread that writes to the stream is gone");
        writer(self.stream).ok_or_else(gone)?.send((bytes.to_vec(), done)).map_err(|_| gone())?;
        self.written = Some(written);
        Ok(())
    }

    fn admit(&self, bytes: &[u8], room: Room) -> Admitted {
        let affordable = usize::try_from(room.credit).unwrap_or(usize::MAX).min(bytes.len());
        let taken = affordable.min(MOST);
        Admitted { bytes: taken, cost: taken as u64, lines: 0, rest_comes_later: taken < affordable }
    }

    fn written(&mut self) -> Option<Pin<Box<dyn Future<Output = io::Result<()>> + Send + '_>>> {
        let written = self.written.take()?;
        Some(Box::pin(async {
            written.await.unwrap_or_else(|_| Err(io::Error::other("the thread that writes to the stream is gone")))
        }))
    }
}

/// The thread that writes to a stream, or none when it cannot be started.
fn writer(stream: Stream) -> Option<&'static mpsc::Sender<Job>> {
    static STDOUT: OnceLock<Option<mpsc::Sender<Job>>> = OnceLock::new();
    static STDERR: OnceLock<Option<mpsc::Sender<Job>>> = OnceLock::new();
    let (writer, name) = match stream {
        Stream::Stdout => (&STDOUT, "vivarium-stdout"),
        Stream::Stderr => (&STDERR, "vivarium-stderr"),
    };
    let start = || {
        let (sender, jobs) = mpsc::channel::<Job>();
        let thread = std::thread::Builder::new().name(name.into()).spawn(move || {
            for (bytes, done) in jobs {
                // Nobody waits any more: the call was given up.
                let _ = done.send(write(stream, &bytes));
            }
        });
        thread.is_ok().then_some(sender)
    };
    writer.get_or_init(start).as_ref()
}

fn write(stream: Stream, bytes: &[u8]) -> io::Result<()> {
    match stream {
        Stream::Stdout => {
            let mut stdout = io::stdout().lock();
            stdout.write_all(bytes)?;
            // Python flushes when it means to; a second buffer would only reorder stdout and stderr.
            stdout.flush()
        }
        Stream::Stderr => io::stderr().lock().write_all(bytes),
    }
}
