//! State that Flink keeps, asked for by guests.
//!
//! A guest asks for several things at once: a call of [`HostService::request`] holds one request after the other, each of them kind
//! (one byte), length of the state key (32 bits, little-endian) and the key, length of the content and what to append, or the
//! continuation token. Only the last may read: what is read is held here until all are answered. All of them are sent before the
//! first answer is awaited: Flink answers in the order of the stream. The reply is that to the last one: 0, length of the continuation token and the token, and data; or 1 and a message, of the first that was
//! refused. A guest can ask for the state of its own bundle only: the instruction is the one that runs, whatever it says.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::channel::{mpsc, oneshot};
use prost::Message as _;
use vivarium_sandbox::HostService;
use vivarium_text::OneLine;

use crate::error::Error;
use crate::protocol::messages::{Empty, StateAppendRequest, StateGetRequest, StateKey, StateRequest, StateResponse};
use crate::protocol::services::Server;

/// The most requests of one call: what a guest writes in a few bytes takes some hundred here.
const MOST: usize = 4096;

type Waiting = Arc<Mutex<Option<HashMap<String, oneshot::Sender<StateResponse>>>>>;

/// One stream of requests, to one server, shared by the bundles of a worker.
#[derive(Debug, Clone)]
pub struct StateStream {
    requests: mpsc::UnboundedSender<StateRequest>,
    waiting: Waiting,
    next: Arc<AtomicU64>,
}

impl StateStream {
    /// Opens the stream.
    pub fn open(mut server: Server) -> Self {
        let (requests, outgoing) = mpsc::unbounded();
        let waiting: Waiting = Arc::new(Mutex::new(Some(HashMap::new())));
        let closing = Closing(Arc::clone(&waiting));
        let stream = Self { requests, waiting, next: Arc::default() };
        tokio::spawn(async move {
            // A TaskManager that ends breaks its streams, and then nobody waits.
            if let Err(error) = pump(&mut server, outgoing, &closing.0).await
                && lock(&closing.0).as_ref().is_some_and(|waiting| !waiting.is_empty())
            {
                tracing::warn!(error = %OneLine(&error), "the state stream ended");
            }
        });
        stream
    }

    /// Asks for all of it, and awaits the answers; returns them in the same order.
    async fn ask(&self, requests: Vec<StateRequest>) -> Result<Vec<StateResponse>, Error> {
        const ENDED: Error = Error::StreamEnded("state");
        let mut asked = Vec::with_capacity(requests.len());
        {
            let mut waiting = lock(&self.waiting);
            let waiting = waiting.as_mut().ok_or(ENDED)?;
            for mut request in requests {
                let (answer, answered) = oneshot::channel();
                request.id = self.next.fetch_add(1, Ordering::Relaxed).to_string();
                waiting.insert(request.id.clone(), answer);
                asked.push(answered);
                self.requests.unbounded_send(request).map_err(|_| ENDED)?;
            }
        }
        // The last answer comes last: whoever waits is woken once.
        let mut answers = Vec::with_capacity(asked.len());
        for answered in asked.into_iter().rev() {
            answers.push(answered.await.map_err(|_| ENDED)?);
        }
        answers.reverse();
        Ok(answers)
    }
}

/// Lets nobody wait when the stream has ended, in whatever way.
struct Closing(Waiting);

impl Drop for Closing {
    fn drop(&mut self) {
        lock(&self.0).take();
    }
}

async fn pump(
    server: &mut Server,
    outgoing: mpsc::UnboundedReceiver<StateRequest>,
    waiting: &Waiting,
) -> Result<(), Error> {
    let mut responses = server.state(outgoing).await?;
    while let Some(response) = responses.next().await? {
        if let Some(asked) = lock(waiting).as_mut().and_then(|waiting| waiting.remove(&response.id)) {
            // Nobody waits any more: the bundle has failed.
            let _ = asked.send(response);
        }
    }
    Ok(())
}

fn lock(waiting: &Waiting) -> std::sync::MutexGuard<'_, Option<HashMap<String, oneshot::Sender<StateResponse>>>> {
    // The map is changed in single steps, so a panic elsewhere leaves it valid.
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The state of one bundle's functions.
#[derive(Debug)]
pub struct BundleState {
    stream: StateStream,
    /// The instruction that runs.
    instruction: Mutex<String>,
}

impl BundleState {
    /// State asked for through `stream`.
    pub fn new(stream: StateStream) -> Arc<Self> {
        Arc::new(Self { stream, instruction: Mutex::default() })
    }

    /// Requests belong to this instruction from now on.
    pub fn begin(&self, instruction: &str) {
        instruction.clone_into(&mut self.instruction.lock().unwrap_or_else(PoisonError::into_inner));
    }

    async fn answer(&self, request: Vec<u8>) -> Result<Vec<u8>, String> {
        let instruction = self.instruction.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let responses = self.stream.ask(parse(&request, &instruction)?).await.map_err(|error| error.to_string())?;
        if let Some(refused) = responses.iter().find(|response| !response.error.is_empty()) {
            return Err(refused.error.clone());
        }
        let got = responses.into_iter().next_back().and_then(|last| last.get).unwrap_or_default();
        let mut reply = vec![0];
        reply.extend_from_slice(&(got.continuation_token.len() as u32).to_le_bytes());
        reply.extend_from_slice(&got.continuation_token);
        reply.extend_from_slice(&got.data);
        Ok(reply)
    }
}

impl HostService for BundleState {
    fn request(&self, request: Vec<u8>) -> Pin<Box<dyn Future<Output = Vec<u8>> + Send + '_>> {
        Box::pin(
            async move { self.answer(request).await.unwrap_or_else(|message| [b"\x01", message.as_bytes()].concat()) },
        )
    }
}

/// A guest's requests, of an instruction.
pub(crate) fn parse(mut requests: &[u8], instruction: &str) -> Result<Vec<StateRequest>, String> {
    let mut parsed = Vec::new();
    while let Some((&kind, rest)) = requests.split_first() {
        requests = rest;
        if parsed.len() == MOST {
            return Err(format!("more than {MOST} requests for state at once"));
        }
        if parsed.last().is_some_and(|last: &StateRequest| last.get.is_some()) {
            return Err("a request for state follows one that reads".to_owned());
        }
        let (key, content) = (take(&mut requests)?, take(&mut requests)?);
        let key = StateKey::decode(key).map_err(|error| format!("a state key cannot be read: {error}"))?;
        let kinds = [&key.bag_user_state, &key.multimap_side_input, &key.multimap_keys_side_input];
        if kinds.into_iter().flatten().count() != 1 {
            return Err("a state key is of a kind that PyFlink does not use".to_owned());
        }
        let instruction_id = instruction.to_owned();
        let mut request = StateRequest { instruction_id, state_key: Some(key), ..StateRequest::default() };
        match kind {
            0 => request.get = Some(StateGetRequest { continuation_token: content.to_vec() }),
            1 => request.append = Some(StateAppendRequest { data: content.to_vec() }),
            2 => request.clear = Some(Empty {}),
            _ => return Err("a request for state is of an unknown kind".to_owned()),
        }
        parsed.push(request);
    }
    if parsed.is_empty() { Err("a request for no state".to_owned()) } else { Ok(parsed) }
}

/// Bytes behind their length.
fn take<'a>(requests: &mut &'a [u8]) -> Result<&'a [u8], String> {
    const SHORT: &str = "a request for state ends too early";
    let (length, rest) = requests.split_first_chunk().ok_or(SHORT)?;
    let (bytes, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or(SHORT)?;
    *requests = rest;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::messages::KeyedState;

    fn request(kind: u8, key: &[u8], content: &[u8]) -> Vec<u8> {
        let (key_length, length) = ((key.len() as u32).to_le_bytes(), (content.len() as u32).to_le_bytes());
        [&[kind][..], &key_length, key, &length, content].concat()
    }

    #[test]
    fn requests_are_what_the_guest_said_and_no_more() {
        let state = KeyedState { state_id: "s".to_owned(), key: b"k".to_vec(), ..KeyedState::default() };
        let key = StateKey { bag_user_state: Some(state), ..StateKey::default() };
        let bytes = key.encode_to_vec();
        let parsed = parse(&[request(2, &bytes, b""), request(1, &bytes, b"value")].concat(), "bundle").unwrap();
        let [clear, append] = &parsed[..] else { panic!("two requests: {parsed:?}") };
        assert_eq!(append.state_key, Some(key));
        assert_eq!(append.append, Some(StateAppendRequest { data: b"value".to_vec() }));
        assert!(append.get.is_none() && append.clear.is_none() && append.instruction_id == "bundle");
        assert!(clear.clear.is_some() && clear.append.is_none() && clear.instruction_id == "bundle");
    }

    #[test]
    fn hostile_requests_are_refused() {
        let state = KeyedState::default();
        let key = StateKey { bag_user_state: Some(state.clone()), ..StateKey::default() };
        let two = StateKey { multimap_side_input: Some(state), ..key.clone() };
        let (right, change) = (request(0, &key.encode_to_vec(), b""), request(2, &key.encode_to_vec(), b""));
        assert!(parse(&[change.repeat(MOST - 1), right.clone()].concat(), "bundle").is_ok());
        for wrong in [
            Vec::new(),
            vec![0],
            vec![0, 0xff, 0xff, 0xff, 0xff],
            request(0, b"\xff\xff", b""),
            request(0, b"", b""),
            request(9, &key.encode_to_vec(), b""),
            request(0, &two.encode_to_vec(), b""),
            right[..right.len() - 1].to_vec(),
            [&right[..], &[0]].concat(),
            right.repeat(2),
            [&right[..], &change].concat(),
            change.repeat(MOST + 1),
        ] {
            assert!(parse(&wrong, "bundle").is_err(), "{wrong:?}");
        }
    }
}
