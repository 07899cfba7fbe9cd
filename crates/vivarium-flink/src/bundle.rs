//! One bundle descriptor: its sandbox, and the instructions that are run in it one after the other.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;
use vivarium_sandbox::{Image, SandboxConfig};
use vivarium_text::OneLine;

use crate::cut;
use crate::data::{DataStream, Item};
use crate::descriptor::{Bundle, TIMER_FAMILY};
use crate::error::Error;
use crate::frames::{self, Kind};
use crate::guest::Guest;
use crate::metrics;
use crate::protocol::messages::{Data, Elements, ProcessBundleResponse, Timers};
use crate::state::BundleState;

/// A bundle that can be run.
#[derive(Debug)]
pub struct BundleRunner {
    bundle: Bundle,
    data: DataStream,
    state: Option<Arc<BundleState>>,
    image: Image,
    config: SandboxConfig,
    /// None before the first instruction, and after one that failed: the next one starts clean.
    guest: Option<Guest>,
}

impl BundleRunner {
    /// A bundle whose functions run in sandboxes of `image` and `config`; they are started when they are first needed.
    pub fn new(
        bundle: Bundle,
        data: DataStream,
        state: Option<Arc<BundleState>>,
        image: Image,
        config: SandboxConfig,
    ) -> Self {
        let host = state.clone().map(|state| state as Arc<dyn vivarium_sandbox::HostService>);
        Self { bundle, data, state, image, config: config.with_host(host), guest: None }
    }

    /// Runs one instruction: takes what comes for it, and sends what comes of it.
    ///
    /// # Errors
    /// When the functions fail, or a stream ends.
    pub async fn run(&mut self, instruction: &str, token: &[u8]) -> Result<ProcessBundleResponse, Error> {
        let data = self.data.clone();
        let _running = Running { data: &data, instruction };
        // It comes back when all went well: after an error, a panic or a call that was given up, the next instruction starts clean.
        let mut guest = self.guest.take();
        let ran = self.run_in_guest(&mut guest, instruction, token).await?;
        self.guest = guest;
        Ok(ran)
    }

    /// Closes the functions.
    pub async fn close(&mut self) {
        if let Some(guest) = self.guest.take()
            && let Err(error) = guest.close().await
        {
            tracing::warn!(error = %OneLine(&error), "functions could not be closed");
        }
    }

    async fn run_in_guest(
        &mut self,
        guest: &mut Option<Guest>,
        instruction: &str,
        token: &[u8],
    ) -> Result<ProcessBundleResponse, Error> {
        let mut inbox = self.data.inbox(instruction)?;
        if let Some(state) = &self.state {
            state.begin(instruction);
        }
        let guest = match guest {
            Some(guest) => guest,
            None => guest.insert(Guest::open(&self.image, &self.config, &self.bundle.description).await?),
        };
        let mut turn = Turn { guest, data: &self.data, bundle: &self.bundle, instruction };
        let most = cut::most(self.config.limits.batch_bytes);
        let mut open = Inputs::new(&self.bundle);
        let mut metrics = Value::Null;
        let mut message = Vec::new();
        frames::write(&mut message, Kind::Begin, instruction, token);
        while !open.is_empty() {
            let items = inbox.recv().await.ok_or(Error::StreamEnded("data"))?;
            for (kind, name, content) in items.iter().filter_map(|item| open.take(item)) {
                let whole = kind != Kind::Elements || !self.bundle.prefixed;
                for part in if whole { vec![content] } else { cut::parts(content, most) } {
                    if message.len().saturating_add(part.len()) > most {
                        let elements = turn.answer(&mut message).await?.elements;
                        turn.send(elements).await?;
                    }
                    frames::write(&mut message, kind, name, part);
                }
            }
            if open.is_empty() {
                frames::write(&mut message, Kind::Finish, "", &[]);
            }
            let answer = turn.answer(&mut message).await?;
            metrics = answer.metrics;
            let last = open.is_empty();
            let elements = if last { answer.elements.last(instruction, &self.bundle) } else { answer.elements };
            turn.send(elements).await?;
        }
        let step = self.bundle.functions.first().map_or("", String::as_str);
        Ok(ProcessBundleResponse { monitoring_infos: metrics::monitoring_infos(&metrics, step)? })
    }
}

/// Forgets an instruction when it has ended, in whatever way.
struct Running<'a> {
    data: &'a DataStream,
    instruction: &'a str,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.data.forget(self.instruction);
    }
}

/// An instruction that runs.
struct Turn<'a> {
    guest: &'a mut Guest,
    data: &'a DataStream,
    bundle: &'a Bundle,
    instruction: &'a str,
}

impl Turn<'_> {
    /// Has the guest answer a message, which is empty afterwards.
    async fn answer(&mut self, message: &mut Vec<u8>) -> Result<Outputs, Error> {
        let answer = self.guest.process(message).await?;
        message.clear();
        Outputs::read(&answer, self.instruction, self.bundle)
    }

    async fn send(&mut self, elements: Elements) -> Result<(), Error> {
        if elements.data.is_empty() && elements.timers.is_empty() { Ok(()) } else { self.data.send(elements).await }
    }
}

/// The inputs that have not ended: the source, and the timers of each transform that has some.
struct Inputs {
    sources: BTreeSet<String>,
    timers: BTreeSet<String>,
}

impl Inputs {
    fn new(bundle: &Bundle) -> Self {
        Self { sources: BTreeSet::from([bundle.source.clone()]), timers: bundle.timers.clone() }
    }

    fn is_empty(&self) -> bool {
        self.sources.is_empty() && self.timers.is_empty()
    }

    /// What an item holds for the guest, if anything: kind, transform and content.
    fn take<'a>(&mut self, item: &'a Item) -> Option<(Kind, &'a str, &'a [u8])> {
        let (kind, transform, content) = match item {
            Item::Data(Data { transform_id, data, is_last, .. }) => {
                if *is_last {
                    self.sources.remove(transform_id);
                }
                (Kind::Elements, transform_id, data)
            }
            Item::Timers(Timers { transform_id, timers, is_last, .. }) => {
                if *is_last {
                    self.timers.remove(transform_id);
                }
                (Kind::Timers, transform_id, timers)
            }
        };
        (!content.is_empty()).then_some((kind, transform.as_str(), content.as_slice()))
    }
}

/// What a message of the guest's holds.
struct Outputs {
    elements: Elements,
    metrics: Value,
}

impl Outputs {
    fn read(answer: &[u8], instruction: &str, bundle: &Bundle) -> Result<Self, Error> {
        let (mut elements, mut metrics) = (Elements::default(), Value::Null);
        for frame in frames::read(answer)? {
            match frame.kind {
                Kind::Elements if bundle.sinks.contains(frame.name) => {
                    elements.data.push(Data { data: frame.content.to_vec(), ..data(instruction, frame.name) });
                }
                Kind::Timers if bundle.timers.contains(frame.name) => {
                    elements.timers.push(Timers { timers: frame.content.to_vec(), ..timers(instruction, frame.name) });
                }
                Kind::Metrics => {
                    metrics = serde_json::from_slice(frame.content)
                        .map_err(|_| Error::Frames("metrics that are not JSON"))?;
                }
                _ => return Err(Error::Frames("elements for a transform that there is not")),
            }
        }
        Ok(Self { elements, metrics })
    }
}

impl Elements {
    /// These elements, after which nothing comes for the instruction.
    fn last(mut self, instruction: &str, bundle: &Bundle) -> Self {
        for sink in &bundle.sinks {
            self.data.push(Data { is_last: true, ..data(instruction, sink) });
        }
        for transform in &bundle.timers {
            self.timers.push(Timers { is_last: true, ..timers(instruction, transform) });
        }
        self
    }
}

fn data(instruction: &str, transform: &str) -> Data {
    Data { instruction_id: instruction.to_owned(), transform_id: transform.to_owned(), ..Data::default() }
}

fn timers(instruction: &str, transform: &str) -> Timers {
    Timers {
        instruction_id: instruction.to_owned(),
        transform_id: transform.to_owned(),
        timer_family_id: TIMER_FAMILY.to_owned(),
        ..Timers::default()
    }
}
