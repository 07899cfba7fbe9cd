//! Calls to the services that Flink runs for a worker. Each carries the worker's id.

use std::time::Duration;

use futures::channel::oneshot;
use futures::{Stream, StreamExt as _};
use prost::Message;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status, Streaming};
use tonic_prost::ProstCodec;

use super::messages::{
    Elements, Empty, GetProcessBundleDescriptorRequest, GetProvisionInfoRequest, GetProvisionInfoResponse,
    InstructionRequest, InstructionResponse, LogEntries, ProcessBundleDescriptor, ProvisionInfo, StateRequest,
    StateResponse,
};
use crate::error::Error;

/// No message is larger than what a Java array holds. What a sandbox takes of it is bounded by its limits.
const LARGEST_MESSAGE: usize = i32::MAX as usize;

/// How long a connection, and an answer to a call that has one answer, may take. Both ends are on this machine; a TaskManager that
/// collects garbage answers within it, and one that is gone does not keep a worker waiting.
const ANSWER_TIME: Duration = Duration::from_secs(60);

/// After so long without traffic the system asks whether the other end is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// What comes from Flink on a stream. When this is dropped, our side of the stream ends too: Flink waits for that, a minute long,
/// before it gives a job up.
#[derive(Debug)]
pub struct Incoming<A> {
    messages: Streaming<A>,
    call: &'static str,
    url: String,
    _open: oneshot::Sender<()>,
}

impl<A> Incoming<A> {
    /// The next message; none when Flink has closed the stream.
    ///
    /// # Errors
    /// [`Error::Call`] when the stream broke: that is not its end.
    pub async fn next(&mut self) -> Result<Option<A>, Error> {
        let failed = |status| Error::Call { call: self.call, url: self.url.clone(), status: Box::new(status) };
        self.messages.message().await.map_err(failed)
    }
}

/// A server of Flink's, for one worker.
#[derive(Clone, Debug)]
pub struct Server {
    grpc: Grpc<Channel>,
    worker: MetadataValue<Ascii>,
    url: String,
}

impl Server {
    /// Connects to `url`, `host:port` as Flink writes it.
    ///
    /// # Errors
    /// [`Error::Connect`]; [`Error::WorkerId`] when the id cannot be written into a header.
    pub async fn connect(url: &str, worker_id: &str) -> Result<Self, Error> {
        let failed = |source| Error::Connect { url: url.to_owned(), source };
        let endpoint = Endpoint::from_shared(format!("http://{url}")).map_err(failed)?.tcp_nodelay(true);
        // Windows of many bundles: both ends are on this machine.
        let endpoint = endpoint.connect_timeout(ANSWER_TIME).tcp_keepalive(Some(KEEPALIVE));
        let endpoint = endpoint.initial_stream_window_size(16 << 20).initial_connection_window_size(64 << 20);
        let channel = endpoint.connect().await.map_err(failed)?;
        let grpc =
            Grpc::new(channel).max_decoding_message_size(LARGEST_MESSAGE).max_encoding_message_size(LARGEST_MESSAGE);
        let worker = worker_id.parse().map_err(|_| Error::WorkerId(worker_id.to_owned()))?;
        Ok(Self { grpc, worker, url: url.to_owned() })
    }

    /// What the worker is to work with.
    ///
    /// # Errors
    /// [`Error::Call`].
    pub async fn provision_info(&mut self) -> Result<ProvisionInfo, Error> {
        let path = "/org.apache.beam.model.fn_execution.v1.ProvisionService/GetProvisionInfo";
        let response: GetProvisionInfoResponse = self.unary(path, GetProvisionInfoRequest {}).await?;
        Ok(response.info.unwrap_or_default())
    }

    /// A bundle descriptor by its id.
    ///
    /// # Errors
    /// [`Error::Call`].
    pub async fn bundle_descriptor(&mut self, id: &str) -> Result<ProcessBundleDescriptor, Error> {
        let path = "/org.apache.beam.model.fn_execution.v1.BeamFnControl/GetProcessBundleDescriptor";
        self.unary(path, GetProcessBundleDescriptorRequest { process_bundle_descriptor_id: id.to_owned() }).await
    }

    /// The stream of instructions; it is open when the first one comes.
    ///
    /// # Errors
    /// [`Error::Call`].
    pub async fn control(
        &mut self,
        responses: impl Stream<Item = InstructionResponse> + Send + 'static,
    ) -> Result<Incoming<InstructionRequest>, Error> {
        self.streaming("/org.apache.beam.model.fn_execution.v1.BeamFnControl/Control", responses).await
    }

    /// The stream of elements and timers.
    ///
    /// # Errors
    /// [`Error::Call`].
    pub async fn data(
        &mut self,
        elements: impl Stream<Item = Elements> + Send + 'static,
    ) -> Result<Incoming<Elements>, Error> {
        self.streaming("/org.apache.beam.model.fn_execution.v1.BeamFnData/Data", elements).await
    }

    /// The stream of requests for state.
    ///
    /// # Errors
    /// [`Error::Call`].
    pub async fn state(
        &mut self,
        requests: impl Stream<Item = StateRequest> + Send + 'static,
    ) -> Result<Incoming<StateResponse>, Error> {
        self.streaming("/org.apache.beam.model.fn_execution.v1.BeamFnState/State", requests).await
    }

    /// The stream of log entries. Nothing of interest comes back.
    ///
    /// # Errors
    /// [`Error::Call`].
    pub async fn logging(
        &mut self,
        entries: impl Stream<Item = LogEntries> + Send + 'static,
    ) -> Result<Incoming<Empty>, Error> {
        self.streaming("/org.apache.beam.model.fn_execution.v1.BeamFnLogging/Logging", entries).await
    }

    async fn unary<Q, A>(&mut self, path: &'static str, message: Q) -> Result<A, Error>
    where
        Q: Message + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        self.ready().await?;
        let request = self.request(message);
        let codec = ProstCodec::<Q, A>::default();
        let answer =
            tokio::time::timeout(ANSWER_TIME, self.grpc.unary(request, PathAndQuery::from_static(path), codec));
        let answer = answer.await.unwrap_or_else(|_| Err(Status::deadline_exceeded("there was no answer")));
        answer.map(tonic::Response::into_inner).map_err(|status| self.failed(path, status))
    }

    async fn streaming<Q, A>(
        &mut self,
        path: &'static str,
        messages: impl Stream<Item = Q> + Send + 'static,
    ) -> Result<Incoming<A>, Error>
    where
        Q: Message + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        self.ready().await?;
        let (open, closed) = oneshot::channel::<()>();
        let request = self.request(messages.take_until(closed));
        let codec = ProstCodec::<Q, A>::default();
        let answer = self.grpc.streaming(request, PathAndQuery::from_static(path), codec).await;
        let messages = answer.map(tonic::Response::into_inner).map_err(|status| self.failed(path, status))?;
        Ok(Incoming { messages, call: name_of(path), url: self.url.clone(), _open: open })
    }

    async fn ready(&mut self) -> Result<(), Error> {
        let url = self.url.clone();
        self.grpc.ready().await.map_err(|source| Error::Connect { url, source })
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("worker_id", self.worker.clone());
        request
    }

    fn failed(&self, path: &'static str, status: Status) -> Error {
        Error::Call { call: name_of(path), url: self.url.clone(), status: Box::new(status) }
    }
}

/// The name of a call by its path.
fn name_of(path: &'static str) -> &'static str {
    path.rsplit('/').next().unwrap_or(path)
}
