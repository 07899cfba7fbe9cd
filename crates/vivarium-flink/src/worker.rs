//! A worker: what Flink starts for each slot, and talks to until it is done.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError};

use futures::channel::mpsc;
use serde_json::json;
use tokio::sync::{Mutex, OnceCell};
use vivarium_sandbox::{Image, ProcessSandbox, ProcessSandboxError, SandboxConfig};
use vivarium_text::OneLine;

use crate::bundle::BundleRunner;
use crate::data::DataStream;
use crate::descriptor::Bundle;
use crate::error::Error;
use crate::logging::LogSink;
use crate::protocol::messages::{
    Empty, InstructionRequest, InstructionResponse, ProcessBundleRequest, ProcessBundleResponse, ProvisionInfo, Value,
};
use crate::protocol::services::Server;
use crate::state::{BundleState, StateStream};

/// Cached entries of state, when Flink does not say.
const STATE_CACHE: u64 = 1000;

/// What Flink said when it started the worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerOptions {
    /// The worker's id.
    pub id: String,
    /// Where the rest is asked for, `host:port`.
    pub provision_endpoint: String,
}

/// What functions run in.
#[derive(Debug, Clone)]
pub struct Sandboxes {
    /// The image of PyFlink's operations.
    pub image: Image,
    /// Limits, variables and environment.
    pub config: SandboxConfig,
}

/// A worker that is connected.
#[derive(Debug)]
pub struct Worker {
    id: String,
    provision: ProvisionInfo,
    control: Server,
}

impl Worker {
    /// Connects, and asks Flink what there is to know. Entries of `log` go to Flink from now on.
    ///
    /// # Errors
    /// When Flink cannot be reached.
    pub async fn connect(options: &WorkerOptions, log: Option<LogSink>) -> Result<Self, Error> {
        let mut server = Server::connect(&options.provision_endpoint, &options.id).await?;
        let provision = server.provision_info().await?;
        let control = provision.control_endpoint.as_ref().ok_or(Error::NoControl)?;
        let control = Server::connect(&control.url, &options.id).await?;
        if let (Some(log), Some(logging)) = (log, &provision.logging_endpoint) {
            log.connect(&logging.url, &options.id).await?;
        }
        Ok(Self { id: options.id.clone(), provision, control })
    }

    /// What Flink said.
    pub fn provision(&self) -> &ProvisionInfo {
        &self.provision
    }

    /// Runs instructions in these sandboxes until Flink closes the stream. Without sandboxes every instruction fails with the reason.
    ///
    /// The process goes into `process_sandbox` when the first bundle has its streams, and before a function runs. From then on there are no new
    /// connections: Flink gives a worker one server for data and one for state, whatever bundles it runs.
    ///
    /// # Errors
    /// When the stream cannot be opened. A bundle that fails is reported to Flink, and the worker goes on.
    pub async fn run(self, sandboxes: Result<Sandboxes, String>, process_sandbox: ProcessSandbox) -> Result<(), Error> {
        let (responses, outgoing) = mpsc::unbounded();
        let settings =
            json!({ "state_cache": state_cache(&self.provision), "log_levels": log_levels(&self.provision) });
        let bundles = Arc::new(Bundles {
            id: self.id,
            control: self.control.clone(),
            sandboxes,
            settings,
            runners: MadeOnce::default(),
            data: MadeOnce::default(),
            state: MadeOnce::default(),
            restriction: Restriction::new(process_sandbox),
        });
        let mut control = self.control;
        let mut instructions = control.control(outgoing).await?;
        loop {
            let instruction = match instructions.next().await {
                Ok(Some(instruction)) => instruction,
                Ok(None) => break,
                Err(error) => {
                    // Flink knows which instructions have no answer. A TaskManager that ends says goodbye in this way, too.
                    tracing::info!(error = %OneLine(&error), "the control stream broke");
                    break;
                }
            };
            let (bundles, responses) = (Arc::clone(&bundles), responses.clone());
            tokio::spawn(async move {
                let id = instruction.instruction_id.clone();
                let response = answered(id, async move { bundles.answer(instruction).await }).await;
                // Flink has closed the stream: nobody waits.
                let _ = responses.unbounded_send(response);
            });
        }
        bundles.close().await;
        Ok(())
    }
}

/// The answer to an instruction. Flink waits for one without an end, so work that dies answers, too.
async fn answered(
    instruction_id: String,
    work: impl Future<Output = InstructionResponse> + Send + 'static,
) -> InstructionResponse {
    tokio::spawn(work).await.unwrap_or_else(|died| {
        let error = format!("the worker failed while it ran the instruction: {died}");
        InstructionResponse { instruction_id, error, ..InstructionResponse::default() }
    })
}

/// A pipeline option of Beam's by its name, which is `beam:option:NAME:v1` on the wire.
fn option<'a>(provision: &'a ProvisionInfo, name: &str) -> Option<&'a Value> {
    let mut options = provision.pipeline_options.iter().flat_map(|options| &options.fields);
    options.find_map(|(key, value)| (key.split(':').nth(2).unwrap_or(key) == name).then_some(value))
}

/// `state_cache_size` among the experiments of the pipeline options.
fn state_cache(provision: &ProvisionInfo) -> u64 {
    let experiments = option(provision, "experiments").and_then(|value| value.list.as_ref());
    let mut texts = experiments.iter().flat_map(|list| &list.values).filter_map(|value| value.string.as_deref());
    texts.find_map(|text| text.strip_prefix("state_cache_size=")?.parse().ok()).unwrap_or(STATE_CACHE)
}

/// The levels of Python's loggers by their names, the root's under none: what Flink makes of `python.logging.default.level` and
/// `python.logging.level.overrides`.
fn log_levels(provision: &ProvisionInfo) -> BTreeMap<&str, &str> {
    let default = option(provision, "default_sdk_harness_log_level").and_then(|value| value.string.as_deref());
    let overrides = option(provision, "sdk_harness_log_level_overrides").and_then(|value| value.object.as_ref());
    let overrides = overrides.iter().flat_map(|object| &object.fields);
    let overrides = overrides.filter_map(|(name, value)| Some((name.as_str(), value.string.as_deref()?)));
    default.map(|level| ("", level)).into_iter().chain(overrides).collect()
}

/// The bundles that this worker has run, and the streams they share.
struct Bundles {
    id: String,
    control: Server,
    sandboxes: Result<Sandboxes, String>,
    /// What the guest is told of the job's configuration, by the names in its description of a bundle.
    settings: serde_json::Value,
    runners: MadeOnce<Mutex<BundleRunner>>,
    /// By address.
    data: MadeOnce<DataStream>,
    state: MadeOnce<StateStream>,
    restriction: Restriction,
}

/// The process sandbox, which is enforced once.
#[derive(Debug)]
struct Restriction {
    planned: std::sync::Mutex<Option<ProcessSandbox>>,
    in_force: OnceCell<Result<(), ProcessSandboxError>>,
}

impl Restriction {
    fn new(planned: ProcessSandbox) -> Self {
        Self { planned: std::sync::Mutex::new(Some(planned)), in_force: OnceCell::new() }
    }

    /// Enforces it, unless it is in force. Where that failed, it fails for everybody.
    async fn enforce(&self) -> Result<(), Error> {
        Ok(self.in_force.get_or_init(|| async { self.enforce_now() }).await.clone()?)
    }

    fn enforce_now(&self) -> Result<(), ProcessSandboxError> {
        let planned = self.planned.lock().unwrap_or_else(PoisonError::into_inner).take();
        let status = planned.ok_or(ProcessSandboxError::AlreadyEnforced)?.enforce()?;
        if !status.files || !status.calls {
            tracing::warn!(?status, "this system lacks Landlock or seccomp: WebAssembly is the only complete boundary");
        }
        Ok(())
    }

    fn is_in_force(&self) -> bool {
        matches!(self.in_force.get(), Some(Ok(())))
    }
}

/// Things that bundles share, each made by the first who wants it. Who wants another one does not wait for that.
#[derive(Debug)]
struct MadeOnce<T>(std::sync::Mutex<HashMap<String, Arc<OnceCell<Arc<T>>>>>);

impl<T> Default for MadeOnce<T> {
    fn default() -> Self {
        Self(std::sync::Mutex::default())
    }
}

impl<T> MadeOnce<T> {
    async fn get(&self, key: &str, make: impl Future<Output = Result<T, Error>>) -> Result<Arc<T>, Error> {
        let cell = Arc::clone(self.lock().entry(key.to_owned()).or_default());
        cell.get_or_try_init(|| async { make.await.map(Arc::new) }).await.cloned()
    }

    /// Takes out all that were made.
    fn take(&self) -> Vec<Arc<T>> {
        self.lock().drain().filter_map(|(_, cell)| cell.get().cloned()).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<OnceCell<Arc<T>>>>> {
        // Entries are added and removed whole, so a panic elsewhere leaves the map valid.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bundles {
    async fn answer(&self, request: InstructionRequest) -> InstructionResponse {
        let mut response = InstructionResponse { instruction_id: request.instruction_id.clone(), ..Default::default() };
        if let Some(bundle) = &request.process_bundle {
            match self.process(&request.instruction_id, bundle).await {
                Ok(processed) => response.process_bundle = Some(processed),
                Err(error) => {
                    tracing::warn!(error = %OneLine(&error), instruction = request.instruction_id, "a bundle failed");
                    response.error = error.to_string();
                }
            }
            return response;
        }
        let done = Some(Empty {});
        response.register = request.register.and(done);
        response.process_bundle_progress = request.process_bundle_progress.and(done);
        response.finalize_bundle = request.finalize_bundle.and(done);
        response.monitoring_infos = request.monitoring_infos.and(done);
        response.harness_monitoring_infos = request.harness_monitoring_infos.and(done);
        let answered =
            [response.register, response.process_bundle_progress, response.finalize_bundle, response.monitoring_infos];
        if answered.iter().chain([&response.harness_monitoring_infos]).all(Option::is_none) {
            "this worker does not know the instruction; is this Flink 2.3?".clone_into(&mut response.error);
        }
        response
    }

    async fn process(&self, instruction: &str, request: &ProcessBundleRequest) -> Result<ProcessBundleResponse, Error> {
        let runner = self.runner(&request.process_bundle_descriptor_id).await?;
        let token = request.cache_tokens.iter().find(|token| token.user_state.is_some());
        let token = token.map(|token| token.token.as_slice()).unwrap_or_default();
        runner.lock().await.run(instruction, token).await
    }

    async fn runner(&self, id: &str) -> Result<Arc<Mutex<BundleRunner>>, Error> {
        let make = async {
            let descriptor = self.control.clone().bundle_descriptor(id).await?;
            let mut bundle = Bundle::new(&descriptor)?;
            for name in ["state_cache", "log_levels"] {
                bundle.description[name] = self.settings[name].clone();
            }
            let data = self.data.get(&bundle.data_url, self.data_stream(&bundle.data_url)).await?;
            // Flink waits for the data stream before it takes an answer, so that this comes behind it.
            let Sandboxes { image, config } =
                self.sandboxes.as_ref().map_err(|reason| Error::Settings(reason.clone()))?;
            let state = match &bundle.state_url {
                Some(url) => Some(BundleState::new((*self.state.get(url, self.state_stream(url)).await?).clone())),
                None => None,
            };
            self.restriction.enforce().await?;
            Ok(Mutex::new(BundleRunner::new(bundle, (*data).clone(), state, image.clone(), config.clone())))
        };
        self.runners.get(id, make).await
    }

    async fn data_stream(&self, url: &str) -> Result<DataStream, Error> {
        Ok(DataStream::open(self.server(url).await?))
    }

    async fn state_stream(&self, url: &str) -> Result<StateStream, Error> {
        Ok(StateStream::open(self.server(url).await?))
    }

    async fn server(&self, url: &str) -> Result<Server, Error> {
        if self.restriction.is_in_force() {
            return Err(Error::NoNewConnection(url.to_owned()));
        }
        Server::connect(url, &self.id).await
    }

    /// Closes all functions.
    async fn close(&self) {
        for runner in self.runners.take() {
            runner.lock().await.close().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_instruction_whose_work_dies_is_answered_with_an_error() {
        async fn dies() -> InstructionResponse {
            panic!("a defect")
        }
        let died = answered("7".to_owned(), dies()).await;
        assert_eq!(died.instruction_id, "7");
        assert!(died.error.contains("the worker failed") && died.error.contains("a defect"), "{}", died.error);
    }

    #[tokio::test]
    async fn a_process_sandbox_that_cannot_be_enforced_lets_no_bundle_run() {
        let missing = tempfile::tempdir().unwrap().path().join("missing");
        let restriction = Restriction::new(ProcessSandbox::new().allow_reading(&missing));
        for _ in 0..2 {
            let error = restriction.enforce().await.unwrap_err();
            assert!(
                matches!(&error, Error::ProcessSandbox(ProcessSandboxError::Path { path, .. }) if *path == missing),
                "{error}"
            );
        }
        assert!(!restriction.is_in_force());
    }

    #[tokio::test]
    async fn one_thing_that_is_not_ready_keeps_nobody_from_another() {
        let shared = MadeOnce::<u32>::default();
        let mut dead = Box::pin(shared.get("dead", std::future::pending()));
        assert!(futures::poll!(&mut dead).is_pending());
        assert_eq!(*shared.get("alive", async { Ok(1) }).await.unwrap(), 1);
        // The next one makes it when the first has given up, and those after it get the same.
        drop(dead);
        assert_eq!(*shared.get("dead", async { Ok(2) }).await.unwrap(), 2);
        assert_eq!(*shared.get("dead", async { Ok(3) }).await.unwrap(), 2);
        assert_eq!(shared.take().len(), 2);
    }
}
