//! The stream of elements and timers, shared by the bundles of a worker.
//!
//! ```text
//!   Flink ──Elements──> pump ──by instruction──> Inbox of a bundle
//!   Flink <──Elements── channel <─────────────── bundles
//! ```
//!
//! Elements may come before the instruction they belong to, so an inbox is there from whoever asks first.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::channel::mpsc;

use crate::error::Error;
use crate::protocol::messages::{Data, Elements, Timers};
use crate::protocol::services::Server;

/// Something that came for an instruction.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// Elements.
    Data(Data),
    /// Timers that fired.
    Timers(Timers),
}

type Inboxes = Arc<Mutex<Option<HashMap<String, Inbox>>>>;

#[derive(Debug)]
struct Inbox {
    sender: mpsc::UnboundedSender<Vec<Item>>,
    /// Until a bundle takes it.
    receiver: Option<mpsc::UnboundedReceiver<Vec<Item>>>,
}

/// One stream, to one server.
#[derive(Debug, Clone)]
pub struct DataStream {
    inboxes: Inboxes,
    elements: mpsc::UnboundedSender<Elements>,
}

impl DataStream {
    /// Opens the stream.
    pub fn open(mut server: Server) -> Self {
        let (elements, outgoing) = mpsc::unbounded();
        let inboxes: Inboxes = Arc::new(Mutex::new(Some(HashMap::new())));
        let stream = Self { inboxes: Arc::clone(&inboxes), elements };
        tokio::spawn(async move {
            let ended = pump(&mut server, outgoing, &inboxes).await;
            if let Err(error) = ended {
                tracing::warn!(%error, "the data stream ended");
            }
            // Whoever waits learns that nothing more will come.
            lock(&inboxes).take();
        });
        stream
    }

    /// What comes for an instruction, a message of the stream at a time. Ends when the stream does.
    ///
    /// # Errors
    /// [`Error::StreamEnded`].
    pub fn inbox(&self, instruction: &str) -> Result<mpsc::UnboundedReceiver<Vec<Item>>, Error> {
        let mut inboxes = lock(&self.inboxes);
        let inbox =
            inboxes.as_mut().ok_or(Error::StreamEnded("data"))?.entry(instruction.to_owned()).or_insert_with(new_inbox);
        inbox.receiver.take().ok_or(Error::StreamEnded("data"))
    }

    /// Forgets an instruction that has ended.
    pub fn forget(&self, instruction: &str) {
        if let Some(inboxes) = lock(&self.inboxes).as_mut() {
            inboxes.remove(instruction);
        }
    }

    /// Sends elements and timers.
    ///
    /// # Errors
    /// [`Error::StreamEnded`].
    pub fn send(&self, elements: Elements) -> Result<(), Error> {
        self.elements.unbounded_send(elements).map_err(|_| Error::StreamEnded("data"))
    }
}

fn new_inbox() -> Inbox {
    let (sender, receiver) = mpsc::unbounded();
    Inbox { sender, receiver: Some(receiver) }
}

fn lock(inboxes: &Inboxes) -> std::sync::MutexGuard<'_, Option<HashMap<String, Inbox>>> {
    // The map is changed in single steps, so a panic elsewhere leaves it valid.
    inboxes.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn pump(
    server: &mut Server,
    outgoing: mpsc::UnboundedReceiver<Elements>,
    inboxes: &Inboxes,
) -> Result<(), Error> {
    let mut incoming = server.data(outgoing).await?;
    while let Some(Elements { data, timers }) = incoming.next().await {
        let mut by_instruction = HashMap::<String, Vec<Item>>::new();
        for data in data {
            by_instruction.entry(data.instruction_id.clone()).or_default().push(Item::Data(data));
        }
        for timers in timers {
            by_instruction.entry(timers.instruction_id.clone()).or_default().push(Item::Timers(timers));
        }
        if let Some(inboxes) = lock(inboxes).as_mut() {
            for (instruction, items) in by_instruction {
                let inbox = inboxes.entry(instruction).or_insert_with(new_inbox);
                // Nobody waits any more: the bundle has failed.
                let _ = inbox.sender.unbounded_send(items);
            }
        }
    }
    Ok(())
}
