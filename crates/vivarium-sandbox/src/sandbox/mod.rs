//! A sandbox: one instance of an image, working for one task.
//!
//! ```text
//!   start ──> Ready ──call──> Busy ──returned──> Ready
//!                              │ ├─trap, limit of time, exit, broken contract──> Dead (why)
//!                              │ └─the future was dropped──> Dead (cancelled)
//! ```
//!
//! A call is a future; polling it runs the guest for at most a millisecond at a time, and dropping it stops the guest. An
//! exception in Python leaves the sandbox ready. Anything that may have damaged the interpreter ends it: its memory is
//! given back at once, and every later call gets [`Error::Dead`] with the reason. A dead sandbox is never revived and its
//! instance is never used again; a [`Pool`](crate::Pool) replaces it.

mod call;
mod config;
mod guest;
mod reply;

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::ArrayRef;
use arrow_schema::DataType;
use serde_json::{Value, json};
use tracing::Instrument;

pub use call::{Answer, Call, Expected, Invocation, Returned};
pub use config::SandboxConfig;
use guest::{Failure, Guest, Times};
pub use reply::{RowErrors, read_reply};
use vivarium_tenancy::{CallLimits, LimitKind, Limits, LimitsError, TaskAccount};
use vivarium_text::OneLine;

use crate::admission::Room;
use crate::audit;
use crate::error::Error;
use crate::exchange::Plan;
use crate::host_call::HostCalls;
use crate::image::Image;
use crate::output::Labels;
use crate::state::Deadline;

/// One instance of an image. It belongs to one task for life.
///
/// All calls must be polled within a tokio runtime that has its timer enabled.
pub struct Sandbox {
    task: Arc<TaskAccount>,
    /// Those that hold for the next call, and those that it was started with.
    limits: Arc<Limits>,
    configured: Arc<Limits>,
    labels: Arc<Labels>,
    /// Names of bound functions by handle, for log lines.
    functions: BTreeMap<u32, Arc<str>>,
    /// That of the call that runs, of which there is one at a time.
    deadline: Deadline,
    condition: Condition,
}

enum Condition {
    Ready(Box<Guest>),
    /// A call runs, or was dropped while it ran. The guest is with the call.
    Busy,
    Dead(String),
}

impl Sandbox {
    /// Instantiates `image` and starts its interpreter.
    ///
    /// # Errors
    /// [`Error::Limits`] for contradicting limits; [`Error::Limit`] when the tenant or the process has no room, or
    /// start-up takes too long; [`Error::Guest`] when the interpreter refuses its configuration; [`Error::Tenant`] when the tenant has
    /// ended, or is drained and the task is a new one. While the tenant is suspended this waits.
    pub async fn start(image: &Image, config: &SandboxConfig) -> Result<Self, Error> {
        let started = Self::start_in(None, image, config).await;
        if let Err(error) = &started
            && error.is_no_room()
        {
            audit::refused(&config.task, error);
        }
        started
    }

    /// The same in room that was there before, or in room that is there now.
    pub(crate) async fn start_in(room: Option<Room>, image: &Image, config: &SandboxConfig) -> Result<Self, Error> {
        let request = start_request(config)?;
        Self::start_with(image, config, Some(&request), room).await
    }

    /// Instantiates `image`, and starts its interpreter if there is a `request` to do it with.
    pub(crate) async fn start_with(
        image: &Image,
        config: &SandboxConfig,
        request: Option<&Value>,
        room: Option<Room>,
    ) -> Result<Self, Error> {
        config.task.admitted().await?;
        let limits = config.effective_limits();
        limits.validate()?;
        if limits.memory > image.runtime().config().sandbox_memory {
            return Err(LimitsError::new("memory", "is more than the process allows any sandbox").into());
        }
        let (task, limits) = (Arc::clone(&config.task), Arc::new(limits));
        image.runtime().census().note(task.tenant());
        let room = room.map_or_else(|| Room::now(image.runtime(), &task), Ok)?;
        let labels = Arc::new(Labels::new(&task));
        let deadline = Deadline::after(LimitKind::StartupTime, limits.startup_time);
        let wasi = config.wasi(image.runtime(), &limits, &labels)?;
        let host = HostCalls::new(config.host.clone(), limits.batch_bytes, task.tenant());
        let instantiated = Guest::instantiate(image, &task, &limits, wasi, host, &deadline, room).await;
        let mut guest = instantiated.inspect_err(|error| {
            // A lack of room is told of as that.
            if !error.is_no_room() {
                audit::ended(&task, error);
            }
        })?;
        let started = async {
            guest.check_version(&deadline).await?;
            if let Some(snapshot) = &config.snapshot {
                guest.restore(snapshot).await?;
            }
            match request {
                Some(request) => guest.control("start", request, &deadline).await.map(|_| ()),
                None => Ok(()),
            }
        };
        match started.await {
            Ok(()) => {}
            Err(Failure::Call(error) | Failure::Fatal(error)) => {
                audit::ended(&task, &error);
                return Err(error);
            }
        }
        Ok(Self {
            task,
            configured: Arc::clone(&limits),
            limits,
            labels,
            functions: BTreeMap::new(),
            deadline,
            condition: Condition::Ready(Box::new(guest)),
        })
    }

    /// Sends a control request (`wasm-python/ABI.md`, "Control requests") and returns the reply.
    ///
    /// `exec`, `eval` and `drop` may take [`Limits::batch_time`], all others [`Limits::startup_time`].
    ///
    /// # Errors
    /// [`Error::Guest`] when Python refuses; [`Error::Limit`]; after a trap, an exit or a broken contract the sandbox is
    /// dead.
    pub async fn control(&mut self, request: &Value) -> Result<Value, Error> {
        let name = request_name(request);
        match name {
            "exec" | "eval" | "drop" => self.deadline.restart(LimitKind::BatchTime, self.limits.batch_time),
            _ => self.deadline.restart(LimitKind::StartupTime, self.limits.startup_time),
        }
        let mut guest = self.begin()?;
        let span = tracing::debug_span!("control", tenant = %self.task.tenant().id(), job = %self.task.job(), task = %self.task.id(), request = name);
        let reply = guest.control(name, request, &self.deadline).instrument(span).await;
        let reply = self.finish(guest, reply)?;
        if name == "bind" {
            self.remember_function(request, &reply);
        }
        Ok(reply)
    }

    /// Sends a batch through a bound function: `rows` rows of `columns`, one column for each bound argument.
    ///
    /// `handle` comes from the reply to `bind`; `op` 0 calls the function. The result has one value of type `result` for
    /// each row. Columns are copied in and the result is copied out; neither shares memory with the guest.
    ///
    /// # Errors
    /// As [`call`](Self::call), and [`Error::Exchange`] for columns that cannot be sent.
    pub async fn invoke(
        &mut self,
        handle: u32,
        op: u32,
        rows: usize,
        columns: &[ArrayRef],
        result: &DataType,
    ) -> Result<Invocation, Error> {
        let batch = Plan::new(columns, rows)?;
        let expected = Expected::Values { data_type: result, nullable: true };
        let call = Call { handle, op, batch: Some(&batch), batch_rows: rows, first_row: 0, expected, time: None };
        let Answer { returned, row_errors, .. } = self.call(call).await?;
        Ok(Invocation { array: returned.into_array(), row_errors })
    }

    /// Runs one operation of a bound function.
    ///
    /// # Errors
    /// [`Error::Guest`] when the function fails; [`Error::Limit`] when a limit is reached; [`Error::Exchange`] when the result
    /// is not what was expected; [`Error::Trap`], [`Error::Exit`], [`Error::Protocol`] and, when the tenant is ended meanwhile,
    /// [`Error::Tenant`] when the guest is destroyed.
    pub async fn call(&mut self, call: Call<'_>) -> Result<Answer, Error> {
        let rows = call.batch_rows;
        let time = call.time.map_or(self.limits.batch_time, |time| time.min(self.limits.batch_time));
        self.deadline.restart(LimitKind::BatchTime, time);
        let mut guest = self.begin()?;
        let function = self.functions.get(&call.handle);
        let span = tracing::debug_span!("invoke", tenant = %self.task.tenant().id(), job = %self.task.job(), task = %self.task.id(), function = function.map(|name| &**name), first_row = call.first_row, rows);
        self.labels.begin_call(function, (call.first_row, rows as u64));
        if call.batch.is_some() {
            self.task.metrics().add_call(rows);
        }
        let mut times = Times { began: Instant::now(), ended: None };
        let returned = pin!(guest.invoke(&call, &self.deadline, &mut times)).instrument(span).await;
        self.labels.end_call();
        if call.batch.is_some() {
            let ended = times.ended.unwrap_or_else(Instant::now);
            self.task.metrics().add_call_time(ended - times.began);
        }
        self.finish(guest, returned)
    }

    /// Whether the next call will be answered.
    pub fn is_alive(&self) -> bool {
        matches!(self.condition, Condition::Ready(_))
    }

    /// Whether it has made as many calls, or copied as many bytes, as it may before its [`Pool`](crate::Pool) replaces it
    /// ([`Limits::instance_calls`], [`Limits::instance_bytes`]).
    pub fn is_worn(&self) -> bool {
        matches!(&self.condition, Condition::Ready(guest) if guest.is_worn())
    }

    /// The task it works for.
    pub fn task(&self) -> &Arc<TaskAccount> {
        &self.task
    }

    /// What its next call may use.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Holds calls from now on to less than the sandbox may use. What is given here replaces what was given before; it never
    /// goes beyond the limits that the sandbox was started with.
    pub fn limit_calls(&mut self, limits: &CallLimits) {
        self.limits = Arc::new(limits.applied_to(&self.configured));
        if let Condition::Ready(guest) = &mut self.condition {
            guest.set_limits(Arc::clone(&self.limits));
        }
    }

    /// Size of its linear memory in bytes; 0 when it is dead.
    pub fn memory_size(&self) -> u64 {
        match &self.condition {
            Condition::Ready(guest) => guest.memory_size(),
            _ => 0,
        }
    }

    /// Has the guest arrange its heap so that instances which share it write little; false when the image cannot.
    pub(crate) async fn settle(&mut self) -> Result<bool, Error> {
        self.deadline.restart(LimitKind::StartupTime, self.limits.startup_time);
        let mut guest = self.begin()?;
        let settled = guest.settle(&self.deadline).await;
        self.finish(guest, settled)
    }

    /// All of linear memory; nothing when it is dead.
    pub(crate) fn memory(&self) -> &[u8] {
        match &self.condition {
            Condition::Ready(guest) => guest.memory(),
            _ => &[],
        }
    }

    /// What the guest has that is not in its memory: open files, or files in scratch.
    pub(crate) fn state_outside_memory(&self) -> Option<&'static str> {
        match &self.condition {
            Condition::Ready(guest) => guest.state_outside_memory(),
            _ => Some("no sandbox"),
        }
    }

    /// Takes the guest for a call. If the call is dropped, so is the guest, and the condition stays `Busy`.
    fn begin(&mut self) -> Result<Box<Guest>, Error> {
        match std::mem::replace(&mut self.condition, Condition::Busy) {
            Condition::Ready(guest) => Ok(guest),
            Condition::Busy => Err(Error::Cancelled),
            Condition::Dead(reason) => {
                self.condition = Condition::Dead(reason.clone());
                Err(Error::Dead { reason })
            }
        }
    }

    /// Puts the guest back after a call, or ends it.
    fn finish<T>(&mut self, guest: Box<Guest>, returned: Result<T, Failure>) -> Result<T, Error> {
        match returned {
            Ok(value) => {
                self.condition = Condition::Ready(guest);
                Ok(value)
            }
            Err(Failure::Call(error)) => {
                self.condition = Condition::Ready(guest);
                Err(error)
            }
            Err(Failure::Fatal(error)) => {
                self.condition = Condition::Dead(error.to_string());
                audit::ended(&self.task, &error);
                tracing::debug!(tenant = %self.task.tenant().id(), job = %self.task.job(), task = %self.task.id(), error = %OneLine(&error), "sandbox died");
                Err(error)
            }
        }
    }

    /// Keeps the function's name for its log lines. The handle is the guest's word: it only chooses a label here.
    fn remember_function(&mut self, request: &Value, reply: &Value) {
        /// More functions than this are called without a label.
        const MAX_LABELS: usize = 1000;
        let handle = reply["handle"].as_u64().and_then(|handle| u32::try_from(handle).ok());
        // A declaration may have another name than the attribute that holds it.
        let name = request["label"].as_str().or_else(|| request["function"].as_str());
        if let (Some(handle), Some(name)) = (handle, name)
            && (self.functions.len() < MAX_LABELS || self.functions.contains_key(&handle))
        {
            self.functions.insert(handle, name.into());
        }
    }
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let condition = match &self.condition {
            Condition::Ready(_) => "ready",
            Condition::Busy => "cancelled",
            Condition::Dead(reason) => reason,
        };
        formatter
            .debug_struct("Sandbox")
            .field("task", &self.task.id())
            .field("condition", &condition)
            .finish_non_exhaustive()
    }
}

/// The first request: what the snapshot could not know.
fn start_request(config: &SandboxConfig) -> Result<Value, Error> {
    let mut seed = [0; 32];
    match config.seed {
        Some(given) => seed = given,
        None => getrandom::fill(&mut seed).map_err(|error| Error::Start(wasmtime::Error::msg(error)))?,
    }
    let seed: String = seed.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(json!({
        "op": "start", "seed": seed, "variables": config.variables, "path": config.path, "directory": config.directory,
    }))
}

/// The request's name, if it is one of those the contract knows.
fn request_name(request: &Value) -> &'static str {
    const NAMES: [&str; 8] = ["load", "bind", "drop", "explain", "exec", "eval", "start", "warm"];
    let name = request["op"].as_str().unwrap_or_default();
    NAMES.into_iter().find(|known| *known == name).unwrap_or("control")
}
