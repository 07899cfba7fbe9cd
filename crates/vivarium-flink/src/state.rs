//! State that Flink keeps, asked for by guests.
//!
//! A guest's request is [`HostService::request`]'s bytes: kind (one byte), length of the state key (32 bits, little-endian) and the
//! key, then what to append, or the continuation token. The reply is 0, length of the continuation token and the token, and data;
//! or 1 and a message. A guest can ask for the state of its own bundle only: the instruction is the one that runs, whatever it says.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::channel::{mpsc, oneshot};
use prost::Message as _;
use vivarium_sandbox::HostService;

use crate::error::Error;
use crate::protocol::messages::{Empty, StateAppendRequest, StateGetRequest, StateKey, StateRequest, StateResponse};
use crate::protocol::services::Server;

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
        let stream = Self { requests, waiting: Arc::clone(&waiting), next: Arc::default() };
        tokio::spawn(async move {
            match server.state(outgoing).await {
                Ok(mut responses) => {
                    while let Some(response) = responses.next().await {
                        if let Some(asked) = lock(&waiting).as_mut().and_then(|waiting| waiting.remove(&response.id)) {
                            // Nobody waits any more: the bundle has failed.
                            let _ = asked.send(response);
                        }
                    }
                }
                Err(error) => tracing::warn!(%error, "the state stream ended"),
            }
            // Whoever waits learns that nothing more will come.
            lock(&waiting).take();
        });
        stream
    }

    /// Asks and awaits the answer.
    async fn ask(&self, mut request: StateRequest) -> Result<StateResponse, Error> {
        const ENDED: Error = Error::StreamEnded("state");
        let (answer, answered) = oneshot::channel();
        request.id = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        lock(&self.waiting).as_mut().ok_or(ENDED)?.insert(request.id.clone(), answer);
        self.requests.unbounded_send(request).map_err(|_| ENDED)?;
        answered.await.map_err(|_| ENDED)
    }
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
        let mut request = parse(&request)?;
        request.instruction_id.clone_from(&self.instruction.lock().unwrap_or_else(PoisonError::into_inner));
        let response = self.stream.ask(request).await.map_err(|error| error.to_string())?;
        if !response.error.is_empty() {
            return Err(response.error);
        }
        let got = response.get.unwrap_or_default();
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

/// A guest's request, without instruction.
fn parse(request: &[u8]) -> Result<StateRequest, String> {
    const SHORT: &str = "a request for state ends too early";
    let (&kind, rest) = request.split_first().ok_or(SHORT)?;
    let (length, rest) = rest.split_first_chunk().ok_or(SHORT)?;
    let (key, content) = rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or(SHORT)?;
    let key = StateKey::decode(key).map_err(|error| format!("a state key cannot be read: {error}"))?;
    let kinds = [&key.bag_user_state, &key.multimap_side_input, &key.multimap_keys_side_input];
    if kinds.into_iter().flatten().count() != 1 {
        return Err("a state key is of a kind that PyFlink does not use".to_owned());
    }
    let mut parsed = StateRequest { state_key: Some(key), ..StateRequest::default() };
    match kind {
        0 => parsed.get = Some(StateGetRequest { continuation_token: content.to_vec() }),
        1 => parsed.append = Some(StateAppendRequest { data: content.to_vec() }),
        2 => parsed.clear = Some(Empty {}),
        _ => return Err("a request for state is of an unknown kind".to_owned()),
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::messages::KeyedState;

    fn request(kind: u8, key: &[u8], content: &[u8]) -> Vec<u8> {
        [&[kind][..], &(key.len() as u32).to_le_bytes(), key, content].concat()
    }

    #[test]
    fn a_request_is_what_the_guest_said_and_no_more() {
        let state = KeyedState { state_id: "s".to_owned(), key: b"k".to_vec(), ..KeyedState::default() };
        let key = StateKey { bag_user_state: Some(state), ..StateKey::default() };
        let parsed = parse(&request(1, &key.encode_to_vec(), b"value")).unwrap();
        assert_eq!(parsed.state_key, Some(key));
        assert_eq!(parsed.append, Some(StateAppendRequest { data: b"value".to_vec() }));
        assert!(parsed.get.is_none() && parsed.clear.is_none() && parsed.instruction_id.is_empty());
    }

    #[test]
    fn hostile_requests_are_refused() {
        let state = KeyedState::default();
        let key = StateKey { bag_user_state: Some(state.clone()), ..StateKey::default() };
        let two = StateKey { multimap_side_input: Some(state), ..key.clone() };
        for wrong in [
            Vec::new(),
            vec![0],
            vec![0, 0xff, 0xff, 0xff, 0xff],
            request(0, b"\xff\xff", b""),
            request(0, b"", b""),
            request(9, &key.encode_to_vec(), b""),
            request(0, &two.encode_to_vec(), b""),
        ] {
            assert!(parse(&wrong).is_err(), "{wrong:?}");
        }
    }
}
