//! The stream of elements and timers, shared by the bundles of a worker.
//!
//! ```text
//!   Flink ──Elements──> pump ──by instruction──> Inbox of a bundle
//!   Flink <──Elements── channel <─────────────── bundles
//! ```
//!
//! Elements may come before the instruction they belong to, so whichever comes first makes the inbox. Elements that come after the
//! instruction has ended, because it failed early, are dropped.
//!
//! An inbox does not know its end: the inputs of a bundle say which element is their last. When the stream breaks, or the pump dies
//! for whatever reason, all inboxes are closed, and a bundle that still waits fails.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use futures::Stream;
use tokio::sync::mpsc;
use vivarium_text::OneLine;

use crate::error::Error;
use crate::protocol::messages::{Data, Elements, Timers};
use crate::protocol::services::Server;

/// Messages to Flink that wait to be sent. A bundle waits for a place: what its functions make of its rows is not held in memory
/// while Flink is slow.
const WAITING: usize = 4;

/// Instructions that have ended and for which elements may still come: those that Flink has under way at most, many times over.
const ENDED: usize = 4096;

/// Something that came for an instruction.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// Elements.
    Data(Data),
    /// Timers that fired.
    Timers(Timers),
}

/// What comes for one instruction, a message of the stream at a time. None: the stream has ended.
pub type Received = mpsc::UnboundedReceiver<Vec<Item>>;

/// `None` when the stream has ended.
type SharedInboxes = Arc<Mutex<Option<Inboxes>>>;

#[derive(Debug, Default)]
struct Inboxes {
    open: HashMap<String, Inbox>,
    /// Instructions that have ended.
    ended: HashSet<Arc<str>>,
    /// The same, the latest last.
    in_order: VecDeque<Arc<str>>,
}

#[derive(Debug)]
struct Inbox {
    /// Not bounded: a pump that waited for one bundle would keep elements from the others, of which that one may wait for one.
    sender: mpsc::UnboundedSender<Vec<Item>>,
    /// Until a bundle takes it.
    receiver: Option<Received>,
}

impl Inboxes {
    fn of(&mut self, instruction: &str) -> &mut Inbox {
        self.open.entry(instruction.to_owned()).or_insert_with(|| {
            let (sender, receiver) = mpsc::unbounded_channel();
            Inbox { sender, receiver: Some(receiver) }
        })
    }

    fn deliver(&mut self, instruction: &str, items: Vec<Item>) {
        if self.ended.contains(instruction) {
            return;
        }
        // The bundle has failed and nobody waits any more.
        let _ = self.of(instruction).sender.send(items);
    }

    fn forget(&mut self, instruction: &str) {
        self.open.remove(instruction);
        let instruction: Arc<str> = instruction.into();
        if self.ended.insert(Arc::clone(&instruction)) {
            self.in_order.push_back(instruction);
        }
        if self.in_order.len() > ENDED
            && let Some(oldest) = self.in_order.pop_front()
        {
            self.ended.remove(&oldest);
        }
    }
}

/// One stream, to one server.
#[derive(Debug, Clone)]
pub struct DataStream {
    inboxes: SharedInboxes,
    elements: mpsc::Sender<Elements>,
}

impl DataStream {
    /// Opens the stream.
    pub fn open(mut server: Server) -> Self {
        let (stream, outgoing) = Self::unopened();
        let closing = Closing(Arc::clone(&stream.inboxes));
        tokio::spawn(async move {
            // A TaskManager that ends breaks its streams, and then nobody waits.
            if let Err(error) = pump(&mut server, outgoing, &closing.0).await
                && lock(&closing.0).as_ref().is_some_and(|inboxes| !inboxes.open.is_empty())
            {
                tracing::warn!(error = %OneLine(&error), "the data stream ended");
            }
        });
        stream
    }

    /// A stream of which nothing comes yet, and what is to be sent.
    fn unopened() -> (Self, mpsc::Receiver<Elements>) {
        let (elements, outgoing) = mpsc::channel(WAITING);
        (Self { inboxes: Arc::new(Mutex::new(Some(Inboxes::default()))), elements }, outgoing)
    }

    /// What comes for an instruction, until it is [forgotten](Self::forget).
    ///
    /// # Errors
    /// [`Error::StreamEnded`].
    pub fn inbox(&self, instruction: &str) -> Result<Received, Error> {
        let mut inboxes = lock(&self.inboxes);
        let inboxes = inboxes.as_mut().ok_or(Error::StreamEnded("data"))?;
        inboxes.of(instruction).receiver.take().ok_or(Error::StreamEnded("data"))
    }

    /// Forgets an instruction that has ended: what still comes for it is dropped.
    pub fn forget(&self, instruction: &str) {
        if let Some(inboxes) = lock(&self.inboxes).as_mut() {
            inboxes.forget(instruction);
        }
    }

    /// Sends elements and timers, when there is a place for them.
    ///
    /// # Errors
    /// [`Error::StreamEnded`].
    pub async fn send(&self, elements: Elements) -> Result<(), Error> {
        self.elements.send(elements).await.map_err(|_| Error::StreamEnded("data"))
    }
}

/// Closes all inboxes when the pump ends, in whatever way: whoever waits learns that nothing more will come.
struct Closing(SharedInboxes);

impl Drop for Closing {
    fn drop(&mut self) {
        lock(&self.0).take();
    }
}

fn lock(inboxes: &SharedInboxes) -> std::sync::MutexGuard<'_, Option<Inboxes>> {
    // They are changed in single steps, so a panic elsewhere leaves them valid.
    inboxes.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a channel receives, as a stream.
pub(crate) fn stream_of<T: Send + 'static>(receiver: mpsc::Receiver<T>) -> impl Stream<Item = T> + Send + 'static {
    futures::stream::unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) })
}

async fn pump(server: &mut Server, outgoing: mpsc::Receiver<Elements>, inboxes: &SharedInboxes) -> Result<(), Error> {
    let mut incoming = server.data(stream_of(outgoing)).await?;
    while let Some(elements) = incoming.next().await? {
        sort(elements, inboxes);
    }
    Ok(())
}

/// Puts elements and timers into the inboxes of their instructions.
fn sort(Elements { data, timers }: Elements, inboxes: &SharedInboxes) {
    let mut by_instruction = HashMap::<String, Vec<Item>>::new();
    for data in data {
        by_instruction.entry(data.instruction_id.clone()).or_default().push(Item::Data(data));
    }
    for timers in timers {
        by_instruction.entry(timers.instruction_id.clone()).or_default().push(Item::Timers(timers));
    }
    if let Some(inboxes) = lock(inboxes).as_mut() {
        for (instruction, items) in by_instruction {
            inboxes.deliver(&instruction, items);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elements(instruction: &str) -> Elements {
        let data = Data { instruction_id: instruction.to_owned(), ..Data::default() };
        Elements { data: vec![data], timers: Vec::new() }
    }

    #[tokio::test]
    async fn elements_before_the_instruction_wait_and_those_after_it_are_dropped() {
        let (stream, _outgoing) = DataStream::unopened();
        sort(elements("early"), &stream.inboxes);
        let mut inbox = stream.inbox("early").unwrap();
        assert_eq!(inbox.recv().await.unwrap().len(), 1);
        stream.forget("early");
        for _ in 0..10 {
            sort(elements("early"), &stream.inboxes);
        }
        assert!(lock(&stream.inboxes).as_ref().unwrap().open.is_empty(), "an inbox that nobody will read");
        assert!(inbox.recv().await.is_none());
    }

    #[tokio::test]
    async fn what_is_remembered_of_instructions_is_bounded() {
        let (stream, _outgoing) = DataStream::unopened();
        for instruction in 0..2 * ENDED {
            stream.forget(&instruction.to_string());
        }
        let inboxes = lock(&stream.inboxes);
        let inboxes = inboxes.as_ref().unwrap();
        assert_eq!((inboxes.ended.len(), inboxes.in_order.len()), (ENDED, ENDED));
    }

    #[tokio::test]
    async fn a_pump_that_dies_ends_the_wait_of_every_bundle() {
        let (stream, _outgoing) = DataStream::unopened();
        let mut inbox = stream.inbox("one").unwrap();
        let closing = Closing(Arc::clone(&stream.inboxes));
        async fn dies(_closing: Closing) {
            panic!("a pump dies")
        }
        assert!(tokio::spawn(dies(closing)).await.unwrap_err().is_panic());
        assert!(inbox.recv().await.is_none());
        assert!(matches!(stream.inbox("two"), Err(Error::StreamEnded("data"))));
    }

    #[tokio::test]
    async fn a_bundle_waits_until_flink_takes_what_it_sends() {
        let (stream, mut outgoing) = DataStream::unopened();
        for _ in 0..WAITING {
            stream.send(elements("one")).await.unwrap();
        }
        let mut more = Box::pin(stream.send(elements("one")));
        assert!(futures::poll!(&mut more).is_pending());
        outgoing.recv().await.unwrap();
        more.await.unwrap();
        drop(outgoing);
        assert!(matches!(stream.send(elements("one")).await, Err(Error::StreamEnded("data"))));
    }
}
